"""A script for WEBKNOSSOS' own Python library (the peer) and one for ours make the same datasets, in every format.

The peer runs in an environment of its own (`make peer`); `make oracle` runs these tests with it.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conformance.peer_voxels import CORNER, SIZE, digest, voxels_of
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.layer import Layer, SegmentationLayer
from wk_assets.geometry.bounding_box import BoundingBox, NDBoundingBox

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(900)]

_REPOSITORY = Path(__file__).resolve().parents[2]
# read here: a test's environment has none of a person's own settings
_PEER_PYTHON = Path(os.environ.get("WK_ASSETS_PEER_PYTHON", _REPOSITORY / ".venv-peer" / "bin" / "python"))
_SCRIPT = Path(__file__).with_name("peer_objects_script.py")


def layers_to_write() -> list[dict[str, Any]]:
    """List every format, dtype and compression, and time series, that both can write."""
    layers: list[dict[str, Any]] = []
    for data_format in ("zarr3", "zarr", "wkw"):
        for compress in (True, False):
            kinds = [("color", dtype) for dtype in ("uint8", "uint16", "uint32", "float32")]
            kinds += [("segmentation", dtype) for dtype in ("uint8", "uint16", "uint32", "uint64")]
            if data_format != "wkw":
                kinds += [("color", "int8"), ("color", "int16"), ("color", "int32"), ("segmentation", "int64")]
            for category, dtype in kinds:
                channels = 3 if (category, dtype) == ("color", "uint8") else 1
                name = f"{data_format}_{dtype}_{category}_{'packed' if compress else 'raw'}"
                layers.append(
                    {
                        "name": name,
                        "category": category,
                        "dtype": dtype,
                        "channels": channels,
                        "format": data_format,
                        "compress": compress,
                        "times": 0,
                    }
                )
        if data_format != "wkw":
            series = {"name": f"{data_format}_series", "category": "color", "dtype": "uint16", "channels": 1}
            layers.append({**series, "format": data_format, "compress": True, "times": 3})
    return layers


LAYERS = layers_to_write()
# The peer reads time series in Zarr v2, but refuses to make them: "5 dimensions".
OF_THE_PEER = [wanted for wanted in LAYERS if not (wanted["format"] == "zarr" and wanted["times"])]


def ask_the_peer(question: str, request: dict[str, Any]) -> Any:
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


def box_of(wanted: dict[str, Any]) -> NDBoundingBox:
    if not wanted["times"]:
        return BoundingBox(CORNER, SIZE)
    return NDBoundingBox((0, *CORNER), (wanted["times"], *SIZE), ("t", "x", "y", "z"))


def described(layer: Layer) -> dict[str, Any]:
    view = layer.get_finest_mag()
    voxels = view.read()
    return {
        "category": layer.category,
        "dtype": layer.dtype.name,
        "channels": layer.num_channels,
        "format": layer.data_format.value,
        "axes": list(view.normalized_bounding_box.axes),
        "corner": list(view.bounding_box.topleft_xyz),
        "shape": list(voxels.shape),
        "voxels": digest(voxels),
        "chunk": list(view.info.chunk_shape),
        "shard": list(view.info.shard_shape),
        "largest": layer.largest_segment_id if isinstance(layer, SegmentationLayer) else None,
    }


def write_ours(path: Path) -> Dataset:
    dataset = Dataset(path, voxel_size=(11.24, 11.24, 25))
    for wanted in LAYERS:
        layer = dataset.add_layer(
            wanted["name"],
            wanted["category"],
            dtype=wanted["dtype"],
            num_channels=wanted["channels"],
            data_format=wanted["format"],
            bounding_box=box_of(wanted),
        )
        shard = None if wanted["format"] == "zarr" else 64
        layer.add_mag(1, chunk_shape=32, shard_shape=shard, compress=wanted["compress"]).write(voxels_of(wanted))
        if isinstance(layer, SegmentationLayer) and wanted["dtype"] != "int64":
            layer.refresh_largest_segment_id()
    return dataset


def test_the_peer_reads_every_layer_that_we_write(tmp_path: Path) -> None:
    ours = write_ours(tmp_path / "ours")

    theirs = ask_the_peer("describe", {"path": str(tmp_path / "ours")})

    assert theirs == {name: described(layer) for name, layer in ours.layers.items()}
    for wanted in LAYERS:
        assert theirs[wanted["name"]]["voxels"] == digest(voxels_of(wanted)), wanted["name"]


def test_we_read_every_layer_that_the_peer_writes(tmp_path: Path) -> None:
    theirs = ask_the_peer("write", {"path": str(tmp_path / "theirs"), "layers": OF_THE_PEER})

    ours = Dataset.open(tmp_path / "theirs")

    assert {name: described(layer) for name, layer in ours.layers.items()} == theirs


def test_both_go_on_with_what_the_other_one_began(tmp_path: Path) -> None:
    """Also in arrays of ours, whose manifests know nothing of what the peer does."""
    began = [wanted for wanted in OF_THE_PEER if wanted["dtype"] in ("uint8", "uint64") or wanted["times"]]
    ask_the_peer("write", {"path": str(tmp_path / "theirs"), "layers": began})
    theirs = Dataset.open(tmp_path / "theirs")

    for wanted in began:
        layer = theirs.get_layer(wanted["name"])
        box = layer.normalized_bounding_box.with_size_xyz((8, 8, 8))
        part = np.ones(tuple(box.size), layer.dtype)
        layer.get_mag(1).write(part, absolute_bounding_box=box, allow_unaligned=True)
    theirs.add_layer("added", "color").add_mag(1).write(np.full((9, 9, 9), 7, np.uint8), allow_resize=True)

    seen = ask_the_peer("describe", {"path": str(tmp_path / "theirs")})
    for wanted in began:
        expected = voxels_of(wanted)
        expected[..., :8, :8, :8] = 1
        assert seen[wanted["name"]]["voxels"] == digest(expected), wanted["name"]
    assert seen["added"]["shape"] == [1, 9, 9, 9]
    again = ask_the_peer("continue", {"path": str(ask_for_ours(tmp_path / "plain"))})
    assert {name: described(layer) for name, layer in Dataset.open(tmp_path / "plain").layers.items()} == again


def ask_for_ours(path: Path) -> Path:
    """Write layers of ours that have no manifest: formats that everybody may write into."""
    dataset = Dataset(path, voxel_size=(11.24, 11.24, 25))
    for wanted in LAYERS:
        if wanted["format"] != "zarr3" and wanted["dtype"] in ("uint8", "uint64"):
            layer = dataset.add_layer(
                wanted["name"],
                wanted["category"],
                dtype=wanted["dtype"],
                num_channels=wanted["channels"],
                data_format=wanted["format"],
                bounding_box=box_of(wanted),
            )
            layer.add_mag(1, chunk_shape=32).write(voxels_of(wanted))
    return path
