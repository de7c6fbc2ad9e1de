"""Send one mag or one attachment to a layer that a server has: once, whole, whatever breaks on the way.

As `upload_dataset` does it for datasets: notes beside the source, pieces that were acknowledged are not sent again, and after
a lost answer the layer is looked at before anything is repeated. Needs version 14 of the server's interface.
"""

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from wk_assets.client.context import ServerContext
from wk_assets.client.store_clients import REFACTORED_UPLOADS, DatastoreApiClient, UploadDomain
from wk_assets.client.wk_api_client import WkApiClient
from wk_assets.errors import (
    AlreadyThereError,
    NoAnswerError,
    NotOnServerError,
    PlanError,
    RequestRefusedError,
    ServerBusyError,
    ServerError,
    UnexpectedStatusError,
    UnsupportedApiVersionError,
)
from wk_assets.operations.records.layer_record import BOOKKEEPING
from wk_assets.operations.transfer.remote_properties import remote_layer
from wk_assets.operations.transfer.send_files import (
    PIECE_BYTES,
    FileSender,
    UploadListener,
    UploadNotes,
    new_upload_id,
    uploading_store,
)
from wk_assets.operations.transfer.upload_plan import UploadFile, fingerprint_of
from wk_assets.properties.dataset_properties import FILE_NAME
from wk_assets.properties.layer_properties import LayerProperties
from wk_assets.storage.durable import remove_tree
from wk_assets.storage.journal import Journal
from wk_assets.storage.locks import exclusive

_LOOK_AGAIN_SECONDS = 1.0
_NO_TIME = (429, 503)


