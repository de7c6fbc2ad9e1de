from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wk_assets.errors import GeometryError, PlanError
from wk_assets.geometry.bounding_box import BoundingBox, NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.annotations.merge_volumes import Overlap, VolumeSource, plan_merge, run_merge
from wk_assets.properties.layer_properties import DataFormat
from wk_assets.storage.create_mag_array import create_mag_array
from wk_assets.storage.mag_array import ArrayInfo, MagArray

SIZE = (20, 12, 9)
blobs = arrays(np.uint16, (6, 5, 4), elements=st.sampled_from([0, 0, 3, 500]))


def array(path: Path, *, dtype: str = "uint32", size: tuple[int, int, int] = SIZE) -> MagArray:
    return create_mag_array(
        path,
        ArrayInfo(
            data_format=DataFormat.Zarr3,
            voxel_type=np.dtype(dtype),
            box=NormalizedBoundingBox([0, 0, 0, 0], [1, *size], ["c", "x", "y", "z"]),
            chunk_shape=Vec3Int(4, 4, 4),
            shard_shape=Vec3Int(8, 8, 8),
            compression_mode=True,
        ),
    )


def source(folder: Path, name: str, labels: np.ndarray, topleft: tuple[int, int, int]) -> VolumeSource:
    painted = array(folder / name, dtype="uint16")
    box = BoundingBox(topleft, labels.shape)
    painted.write_box(box.normalize_axes(1), labels[np.newaxis])
    return VolumeSource(annotation_id=name, array=painted, box_in_mag=box)


def whole(target: MagArray) -> np.ndarray:
    voxels: np.ndarray = target.read_box(BoundingBox((0, 0, 0), SIZE).normalize_axes(1))[0]
    return voxels


@given(blobs, blobs)
@settings(max_examples=15)
def test_each_voxel_leads_back_to_the_annotation_and_the_id_that_it_was_painted_with(
    tmp_path_factory: pytest.TempPathFactory, one: np.ndarray, two: np.ndarray
) -> None:
    folder = tmp_path_factory.mktemp("merge")
    sources = [source(folder, "a", one, (0, 0, 0)), source(folder, "b", two, (3, 2, 1))]
    target = array(folder / "merged")

    table = run_merge(plan_merge(sources), target)

    expected = np.zeros(SIZE, object)
    for name, labels, (x, y, z) in (("b", two, (3, 2, 1)), ("a", one, (0, 0, 0))):
        for place in map(tuple, np.argwhere(labels)):
            expected[place[0] + x, place[1] + y, place[2] + z] = (name, int(labels[place]))
    origin = {row.segment_id: (row.annotation_id, row.original_id) for row in table}
    merged = whole(target)
    assert np.array_equal(merged != 0, expected != 0)
    for place in map(tuple, np.argwhere(merged)):
        assert origin[int(merged[place])] == expected[place]
    assert [row.segment_id for row in table] == list(range(1, len(table) + 1))
    assert {row.segment_id: row.voxels for row in table} == {
        row.segment_id: int((merged == row.segment_id).sum()) for row in table
    }


def test_where_two_painted_the_first_stays_or_the_last_covers_as_the_rule_says(tmp_path: Path) -> None:
    ones = np.ones((4, 4, 4), np.uint16)
    sources = [source(tmp_path, "a", ones, (0, 0, 0)), source(tmp_path, "b", ones, (2, 0, 0))]
    first, last = array(tmp_path / "first"), array(tmp_path / "last")

    run_merge(plan_merge(sources, overlap=Overlap.FIRST), first)
    run_merge(plan_merge(sources, overlap=Overlap.LAST), last)

    assert whole(first)[:6, 0, 0].tolist() == [1, 1, 1, 1, 2, 2]
    assert whole(last)[:6, 0, 0].tolist() == [1, 1, 2, 2, 2, 2]


def test_the_same_sources_give_the_same_bytes_here_or_in_threads_once_or_twice(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    sources = [source(tmp_path, f"s{n}", rng.integers(0, 4, (6, 6, 6), np.uint16), (4 * n, n, 2)) for n in range(3)]
    here, there = array(tmp_path / "here"), array(tmp_path / "there")

    run_merge(plan_merge(sources), here)
    with ThreadPoolExecutor(2) as pool:
        tables = [run_merge(plan_merge(sources), there, executor=pool) for _ in range(2)]

    assert tables[0] == tables[1]
    files = sorted(path.relative_to(here.path) for path in here.path.rglob("*") if path.is_file() and "c" in path.parts)
    assert files
    assert all((here.path / one).read_bytes() == (there.path / one).read_bytes() for one in files)


def test_what_lies_outside_of_a_source_s_box_does_not_count(tmp_path: Path) -> None:
    painted = source(tmp_path, "a", np.arange(1, 5, dtype=np.uint16).reshape(4, 1, 1), (0, 0, 0))
    box = BoundingBox((0, 0, 0), (2, 1, 1))

    plan = plan_merge([VolumeSource(annotation_id="a", array=painted.array, box_in_mag=box)])

    assert [one.original_id for one in plan.segments] == [1, 2]
    assert plan.box_in_mag == box


def test_a_covered_segment_keeps_its_row(tmp_path: Path) -> None:
    ones = np.ones((2, 2, 2), np.uint16)
    sources = [source(tmp_path, "a", ones, (0, 0, 0)), source(tmp_path, "b", ones, (0, 0, 0))]

    table = run_merge(plan_merge(sources), array(tmp_path / "merged"))

    assert [(row.annotation_id, row.voxels) for row in table] == [("a", 8), ("b", 0)]


def test_targets_that_can_not_hold_the_result_and_twins_are_refused(tmp_path: Path) -> None:
    many = np.arange(1, 301, dtype=np.uint16).reshape(10, 10, 3)
    plan = plan_merge([source(tmp_path, "a", many, (0, 0, 0))])

    with pytest.raises(GeometryError, match="too small for 300 segments"):
        run_merge(plan, array(tmp_path / "narrow", dtype="uint8"))
    with pytest.raises(GeometryError, match="Make the layer larger"):
        run_merge(plan, array(tmp_path / "short", size=(4, 4, 4)))
    with pytest.raises(PlanError, match="a stand there twice"):
        plan_merge([plan.sources[0], plan.sources[0]])


def test_nothing_painted_merges_to_nothing(tmp_path: Path) -> None:
    plan = plan_merge([source(tmp_path, "a", np.zeros((2, 2, 2), np.uint16), (0, 0, 0))])

    assert run_merge(plan, array(tmp_path / "merged")) == ()
    assert plan.largest_segment_id == 0
