"""Send a dataset to a server so that it arrives once, whole, whatever breaks on the way.

What is noted in the dataset's bookkeeping, line by line and synced, before anybody relies on it:

    session (upload id, what the server had of that name before) ──► each piece that was acknowledged ──► the end is asked for
    ──► the dataset's id

A run that finds such notes goes on with the same upload id: pieces that were acknowledged are not sent again, and the server is
asked for the others. If the answer to the end was lost, the server is looked at before anything is repeated. While it is
sent, each shard's bytes are compared with the checksum that its manifest promises.
"""

import hashlib
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c

from wk_assets.client.context import ServerContext
from wk_assets.client.models import ApiLinkedLayerIdentifier
from wk_assets.client.store_clients import REFACTORED_UPLOADS, DatastoreApiClient, UploadPiece, UploadSession
from wk_assets.client.wk_api_client import WkApiClient
from wk_assets.errors import (
    NoAnswerError,
    NotOnServerError,
    PlanError,
    RequestRefusedError,
    ShardCorruptError,
    SourceChangedError,
    UnexpectedStatusError,
)
from wk_assets.operations.records.layer_record import BOOKKEEPING
from wk_assets.operations.transfer.upload_plan import UploadFile, UploadPlan
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.storage.durable import remove_tree
from wk_assets.storage.journal import Journal
from wk_assets.storage.locks import exclusive

PIECE_BYTES = 16 << 20
_LOOK_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadSettings:
    """Say where on the server a dataset goes, and how it is sent.

    `layers_to_link`: layers that the server has already. An upload holds `threads` times `piece_bytes` in memory.
    `patience_seconds`: how long it looks for a dataset whose upload ended without an answer.
    """

    folder_id: str | None = None
    team_ids: tuple[str, ...] = ()
    layers_to_link: tuple[ApiLinkedLayerIdentifier, ...] = ()
    require_unique_name: bool = False
    piece_bytes: int = PIECE_BYTES
    threads: int = 4
    patience_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadResult:
    """Say what an upload did. `reused`: the server had it already, nothing was sent."""

    dataset_id: str
    url: str
    sent_bytes: int
    skipped_bytes: int
    reused: bool


UploadListener = Callable[[int, int], None]  # bytes that have arrived, bytes in all


def run_upload(
    plan: UploadPlan,
    context: ServerContext,
    settings: UploadSettings = UploadSettings(),  # noqa: B008  # immutable
    listener: UploadListener | None = None,
) -> UploadResult:
    """Send what the plan names; go on where an earlier run stopped; send nothing that has arrived.

    Raises ServerError; LockedError if the same dataset is being sent to the same server now; ShardCorruptError and
    SourceChangedError for files that are not what they should be: then nothing is ended, and nothing is shown on the server.
    """
    folder = plan.dataset_path / BOOKKEEPING / "uploads" / _target(context.address.url, plan.name)
    with exclusive(folder.parent / f"{folder.name}.lock", f"upload of {plan.name} to {context.address.url}"):
        return _Upload(plan, context, settings, listener, folder).run()


def _target(url: str, name: str) -> str:
    return hashlib.sha256(f"{url} {name}".encode()).hexdigest()[:16]