class LayerPart(Protocol):
    """What a mag and an attachment have in common for the one who sends them."""

    @property
    def dataset_id(self) -> str:
        """The dataset on the server."""
        ...

    @property
    def layer_name(self) -> str:
        """The layer that it becomes a part of."""
        ...

    @property
    def source(self) -> Path:
        """The file or the directory."""
        ...

    @property
    def domain(self) -> UploadDomain:
        """What the server calls such uploads."""
        ...

    @property
    def title(self) -> str:
        """What it is, for people: `mag 2 of layer 'color'`. Differs for all parts of a dataset."""
        ...

    def files(self) -> tuple[UploadFile, ...]:
        """Name what is to be sent."""
        ...

    def is_in(self, layer: LayerProperties) -> bool:
        """Say whether a layer on the server has it."""
        ...

    def remove(self, client: WkApiClient) -> None:
        """Take it out of the layer on the server."""
        ...

    def reserve(
        self,
        store: DatastoreApiClient,
        *,
        upload_id: str,
        file_count: int,
        size_bytes: int,
        overwrite_pending: bool,
    ) -> None:
        """Begin to send it."""
        ...

    def reserve_path(self, client: WkApiClient, prefix: str | None, *, overwrite_pending: bool) -> str:
        """Ask where to put it."""
        ...

    def finish_path(self, client: WkApiClient, prefix: str | None, *, overwrite_pending: bool) -> None:
        """Say that it is in its place."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSettings:
    """Say how a part is sent.

    `replace`: one of the same name that the server has is taken away first, unless it came of this very source; otherwise it
    is an error. `overwrite_pending`: let the server forget an unfinished upload to the same place. Others: `UploadSettings`.
    """

    replace: bool = False
    overwrite_pending: bool = True
    piece_bytes: int = PIECE_BYTES
    threads: int = 4
    patience_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PartResult:
    """Say what was done. `reused`: the server had it already, nothing was sent."""

    sent_bytes: int
    skipped_bytes: int
    reused: bool


def run_part_upload(
    part: LayerPart,
    context: ServerContext,
    settings: PartSettings = PartSettings(),  # noqa: B008  # immutable
    listener: UploadListener | None = None,
) -> PartResult:
    """Send a part; go on where an earlier run stopped; send nothing that has arrived.

    Raises AlreadyThereError; UnsupportedApiVersionError for a server that takes whole datasets only; RequestRefusedError,
    e.g. for a dataset that is not virtual; PlanError if there is nothing to send; LockedError if it is being sent now;
    ServerError, ShardCorruptError, SourceChangedError.
    """
    files = part.files()
    if not files:
        raise PlanError(f"{part.title}: there is nothing to send at {part.source}")
    folder = part_notes_folder(part, context, "uploads")
    with exclusive(folder.parent / f"{folder.name}.lock", f"upload of {part.title}"):
        return _PartUpload(part, files, context, settings, listener, folder).run()


def part_notes_folder(part: LayerPart, context: ServerContext, kind: str) -> Path:
    """Name the folder of what is noted about a part: in the bookkeeping of the dataset that it lies in, else beside it."""
    target = f"{context.address.url} {part.dataset_id} {part.title}"
    return bookkeeping_of(part.source) / kind / hashlib.sha256(target.encode()).hexdigest()[:16]


def bookkeeping_of(source: Path) -> Path:
    """Name the bookkeeping of the dataset that a file or directory lies in; without a dataset, one beside it."""
    absolute = source.absolute()
    for folder in absolute.parents:
        if (folder / FILE_NAME).exists():
            return folder / BOOKKEEPING
    return absolute.parent / BOOKKEEPING


def appears(part: LayerPart, client: WkApiClient, patience_seconds: float) -> bool:
    """Look, for a while, whether a layer on the server has a part."""
    deadline = time.monotonic() + patience_seconds
    while not part.is_in(remote_layer(client, part.dataset_id, part.layer_name)):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_LOOK_AGAIN_SECONDS)
    return True


def may_have_happened(error: ServerError) -> bool:
    """Say whether what was asked for may have been done although an error came: no answer, or one of a server that broke.

    A second end of an upload that ended is answered with `noSuchUpload`.
    """
    if isinstance(error, NoAnswerError):
        return True
    return isinstance(error, UnexpectedStatusError) and (error.status >= 500 or "noSuchUpload" in str(error))


def seconds_to_look(error: ServerError, patience_seconds: float) -> float:
    """Say how long to look for what was asked for: a server that has no time, or knows of no such upload, is not at work on it.

    A gateway that waited in vain says nothing about the server behind it.
    """
    at_rest = (isinstance(error, ServerBusyError) and error.status in _NO_TIME) or "noSuchUpload" in str(error)
    return 0.0 if at_rest else patience_seconds


def refuse_if_there(part: LayerPart, *, there: bool, replace: bool, client: WkApiClient) -> None:
    """Make room for a part, or say that there is none. Raises AlreadyThereError."""
    if there and not replace:
        raise AlreadyThereError(f"dataset {part.dataset_id} on the server has {part.title} already; delete it first")
    if there:
        part.remove(client)


class _PartUpload:
    """Hold one run."""

    def __init__(
        self,
        part: LayerPart,
        files: tuple[UploadFile, ...],
        context: ServerContext,
        settings: PartSettings,
        listener: UploadListener | None,
        folder: Path,
    ) -> None:
        self._part, self._files, self._context, self._settings, self._folder = part, files, context, settings, folder
        self._client = context.client()
        self._journal = Journal(folder / "journal.jsonl")
        self._sender = FileSender(
            files,
            self._journal,
            piece_bytes=settings.piece_bytes,
            threads=settings.threads,
            domain=part.domain,
            listener=listener,
        )
        self._identity = f"{fingerprint_of(files)} {settings.piece_bytes}"

    def run(self) -> PartResult:
        store = uploading_store(self._context)
        if store.api_version < REFACTORED_UPLOADS:
            raise UnsupportedApiVersionError(
                f"{self._context.address.url} speaks version {store.api_version} of the interface; {self._part.title} can be "
                f"sent from version {REFACTORED_UPLOADS} on. Update the server, send the dataset as a whole, or put the "
                "files where the server keeps them (transfer mode copy, symlink or move+symlink)"
            )
        notes = UploadNotes.of(self._journal.records(), self._identity)
        there = self._part.is_in(remote_layer(self._client, self._part.dataset_id, self._part.layer_name))
        if there and notes.made is not None:
            return self._result(reused=True)
        if there and notes.ended:
            return self._done(reused=True)
        refuse_if_there(self._part, there=there, replace=self._settings.replace, client=self._client)
        if notes.upload_id is None or notes.made is not None:
            self._give_up(store, notes)
            notes = self._new_session()
        upload_id = str(notes.upload_id)
        self._part.reserve(
            store,
            upload_id=upload_id,
            file_count=len(self._files),
            size_bytes=sum(file.size_bytes for file in self._files),
            overwrite_pending=self._settings.overwrite_pending,
        )
        self._sender.send(store, upload_id, notes.pieces)
        self._journal.append({"ended": True})
        self._end(store, upload_id)
        return self._done(reused=False)

    def _new_session(self) -> UploadNotes:
        remove_tree(self._folder)
        notes = UploadNotes(upload_id=new_upload_id())
        self._journal.append({"identity": self._identity, "upload_id": notes.upload_id, "before": []})
        return notes

    def _give_up(self, store: DatastoreApiClient, notes: UploadNotes) -> None:
        """Let the server forget an upload of something else; it may have forgotten it already."""
        if notes.stale_upload_id is None:
            return
        try:
            store.cancel_upload(notes.stale_upload_id, self._part.domain)
        except (RequestRefusedError, NotOnServerError):
            return

    def _end(self, store: DatastoreApiClient, upload_id: str) -> None:
        try:
            store.finish_upload(upload_id, self._part.domain)
        except (NoAnswerError, UnexpectedStatusError) as error:
            patience = seconds_to_look(error, self._settings.patience_seconds)
            if may_have_happened(error) and appears(self._part, self._client, patience):
                return
            if isinstance(error, RequestRefusedError):
                remove_tree(self._folder)  # the server has looked at it and thrown it away: nothing to go on with
            raise

    def _done(self, *, reused: bool) -> PartResult:
        if not appears(self._part, self._client, 0.0):
            raise PlanError(
                f"{self._part.title} was sent to {self._context.address.url}, which says that it took it, but dataset "
                f"{self._part.dataset_id} does not have it"
            )
        self._journal.append({"dataset_id": self._part.dataset_id})
        return self._result(reused=reused)

    def _result(self, *, reused: bool) -> PartResult:
        size = sum(file.size_bytes for file in self._files)
        return PartResult(
            sent_bytes=self._sender.sent_bytes,
            skipped_bytes=size if reused else self._sender.skipped_bytes,
            reused=reused,
        )
