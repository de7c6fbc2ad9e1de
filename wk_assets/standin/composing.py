"""Datasets made of parts of others, or described only (see `exploring` for what lies elsewhere). Source: `webknossos-server` §1.8."""

from typing import Any

from wk_assets.standin.call import Call, Routes
from wk_assets.standin.data_sources import mistakes_of
from wk_assets.standin.dataset_store import (
    Dataset,
    absolute_layer,
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
from wk_assets.standin.people import (
    asker,
    manages_any,
    require,
)
from wk_assets.standin.replies import Refusal, not_found

routes = Routes()


# ---------------------------------------------------------------------- composing


def _composed(call: Call) -> tuple[Dataset, Dataset, dict[str, Any]]:
    target = editable(call, call.parts["id"])
    body = call.json("sourceDatasetId", "sourceLayerName", "targetLayerName")
    if not target["isVirtual"]:
        raise Refusal("Layers can only be added to virtual datasets.")
    return target, readable(call, body["sourceDatasetId"]), body


@routes.on("api", "POST", "/datasets/:id/compose/addLayer")
def add_layer(call: Call) -> Any:
    """Let a dataset refer to a layer of another."""
    target, source, body = _composed(call)
    names = [layer["name"] for layer in (target["source"] or {}).get("dataLayers", [])]
    if body["targetLayerName"] in names:
        raise Refusal(f"There is a layer “{body['targetLayerName']}” already.")
    base = target["source"] or {"scale": source["source"]["scale"], "version": 1, "dataLayers": []}
    layer = linked(source, body["sourceLayerName"], body["targetLayerName"])
    usable(call.world, target, {**base, "dataLayers": [*base["dataLayers"], layer]})
    return None


@routes.on("api", "POST", "/datasets/:id/compose/addMag")
def add_mag(call: Call) -> Any:
    """Let a layer refer to a mag of another."""
    target, source, body = _composed(call)
    layer = layer_of(target, body["targetLayerName"])
    if body["targetMag"] in [mag["mag"] for mag in layer["mags"]]:
        raise Refusal(f"There is a mag {body['targetMag']} already.")
    for mag in absolute_layer(source, body["sourceLayerName"])["mags"]:
        if mag["mag"] == body["sourceMag"]:
            layer["mags"].append({**mag, "mag": body["targetMag"]})
            save_dataset(call.world, target)
            return None
    raise not_found("Mag", body["sourceMag"])


@routes.on("api", "POST", "/datasets/:id/compose/addAttachment")
def add_attachment(call: Call) -> Any:
    """Let a layer refer to an attachment of another."""
    target, source, body = _composed(call)
    key = attachment_key(body["attachmentType"])
    entries = (absolute_layer(source, body["sourceLayerName"]).get("attachments") or {}).get(key) or []
    for entry in entries if isinstance(entries, list) else [entries]:
        if entry["name"] == body["sourceAttachmentName"]:
            put_attachment(
                layer_of(target, body["targetLayerName"]), key, {**entry, "name": body["targetAttachmentName"]}
            )
            save_dataset(call.world, target)
            return None
    raise not_found("Attachment", body["sourceAttachmentName"])


@routes.on("api", "POST", "/datasets/addVirtualDataset/:name")
def add_virtual(call: Call) -> Any:
    """Add a dataset that is described only."""
    require(manages_any(asker(call)), "dataset.create")
    body = call.json("dataSource")
    mistakes = mistakes_of(body["dataSource"], None)
    if mistakes:
        raise Refusal("The data source is not valid.", chain=" <~ ".join(mistakes))
    dataset = add_dataset(call.world, call.parts["name"], folder_id=body.get("folderId"))
    usable(call.world, dataset, body["dataSource"])
    return {"newDatasetId": dataset["id"]}
