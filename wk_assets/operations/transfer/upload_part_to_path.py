"""Put one mag or attachment where the server keeps the files of a layer, and let it add it. The disk is reached by both."""

from dataclasses import dataclass

from wk_assets.client.context import ServerContext
from wk_assets.errors import NoAnswerError, PlanError, UnexpectedStatusError
from wk_assets.operations.transfer.place_files import Placement, Placing, is_unchanged, local_target, place
from wk_assets.operations.transfer.remote_properties import remote_layer
from wk_assets.operations.transfer.upload_part import (
    LayerPart,
    PartResult,
    appears,
    may_have_happened,
    part_notes_folder,
    refuse_if_there,
    seconds_to_look,
)
from wk_assets.storage.journal import Journal
from wk_assets.storage.locks import exclusive


@dataclass(frozen=True, slots=True, kw_only=True)
class PartToPathSettings:
    """Say how a part gets to its place. `path_prefix` chooses among the server's storages; others: `PartSettings`."""

    placement: Placement = Placement.COPY
    path_prefix: str | None = None
    overwrite_pending: bool = True
    replace: bool = False
    patience_seconds: float = 60.0


def run_part_upload_to_path(
    part: LayerPart,
    context: ServerContext,
    settings: PartToPathSettings = PartToPathSettings(),  # noqa: B008  # immutable
) -> PartResult:
    """Place a part; a run that was killed is gone on from, and ends as it would have ended.

    Raises AlreadyThereError; RequestRefusedError, e.g. for a dataset that is not virtual; RemoteLocationError if the server
    wants it in object storage; NotADatasetError if there is nothing to place; LockedError, ServerError, StorageError.
    """
    folder = part_notes_folder(part, context, "placings")
    with exclusive(folder.parent / f"{folder.name}.lock", f"placing of {part.title}"):
        return _place_part(part, context, settings, Journal(folder / "journal.jsonl"))


def _place_part(part: LayerPart, context: ServerContext, settings: PartToPathSettings, journal: Journal) -> PartResult:
    client = context.client()
    records = journal.records()
    noted = Placing.of(records)
    asked_for_end = any("ended" in one for one in records)
    there = part.is_in(remote_layer(client, part.dataset_id, part.layer_name))
    last = next(reversed(noted.values()), None)
    if there and asked_for_end and last is not None and is_unchanged(last, part.source):
        size = sum(size for size, _ in last.content.values())
        return PartResult(sent_bytes=0, skipped_bytes=size, reused=True)
    refuse_if_there(part, there=there, replace=settings.replace, client=client)
    stated = part.reserve_path(client, settings.path_prefix, overwrite_pending=settings.overwrite_pending)
    target = local_target(stated, part.title)
    sent = place(part.source, target, settings.placement, journal, noted.get(target))
    journal.append({"ended": True})
    try:
        part.finish_path(client, settings.path_prefix, overwrite_pending=settings.overwrite_pending)
    except (NoAnswerError, UnexpectedStatusError) as error:
        patience = seconds_to_look(error, settings.patience_seconds)
        if not (may_have_happened(error) and appears(part, client, patience)):
            raise
    if not appears(part, client, 0.0):
        raise PlanError(
            f"{part.title} is at {target}, and the server says that it took it, but the dataset does not have it"
        )
    return PartResult(sent_bytes=sent, skipped_bytes=0, reused=False)
