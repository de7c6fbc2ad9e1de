"""Arrays behind a URL hold the voxels that are stored; trouble on the way is an error, never background, and shows no token."""

import threading
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore

from wk_assets.errors import (
    ForbiddenError,
    GeometryError,
    NoAnswerError,
    NotADatasetError,
    NotAuthenticatedError,
    PropertiesError,
    ReadOnlyError,
    RemoteLocationError,
    ShardCorruptError,
    WkAssetsError,
)
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.properties.layer_properties import DataFormat
from wk_assets.storage.concurrent_fetches import concurrent_fetches
from wk_assets.storage.remote_array import RemoteArray, RemoteReading
from wk_assets.storage.remote_streamed_array import RemoteStreamedArray

TOKEN = "s3cr3t-t0ken"  # noqa: S105  # of nobody
READING = RemoteReading(headers=(f"X-Auth-Token: {TOKEN}",), attempts=3, first_wait_seconds=0.01, timeout_seconds=20)
VOXELS = np.random.default_rng(1).integers(1, 2**16, (2, 40, 36, 20), dtype=np.uint16)
AXES = ("c", "x", "y", "z")
WHOLE = NormalizedBoundingBox((0, 0, 0, 0), VOXELS.shape, AXES)


class Files(BaseHTTPRequestHandler):
    """Serve a folder to who has the token, with byte ranges; and trouble for a path, once or always."""

    root: Path
    trouble: dict[str, tuple[str, int]]  # the end of a path -> what goes wrong, how many times more
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        for end, (kind, times) in list(self.trouble.items()):
            if self.path.endswith(end) and times > 0:
                self.trouble[end] = (kind, times - 1)
                return self._go_wrong(kind)
        path = self.root / self.path.strip("/")
        if self.headers.get("X-Auth-Token") != TOKEN:
            return self._answer(401, b"")
        if not path.is_file():
            return self._answer(404, b"")
        data, wanted = path.read_bytes(), self.headers.get("Range")
        if wanted is None:
            return self._answer(200, data)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start = len(data) - int(last) if not first else int(first)
        stop = len(data) if not first or not last else int(last) + 1
        return self._answer(206, data[start:stop], {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"})

    def _go_wrong(self, kind: str) -> None:
        if kind == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"too little")
            self.close_connection = True
        elif kind == "garbage":
            self._answer(200, b"\x00garbage" * 40)
        else:
            self._answer(int(kind), b"")

    def _answer(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Served:
    def __init__(self, root: Path, url: str, handler: type[Files]) -> None:
        self.root, self.url, self.handler = root, url, handler

    def store(self, name: str, spec: dict[str, Any]) -> str:
        """Write VOXELS (and nothing where there are none) with another program; returns the array's address."""
        store = tensorstore.open(
            {**spec, "kvstore": {"driver": "file", "path": f"{self.root / name}/"}}, create=True
        ).result()
        store[...].write(VOXELS.transpose(1, 2, 3, 0) if "precomputed" in spec["driver"] else VOXELS).result()
        return f"{self.url}/{name}"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    handler = type("OwnFiles", (Files,), {"root": tmp_path, "trouble": {}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Served(tmp_path, f"http://127.0.0.1:{server.server_port}", handler)
    server.shutdown()
    thread.join()
    server.server_close()


ZARR3 = {
    "driver": "zarr3",
    "metadata": {
        "shape": list(VOXELS.shape), "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 32, 32, 32]}},
        "codecs": [{"name": "sharding_indexed", "configuration": {
            "chunk_shape": [2, 16, 16, 16], "codecs": [{"name": "bytes"}, {"name": "zstd"}],
            "index_codecs": [{"name": "bytes"}, {"name": "crc32c"}],
        }}],
    },
}  # fmt: skip
PLAIN3 = {
    "driver": "zarr3",
    "metadata": {
        "shape": list(VOXELS.shape), "data_type": "uint16", "codecs": [{"name": "bytes"}, {"name": "gzip"}],
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 16, 16, 16]}},
        "dimension_names": ["c", "x", "y", "z"],
    },
}  # fmt: skip
ZARR2 = {
    "driver": "zarr",
    "metadata": {"shape": list(VOXELS.shape), "chunks": [2, 16, 16, 16], "dtype": "<u2", "compressor": {"id": "zlib"}},
}
N5 = {
    "driver": "n5",
    "metadata": {
        "dimensions": list(VOXELS.shape), "blockSize": [2, 16, 16, 16], "dataType": "uint16",
        "compression": {"type": "gzip"},
    },
}  # fmt: skip
PRECOMPUTED = {
    "driver": "neuroglancer_precomputed",
    "multiscale_metadata": {"type": "image", "data_type": "uint16", "num_channels": 2},
    "scale_metadata": {
        "size": [40, 36, 20], "encoding": "raw", "chunk_size": [16, 16, 16], "resolution": [4, 4, 40], "key": "4_4_40",
    },
}  # fmt: skip
FORMATS = [
    pytest.param(ZARR3, DataFormat.Zarr3, "", id="zarr3-sharded"),
    pytest.param(PLAIN3, DataFormat.Zarr3, "", id="zarr3"),
    pytest.param(ZARR2, DataFormat.Zarr, "", id="zarr"),
    pytest.param(N5, DataFormat.N5, "", id="n5"),
    pytest.param(PRECOMPUTED, DataFormat.NeuroglancerPrecomputed, "/4_4_40", id="precomputed"),
]


@pytest.mark.parametrize(("spec", "data_format", "scale"), FORMATS)
def test_every_format_is_read_with_the_voxels_that_another_program_wrote(
    served: Served, spec: dict[str, Any], data_format: DataFormat, scale: str
) -> None:
    array = RemoteArray.open(served.store("a", spec) + scale, data_format=data_format, reading=READING)

    assert (array.info.voxel_type, array.info.num_channels) == (np.dtype("uint16"), 2)
    assert array.info.box == WHOLE
    assert array.info.compression_mode is (data_format is not DataFormat.NeuroglancerPrecomputed)
    np.testing.assert_array_equal(array.read_box(WHOLE), VOXELS)
    beyond = array.read_box(NormalizedBoundingBox((1, 30, 30, 10), (1, 20, 20, 20), AXES))
    np.testing.assert_array_equal(beyond[0, :10, :6, :10], VOXELS[1, 30:, 30:, 10:])
    assert not beyond[:, 10:].any()
    assert sum(box.volume() for box in array.stored_boxes()) == WHOLE.volume()
    with pytest.raises(ReadOnlyError):
        array.write_box(WHOLE, VOXELS)
    with pytest.raises(ReadOnlyError):
        array.resize(WHOLE)
    with pytest.raises(GeometryError):
        array.read_box(NormalizedBoundingBox((0, -1, 0, 0), (1, 2, 2, 2), AXES))


def test_of_a_shard_only_the_chunks_that_are_needed_are_asked_for(served: Served) -> None:
    array = RemoteArray.open(served.store("a", ZARR3), data_format=DataFormat.Zarr3, reading=READING)
    served.handler.asked.clear()

    array.read_box(NormalizedBoundingBox((0, 0, 0, 0), (2, 4, 4, 4), AXES))

    assert len(served.handler.asked) == 2  # the index, and one chunk


def test_a_chunk_that_is_not_stored_is_background(served: Served) -> None:
    url = served.store("a", PLAIN3)
    (served.root / "a/c/0/1/0/0").unlink()

    voxels = RemoteArray.open(url, data_format=DataFormat.Zarr3, reading=READING).read_box(WHOLE)

    expected = VOXELS.copy()
    expected[:, 16:32, :16, :16] = 0
    np.testing.assert_array_equal(voxels, expected)


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        ("503", NoAnswerError),
        ("500", NoAnswerError),
        ("cut", NoAnswerError),
        ("403", ForbiddenError),
        ("401", NotAuthenticatedError),
        ("garbage", ShardCorruptError),
    ],
)
def test_trouble_that_lasts_is_an_error_without_the_token(
    served: Served, trouble: str, error: type[WkAssetsError]
) -> None:
    array = RemoteArray.open(served.store("a", PLAIN3), data_format=DataFormat.Zarr3, reading=READING)
    served.handler.trouble["c/0/1/0/0"] = (trouble, 99)

    with pytest.raises(error) as refusal:
        array.read_box(WHOLE)

    told = "".join(traceback.format_exception(refusal.value)) + repr(READING) + repr(array.info)
    assert TOKEN not in told
    assert served.url in str(refusal.value)


