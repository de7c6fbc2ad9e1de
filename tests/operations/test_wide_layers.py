"""Slices that do not fit the memory: loaded by windows of rows, worked on by windows of columns; the same bytes as whole."""

import errno
import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from tests.operations import crash_lab
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.compute import Compute
from wk_assets.operations.datasets.commit_dataset import DatasetRequest, commit_dataset
from wk_assets.operations.layers import chunk_sample
from wk_assets.operations.layers.layer_plan import LayerPlan, plan_layer
from wk_assets.operations.layers.run_layer import run_layer
from wk_assets.operations.records.layer_record import LayerRecord, read_layer_record
from wk_assets.operations.records.layer_request import LayerRequest
from wk_assets.readers import tiff_rows
from wk_assets.readers.volume import BadSlicePolicy, SourceSelection
from wk_assets.storage.array_layout import Layout
from wk_assets.storage.stored_array import StoredArray

COMPUTE = Compute(threads=2)
WIDE = (3, 300, 100_000)


def in_parts(plan: LayerPlan, *, rows: int = 7, columns: int = 13) -> LayerPlan:
    """Plan as if nothing fitted the memory."""
    passes = tuple(
        replace(
            one,
            memory=replace(
                one.memory,
                prefetch=False,
                spooled=tuple(number < 2 for number in range(len(one.pyramid.levels))),
                load_rows=rows,
                columns=columns,
            ),
        )
        for one in plan.passes
    )
    return replace(plan, passes=passes)


def make_in_parts(request: LayerRequest) -> None:
    run_layer(in_parts(plan_layer(request, COMPUTE)), COMPUTE, checkpoint_bytes=1 << 14)
    commit_dataset(
        DatasetRequest(
            dataset_path=request.dataset_path,
            name="crash",
            voxel_size=request.voxel_size,
            layer_names=("color",),
            layout=Layout.OME,
        )
    )


def make_whole(request: LayerRequest) -> LayerRecord:
    run_layer(plan_layer(request, COMPUTE), COMPUTE)
    record = read_layer_record(request.dataset_path, request.layer_name)
    assert record is not None
    return record


def test_an_import_in_parts_gives_the_bytes_of_a_whole_one_also_when_it_is_killed(tmp_path: Path) -> None:
    crash_lab.write_slices(tmp_path / "in", 40)
    crash_lab.make_dataset(tmp_path / "in", tmp_path / "whole")
    expected = crash_lab.digest(tmp_path / "whole")

    def make(target: Path) -> None:
        make_in_parts(crash_lab.request_of(tmp_path / "in", target))

    points = crash_lab.count_points(partial(make, tmp_path / "counted"))
    assert crash_lab.digest(tmp_path / "counted") == expected
    for point in range(5, points, points // 10):
        target = tmp_path / str(point)
        crash_lab.run_until(point, partial(make, target), error=errno.EIO if point % 2 else None)
        again = make if point % 3 else partial(crash_lab.make_dataset, tmp_path / "in")  # with another budget
        assert crash_lab.run_for(60, partial(again, target))
        assert crash_lab.digest(target) == expected


def write_kind(folder: Path, kind: str, voxels: NDArray[Any]) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "tiles": {"tile": (16, 32), "compression": "zlib"},
        "strips": {"rowsperstrip": 5, "compression": "lzw"},
        "one strip": {"rowsperstrip": voxels.shape[1], "compression": "zlib", "predictor": True},
        "raw": {"byteorder": ">"},
        "stack": {"rowsperstrip": 9, "compression": "zstd"},
    }
    options = kinds.get(kind, {})
    folder.mkdir()
    if kind == "stack":
        tifffile.imwrite(folder / "stack.tif", voxels, photometric="rgb", metadata={"axes": "ZYXS"}, **options)
        return
    for z, plane in enumerate(voxels):
        path = folder / f"slice_{z:03}"
        if kind in {"png", "jpeg"}:
            Image.fromarray(plane).save(path.with_suffix(f".{kind}"), format=kind)
        else:
            tifffile.imwrite(path.with_suffix(".tif"), plane, photometric="rgb", metadata=None, **options)


@pytest.mark.parametrize("kind", ["raw", "tiles", "strips", "one strip", "stack", "png", "jpeg"])
@pytest.mark.parametrize("long_pieces", [False, True])
def test_every_kind_of_file_gives_the_same_ledger_and_shards_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, *, long_pieces: bool
) -> None:
    if long_pieces:
        monkeypatch.setattr(tiff_rows, "LARGEST_SEGMENT_BYTES", 0)
    voxels = np.random.default_rng(2).integers(0, 255, (10, 40, 48, 3)).astype("uint8")
    write_kind(tmp_path / "in", kind, voxels)
    source = SourceSelection(root=tmp_path / "in", files=tuple((tmp_path / "in").iterdir()))
    request = replace(crash_lab.request_of(tmp_path / "in", tmp_path / "whole"), source=source)
    whole = make_whole(request)
    request = replace(request, dataset_path=tmp_path / "parts")
    run_layer(in_parts(plan_layer(request, COMPUTE)), COMPUTE)

    assert read_layer_record(tmp_path / "parts", "color") == whole
    assert crash_lab.digest(tmp_path / "parts") == crash_lab.digest(tmp_path / "whole")


