"""What lies at a URI is described and read: on this disk and behind http, in each format."""

import functools
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
import zarr

from tests.standin.standin_client import StandinClient
from wk_assets.dataset.dataset import Dataset
from wk_assets.geometry.bounding_box import BoundingBox

V = "/api/v16"
VOXELS = np.arange(32 * 24 * 16, dtype=np.uint16).reshape(32, 24, 16)  # x, y, z


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """Serve `tmp_path` by http."""
    handler = functools.partial(_Silent, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class _Silent(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def _ome(folder: Path, zarr_format: int) -> None:
    group = zarr.open_group(str(folder), mode="w", zarr_format=zarr_format)  # type: ignore[arg-type]  # 2 or 3
    for level, step in enumerate((1, 2)):
        data = np.ascontiguousarray(VOXELS[::step, ::step].T[None])  # c, z, y, x: z is not halved
        array = group.create_array(str(level), shape=data.shape, chunks=(1, 16, 16, 16), dtype=data.dtype)
        array[...] = data
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": [{"type": "scale", "scale": [1, 0.04, 0.011 * step, 0.011 * step]}],
        }
        for level, step in enumerate((1, 2))
    ]
    multiscales: Any = [{"axes": axes, "datasets": datasets}]
    group.attrs.update({"multiscales": multiscales} if zarr_format == 2 else {"ome": {"multiscales": multiscales}})


def _tensorstore(folder: Path, spec: dict[str, Any]) -> Any:
    return tensorstore.open(
        {**spec, "kvstore": {"driver": "file", "path": f"{folder}/"}}, create=True, open=True
    ).result()


def _n5(folder: Path) -> None:
    for level, step in enumerate((1, 2)):
        data = VOXELS[::step, ::step, ::step]
        metadata = {
            "dimensions": list(data.shape), "blockSize": [16, 16, 16], "dataType": "uint16", "compression": {"type": "gzip"},
            "downsamplingFactors": [step] * 3,
        }  # fmt: skip
        _tensorstore(folder / f"s{level}", {"driver": "n5", "metadata": metadata})[...] = data
    (folder / "attributes.json").write_text(json.dumps({"resolution": [11, 11, 40]}))


def _precomputed(folder: Path) -> None:
    for step in (1, 2):
        data = VOXELS[::step, ::step, ::step]
        spec = {
            "driver": "neuroglancer_precomputed",
            "multiscale_metadata": {"type": "image", "data_type": "uint16", "num_channels": 1},
            "scale_metadata": {
                "size": list(data.shape), "resolution": [11 * step, 11 * step, 40 * step], "encoding": "raw",
                "chunk_size": [16, 16, 16],
            },
        }  # fmt: skip
        _tensorstore(folder, spec)[...] = data[..., None]


def _single(folder: Path) -> None:
    array = zarr.create_array(
        str(folder),
        shape=VOXELS.shape,
        chunks=(16, 16, 16),
        dtype=VOXELS.dtype,
        dimension_names=["x", "y", "z"],
        zarr_format=3,
    )
    array[...] = VOXELS


def _described(folder: Path) -> None:
    made = Dataset(folder, voxel_size=(11.0, 11.0, 40.0), name="described")
    layer = made.add_layer("described", "color", dtype="uint16", bounding_box=BoundingBox((0, 0, 0), VOXELS.shape))
    layer.add_mag(1, chunk_shape=(32, 32, 32), shard_shape=(32, 32, 32)).write(VOXELS[None], allow_unaligned=True)


WRITERS: dict[str, tuple[Callable[[Path], None], list[float], list[list[int]]]] = {
    "ome-zarr 0.4": (functools.partial(_ome, zarr_format=2), [11, 11, 40], [[1, 1, 1], [2, 2, 1]]),
    "ome-zarr 0.5": (functools.partial(_ome, zarr_format=3), [11, 11, 40], [[1, 1, 1], [2, 2, 1]]),
    "n5": (_n5, [11, 11, 40], [[1, 1, 1], [2, 2, 2]]),
    "precomputed": (_precomputed, [11, 11, 40], [[1, 1, 1], [2, 2, 2]]),
    "zarr": (_single, [1, 1, 1], [[1, 1, 1]]),
    "described": (_described, [11, 11, 40], [[1, 1, 1]]),
}


@pytest.mark.parametrize(
    ("kind", "far"),
    # shards are read in parts, which this test's server does not give
    [(kind, far) for kind in WRITERS for far in (False, True) if not (far and kind == "described")],
)
def test_what_lies_elsewhere_is_added_and_read(
    kind: str, far: bool, standin: StandinClient, tmp_path: Path, web: str
) -> None:
    write, factor, mags = WRITERS[kind]
    write(tmp_path / "data")
    uri = f"{web}/data" if far else (tmp_path / "data").as_uri()

    added = standin.as_admin("POST", f"{V}/datasets/exploreAndAddRemote", json={"remoteUri": uri, "datasetName": "far"})
    assert added.status_code == 200, added.text
    source = standin.as_admin("GET", f"{V}/datasets/{added.json()}").json()["dataSource"]
    np.testing.assert_allclose(source["scale"]["factor"], factor)
    (layer,) = source["dataLayers"]
    assert [mag["mag"] for mag in layer["mags"]] == mags
    for mag in mags:
        step = np.array(mag)
        size = dict(zip(("width", "height", "depth"), -(-np.array(VOXELS.shape) // step), strict=True))
        answer = standin.as_admin(
            "GET",
            f"/data/v16/datasets/{added.json()}/layers/{layer['name']}/data",
            params={"mag": "-".join(map(str, mag)), "x": 0, "y": 0, "z": 0, **{k: int(v) for k, v in size.items()}},
        )
        assert answer.status_code == 200, answer.text
        shown = np.frombuffer(answer.content, "<u2").reshape(tuple(size.values()), order="F")
        np.testing.assert_array_equal(shown, VOXELS[:: mag[0], :: mag[1], :: mag[2]])


def test_deleting_what_was_explored_leaves_its_files(standin: StandinClient, tmp_path: Path) -> None:
    _n5(tmp_path / "data")
    body = {"remoteUri": str(tmp_path / "data"), "datasetName": "far"}
    added = standin.as_admin("POST", f"{V}/datasets/exploreAndAddRemote", json=body).json()

    assert standin.as_admin("DELETE", f"{V}/datasets/{added}").status_code == 200
    assert (tmp_path / "data" / "s0" / "attributes.json").is_file()


@pytest.mark.parametrize("uri", ["s3://bucket/key", "/nowhere", "http://127.0.0.1:9/closed"])
def test_where_nothing_is_found_nothing_is_added(uri: str, standin: StandinClient) -> None:
    body = {"remoteUri": uri, "datasetName": "far"}

    assert standin.as_admin("POST", f"{V}/datasets/exploreAndAddRemote", json=body).status_code == 400
    assert standin.as_admin("GET", f"{V}/datasets").json() == []
    told = standin.as_admin("POST", f"{V}/datasets/exploreRemote", json=[{"remoteUri": uri}]).json()
    assert "dataSource" not in told
    assert uri in told["report"]


def test_several_places_make_one_data_source(standin: StandinClient, tmp_path: Path) -> None:
    _n5(tmp_path / "one")
    _single(tmp_path / "two")
    wanted = [{"remoteUri": str(tmp_path / name)} for name in ("one", "two")]

    told = standin.as_admin("POST", f"{V}/datasets/exploreRemote", json=wanted).json()
    assert [layer["name"] for layer in told["dataSource"]["dataLayers"]] == ["one", "two"]