@pytest.mark.parametrize("trouble", ["503", "500", "429", "cut"])
def test_trouble_that_passes_is_tried_again(served: Served, trouble: str) -> None:
    array = RemoteArray.open(served.store("a", PLAIN3), data_format=DataFormat.Zarr3, reading=READING)
    served.handler.trouble["c/0/1/0/0"] = (trouble, 1)

    np.testing.assert_array_equal(array.read_box(WHOLE), VOXELS)
    assert served.handler.asked.count("/a/c/0/1/0/0") == 2


def test_what_is_no_array_is_refused(served: Served) -> None:
    url = served.store("a", PLAIN3)
    (served.root / "b").mkdir()
    (served.root / "b/zarr.json").write_text("{]")
    (served.root / "c").mkdir()
    (served.root / "c/zarr.json").write_text('{"node_type": "group", "zarr_format": 3}')

    with pytest.raises(NotADatasetError, match=r"there is no \.zarray"):
        RemoteArray.open(url, data_format=DataFormat.Zarr, reading=READING)
    with pytest.raises(PropertiesError, match="not JSON"):
        RemoteArray.open(f"{served.url}/b", data_format=DataFormat.Zarr3, reading=READING)
    with pytest.raises(PropertiesError) as refusal:
        RemoteArray.open(f"{served.url}/c", data_format=DataFormat.Zarr3, reading=READING)
    assert TOKEN not in "".join(traceback.format_exception(refusal.value))
    with pytest.raises(RemoteLocationError, match="wkw are not read over the network"):
        RemoteArray.open(url, data_format=DataFormat.WKW, reading=READING)
    with pytest.raises(NotAuthenticatedError):
        RemoteArray.open(url, data_format=DataFormat.Zarr3)


