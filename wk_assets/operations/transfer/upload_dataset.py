"""Send a dataset to a server so that it arrives once, whole, whatever breaks on the way.

What is noted in the dataset's bookkeeping, line by line and synced, before anybody relies on it:

    session (upload id, what the server had of that name before) ──► each piece that was acknowledged ──► the end is asked for
    ──► the dataset's id

A run that finds such notes goes on with the same upload id: pieces that were acknowledged are not sent again, and the server is
asked for the others. If the answer to the end was lost, the server is looked at before anything is repeated. While it is
sent, each shard's bytes are compared with the checksum that its manifest promises.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wk_assets.client.context import ServerContext
from wk_assets.client.models import ApiLinkedLayerIdentifier
from wk_assets.client.store_clients import DatastoreApiClient, UploadSession
from wk_assets.client.wk_api_client import WkApiClient
from wk_assets.errors import (
    NoAnswerError,
    NotOnServerError,
    PlanError,
    RequestRefusedError,
    UnexpectedStatusError,
)
from wk_assets.operations.records.layer_record import BOOKKEEPING
from wk_assets.operations.transfer.remote_properties import difference_on_server
from wk_assets.operations.transfer.send_files import (
    PIECE_BYTES,
    FileSender,
    UploadListener,
    UploadNotes,
    new_upload_id,
    uploading_store,
)
from wk_assets.operations.transfer.upload_plan import UploadPlan
from wk_assets.storage.durable import remove_tree
from wk_assets.storage.journal import Journal
from wk_assets.storage.locks import exclusive

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
        self._plan, self._context, self._settings = plan, context, settings
        self._folder = folder
        self._journal = Journal(folder / "journal.jsonl")
        self._client: WkApiClient = context.client()
        self._sender = FileSender(
            plan.files, self._journal, piece_bytes=settings.piece_bytes, threads=settings.threads, listener=listener
        )
        # pieces of another size are other pieces
        self._identity = f"{plan.fingerprint} {settings.piece_bytes}"

    def run(self) -> UploadResult:
        notes = UploadNotes.of(self._journal.records(), self._identity)
        if notes.made is not None and self._is_usable(notes.made):
            return self._result(notes.made, reused=True)
        store = uploading_store(self._context)
        if notes.ended and notes.made is None:
            found = self._look_for(notes.before)
            if found is not None:
                return self._done(found)
        if notes.upload_id is None or notes.made is not None:
            self._give_up(store, notes)
            notes = self._new_session()
        session = self._session(notes)
        store.reserve_upload(session)
        self._sender.send(store, session.upload_id, notes.pieces)
        self._journal.append({"ended": True})
        return self._done(self._end(store, session, notes.before))

    # ------------------------------------------------------------------ the session

    def _new_session(self) -> UploadNotes:
        remove_tree(self._folder)
        notes = UploadNotes(upload_id=new_upload_id(), before=tuple(self._ids_of_name()))
        self._journal.append({"identity": self._identity, "upload_id": notes.upload_id, "before": list(notes.before)})
        return notes

    def _give_up(self, store: DatastoreApiClient, notes: UploadNotes) -> None:
        """Let the server forget an upload of something else; it may have forgotten it already."""
        if notes.stale_upload_id is None:
            return
        try:
            store.cancel_upload(notes.stale_upload_id)
        except (RequestRefusedError, NotOnServerError):
            return

    def _session(self, notes: UploadNotes) -> UploadSession:
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
                if (
                    described.status is None
                    and difference_on_server(self._plan.properties, described.data_source) is None
                ):
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
        return described.status is None and difference_on_server(self._plan.properties, described.data_source) is None

    def _done(self, dataset_id: str) -> UploadResult:
        described = self._client.dataset_info(dataset_id=dataset_id)
        mistake = described.status or difference_on_server(self._plan.properties, described.data_source)
        if mistake:
            raise PlanError(f"dataset {dataset_id} on {self._context.address.url} is not what was sent: {mistake}")
        self._journal.append({"dataset_id": dataset_id})
        return self._result(dataset_id, reused=False)

    def _result(self, dataset_id: str, *, reused: bool) -> UploadResult:
        return UploadResult(
            dataset_id=dataset_id,
            url=f"{self._context.address.url}/datasets/{self._plan.name}-{dataset_id}",
            sent_bytes=self._sender.sent_bytes,
            skipped_bytes=self._plan.size_bytes if reused else self._sender.skipped_bytes,
            reused=reused,
        )