class _Upload:
    """Hold one run of one upload."""

    def __init__(
        self,
        plan: UploadPlan,
        context: ServerContext,
        settings: UploadSettings,
        listener: UploadListener | None,
        folder: Path,
    ) -> None:
        self._plan, self._context, self._settings, self._listener = plan, context, settings, listener
        self._folder = folder
        self._journal = Journal(folder / "journal.jsonl")
        self._client: WkApiClient = context.client()
        self._lock = threading.Lock()
        self._arrived = self._sent = self._skipped = 0
        # pieces of another size are other pieces
        self._identity = f"{plan.fingerprint} {settings.piece_bytes}"

    def run(self) -> UploadResult:
        notes = _Notes.of(self._journal.records(), self._identity)
        if notes.dataset_id is not None and self._is_usable(notes.dataset_id):
            return self._result(notes.dataset_id, reused=True)
        store = self._store()
        if notes.ended and notes.dataset_id is None:
            found = self._look_for(notes.before)
            if found is not None:
                return self._done(found)
        if notes.upload_id is None or notes.dataset_id is not None:
            self._give_up(store, notes)
            notes = self._new_session()
        session = self._session(notes)
        store.reserve_upload(session)
        self._send_all(store, session, notes.pieces)
        self._journal.append({"ended": True})
        return self._done(self._end(store, session, notes.before))

    # ------------------------------------------------------------------ the session

    def _store(self) -> DatastoreApiClient:
        for store in self._client.datastore_list():
            if store.allows_upload:
                return self._context.datastore_client(store.url)
        raise PlanError(f"{self._context.address.url} has no data store that takes uploads")

    def _new_session(self) -> "_Notes":
        remove_tree(self._folder)
        moment = time.strftime("%Y-%m-%dT%H-%M-%S", time.gmtime())
        notes = _Notes(
            upload_id=f"{moment}__{uuid.uuid4()}", before=tuple(self._ids_of_name()), pieces=frozenset(), ended=False
        )
        self._journal.append({"identity": self._identity, "upload_id": notes.upload_id, "before": list(notes.before)})
        return notes

    def _give_up(self, store: DatastoreApiClient, notes: "_Notes") -> None:
        """Let the server forget an upload of something else; it may have forgotten it already."""
        if notes.stale_upload_id is None:
            return
        try:
            store.cancel_upload(notes.stale_upload_id)
        except (RequestRefusedError, NotOnServerError):
            return

    def _session(self, notes: "_Notes") -> UploadSession:
        return UploadSession(
            upload_id=str(notes.upload_id),
            dataset_name=self._plan.name,
            organization_id=self._client.user_current().organization,
            file_count=len(self._plan.files),
            size_bytes=self._plan.size_bytes,
            folder_id=self._settings.folder_id,
            team_ids=self._settings.team_ids,
            layers_to_link=self._settings.layers_to_link,
            require_unique_name=self._settings.require_unique_name,
        )

    # ------------------------------------------------------------------ pieces

    def _send_all(
        self, store: DatastoreApiClient, session: UploadSession, acknowledged: frozenset[tuple[str, int]]
    ) -> None:
        may_ask = store.api_version >= REFACTORED_UPLOADS and bool(acknowledged)
        with ThreadPoolExecutor(self._settings.threads, thread_name_prefix="wk-assets-upload") as pool:
            running = [
                pool.submit(self._send_file, store, session, file, acknowledged, may_ask=may_ask)
                for file in self._plan.files
            ]
            try:
                for one in running:
                    one.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _send_file(
        self,
        store: DatastoreApiClient,
        session: UploadSession,
        file: UploadFile,
        acknowledged: frozenset[tuple[str, int]],
        *,
        may_ask: bool,
    ) -> None:
        pieces = max(1, -(-file.size_bytes // self._settings.piece_bytes))
        checksum = size = 0
        for number, data in enumerate(_pieces_of(file, self._settings.piece_bytes), 1):
            checksum, size = google_crc32c.extend(checksum, data), size + len(data)
            if number == pieces:
                _compare(file, size, checksum)
            piece = UploadPiece(
                upload_id=session.upload_id,
                relative_path=file.relative_path,
                number=number,
                pieces=pieces,
                piece_bytes=self._settings.piece_bytes,
                file_bytes=file.size_bytes,
                file_count=session.file_count,
            )
            there = (file.relative_path, number) in acknowledged or (may_ask and store.has_piece(piece))
            if not there:
                store.send_piece(piece, data)
            self._note_piece(piece, len(data), sent=not there)

    def _note_piece(self, piece: UploadPiece, size_bytes: int, *, sent: bool) -> None:
        with self._lock:
            if sent:
                self._journal.append({"piece": [piece.relative_path, piece.number]})
                self._sent += size_bytes
            else:
                self._skipped += size_bytes
            self._arrived += size_bytes
            if self._listener is not None:
                self._listener(self._arrived, self._plan.size_bytes)

    # ------------------------------------------------------------------ the end

    def _end(self, store: DatastoreApiClient, session: UploadSession, before: Sequence[str]) -> str:
        try:
            made = store.finish_upload(session.upload_id)
        except (NoAnswerError, UnexpectedStatusError) as error:
            lost = isinstance(error, NoAnswerError) or error.status >= 500 or "noSuchUpload" in str(error)
            found = self._look_for(before) if lost else None
            if found is None:
                if isinstance(error, RequestRefusedError):
                    remove_tree(
                        self._folder
                    )  # the server has looked at it and thrown it away: nothing is left to go on with
                raise
            return found
        if made is None:
            raise PlanError("the end of an upload of a dataset names no dataset")
        return made

    def _look_for(self, before: Sequence[str]) -> str | None:
        """Return the dataset that came of an upload whose end nobody heard of; None: there is none, and none is coming."""
        deadline = time.monotonic() + self._settings.patience_seconds
        while True:
            new = [one for one in self._ids_of_name() if one not in before]
            waiting = False
            for dataset_id in new:
                described = self._client.dataset_info(dataset_id=dataset_id)
                if described.status is None and self._mistake(described.data_source) is None:
                    return dataset_id
                waiting = waiting or described.status is not None
            if not waiting or time.monotonic() > deadline:
                return None
            time.sleep(_LOOK_AGAIN_SECONDS)

    def _ids_of_name(self) -> list[str]:
        found = self._client.dataset_list(is_active=None, organization_id=None, name=self._plan.name, folder_id=None)
        return [one.id for one in found if one.name == self._plan.name]

    def _is_usable(self, dataset_id: str) -> bool:
        try:
            described = self._client.dataset_info(dataset_id=dataset_id)
        except NotOnServerError:
            return False
        return described.status is None and self._mistake(described.data_source) is None

    def _mistake(self, source: Mapping[str, Any]) -> str | None:
        """Return how what the server has differs from what was sent: layers, their mags and boxes."""
        try:
            there = DatasetProperties.model_validate(source)
        except ValueError as error:
            return str(error)
        layers = {layer.name: layer for layer in there.data_layers}
        for layer in self._plan.properties.data_layers:
            on_server = layers.get(layer.name)
            if on_server is None:
                return f"layer {layer.name!r} is missing"
            if {view.mag for view in on_server.mags} != {view.mag for view in layer.mags}:
                return f"layer {layer.name!r} has other mags"
            if on_server.bounding_box != layer.bounding_box or on_server.element_class != layer.element_class:
                return f"layer {layer.name!r} has another box or type"
        return None

    def _done(self, dataset_id: str) -> UploadResult:
        described = self._client.dataset_info(dataset_id=dataset_id)
        mistake = described.status or self._mistake(described.data_source)
        if mistake:
            raise PlanError(f"dataset {dataset_id} on {self._context.address.url} is not what was sent: {mistake}")
        self._journal.append({"dataset_id": dataset_id})
        return self._result(dataset_id, reused=False)

    def _result(self, dataset_id: str, *, reused: bool) -> UploadResult:
        return UploadResult(
            dataset_id=dataset_id,
            url=f"{self._context.address.url}/datasets/{self._plan.name}-{dataset_id}",
            sent_bytes=self._sent,
            skipped_bytes=self._plan.size_bytes if reused else self._skipped,
            reused=reused,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Notes:
    """What earlier runs noted of this upload; `stale_upload_id`: of another content of the same name."""

    upload_id: str | None
    before: tuple[str, ...]
    pieces: frozenset[tuple[str, int]]
    ended: bool
    dataset_id: str | None = None
    stale_upload_id: str | None = None

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]], identity: str) -> "_Notes":
        """Read the journal."""
        if not records:
            return cls(upload_id=None, before=(), pieces=frozenset(), ended=False)
        first = records[0]
        done = next((one["dataset_id"] for one in records if "dataset_id" in one), None)
        if first["identity"] != identity:
            stale = None if done else first["upload_id"]
            return cls(upload_id=None, before=(), pieces=frozenset(), ended=False, stale_upload_id=stale)
        return cls(
            upload_id=first["upload_id"],
            before=tuple(first["before"]),
            pieces=frozenset((one["piece"][0], one["piece"][1]) for one in records if "piece" in one),
            ended=any("ended" in one for one in records),
            dataset_id=done,
        )


def _pieces_of(file: UploadFile, piece_bytes: int) -> Any:
    if file.content is not None:
        yield from (file.content[start : start + piece_bytes] for start in range(0, len(file.content), piece_bytes))
        return
    with file.path.open("rb", buffering=0) as stream:
        while data := stream.read(piece_bytes):
            yield data


def _compare(file: UploadFile, size_bytes: int, checksum: int) -> None:
    """Refuse to send the last piece of a file that is not what it should be."""
    if size_bytes != file.size_bytes:
        raise SourceChangedError(
            f"{file.path} has {size_bytes} bytes now, it had {file.size_bytes}; run the upload again"
        )
    if file.crc32c is not None and checksum != file.crc32c:
        raise ShardCorruptError(
            f"{file.path}: its bytes are not those that its manifest promises; `wk-assets verify --repair` makes it anew"
        )