# ---------------------------------------------------------------------- streamed


def test_a_streamed_array_asks_for_the_chunks_of_a_box_and_no_others() -> None:
    asked: list[str] = []

    def fetch(name: str) -> bytes | None:
        asked.append(name)
        if name == ".zarray":
            return (
                b'{"zarr_format": 2, "shape": [2, 40, 36, 20], "chunks": [2, 32, 32, 32], "dtype": "<u2", "order": "F",'
                b' "compressor": null, "filters": null, "fill_value": 0, "dimension_separator": "."}'
            )
        _, x, y, z = map(int, name.split("."))
        chunk = np.zeros((2, 32, 32, 32), np.uint16)
        part = VOXELS[:, x * 32 : x * 32 + 32, y * 32 : y * 32 + 32, z * 32 : z * 32 + 32]
        chunk[:, : part.shape[1], : part.shape[2], : part.shape[3]] = part
        return chunk.tobytes(order="F")

    array = RemoteStreamedArray.open("somewhere", fetch, {"c": 0, "x": 1, "y": 2, "z": 3})
    voxels = array.read_box(NormalizedBoundingBox((1, 20, 30, 10), (1, 30, 2, 5), AXES))

    np.testing.assert_array_equal(voxels[0, :20], VOXELS[1, 20:, 30:32, 10:15])
    assert not voxels[0, 20:].any()
    assert sorted(asked) == [".zarray", "0.0.0.0", "0.1.0.0"]  # noqa: S104  # a chunk's name
    np.testing.assert_array_equal(array.read_box(WHOLE), VOXELS)


def test_fetches_are_bounded_ordered_and_stop_at_the_first_error() -> None:
    lock, under_way, most = threading.Lock(), 0, 0
    begun: list[int] = []

    def fetch(number: int) -> int:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
            begun.append(number)
        threading.Event().wait(0.002)
        with lock:
            under_way -= 1
        if number == 30:
            raise NoAnswerError("cut")
        return number

    assert list(concurrent_fetches(fetch, range(20), at_once=3)) == list(range(20))
    with pytest.raises(NoAnswerError):
        list(concurrent_fetches(fetch, range(20, 1000), at_once=3))

    assert most == 3
    assert max(begun) < 40
