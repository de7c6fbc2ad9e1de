"""The routes by which datasets are looked at, changed and deleted. Source: `webknossos-server` §1.8."""

import json
import shutil
from collections.abc import Mapping
from typing import Any

from wk_assets.standin.call import Call, Routes
from wk_assets.standin.data_sources import mistakes_of
from wk_assets.standin.dataset_store import (
    Dataset,
    as_json,
    compact,
    data_store,
    editable,
    files_of,
    may_read,
    name_mistake,
    readable,
    remove_dropped,
    save_dataset,
)
from wk_assets.standin.people import (
    asker,
    existing_folder,
    new_token,
    unique_metadata,
)
from wk_assets.standin.replies import Refusal, not_found, said
from wk_assets.standin.world import ORGANIZATION

routes = Routes()


# ---------------------------------------------------------------------- looking


@routes.on("api", "GET", "/datasets", secured=False)
def list_datasets(call: Call) -> Any:
    """List datasets, compact from version 16 on or where that is asked for."""
    found = [
        row["doc"] for row in call.world.database.rows("SELECT doc FROM datasets WHERE deleted = 0 ORDER BY rowid")
    ]
    found = [dataset for dataset in found if may_read(call.world, call.user, dataset)]
    active, folder, search = call.flag("isActive"), call.query.get("folderId"), call.query.get("searchQuery")
    if active is not None:
        found = [dataset for dataset in found if (dataset["status"] is None) == active]
    if folder:
        found = [dataset for dataset in found if dataset["folderId"] == folder]
    if search:
        found = [dataset for dataset in found if search.lower() in dataset["name"].lower()]
    limit = call.number("limit")
    found = found if limit is None else found[:limit]
    short = call.version >= 16 or call.flag("compact")
    return [compact(call, dataset) if short else as_json(call, dataset) for dataset in found]


@routes.on("api", "GET", "/datasets/disambiguate/:organization/:name/toId", secured=False)
def dataset_of_directory(call: Call) -> Any:
    """Say which dataset a directory's name, or a dataset's name, means."""
    name = call.parts["name"]
    found = call.world.database.row(
        "SELECT doc FROM datasets WHERE deleted = 0 AND (directory = ? OR name = ?) ORDER BY directory = ? DESC, rowid DESC",
        (name, name, name),
    )
    if found is None or call.parts["organization"] != ORGANIZATION:
        raise not_found("Dataset", name)
    dataset = found["doc"]
    if not may_read(call.world, call.user, dataset):
        raise not_found("Dataset", name)
    return {
        "id": dataset["id"], "name": dataset["name"], "organization": ORGANIZATION,
        "directoryName": dataset["directoryName"],
    }  # fmt: skip


@routes.on("api", "GET", "/datasets/:name/isValidNewName")
def is_valid_new_name(call: Call) -> Any:
    """Judge the characters of a name, nothing else; `errors` is one text."""
    asker(call)
    mistake = name_mistake(call.parts["name"])
    return {"isValid": True} if mistake is None else {"isValid": False, "errors": mistake}


@routes.on("api", "GET", "/datasets/:id/sharingToken", changes=True)
def sharing_token(call: Call) -> Any:
    """Return the token that opens a dataset to anybody; make one if there is none."""
    dataset = editable(call, call.parts["id"])
    found = call.world.database.row("SELECT token FROM tokens WHERE dataset_id = ?", (dataset["id"],))
    return {"sharingToken": found["token"] if found else new_token(call.world, dataset_id=dataset["id"])}


@routes.on("api", "DELETE", "/datasets/:id/sharingToken")
def delete_sharing_token(call: Call) -> Any:
    """Close a dataset again."""
    dataset = editable(call, call.parts["id"])
    call.world.database.change("DELETE FROM tokens WHERE dataset_id = ?", (dataset["id"],))
    return said("The sharing token was deleted.")


@routes.on("api", "GET", "/datasets/:id", secured=False)
def get_dataset(call: Call) -> Any:
    """Describe a dataset."""
    return as_json(call, readable(call, call.parts["id"]))


@routes.on("api", "POST", "/datasetConfigurations/:id", secured=False, changes=False)
def view_configuration(call: Call) -> Any:
    """Return how a dataset is shown at first."""
    dataset = readable(call, call.parts["id"])
    source = dataset["source"] or {}
    shown = {
        "fourBit": False,
        "interpolation": True,
        "renderMissingDataBlack": True,
        "loadingStrategy": "BEST_QUALITY_FIRST",
    }
    layers = {
        layer["name"]: layer.get("defaultViewConfiguration", {"alpha": 100, "isDisabled": False})
        for layer in source.get("dataLayers", [])
    }
    return {**shown, "layers": layers, **(source.get("defaultViewConfiguration") or {})}


@routes.on("api", "GET", "/datastores", secured=False)
def data_stores(call: Call) -> Any:
    """List the one data store."""
    return [data_store(call.world)]


# ---------------------------------------------------------------------- changing


