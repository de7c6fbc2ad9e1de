"""Uploads by clients that reach the disk: the server names paths, the client puts files there. Source: `webknossos-server` §1.9."""

import json
from pathlib import Path
from typing import Any

from wk_assets.standin.call import Call, Routes
from wk_assets.standin.data_sources import mistakes_of
from wk_assets.standin.dataset_store import (
    NOT_UPLOADED_TO_PATHS,
    Dataset,
    add_dataset,
    attachment_key,
    editable,
    layer_of,
    linked,
    put_attachment,
    readable,
    save_dataset,
    usable,
)
from wk_assets.standin.people import asker, manages_any, require
from wk_assets.standin.replies import Refusal, not_found

routes = Routes()


def _with_paths(call: Call, dataset: Dataset, source: dict[str, Any], prefix: str | None) -> dict[str, Any]:
    """Return a data source in which every mag and attachment has the absolute path that it shall be put at."""
    root = _root(call, dataset, prefix)
    placed: dict[str, Any] = json.loads(json.dumps(source))
    for layer in placed.get("dataLayers", []):
        for mag in layer["mags"]:
            mag["path"] = str(root / layer["name"] / "-".join(map(str, mag["mag"])))
        for kind, entries in (layer.get("attachments") or {}).items():
            for entry in entries if isinstance(entries, list) else [entries]:
                if entry:
                    entry["path"] = str(root / layer["name"] / kind / entry["name"])
    return placed


def _root(call: Call, dataset: Dataset, prefix: str | None) -> Path:
    base = call.world.paths_prefix
    if prefix is not None and not Path(prefix).resolve().is_relative_to(base.resolve()):
        raise Refusal(f"The path prefix {prefix} is not configured on this server.")
    return Path(prefix or base) / str(dataset["directoryName"])


@routes.on("api", "POST", "/datasets/reserveUploadToPaths")
def reserve(call: Call) -> Any:
    """Name the paths of a new dataset's files."""
    require(manages_any(asker(call)), "dataset.upload")
    body = call.json("datasetName", "dataSource", "initialTeamIds", "requireUniqueName", "layersToLink")
    dataset = add_dataset(
        call.world,
        body["datasetName"],
        folder_id=body.get("folderId"),
        team_ids=tuple(body["initialTeamIds"]),
        status=NOT_UPLOADED_TO_PATHS,
        unique=body["requireUniqueName"],
    )
    source = _with_paths(call, dataset, body["dataSource"], body.get("pathPrefix"))
    links = [
        linked(readable(call, one["datasetId"]), one["layerName"], one.get("newLayerName"))
        for one in body["layersToLink"]
    ]
    dataset["source"] = {**source, "dataLayers": [*source["dataLayers"], *links]}
    save_dataset(call.world, dataset)
    return {"newDatasetId": dataset["id"], "dataSource": source}


@routes.on("api", "POST", "/datasets/:id/reserveUploadToPathsForPreliminary")
def reserve_preliminary(call: Call) -> Any:
    """Name the paths of the files of a dataset that exists already, empty."""
    dataset = editable(call, call.parts["id"])
    if dataset["status"] is None:
        raise Refusal("The dataset is in use already.")
    body = call.json("dataSource")
    dataset["source"] = _with_paths(call, dataset, body["dataSource"], body.get("pathPrefix"))
    dataset["status"] = NOT_UPLOADED_TO_PATHS
    save_dataset(call.world, dataset)
    return {"dataSource": dataset["source"]}


@routes.on("api", "POST", "/datasets/:id/finishUploadToPaths")
def finish(call: Call) -> Any:
    """Look at what was put in place, and let the dataset be used."""
    dataset = editable(call, call.parts["id"])
    if dataset["status"] is None or dataset["source"] is None:
        raise Refusal("The dataset is not being uploaded.")
    mistakes = mistakes_of(dataset["source"], Path("/"), call.version)
    if mistakes:
        raise Refusal("The data source is not valid.", chain=" <~ ".join(mistakes))
    usable(call.world, dataset, dataset["source"])


def _virtual(call: Call) -> Dataset:
    dataset = editable(call, call.parts["id"])
    if not dataset["isVirtual"]:
        raise Refusal("Mags and attachments can only be added to virtual datasets.")
    return dataset


