"""Several real processes change one dataset at the same time, and nothing that one did is lost."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from wk_assets.dataset.dataset import Dataset
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag


def begin() -> None:
    """Load this module, and the library with it, in every process."""
    time.sleep(0.5)


def add_layers(path: str, writer: int) -> None:
    dataset = Dataset.open(path)
    for number in range(4):
        layer = dataset.add_layer(f"layer{writer}-{number}", "color", bounding_box=BoundingBox((0, 0, 0), (8, 8, 8)))
        layer.add_mag(1)
    dataset.get_layer("shared").add_mag(2**writer)
    dataset.get_layer(f"layer{writer}-0").name = f"renamed{writer}"
    dataset.delete_layer(f"layer{writer}-3")


def write_slabs(path: str, writer: int) -> None:
    view = Dataset.open(path).get_layer("em").get_mag(1)
    for z in range(writer, 24, 3):
        view.write(np.full((40, 40, 1), z + 1, np.uint8), absolute_offset=(0, 0, z), allow_unaligned=True)


def grow(path: str, writer: int) -> None:
    view = Dataset.open(path).get_layer("em").get_mag(1)
    for step in range(3):
        corner = (64 * (3 * step + writer), 0, 0)
        view.write(np.full((64, 20, 20), writer + 1, np.uint8), absolute_offset=corner, allow_resize=True)


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    """Three processes that have imported the library: what they do begins at once."""
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as executor:
        wait([executor.submit(begin) for _ in range(3)])
        yield executor


def together(processes: ProcessPoolExecutor, work: Callable[[str, int], None], path: str) -> None:
    for done in [processes.submit(work, path, writer) for writer in range(3)]:
        done.result()


@pytest.fixture
def path(tmp_path: Path) -> str:
    Dataset(tmp_path / "ds", voxel_size=(1, 1, 1)).add_layer("shared", "color")
    return str(tmp_path / "ds")


def test_layers_and_mags_of_three_processes_are_all_there(processes: ProcessPoolExecutor, path: str) -> None:
    together(processes, add_layers, path)

    dataset = Dataset.open(path)
    wanted = {f"layer{writer}-{number}" for writer in range(3) for number in (1, 2)}
    assert set(dataset.layers) == wanted | {"shared"} | {f"renamed{writer}" for writer in range(3)}
    assert list(dataset.get_layer("shared").mags) == [Mag(1), Mag(2), Mag(4)]
    for name in wanted:
        assert not dataset.get_layer(name).get_mag(1).read().any()


@pytest.mark.parametrize("data_format", ["zarr3", "zarr", "wkw"])
def test_voxels_of_three_processes_in_one_shard_are_all_there(
    processes: ProcessPoolExecutor, path: str, data_format: str
) -> None:
    layer = Dataset.open(path).add_layer(
        "em", "color", data_format=data_format, bounding_box=BoundingBox((0, 0, 0), (40, 40, 24))
    )
    view = layer.add_mag(1)
    together(processes, write_slabs, path)

    assert (view.read()[0] == np.arange(1, 25, dtype=np.uint8)).all()


def test_a_layer_that_three_processes_let_grow_holds_what_all_wrote(processes: ProcessPoolExecutor, path: str) -> None:
    layer = Dataset.open(path).add_layer("em", "color")
    layer.add_mag(1, chunk_shape=32, shard_shape=64)
    together(processes, grow, path)

    view = Dataset.open(path).get_layer("em").get_mag(1)
    assert view.bounding_box == BoundingBox((0, 0, 0), (576, 20, 20))
    for cell in range(9):
        assert (view.read((64, 20, 20), absolute_offset=(64 * cell, 0, 0)) == cell % 3 + 1).all()


_PEAK = """
import json, re, sys
from pathlib import Path
import numpy as np
from wk_assets.dataset.dataset import Dataset
from wk_assets.geometry.bounding_box import BoundingBox

def peak():  # of this program alone: ru_maxrss begins with what the parent process has
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10

"""
_SMALL_LAYER = (
    _PEAK
    + """
layer = Dataset(sys.argv[1], voxel_size=(1, 1, 1)).add_layer(
    "cells", "segmentation", dtype="uint64", bounding_box=BoundingBox((0, 0, 0), (100, 90, 10)))
view = layer.add_mag(1)
view.write(np.ones((8, 8, 8), np.uint64), allow_unaligned=True)  # what is loaded on first use is loaded now
before = peak()
ids = np.random.default_rng(0).integers(0, 2**63, (100, 90, 10), dtype=np.uint64)
view.write(ids)
assert (view.read()[0] == ids).all()
layer.as_segmentation_layer().refresh_largest_segment_id()
print(json.dumps({"whole": peak(), "more": peak() - before, "largest": str(int(ids.max()))}))
"""
)


def test_a_small_layer_of_64_bit_ids_takes_tens_of_megabytes(tmp_path: Path) -> None:
    """A default shard of 1024³ that is held as a whole would take gigabytes for these 720 kB."""
    finished = subprocess.run(
        [sys.executable, "-c", _SMALL_LAYER, str(tmp_path / "ds")], capture_output=True, text=True, check=True
    )

    measured = json.loads(finished.stdout)
    assert measured["more"] < 40e6
    assert measured["whole"] < 400e6
    largest = Dataset.open(tmp_path / "ds").get_segmentation_layer("cells").largest_segment_id
    assert largest == int(measured["largest"])


def test_copying_a_large_layer_takes_a_few_shards_of_memory(tmp_path: Path) -> None:
    program = (
        _PEAK
        + """
dataset = Dataset(sys.argv[1], voxel_size=(1, 1, 1))
layer = dataset.add_layer("em", "color", bounding_box=BoundingBox((0, 0, 0), (512, 512, 256)))
view = layer.add_mag(1, shard_shape=128, compress=False)
part = np.ones((128, 128, 128), np.uint8)
for x in range(0, 512, 128):
    view.write(part, absolute_offset=(x, x, 0))
before = peak()
copied = dataset.add_layer_as_copy(layer, "copied", data_format="zarr")
assert copied.get_mag(1).content_is_equal(view)
print(json.dumps(peak() - before))
"""
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "ds")], capture_output=True, text=True, check=True
    )

    assert json.loads(finished.stdout) < 48e6  # the layer has 64 MiB