@pytest.mark.parametrize("policy", [BadSlicePolicy.BLACK, BadSlicePolicy.REPEAT])
def test_a_bad_slice_is_replaced_as_a_whole_also_in_parts(tmp_path: Path, policy: BadSlicePolicy) -> None:
    voxels = np.random.default_rng(2).integers(0, 255, (6, 40, 48)).astype("uint8")
    (tmp_path / "in").mkdir()
    for z, plane in enumerate(voxels):
        tifffile.imwrite(
            tmp_path / "in" / f"{z}.tif", plane, compression="zlib", rowsperstrip=8, photometric="minisblack"
        )
    with tifffile.TiffFile(tmp_path / "in" / "2.tif") as tif:
        offset = tif.pages.first.dataoffsets[-1]  # the last strip: what stands before it can be read
    with (tmp_path / "in" / "2.tif").open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 20)
    files = tuple((tmp_path / "in").iterdir())
    source = SourceSelection(root=tmp_path / "in", files=files, on_bad_slice=policy)
    request = replace(crash_lab.request_of(tmp_path / "in", tmp_path / "whole"), source=source)
    whole = make_whole(request)
    request = replace(request, dataset_path=tmp_path / "parts")
    run_layer(in_parts(plan_layer(request, COMPUTE)), COMPUTE)

    assert [problem.z for problem in whole.problems] == [2]
    assert read_layer_record(tmp_path / "parts", "color") == whole
    assert crash_lab.digest(tmp_path / "parts") == crash_lab.digest(tmp_path / "whole")


@pytest.mark.parametrize("kind", ["raw", "tiles", "one strip", "png"])
def test_a_sample_of_slices_too_large_to_be_held_is_one_of_their_middle_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(chunk_sample, "_SLICE_BYTES", 48 * 3 * 32)
    voxels = np.random.default_rng(2).integers(1, 255, (8, 80, 48, 3)).astype("uint8")
    write_kind(tmp_path / "in", kind, voxels)
    source = SourceSelection(root=tmp_path / "in", files=tuple((tmp_path / "in").iterdir()))

    sample = chunk_sample.ChunkSampler(2).sample(source, Vec3Int(8, 8, 8))

    assert sample.used_fraction == 1
    middle = np.moveaxis(voxels, -1, 0)[:, :, 32:48]
    grid = {middle[:, :, y : y + 8, x : x + 8].tobytes() for y in range(0, 16, 8) for x in range(0, 48, 8)}
    assert sample.chunks
    assert {chunk.tobytes() for chunk in sample.chunks} <= grid


def wide_voxels(z: int) -> NDArray[Any]:
    """Make a slice that differs everywhere, and packs well."""
    x, y = np.arange(WIDE[2]), np.arange(WIDE[1])[:, None]
    voxels: NDArray[Any] = ((x // 40 + 3 * y + 50 * z) % 251).astype("uint8")
    return voxels


_IMPORT = """
import json, sys
from pathlib import Path
from tests.operations.test_wide_layers import wide_request
from wk_assets.operations.compute import Compute
from wk_assets.operations.layers.layer_plan import plan_layer
from wk_assets.operations.layers.run_layer import run_layer

compute = Compute(threads=2, memory_bytes=int(sys.argv[3]))
plan = plan_layer(wide_request(Path(sys.argv[1]), Path(sys.argv[2])), compute)
run_layer(plan, compute)
memory = plan.passes[0].memory
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
most_bytes = int(status["VmHWM"].split()[0]) << 10  # ru_maxrss would begin with what the parent process has
print(json.dumps([plan.peak_memory_bytes, most_bytes, memory.load_rows, memory.columns, memory.spooled[0]]))
"""


def wide_request(source: Path, target: Path) -> LayerRequest:
    request = crash_lab.request_of(source, target)
    array = replace(request.array, chunk_shape=Vec3Int(32, 32, 4), shard_shape=Vec3Int(1024, 1024, 4))
    return replace(request, array=array)


PACKED = {"compression": "zlib", "compressionargs": {"level": 1}}


@pytest.mark.parametrize("options", [{}, {"tile": (256, 256), **PACKED}, {"rowsperstrip": WIDE[1], **PACKED}])
def test_a_slice_100_000_voxels_wide_is_imported_within_its_plan(tmp_path: Path, options: dict[str, Any]) -> None:
    (tmp_path / "in").mkdir()
    for z in range(WIDE[0]):
        tifffile.imwrite(tmp_path / "in" / f"{z}.tif", wide_voxels(z), metadata=None, **options)
    budget = 360 << 20
    arguments = [sys.executable, "-c", _IMPORT, str(tmp_path / "in"), str(tmp_path / "out"), str(budget)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    peak_bytes, measured_bytes, load_rows, columns, spooled = json.loads(done.stdout)

    assert measured_bytes <= peak_bytes <= budget
    assert spooled
    assert 0 < columns < WIDE[2]
    assert load_rows > 0
    array = StoredArray.open(tmp_path / "out" / "color" / "1")
    expected = np.stack([wide_voxels(z) for z in range(WIDE[0])])
    for left in range(0, WIDE[2], 9_000):
        box = BoundingBox((left, 0, 0), (min(2_000, WIDE[2] - left), WIDE[1], WIDE[0]))
        read = array.read(box)[0].transpose(2, 1, 0)
        np.testing.assert_array_equal(read, expected[:, :, left : left + box.size.x])
