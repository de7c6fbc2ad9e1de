"""wkw and Zarr v2 are exchanged with WEBKNOSSOS' own Python library (the peer): each reads and changes what the other wrote.

The peer runs in an environment of its own (`make peer`); `make oracle` runs these tests with it.
"""

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat
from wk_assets.storage.create_mag_array import create_mag_array
from wk_assets.storage.mag_array import ArrayInfo, MagArray
from wk_assets.storage.open_mag_array import open_mag_array

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(600)]

_REPOSITORY = Path(__file__).resolve().parents[2]
# read here: a test's environment has none of a person's own settings
_PEER_PYTHON = Path(os.environ.get("WK_ASSETS_PEER_PYTHON", _REPOSITORY / ".venv-peer" / "bin" / "python"))
_SCRIPT = Path(__file__).with_name("peer_formats_script.py")

TOPLEFT = (3, 0, 5)
SIZE = (70, 41, 35)
CHANGED_TOPLEFT, CHANGED_SIZE, CHANGED_VALUE = (30, 10, 20), (20, 25, 17), 77  # through several chunks and shards


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Say what a layer is; its voxels follow from `seed`."""

    name: str
    data_format: DataFormat
    dtype: str
    channels: int = 1
    times: int = 0
    compress: bool = True
    seed: int = 1

    @property
    def box(self) -> NormalizedBoundingBox:
        times = {"t": self.times} if self.times else {}
        return NormalizedBoundingBox(
            [*(0 for _ in times), 0, *TOPLEFT], [*times.values(), self.channels, *SIZE], [*times, "c", "x", "y", "z"]
        )

    @property
    def changed_box(self) -> NormalizedBoundingBox:
        return self.box.with_topleft_xyz(CHANGED_TOPLEFT).with_size_xyz(CHANGED_SIZE)

    @property
    def shard_shape(self) -> Vec3Int:
        return Vec3Int.full(64 if self.data_format is DataFormat.WKW else 32)

    def voxels(self) -> NDArray[Any]:
        generator = np.random.default_rng(self.seed)
        if self.dtype.startswith("float"):
            return generator.normal(0, 1000, tuple(self.box.size)).astype(self.dtype)
        limits = np.iinfo(self.dtype)
        return generator.integers(limits.min, limits.max, tuple(self.box.size), dtype=self.dtype, endpoint=True)

    def create(self, dataset: Path) -> MagArray:
        end = self.box.bottomright
        info = ArrayInfo(
            data_format=self.data_format,
            voxel_type=np.dtype(self.dtype),
            box=NormalizedBoundingBox([0] * len(end), end, self.box.axes),
            chunk_shape=Vec3Int(32, 32, 32),
            shard_shape=self.shard_shape,
            compression_mode=self.compress,
        )
        return create_mag_array(dataset / self.name / "1", info)

    def open(self, dataset: Path) -> MagArray:
        """Open it as the dataset's properties describe it."""
        document = json.loads((dataset / "datasource-properties.json").read_bytes())
        entry = next(entry for entry in document["dataLayers"] if entry["name"] == self.name)
        return open_mag_array(
            dataset / self.name / "1",
            data_format=DataFormat(entry["dataFormat"]),
            axis_order=entry["mags"][0]["axisOrder"],
            additional_axes=[AdditionalAxisProperties(**axis) for axis in entry.get("additionalAxes", [])],
        )

    def properties(self) -> dict[str, Any]:
        """Describe it as in datasource-properties.json."""
        kind = {"uint8": "uint24" if self.channels == 3 else "uint8", "float32": "float"}.get(self.dtype, self.dtype)
        width, height, depth = SIZE
        order = {axis: place for place, axis in enumerate(self.box.axes) if axis != "t"}
        mag: dict[str, Any] = {"mag": [1, 1, 1], "path": f"./{self.name}/1", "axisOrder": order}
        if self.data_format is DataFormat.WKW:
            mag["cubeLength"] = self.shard_shape.x
        segmentation = self.dtype in {"uint64", "int64", "int32"}
        return {
            "name": self.name,
            "category": "segmentation" if segmentation else "color",
            "boundingBox": {"topLeft": TOPLEFT, "width": width, "height": height, "depth": depth},
            "dataFormat": self.data_format.value,
            "mags": [mag],
            **({"additionalAxes": [{"name": "t", "bounds": [0, self.times], "index": 0}]} if self.times else {}),
            **({"largestSegmentId": None} if segmentation else {}),
            "numChannels": self.channels,
            "elementClass": kind,
        }


