"""Send the files of one upload in pieces, to go on with where a run before stopped. Datasets, mags and attachments alike.

Each piece that was acknowledged is noted, synced, before the next one counts on it; a run that begins with notes asks the
server for those that are not noted. While a file is read its bytes are compared with the checksum that its manifest
promises: the last piece of a damaged file never leaves.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

import google_crc32c

from wk_assets.client.context import ServerContext
from wk_assets.client.store_clients import REFACTORED_UPLOADS, DatastoreApiClient, UploadDomain, UploadPiece
from wk_assets.errors import PlanError, ShardCorruptError, SourceChangedError
from wk_assets.operations.transfer.upload_plan import UploadFile
from wk_assets.storage.journal import Journal

PIECE_BYTES = 16 << 20
UploadListener = Callable[[int, int], None]  # bytes that have arrived, bytes in all
AcknowledgedPieces = frozenset[tuple[str, int]]  # names of files, numbers of pieces


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadNotes:
    """What earlier runs noted of an upload. `stale_upload_id`: of another content for the same target, never ended.

    `before`: ids of datasets that were there already; `made`: what the upload came to.
    """

    upload_id: str | None = None
    before: tuple[str, ...] = ()
    pieces: AcknowledgedPieces = frozenset()
    ended: bool = False
    made: str | None = None
    stale_upload_id: str | None = None

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]], identity: str) -> Self:
        """Read the records of a journal; `identity` says what is to be sent now."""
        if not records:
            return cls()
        first = records[0]
        made = next((one["dataset_id"] for one in records if "dataset_id" in one), None)
        if first["identity"] != identity:
            return cls(stale_upload_id=None if made else first["upload_id"])
        return cls(
            upload_id=first["upload_id"],
            before=tuple(first["before"]),
            pieces=frozenset((one["piece"][0], one["piece"][1]) for one in records if "piece" in one),
            ended=any("ended" in one for one in records),
            made=made,
        )


class FileSender:
    """Send files in pieces of `piece_bytes` on `threads` threads; holds their product in memory."""

    def __init__(
        self,
        files: Sequence[UploadFile],
        journal: Journal,
        *,
        piece_bytes: int,
        threads: int,
        domain: UploadDomain = "dataset",
        listener: UploadListener | None = None,
    ) -> None:
        self._files, self._journal, self._domain, self._listener = tuple(files), journal, domain, listener
        self._piece_bytes, self._threads = piece_bytes, threads
        self._size_bytes = sum(file.size_bytes for file in self._files)
        self._lock = threading.Lock()
        self._arrived = 0
        self.sent_bytes = self.skipped_bytes = 0

    def send(self, store: DatastoreApiClient, upload_id: str, acknowledged: AcknowledgedPieces) -> None:
        """Send every piece that is neither noted nor on the server.

        Raises ServerError; SourceChangedError and ShardCorruptError for a file that is not what it should be.
        """
        may_ask = store.api_version >= REFACTORED_UPLOADS and bool(acknowledged)
        with ThreadPoolExecutor(self._threads, thread_name_prefix="wk-assets-upload") as pool:
            running = [
                pool.submit(self._send_file, store, upload_id, file, acknowledged, may_ask=may_ask)
                for file in self._files
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
        upload_id: str,
        file: UploadFile,
        acknowledged: AcknowledgedPieces,
        *,
        may_ask: bool,
    ) -> None:
        pieces = max(1, -(-file.size_bytes // self._piece_bytes))
        checksum = size = 0
        for number, data in enumerate(_pieces_of(file, self._piece_bytes), 1):
            checksum, size = google_crc32c.extend(checksum, data), size + len(data)
            if number == pieces:
                _compare(file, size, checksum)
            piece = UploadPiece(
                upload_id=upload_id,
                relative_path=file.relative_path,
                number=number,
                pieces=pieces,
                piece_bytes=self._piece_bytes,
                file_bytes=file.size_bytes,
                file_count=len(self._files),
            )
            noted = (file.relative_path, number) in acknowledged
            there = noted or (may_ask and store.has_piece(piece, self._domain))
            if not there:
                store.send_piece(piece, data, self._domain)
            self._note_piece(piece, len(data), sent=not there)

    def _note_piece(self, piece: UploadPiece, size_bytes: int, *, sent: bool) -> None:
        with self._lock:
            if sent:
                self._journal.append({"piece": [piece.relative_path, piece.number]})
                self.sent_bytes += size_bytes
            else:
                self.skipped_bytes += size_bytes
            self._arrived += size_bytes
            if self._listener is not None:
                self._listener(self._arrived, self._size_bytes)


def new_upload_id() -> str:
    """Name an upload, as WEBKNOSSOS' own clients do: the moment (UTC) and a random part."""
    moment = time.strftime("%Y-%m-%dT%H-%M-%S", time.gmtime())
    return f"{moment}__{uuid.uuid4()}"


def uploading_store(context: ServerContext) -> DatastoreApiClient:
    """Return the data store that takes uploads. Raises PlanError if the server has none."""
    for store in context.client().datastore_list():
        if store.allows_upload:
            return context.datastore_client(store.url)
    raise PlanError(f"{context.address.url} has no data store that takes uploads")


def _pieces_of(file: UploadFile, piece_bytes: int) -> Iterator[bytes]:
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
