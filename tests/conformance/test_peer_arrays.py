"""The peer reads the arrays that we make and edit; we read and edit those that it makes. Every type, compressed and raw."""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from wk_assets.geometry.bounding_box import BoundingBox, NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.properties.element_class import element_class
from wk_assets.properties.layer_properties import DataFormat
from wk_assets.storage.create_mag_array import create_mag_array
from wk_assets.storage.mag_array import ArrayInfo, MagArray
from wk_assets.storage.open_mag_array import open_mag_array

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(600)]

_PEER_PYTHON = Path(
    os.environ.get("WK_ASSETS_PEER_PYTHON", Path(__file__).resolve().parents[2] / ".venv-peer" / "bin" / "python")
)
_SCRIPT = Path(__file__).with_name("peer_arrays_script.py")
SIZE = (70, 45, 37)
INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
Category = Literal["color", "segmentation"]


class Wanted:
    """One array of the matrix: what the peer and we make a layer of."""

    def __init__(self, dtype: str, channels: int, compress: bool, chunk: int, shard: tuple[int, int, int]) -> None:
        self.dtype, self.channels, self.compress, self.shard = dtype, channels, compress, shard
        self.category: Category = "color" if dtype == "float32" or channels > 1 else "segmentation"
        self.chunk = (chunk,) * 3
        self.name = f"{dtype}_{channels}_{'zstd' if compress else 'raw'}_{chunk}_{shard[0]}"

    def job(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "dtype": self.dtype,
            "category": self.category,
            "channels": self.channels,
            "compress": self.compress,
            "chunk_shape": self.chunk,
            "shard_shape": self.shard,
            "size": SIZE,
            "data_format": "zarr3",
        }

    def box(self) -> NormalizedBoundingBox:
        return BoundingBox((0, 0, 0), SIZE).normalize_axes(self.channels)

    def info(self, axis_order: Mapping[str, int]) -> ArrayInfo:
        return ArrayInfo(
            data_format=DataFormat.Zarr3,
            voxel_type=np.dtype(self.dtype),
            box=self.box(),
            chunk_shape=Vec3Int(self.chunk),
            shard_shape=Vec3Int(self.shard),
            compression_mode=self.compress,
            axis_order=axis_order,
        )

    def voxels(self, size: Any, seed: int) -> NDArray[Any]:
        generator = np.random.default_rng(seed)
        if self.dtype == "float32":
            return generator.normal(0, 1e6, tuple(size)).astype("float32")
        limits = np.iinfo(self.dtype)
        return generator.integers(limits.min, limits.max, tuple(size), self.dtype, endpoint=True)


def matrix() -> Iterator[Wanted]:
    shapes = ((32, (32, 32, 32)), (32, (64, 64, 32)), (16, (64, 32, 64)))
    for number, (dtype, compress) in enumerate(product((*INTEGERS, "float32"), (True, False))):
        yield Wanted(dtype, 1, compress, *shapes[number % 3])
    for compress, (chunk, shard) in product((True, False), shapes):
        yield Wanted("uint8", 3, compress, chunk, shard)


def ask_the_peer(question: str, request: Mapping[str, Any]) -> dict[str, str]:
    if not _PEER_PYTHON.exists():
        pytest.skip(
            f"the peer library is not at {_PEER_PYTHON}; `make peer` installs it, WK_ASSETS_PEER_PYTHON names one"
        )
    finished = subprocess.run(
        [_PEER_PYTHON, _SCRIPT, question], input=json.dumps(request), capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    answer: dict[str, str] = json.loads(finished.stdout.rstrip().rsplit("\n", 1)[-1])
    return answer


def digest(voxels: NDArray[Any]) -> str:
    ordered = np.ascontiguousarray(voxels).astype(voxels.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(ordered.tobytes()).hexdigest()


def edit(wanted: Wanted, array: MagArray) -> None:
    """Write what is aligned with nothing, and zeros over whole shards."""
    for seed, (topleft, size) in enumerate((((3, 7, 1), (50, 30, 33)), ((69, 0, 0), (1, 45, 37)))):
        box = BoundingBox(topleft, size).normalize_axes(wanted.channels)
        array.write_box(box, wanted.voxels(box.size, seed))
    nothing = BoundingBox((0, 0, 0), (64, 32, 37)).normalize_axes(wanted.channels)
    array.write_box(nothing, np.zeros(tuple(nothing.size), wanted.dtype))


@pytest.mark.parametrize("axes", ["cxyz", "czyx"])
def test_the_peer_reads_what_we_make_and_edit(tmp_path: Path, axes: str) -> None:
    order = {axis: axes.index(axis) for axis in "cxyz"}
    layers, expected = [], {}
    for wanted in matrix():
        array = create_mag_array(tmp_path / wanted.name / "1", wanted.info(order))
        array.write_box(wanted.box(), wanted.voxels(wanted.box().size, 9))
        edit(wanted, array)
        expected[wanted.name] = digest(array.read_box(wanted.box()))
        width, height, depth = SIZE
        layers.append(
            {
                "name": wanted.name,
                "category": wanted.category,
                "boundingBox": {"topLeft": [0, 0, 0], "width": width, "height": height, "depth": depth},
                "dataFormat": "zarr3",
                "mags": [{"mag": [1, 1, 1], "path": f"./{wanted.name}/1", "axisOrder": order}],
                "numChannels": wanted.channels,
                "elementClass": element_class(np.dtype(wanted.dtype), wanted.channels),
            }
        )
    document = {"id": {"name": "ours", "team": ""}, "scale": {"factor": [1, 1, 1], "unit": "nanometer"}, "version": 1}
    (tmp_path / "datasource-properties.json").write_text(json.dumps({**document, "dataLayers": layers}))

    assert ask_the_peer("read", {"path": str(tmp_path)}) == expected


def test_we_read_and_edit_what_the_peer_makes(tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    wanted = {one.name: one for one in matrix()}
    written = ask_the_peer("write", {"path": str(path), "layers": [one.job() for one in wanted.values()]})
    order = {"c": 0, "x": 1, "y": 2, "z": 3}
    arrays = {
        name: open_mag_array(path / name / "1", data_format=DataFormat.Zarr3, axis_order=order) for name in wanted
    }

    read = {name: array.read_box(wanted[name].box()) for name, array in arrays.items()}
    assert {name: digest(voxels) for name, voxels in read.items()} == written
    for name, array in arrays.items():
        assert array.info.chunk_shape == Vec3Int(wanted[name].chunk)
        assert array.info.shard_shape == Vec3Int(wanted[name].shard)
        assert array.info.compression_mode is wanted[name].compress
        assert not read[name][:, :5].any()
        edit(wanted[name], array)
    edited = {name: digest(array.read_box(wanted[name].box())) for name, array in arrays.items()}
    assert all(edited[name] != written[name] for name in wanted)

    assert ask_the_peer("read", {"path": str(path)}) == edited