def layers(*, signed_wkw: bool) -> list[Layer]:
    """List a layer for every format, type and compression; signed types in wkw are the peer's only."""
    made = []
    signed = ["int8", "int16", "int32", "int64"]
    for data_format in (DataFormat.WKW, DataFormat.Zarr):
        types = ["uint8", "uint16", "uint32", "uint64", "float32"]
        types += signed if data_format is DataFormat.Zarr or signed_wkw else []
        for compress in (True, False):
            end = "packed" if compress else "raw"
            made += [
                Layer(
                    name=f"{data_format.value}_{dtype}_{end}", data_format=data_format, dtype=dtype, compress=compress
                )
                for dtype in types
            ]
            made.append(
                Layer(
                    name=f"{data_format.value}_rgb_{end}",
                    data_format=data_format,
                    dtype="uint8",
                    channels=3,
                    compress=compress,
                )
            )
    made.append(Layer(name="zarr_series", data_format=DataFormat.Zarr, dtype="uint16", times=3))
    return made


def ask_the_peer(question: str, request: Mapping[str, Any]) -> Any:
    """Run the peer's program; skips where there is no peer."""
    if not _PEER_PYTHON.exists():
        pytest.skip(
            f"the peer library is not at {_PEER_PYTHON}; `make peer` installs it, WK_ASSETS_PEER_PYTHON names one"
        )
    finished = subprocess.run(
        [_PEER_PYTHON, _SCRIPT, question], input=json.dumps(request), capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    return json.loads(finished.stdout.rstrip().rsplit("\n", 1)[-1])


def digest(voxels: NDArray[Any]) -> str:
    ordered = np.ascontiguousarray(voxels).astype(voxels.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(ordered.tobytes()).hexdigest()


def changed(layer: Layer, voxels: NDArray[Any]) -> NDArray[Any]:
    """Put `CHANGED_VALUE` into the box that changes."""
    result = voxels.copy()
    result[layer.changed_box.offset(-layer.box.topleft).to_slices()] = CHANGED_VALUE
    return result


def test_the_peer_reads_and_changes_what_we_write(tmp_path: Path) -> None:
    ours = layers(signed_wkw=False)
    for layer in ours:
        layer.create(tmp_path).write_box(layer.box, layer.voxels())
    properties = {
        "id": {"name": "ours", "team": ""},
        "scale": {"factor": [11.24, 11.24, 28], "unit": "nanometer"},
        "dataLayers": [layer.properties() for layer in ours],
        "version": 1,
    }
    (tmp_path / "datasource-properties.json").write_text(json.dumps(properties), encoding="utf-8")

    seen = ask_the_peer("read", {"path": str(tmp_path)})

    for layer in ours:
        assert seen[layer.name] == {
            "dtype": layer.dtype,
            "axes": list(layer.box.axes),
            "shape": list(layer.box.size),
            "sha256": digest(layer.voxels()),
        }, layer.name

    change = {"topleft": CHANGED_TOPLEFT, "size": CHANGED_SIZE, "value": CHANGED_VALUE}
    ask_the_peer("change", {"path": str(tmp_path), **change})

    for layer in ours:
        np.testing.assert_array_equal(
            layer.open(tmp_path).read_box(layer.box), changed(layer, layer.voxels()), layer.name
        )


def test_we_read_and_change_what_the_peer_writes(tmp_path: Path) -> None:
    theirs = layers(signed_wkw=True)
    path = tmp_path / "theirs"
    request = {
        "path": str(path),
        "topleft": TOPLEFT,
        "size": SIZE,
        "layers": [
            {
                "name": layer.name,
                "format": layer.data_format.value,
                "dtype": layer.dtype,
                "channels": layer.channels,
                "times": layer.times,
                "compress": layer.compress,
                "seed": layer.seed,
            }
            for layer in theirs
        ],
    }
    digests = ask_the_peer("write", request)

    for layer in theirs:
        array = layer.open(path)
        assert array.info.voxel_type == np.dtype(layer.dtype)
        assert (array.info.shard_shape, array.info.compression_mode) == (layer.shard_shape, layer.compress)
        voxels = array.read_box(layer.box)
        assert digest(voxels) == digests[layer.name], layer.name
        array.write_box(layer.changed_box, np.full(tuple(layer.changed_box.size), CHANGED_VALUE, layer.dtype))

    seen = ask_the_peer("read", {"path": str(path)})
    for layer in theirs:
        assert seen[layer.name]["sha256"] == digest(changed(layer, layer.voxels())), layer.name
