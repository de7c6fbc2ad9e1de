"""The clients of the stores beside a WEBKNOSSOS server: data stores hold voxels and take uploads, the tracing store annotations.

Routes only; how an upload survives a crash is decided in `operations`. Uploads have routes of their own up to version 13.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

import httpx
import numpy as np
from numpy.typing import NDArray

from wk_assets.client.answers import parsed
from wk_assets.client.api_session import ApiSession, part
from wk_assets.client.models import ApiLinkedLayerIdentifier
from wk_assets.client.transport import Transport
from wk_assets.errors import NotOnServerError, UnexpectedAnswerError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag

UploadDomain = Literal["dataset", "mag", "attachment"]

# From this version on uploads live at `datasets/upload/…`, and mags and attachments can be sent too.
REFACTORED_UPLOADS = 14
_FINISH_TIMEOUT_SECONDS = 7200.0
_JSON_DATA_SOURCE = "datasource-properties.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadSession:
    """Say what an upload will be. `upload_id` identifies it for the server: the same id again is the same upload."""

    upload_id: str
    dataset_name: str
    organization_id: str
    file_count: int
    size_bytes: int
    folder_id: str | None = None
    team_ids: tuple[str, ...] = ()
    layers_to_link: tuple[ApiLinkedLayerIdentifier, ...] = ()
    require_unique_name: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadPiece:
    """Name one piece of a file. `number` counts from 1; every piece but the last has `piece_bytes` bytes."""

    upload_id: str
    relative_path: str
    number: int
    pieces: int
    piece_bytes: int
    file_bytes: int
    file_count: int

    @property
    def identifier(self) -> str:
        """What the server keeps the piece under."""
        return f"{self.upload_id}/{self.relative_path}"


class DatastoreApiClient(ApiSession):
    """Call a data store. Every method raises ServerError."""

    def __init__(self, *, datastore_base_url: str, api_version: int, transport: Transport) -> None:
        super().__init__(base_url=datastore_base_url, transport=transport)
        self.api_version = api_version

    @property
    def url_prefix(self) -> str:
        """The address before every route."""
        return f"{self._base_url}/data/v{self.api_version}"

    # ------------------------------------------------------------------ uploads

    def reserve_upload(self, session: UploadSession) -> None:
        """Begin an upload; a second time with the same id does nothing."""
        linked = [layer.to_body() for layer in session.layers_to_link]
        if self.api_version < REFACTORED_UPLOADS:
            body: dict[str, Any] = {
                "uploadId": session.upload_id,
                "name": session.dataset_name,
                "organization": session.organization_id,
                "totalFileCount": session.file_count,
                "totalFileSizeInBytes": session.size_bytes,
                "initialTeams": list(session.team_ids),
                "layersToLink": linked,
                "folderId": session.folder_id,
            }
            self._call("POST", "/datasets/reserveUpload", json=body, repeatable=True)
            return
        body = {
            "resumableUploadInfo": _resumable(session.upload_id, session.file_count, session.size_bytes),
            "datasetName": session.dataset_name,
            "organizationId": session.organization_id,
            "initialTeamIds": list(session.team_ids),
            "layersToLink": linked,
            "folderId": session.folder_id,
            "requireUniqueName": session.require_unique_name,
        }
        self._call("POST", "/datasets/upload/dataset/reserveUpload", json=body, repeatable=True)

    def reserve_mag_upload(
        self,
        *,
        upload_id: str,
        file_count: int,
        size_bytes: int,
        dataset_id: str,
        layer_name: str,
        mag: Mapping[str, Any],
        overwrite_pending: bool = True,
    ) -> None:
        """Begin to send a mag of a layer that the server has. `mag`: `{mag, axisOrder, channelIndex}`."""
        body = {
            "resumableUploadInfo": _resumable(upload_id, file_count, size_bytes),
            "datasetId": dataset_id,
            "layerName": layer_name,
            "mag": dict(mag),
            "overwritePending": overwrite_pending,
        }
        self._call("POST", "/datasets/upload/mag/reserveUpload", json=body, repeatable=True)

    def reserve_attachment_upload(
        self,
        *,
        upload_id: str,
        file_count: int,
        size_bytes: int,
        dataset_id: str,
        layer_name: str,
        attachment_type: str,
        attachment: Mapping[str, Any],
        overwrite_pending: bool = True,
    ) -> None:
        """Begin to send an attachment of a layer that the server has. `attachment`: `{name, path, dataFormat}`."""
        body = {
            "resumableUploadInfo": _resumable(upload_id, file_count, size_bytes),
            "datasetId": dataset_id,
            "layerName": layer_name,
            "attachmentType": attachment_type,
            "attachment": dict(attachment),
            "overwritePending": overwrite_pending,
        }
        self._call("POST", "/datasets/upload/attachment/reserveUpload", json=body, repeatable=True)

    def has_piece(self, piece: UploadPiece, domain: UploadDomain = "dataset") -> bool:
        """Ask whether a piece has arrived already."""
        params = {"resumableChunkNumber": piece.number, "resumableIdentifier": piece.identifier}
        return self._transport.request("GET", self._piece_url(domain), params=params).status_code == 200

    def send_piece(self, piece: UploadPiece, data: bytes, domain: UploadDomain = "dataset") -> None:
        """Send a piece; the server ignores one that it has, so this is repeated where it may have failed."""
        fields: dict[str, Any] = {
            "resumableChunkNumber": piece.number,
            "resumableChunkSize": piece.piece_bytes,
            "resumableCurrentChunkSize": len(data),
            "resumableTotalSize": piece.file_bytes,
            "resumableType": "",
            "resumableIdentifier": piece.identifier,
            "resumableFilename": piece.relative_path,
            "resumableRelativePath": piece.relative_path,
            "resumableTotalChunks": piece.pieces,
            "totalFileCount": piece.file_count,
        }
        # As a stream: what is not a file is joined, and copied again, before it goes over the line.
        files = {"file": ("upload", BytesIO(data), "application/octet-stream")}
        self._transport.request("POST", self._piece_url(domain), data=fields, files=files, repeatable=True)

    def finish_upload(self, upload_id: str, domain: UploadDomain = "dataset") -> str | None:
        """End an upload; returns the id of the dataset, None for a mag or an attachment.

        Sent once: after a lost answer look at the dataset, because the server takes a second time for a mistake.
        """
        if self.api_version < REFACTORED_UPLOADS:
            answer = self._call(
                "POST",
                "/datasets/finishUpload",
                json={"uploadId": upload_id},
                timeout_seconds=_FINISH_TIMEOUT_SECONDS,
            )
        else:
            answer = self._call(
                "POST",
                f"/datasets/upload/{domain}/finishUpload",
                params={"uploadId": upload_id},
                timeout_seconds=_FINISH_TIMEOUT_SECONDS,
            )
        if domain != "dataset":
            return None
        made: dict[str, Any] = parsed(answer, dict)
        for key in ("datasetId", "newDatasetId"):
            if key in made:
                return str(made[key])
        raise UnexpectedAnswerError(f"the end of upload {upload_id}: the answer names no dataset, only {sorted(made)}")

    def cancel_upload(self, upload_id: str, domain: UploadDomain = "dataset") -> None:
        """Give an upload up; the server forgets what has arrived."""
        route = (
            "/datasets/cancelUpload"
            if self.api_version < REFACTORED_UPLOADS
            else f"/datasets/upload/{domain}/cancelUpload"
        )
        self._call("POST", route, params={"uploadId": upload_id}, json={"uploadId": upload_id}, repeatable=True)

    def unfinished_uploads(self, organization_name: str) -> list[dict[str, Any]]:
        """List the uploads of the last two weeks that were begun and not ended."""
        route = (
            "/datasets/unfinishedUploads"
            if self.api_version < REFACTORED_UPLOADS
            else "/datasets/upload/dataset/unfinishedUploads"
        )
        return self._get(route, list[dict[str, Any]], {"organizationName": organization_name})

    def _piece_url(self, domain: UploadDomain) -> str:
        if self.api_version < REFACTORED_UPLOADS:
            return f"{self.url_prefix}/datasets"
        return f"{self.url_prefix}/datasets/upload/{domain}"

    # ------------------------------------------------------------------ voxels

    def read_box(
        self,
        *,
        dataset_id: str,
        layer_name: str,
        mag: Mag,
        box: BoundingBox,
        channels: int,
        dtype: np.dtype[Any],
        token: str | None = None,
    ) -> NDArray[Any]:
        """Return the voxels of a box (mag-1 voxels, aligned with the mag), shape (c, x, y, z).

        Raises UnexpectedAnswerError if the server had not all of them: missing voxels are never taken for zeros.
        """
        size = box.in_mag(mag).size
        answer = self._call(
            "GET",
            f"/datasets/{part(dataset_id)}/layers/{part(layer_name)}/data",
            params={
                "mag": mag.to_long_layer_name(),
                **dict(zip("xyz", box.topleft, strict=True)),
                "width": size.x,
                "height": size.y,
                "depth": size.z,
                "token": token,
            },
        )
        missing = answer.headers.get("MISSING-BUCKETS", "the header is missing")
        if missing.strip() != "[]":
            raise UnexpectedAnswerError(
                f"layer {layer_name} of dataset {dataset_id}, box {box}: the server could not read all of it ({missing})"
            )
        shape = (channels, *size)
        stored = np.frombuffer(answer.content, dtype.newbyteorder("<"))
        if stored.size != np.prod(shape):
            raise UnexpectedAnswerError(
                f"layer {layer_name} of dataset {dataset_id}, box {box}: {stored.size} values came, {np.prod(shape)} are due"
            )
        return stored.astype(dtype, copy=False).reshape(shape, order="F")

    def streamed_properties(self, dataset_id: str, *, annotation: bool = False) -> dict[str, Any]:
        """Return datasource-properties.json as the streamed (Zarr) view of a dataset or an annotation shows it."""
        return self._get(f"/{self._stream(dataset_id, annotation)}/{_JSON_DATA_SOURCE}", dict)

    def stream_url(self, dataset_id: str, path: str, *, annotation: bool = False) -> str:
        """Return the address of a file in the streamed (Zarr) view of a dataset or an annotation."""
        return f"{self.url_prefix}/{self._stream(dataset_id, annotation)}/{path}"

    def proxy_url(self, dataset_id: str, path: str) -> str:
        """Return the address at which the data store hands through a stored file."""
        return f"{self.url_prefix}/datasets/{part(dataset_id)}/proxy/{path}"

    @contextmanager
    def file(self, url: str, *, first: int | None = None, last: int | None = None) -> Iterator[httpx.Response]:
        """Give a file's answer, body unread; `first`, `last`: the bytes that are wanted (inclusive)."""
        headers = {} if first is None else {"Range": f"bytes={first}-{'' if last is None else last}"}
        with self._transport.stream("GET", url, headers=headers) as answer:
            yield answer

    def proxied_properties(self, dataset_id: str) -> dict[str, Any]:
        """Return datasource-properties.json with paths through the data store's proxy (see `proxy_url`)."""
        return self._get(f"/datasets/{part(dataset_id)}/proxy/{_JSON_DATA_SOURCE}", dict)

    def file_bytes(self, url: str) -> bytes | None:
        """Return all bytes of a file, None if there is none (404). Tried again as every GET; a body that ends early too."""
        try:
            return self._transport.request("GET", url).content
        except NotOnServerError:
            return None

    def trigger_reload(self, *, organization_id: str, dataset_id: str) -> None:
        """Let the data store read a dataset's files anew."""
        self._call("POST", f"/triggers/reload/{part(organization_id)}/{part(dataset_id)}", repeatable=True)

    def download_mesh(self, *, dataset_id: str, layer_name: str, mesh: Mapping[str, Any], token: str | None) -> bytes:
        """Return one segment's mesh as STL. 64-bit ids in `mesh` must be in the server's envelope already."""
        route = f"/datasets/{part(dataset_id)}/layers/{part(layer_name)}/meshes/fullMesh.stl"
        return self._call("POST", route, json=dict(mesh), params={"token": token}, repeatable=True).content

    @staticmethod
    def _stream(dataset_id: str, annotation: bool) -> str:  # noqa: FBT001  # private
        return f"{'annotations/' if annotation else ''}zarr/{part(dataset_id)}"