@routes.on("api", "POST", "/datasets/:id/reserveMagUploadToPath")
def reserve_mag(call: Call) -> Any:
    """Name the path of a new mag."""
    dataset, body = _virtual(call), call.json("layerName", "mag")
    layer = layer_of(dataset, body["layerName"])
    if body["mag"] in [one["mag"] for one in layer["mags"]]:
        raise Refusal(f"Layer “{layer['name']}” has a mag {body['mag']} already.")
    return str(_mag_path(call, dataset, body))


def _mag_path(call: Call, dataset: Dataset, body: dict[str, Any]) -> Path:
    return _root(call, dataset, body.get("pathPrefix")) / str(body["layerName"]) / "-".join(map(str, body["mag"]))


@routes.on("api", "POST", "/datasets/:id/finishMagUploadToPath")
def finish_mag(call: Call) -> Any:
    """Look at a mag that was put in place, and add it."""
    dataset, body = _virtual(call), call.json("layerName", "mag")
    layer = layer_of(dataset, body["layerName"])
    entry = {"mag": body["mag"], "path": str(_mag_path(call, dataset, body))}
    entry.update({key: body[key] for key in ("axisOrder", "channelIndex") if body.get(key) is not None})
    candidate = {**(dataset["source"] or {}), "dataLayers": [{**layer, "mags": [entry]}]}
    mistakes = mistakes_of(candidate, Path("/"), call.version)
    if mistakes:
        raise Refusal("The mag is not valid.", chain=" <~ ".join(mistakes))
    layer["mags"].append(entry)
    save_dataset(call.world, dataset)


def _attachment_path(call: Call, dataset: Dataset, body: dict[str, Any]) -> Path:
    root = _root(call, dataset, body.get("pathPrefix"))
    return root / str(body["layerName"]) / attachment_key(body["attachmentType"]) / str(body["attachmentName"])


@routes.on("api", "POST", "/datasets/:id/reserveAttachmentUploadToPath")
def reserve_attachment(call: Call) -> Any:
    """Name the path of a new attachment."""
    dataset, body = _virtual(call), call.json("layerName", "attachmentName", "attachmentType", "attachmentDataformat")
    layer_of(dataset, body["layerName"])
    return str(_attachment_path(call, dataset, body))


@routes.on("api", "POST", "/datasets/:id/finishAttachmentUploadToPath")
def finish_attachment(call: Call) -> Any:
    """Add an attachment that was put in place."""
    dataset, body = _virtual(call), call.json("layerName", "attachmentName", "attachmentType", "attachmentDataformat")
    path = _attachment_path(call, dataset, body)
    if not path.exists():
        raise Refusal(f"There is nothing at {path}.")
    entry = {"name": body["attachmentName"], "path": str(path), "dataFormat": body["attachmentDataformat"]}
    put_attachment(layer_of(dataset, body["layerName"]), attachment_key(body["attachmentType"]), entry)
    save_dataset(call.world, dataset)


# ---------------------------------------------------------------------- weights of networks


@routes.on("api", "POST", "/aiModels/reserveUploadToPath")
def reserve_model(call: Call) -> Any:
    """Name the path of a network's weights."""
    asker(call)
    body = call.json("name", "dataStoreName")
    key = body.get("existingAiModelId") or call.world.new_id()
    path = call.world.paths_prefix / "aiModels" / key
    model = {"id": key, "name": body["name"], "path": str(path), "category": body.get("category"), "isUsable": False}
    call.world.database.set(f"aiModel {key}", json.dumps(model))
    return model


@routes.on("api", "GET", "/aiModels/:id")
def model(call: Call) -> Any:
    """Describe a network's weights."""
    asker(call)
    text = call.world.database.setting(f"aiModel {call.parts['id']}")
    if not text:
        raise not_found("AI model", call.parts["id"])
    return json.loads(text)


@routes.on("api", "POST", "/aiModels/:id/finishUploadToPath")
def finish_model(call: Call) -> Any:
    """Let a network's weights be used."""
    found = model(call)
    call.world.database.set(f"aiModel {found['id']}", json.dumps({**found, "isUsable": True}))
