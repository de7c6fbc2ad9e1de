"""Bring a changed layer into a dataset that stays where it is: sent beside the old one, and put in its place when it is whole.

    empty layer `em.3f9c…` ──► its mags, one upload each ──► the old `em` is taken out ──► `em.3f9c…` is renamed to `em`

The dataset's id stays, and with it the annotations and tasks on it, which name the layer. Between the last two requests
the layer is missing for a moment. A run that was cut short is gone on from wherever it was: the name that a layer arrives under
says which content it has. Needs version 14 of the server's interface and a dataset that is not bound to a directory.
"""

from collections.abc import Iterator

from wk_assets.client.context import ServerContext
from wk_assets.errors import PlanError
from wk_assets.operations.transfer.place_files import Placement
from wk_assets.operations.transfer.publish_details import with_our_entries
from wk_assets.operations.transfer.publish_plan import (
    KEY_ENTRY,
    LAYERS_ENTRY,
    OUR_PREFIX,
    PlannedLayer,
    PublishPlan,
    arriving_name,
    layers_of,
    stored_fingerprints,
    told_fingerprints,
)
from wk_assets.operations.transfer.remote_properties import change_remote_properties, remote_layer
from wk_assets.operations.transfer.send_files import UploadListener
from wk_assets.operations.transfer.upload_attachment import FIELDS, AttachmentUpload, entries_of
from wk_assets.operations.transfer.upload_mag import MagUpload
from wk_assets.operations.transfer.upload_part import LayerPart, PartSettings, run_part_upload
from wk_assets.operations.transfer.upload_part_to_path import PartToPathSettings, run_part_upload_to_path
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.layer_properties import AttachmentsProperties, LayerProperties, SegmentationLayerProperties
from wk_assets.storage.properties_file import array_location, read_properties


def put_layer(
    plan: PublishPlan,
    layer: PlannedLayer,
    dataset_id: str,
    context: ServerContext,
    settings: PartSettings,
    listener: UploadListener | None = None,
) -> int:
    """Send a layer and put it in its place; return the bytes that were sent. Raises what `run_part_upload` raises."""
    client = context.client()
    arriving = arriving_name(layer)
    described = plan.upload.properties.layer(layer.name)
    change_remote_properties(client, dataset_id, lambda stored: _with_empty(stored, described, arriving))
    sent = 0
    for part in _parts(plan, layer.name, dataset_id, arriving):
        if part.is_in(remote_layer(client, dataset_id, arriving)):
            continue  # its name says that it has this very content
        sent += _send(part, plan, context, settings, listener)
    change_remote_properties(client, dataset_id, lambda stored: _without(stored, layer.name))
    found = client.dataset_info(dataset_id=dataset_id)
    if arriving not in layers_of(found):
        raise PlanError(f"dataset {dataset_id}: layer {arriving!r} vanished while it was sent; publish it again")
    known = {**stored_fingerprints(found), layer.name: layer.fingerprint}
    ours = {entry.key: entry.value for entry in found.metadata or () if entry.key.startswith(OUR_PREFIX)}
    entries = with_our_entries(found, {**ours, KEY_ENTRY: plan.request.key, LAYERS_ENTRY: told_fingerprints(known)})
    renaming = {"oldName": arriving, "newName": layer.name}
    client.dataset_update(
        dataset_id=dataset_id, dataset_updates={"layerRenamings": [renaming], "metadata": entries}
    )  # name and fingerprint in one request: neither is ever without the other
    return sent


def _send(
    part: LayerPart, plan: PublishPlan, context: ServerContext, settings: PartSettings, listener: UploadListener | None
) -> int:
    if plan.request.mode == "paths":
        how = PartToPathSettings(
            placement=Placement(plan.request.transfer),
            path_prefix=plan.request.path_prefix,
            patience_seconds=settings.patience_seconds,
        )
        return run_part_upload_to_path(part, context, how).sent_bytes
    return run_part_upload(part, context, settings, listener).sent_bytes


def _with_empty(stored: DatasetProperties, described: LayerProperties, name: str) -> DatasetProperties:
    if any(layer.name == name for layer in stored.data_layers):
        return stored
    changes: dict[str, object] = {"name": name, "mags": ()}
    if isinstance(described, SegmentationLayerProperties):
        changes["attachments"] = AttachmentsProperties()
    return stored.with_layer(described.model_copy(update=changes))


def _without(stored: DatasetProperties, name: str) -> DatasetProperties:
    return stored.without_layer(name) if any(layer.name == name for layer in stored.data_layers) else stored


def _parts(plan: PublishPlan, layer_name: str, dataset_id: str, arriving: str) -> Iterator[LayerPart]:
    """Yield the mags and attachments of a layer as they lie here."""
    root = plan.request.dataset_path
    layer = read_properties(root).layer(layer_name)
    for view in layer.mags:
        source = array_location(root, layer.name, view.mag, view.path)
        if source is None:
            raise PlanError(
                f"mag {view.mag.to_layer_name()} of layer {layer.name!r} is not on this machine: {view.path}"
            )
        yield MagUpload(dataset_id=dataset_id, layer_name=arriving, source=source, entry=view)
    if isinstance(layer, SegmentationLayerProperties):
        for kind in FIELDS:
            for entry in entries_of(layer.attachments, kind):
                yield AttachmentUpload(
                    dataset_id=dataset_id,
                    layer_name=arriving,
                    source=root / entry.path,
                    name=entry.name,
                    kind=kind,
                    data_format=entry.data_format,
                )
