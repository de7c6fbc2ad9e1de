"""Uploads in both generations of routes, and voxels that come or do not come."""

import json
from typing import Any

import httpx
import numpy as np
import pytest

from tests.client.scripted_server import ScriptedServer
from wk_assets.client.models import ApiLinkedLayerIdentifier
from wk_assets.client.store_clients import DatastoreApiClient, TracingstoreApiClient, UploadPiece, UploadSession
from wk_assets.client.transport import Transport
from wk_assets.errors import NoAnswerError, UnexpectedAnswerError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag

SESSION = UploadSession(
    upload_id="2026__u",
    dataset_name="d",
    organization_id="o",
    file_count=2,
    size_bytes=10,
    layers_to_link=(ApiLinkedLayerIdentifier(dataset_id="x", layer_name="l"),),
)
PIECE = UploadPiece(
    upload_id="2026__u", relative_path="em/1/c/0", number=2, pieces=2, piece_bytes=4, file_bytes=6, file_count=2
)


def _client(server: ScriptedServer, version: int = 16) -> DatastoreApiClient:
    transport = Transport(connector=httpx.MockTransport(server))
    return DatastoreApiClient(datastore_base_url="http://store.example/", api_version=version, transport=transport)


@pytest.mark.parametrize(
    ("version", "reserve", "piece", "finish"),
    [
        (13, "/data/v13/datasets/reserveUpload", "/data/v13/datasets", "/data/v13/datasets/finishUpload"),
        *(
            (
                version,
                f"/data/v{version}/datasets/upload/dataset/reserveUpload",
                f"/data/v{version}/datasets/upload/dataset",
                f"/data/v{version}/datasets/upload/dataset/finishUpload",
            )
            for version in (14, 15, 16)
        ),
    ],
)
def test_an_upload_takes_the_routes_of_the_version(version: int, reserve: str, piece: str, finish: str) -> None:
    made = {"newDatasetId" if version == 13 else "datasetId": "abc"}
    server = ScriptedServer().on("POST", reserve, httpx.Response(200)).on("POST", piece, httpx.Response(200))
    server.on("POST", finish, httpx.Response(200, json=made)).on("GET", piece, httpx.Response(204), httpx.Response(200))
    client = _client(server, version)

    client.reserve_upload(SESSION)
    assert not client.has_piece(PIECE)
    client.send_piece(PIECE, b"xy")
    assert client.has_piece(PIECE)
    assert client.finish_upload(SESSION.upload_id) == "abc"
    body = json.loads(server.requests[0].content)
    assert body["uploadId" if version == 13 else "resumableUploadInfo"]
    assert body["layersToLink"][0]["layerName"] == "l"


def test_a_piece_says_where_it_belongs() -> None:
    path = "/data/v16/datasets/upload/dataset"
    server = ScriptedServer().on("POST", path, httpx.Response(200))

    _client(server).send_piece(PIECE, b"xy")
    form = server.requests[0].content
    for name, value in {
        b"resumableChunkNumber": b"2",
        b"resumableChunkSize": b"4",
        b"resumableCurrentChunkSize": b"2",
        b"resumableTotalChunks": b"2",
        b"resumableIdentifier": b"2026__u/em/1/c/0",
    }.items():
        assert b'name="%b"\r\n\r\n%b\r\n' % (name, value) in form
    assert b'name="file"; filename="upload"' in form


def test_a_piece_is_sent_again_after_a_broken_line_but_an_end_is_not() -> None:
    path = "/data/v16/datasets/upload/dataset"
    server = ScriptedServer().on("POST", path, httpx.ReadError("reset"), httpx.Response(200))
    server.on("POST", f"{path}/finishUpload", httpx.ReadTimeout("slow"))
    client = _client(server)

    client.send_piece(PIECE, b"xy")
    assert server.asked("POST", path) == 2
    with pytest.raises(NoAnswerError):
        client.finish_upload("2026__u")
    assert server.asked("POST", f"{path}/finishUpload") == 1


def test_mags_and_attachments_have_uploads_of_their_own() -> None:
    server = ScriptedServer()
    for domain in ("mag", "attachment"):
        for end in ("reserveUpload", "finishUpload", "cancelUpload"):
            server.on("POST", f"/data/v16/datasets/upload/{domain}/{end}", httpx.Response(200))
    client = _client(server)

    common: dict[str, Any] = {
        "upload_id": "u", "file_count": 1, "size_bytes": 1, "dataset_id": "d", "layer_name": "l"
    }  # fmt: skip
    client.reserve_mag_upload(**common, mag={"mag": [2, 2, 1]})
    assert client.finish_upload("u", "mag") is None
    client.reserve_attachment_upload(**common, attachment_type="mesh", attachment={"name": "m"})
    client.cancel_upload("u", "attachment")
    assert len(server.requests) == 4


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "uint64"])
def test_voxels_come_in_fortran_order(dtype: str) -> None:
    voxels = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5).astype(dtype)
    server = ScriptedServer().on(
        "GET",
        "/data/v16/datasets/d/layers/em/data",
        httpx.Response(200, content=voxels.tobytes(order="F"), headers={"MISSING-BUCKETS": "[]"}),
    )

    found = _client(server).read_box(
        dataset_id="d", layer_name="em", mag=Mag("2-2-1"), box=BoundingBox((6, 8, 1), (6, 8, 5)), channels=2,
        dtype=np.dtype(dtype),
    )  # fmt: skip
    np.testing.assert_array_equal(found, voxels)
    assert dict(server.requests[0].url.params) == {
        "mag": "2-2-1", "x": "6", "y": "8", "z": "1", "width": "3", "height": "4", "depth": "5"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "content", "said"),
    [
        ({"MISSING-BUCKETS": "[3, 4]"}, b"1", r"could not read all of it \(\[3, 4\]\)"),
        ({}, b"1", "could not read all of it"),
        ({"MISSING-BUCKETS": "[]"}, b"", "0 values came, 1 are due"),
    ],
)
def test_missing_voxels_are_an_error_and_never_zeros(headers: dict[str, str], content: bytes, said: str) -> None:
    answer = httpx.Response(200, content=content, headers=headers)
    server = ScriptedServer().on("GET", "/data/v16/datasets/d/layers/em/data", answer)

    with pytest.raises(UnexpectedAnswerError, match=said):
        _client(server).read_box(
            dataset_id="d", layer_name="em", mag=Mag(1), box=BoundingBox((0, 0, 0), (1, 1, 1)), channels=1,
            dtype=np.dtype("uint8"),
        )  # fmt: skip


def test_a_file_is_read_in_part() -> None:
    server = ScriptedServer().on(
        "GET", "/data/v16/zarr/d/em/1/0.0.0.0", lambda request: httpx.Response(206, text=request.headers["Range"])
    )
    client = _client(server)

    with client.file(client.stream_url("d", "em/1/0.0.0.0"), first=4, last=7) as answer:
        assert answer.read() == b"bytes=4-7"


@pytest.mark.parametrize("answer", [{"version": 7}, 7])
def test_the_newest_version_of_an_annotation_is_a_number(answer: object) -> None:
    server = ScriptedServer().on("GET", "/tracings/annotation/a/newestVersion", httpx.Response(200, json=answer))
    transport = Transport(connector=httpx.MockTransport(server))

    assert TracingstoreApiClient(base_url="http://t.example", transport=transport).newest_version("a") == 7