class TracingstoreApiClient(ApiSession):
    """Call the tracing store. Every method raises ServerError."""

    @property
    def url_prefix(self) -> str:
        """The address before every route."""
        return f"{self._base_url}/tracings"

    def newest_version(self, annotation_id: str) -> int:
        """Return the number of the newest state of an annotation."""
        found: Any = json.loads(self._call("GET", f"/annotation/{part(annotation_id)}/newestVersion").content)
        return int(found["version"] if isinstance(found, dict) else found)

    def download_mesh(self, *, tracing_id: str, mesh: Mapping[str, Any], token: str | None = None) -> bytes:
        """Return the mesh of a segment of a volume annotation as STL."""
        route = f"/volume/{part(tracing_id)}/fullMesh.stl"
        return self._call("POST", route, json=dict(mesh), params={"token": token}, repeatable=True).content

    def agglomerate_graph(self, *, tracing_id: str, agglomerate_id: int) -> bytes:
        """Return the protobuf message that describes one agglomerate of a proofreading annotation."""
        return self._call("GET", f"/mapping/{part(tracing_id)}/agglomerateGraph/{agglomerate_id}").content


def _resumable(upload_id: str, file_count: int, size_bytes: int) -> dict[str, Any]:
    return {"uploadId": upload_id, "totalFileCount": file_count, "totalFileSizeInBytes": size_bytes}