def _change(call: Call, dataset: Dataset, body: Mapping[str, Any]) -> dict[str, Any]:
    plain = {"description", "sortingKey", "isPublic", "tags"}
    if "name" in body:
        mistake = name_mistake(body["name"] or "")
        if mistake:
            raise Refusal(mistake)
        dataset["name"] = body["name"]
    for key in plain & set(body):
        dataset[key] = body[key]
    if body.get("folderId") is not None:
        dataset["folderId"] = existing_folder(call.world, body["folderId"])["id"]
    if "metadata" in body:
        dataset["metadata"] = unique_metadata(body["metadata"] or [])
    source, files = dataset["source"], files_of(dataset)
    if source is not None:
        source = _renamed(source, body)
    if body.get("dataSource") is not None:
        source = _updated_source(source or {"dataLayers": []}, body["dataSource"], call.version)
    dataset["source"] = source
    save_dataset(call.world, dataset)
    if body.get("dataSource") is not None:
        remove_dropped(call.world, dataset, files)
    return as_json(call, dataset)


def _renamed(source: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    layers = [dict(layer) for layer in source["dataLayers"]]
    for renaming in body.get("layerRenamings") or []:
        for layer in layers:
            if layer["name"] == renaming["oldName"]:
                layer["name"] = renaming["newName"]
    for renaming in body.get("attachmentRenamings") or []:
        for layer in layers:
            if layer["name"] == renaming["layerName"] and layer.get("attachments"):
                text = json.dumps(layer["attachments"])
                layer["attachments"] = _with_name(json.loads(text), renaming["oldName"], renaming["newName"])
    return {**source, "dataLayers": layers}


def _with_name(attachments: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    for entries in attachments.values():
        for entry in entries if isinstance(entries, list) else [entries]:
            if entry and entry["name"] == old:
                entry["name"] = new
    return attachments


def _updated_source(before: Mapping[str, Any], wanted: Mapping[str, Any], version: int) -> dict[str, Any]:
    """Apply what may be changed of a data source: mags and attachments can go, but not come."""
    there = {layer["name"]: layer for layer in before["dataLayers"]}
    layers = []
    for layer in wanted.get("dataLayers", []):
        known = there.get(layer["name"])
        if known is None and layer.get("mags"):
            raise Refusal(f"Layer “{layer['name']}” is new: it must be added without mags.")
        mags = [mag["mag"] for mag in (known or {}).get("mags", [])]
        new = [mag["mag"] for mag in layer.get("mags", []) if mag["mag"] not in mags]
        if new:
            raise Refusal(f"Mags {new} can not be added to layer “{layer['name']}” by an update.")
        kept = [
            mag for mag in (known or {}).get("mags", []) if mag["mag"] in [one["mag"] for one in layer.get("mags", [])]
        ]
        changed = {**(known or {}), **layer, "mags": kept}
        if version < 13 and known is not None and "attachments" not in layer and "attachments" in known:
            changed["attachments"] = known["attachments"]
        elif "attachments" not in layer:
            changed.pop("attachments", None)
        layers.append(changed)
    updated = {**before, **wanted, "dataLayers": layers}
    mistakes = [mistake for mistake in mistakes_of(updated, None) if "at least one" not in mistake]
    if mistakes:
        raise Refusal("The data source is not valid.", chain=" <~ ".join(mistakes))
    return updated


@routes.on("api", "PATCH", "/datasets/:id/updatePartial")
def update_partially(call: Call) -> Any:
    """Change what the body names; null resets."""
    return _change(call, editable(call, call.parts["id"]), call.json())


@routes.on("api", "PATCH", "/datasets/:id/teams")
def update_teams(call: Call) -> Any:
    """Say which teams may see a dataset."""
    dataset = editable(call, call.parts["id"])
    known = {team["id"] for team in call.world.all("teams")}
    unknown = [team for team in call.json() if team not in known]
    if unknown:
        raise not_found("Team", unknown[0])
    dataset["allowedTeams"] = call.json()
    save_dataset(call.world, dataset)
    return dataset["allowedTeams"]


@routes.on("api", "PATCH", "/datasets/:id")
def update_whole(call: Call) -> Any:
    """Change a dataset by its whole description: what it says of data and folder stays as it is."""
    body = {
        key: value
        for key, value in call.json().items()
        if key in {"description", "isPublic", "tags", "metadata", "folderId"}
    }
    return _change(call, editable(call, call.parts["id"]), body)


@routes.on("api", "DELETE", "/datasets/:id")
def delete_dataset(call: Call) -> Any:
    """Delete a dataset; one with annotations stays as an unusable entry."""
    if not call.world.settings.delete_datasets:
        raise Refusal("Deleting datasets is not enabled on this server.")
    dataset = editable(call, call.parts["id"])
    inside = f"{dataset['root']}/"
    for other in call.world.database.rows("SELECT doc FROM datasets WHERE deleted = 0 AND id != ?", (dataset["id"],)):
        if inside in json.dumps(other["doc"]["source"]):
            raise Refusal(f"Dataset “{other['doc']['name']}” refers to files of this dataset.")
    shutil.rmtree(dataset["root"], ignore_errors=True)
    call.world.database.change("UPDATE datasets SET deleted = 1 WHERE id = ?", (dataset["id"],))
    return said("The dataset was deleted.")
