"""Where work is: inside of the box, the same for the same configuration, every wrong row and node named."""

import itertools
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.facility.campaigns import campaign
from wk_assets.dataset.dataset import Dataset
from wk_assets.errors import ConfigurationError, InputError
from wk_assets.facility import campaign_random, campaign_segments
from wk_assets.facility.campaign_places import find_places, grid_places, node_places
from wk_assets.facility.campaign_plan import Place, plan_campaign
from wk_assets.facility.campaign_random import random_places
from wk_assets.facility.campaign_segments import segment_ranks
from wk_assets.facility.campaign_table import table_places
from wk_assets.facility.campaign_work import GridWork, NodesWork, RandomWork, TableWork
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int

INSIDE = BoundingBox((10, 20, 30), (100, 90, 40))
_EDGES = st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
_BOXES = st.builds(BoundingBox, st.tuples(*[st.integers(-50, 50)] * 3), st.tuples(*[st.integers(1, 60)] * 3))


def random_work(**changes: Any) -> RandomWork:
    return RandomWork.model_validate({"rule": "random", "count": 5, "size": [8, 8, 4], "seed": 1, **changes})


def grid_work(**changes: Any) -> GridWork:
    return GridWork.model_validate({"rule": "grid", "size": [30, 30, 30], **changes})


def boxes(places: list[Place]) -> list[BoundingBox]:
    return [place.box for place in places if place.box is not None]


def keys(places: list[Place]) -> list[str]:
    return [task.key for task in plan_campaign(campaign(), None, places).tasks]


# ---------------------------------------------------------------------- grid


@given(inside=_BOXES, size=_EDGES, data=st.data())
@settings(max_examples=30, deadline=None)
def test_a_grid_covers_its_box_and_leaves_it_nowhere(
    inside: BoundingBox, size: tuple[int, int, int], data: st.DataObject
) -> None:
    overlap = [data.draw(st.integers(0, edge - 1)) for edge in size]
    remainder = data.draw(st.sampled_from(["cut", "shift"]))
    axes = [-(-whole // (edge - shared)) for whole, edge, shared in zip(inside.size, size, overlap, strict=True)]
    if axes[0] * axes[1] * axes[2] > 3000:
        return
    places = grid_places(grid_work(size=size, overlap=overlap, remainder=remainder), inside)
    covered = np.zeros(inside.size.to_tuple(), bool)
    for place, box in zip(places, boxes(places), strict=True):
        assert inside.contains_bbox(box)
        assert box.contains(place.position)
        covered[box.offset(-inside.topleft).to_slices_xyz()] = True

    assert covered.all()
    assert len(set(keys(places))) == len(places)


def test_a_grid_without_overlap_holds_every_voxel_once() -> None:
    found = boxes(grid_places(grid_work(), INSIDE))

    assert sum(box.volume() for box in found) == INSIDE.volume()
    assert len(found) == 4 * 3 * 2


def test_what_does_not_fit_a_grid_is_cut_shifted_or_dropped() -> None:
    line = BoundingBox((0, 0, 0), (70, 30, 30))
    found = {
        remainder: [(box.topleft.x, box.size.x) for box in boxes(grid_places(grid_work(remainder=remainder), line))]
        for remainder in ("cut", "shift", "drop")
    }

    assert found == {
        "cut": [(0, 30), (30, 30), (60, 10)],
        "shift": [(0, 30), (30, 30), (40, 30)],
        "drop": [(0, 30), (30, 30)],
    }


def test_a_grid_of_nothing_and_one_of_millions_are_refused() -> None:
    with pytest.raises(InputError, match="has 0 boxes"):
        grid_places(grid_work(size=1000, remainder="drop"), INSIDE)
    with pytest.raises(InputError, match="at most 1000000"):
        grid_places(grid_work(size=1), BoundingBox((0, 0, 0), (1000, 1000, 1000)))


# ---------------------------------------------------------------------- chance


@given(seed=st.integers(0, 2**31), size=st.tuples(*[st.integers(1, 9)] * 3))
@settings(max_examples=20, deadline=None)
def test_random_boxes_lie_inside_apart_and_come_again_for_the_same_seed(seed: int, size: tuple[int, int, int]) -> None:
    work = random_work(count=12, size=size, seed=seed)
    places = random_places(work, INSIDE)

    assert all(INSIDE.contains_bbox(box) and box.size == Vec3Int(size) for box in boxes(places))
    for one, other in itertools.combinations(boxes(places), 2):
        assert one.intersected_with(other, dont_assert=True).is_empty()
    assert places == random_places(work, INSIDE)
    assert keys(places) != keys(random_places(random_work(count=12, size=size, seed=seed + 1), INSIDE))


def test_more_random_boxes_keep_those_that_there_were() -> None:
    few, many = (keys(random_places(random_work(count=count), INSIDE)) for count in (5, 20))

    assert many[:5] == few


def test_random_places_do_not_change_with_a_version() -> None:
    """Tasks are found again by keys that are made of the places: other places would be other tasks."""
    places = random_places(random_work(count=3, seed=7), BoundingBox((0, 0, 0), (1000, 1000, 100)))

    assert [place.position.to_tuple() for place in places] == PINNED


PINNED = [(325, 153, 65), (75, 536, 37), (61, 507, 5)]


def test_boxes_that_do_not_fit_are_counted() -> None:
    with pytest.raises(InputError, match=r"only \d of 50 boxes"):
        random_places(random_work(count=50, size=[60, 60, 30]), INSIDE)
    with pytest.raises(InputError, match="do not fit"):
        random_places(random_work(size=[101, 1, 1]), INSIDE)
    assert len(random_places(random_work(count=50, size=[60, 60, 30], apart=False), INSIDE)) == 50


# ---------------------------------------------------------------------- layers


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """A color layer, a coarse mask that is not 0 in one corner, and segments 1 to 40 in cubes of 8 voxels."""
    made = Dataset(tmp_path / "data", voxel_size=(4, 4, 40))
    shape = (64, 64, 32)
    color = made.add_layer("color", "color", dtype="uint8", bounding_box=BoundingBox((0, 0, 0), shape))
    color.add_mag(1).write(np.ones(shape, np.uint8))
    mask = made.add_layer("mask", "segmentation", dtype="uint8", bounding_box=BoundingBox((0, 0, 0), shape))
    coarse = np.zeros((16, 16, 32), np.uint8)
    coarse[8:, 8:, 16:] = 1
    mask.add_mag("4-4-1").write(coarse)
    labels = np.zeros(shape, np.uint32)
    for number, (x, y, z) in enumerate(itertools.product(range(0, 64, 16), range(0, 64, 16), range(0, 32, 8)), start=1):
        if number <= 40:
            labels[x : x + 8, y : y + 8, z : z + 8] = number
    layer = made.add_layer("labels", "segmentation", dtype="uint32", bounding_box=BoundingBox((0, 0, 0), shape))
    layer.add_mag(1).write(labels)
    return made


def test_random_boxes_have_their_middle_in_the_mask(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign_random, "BLOCK_VOXELS", 8)
    work = {"rule": "random", "count": 6, "size": [8, 8, 4], "seed": 3, "mask": "mask"}
    places = find_places(campaign(work=work), dataset.layers)

    assert len(places) == 6
    assert places == find_places(campaign(work=work), dataset.layers)
    assert keys(places[:2]) == keys(find_places(campaign(work={**work, "count": 2}), dataset.layers))
    assert all(place.position.x >= 32 and place.position.y >= 32 and place.position.z >= 16 for place in places)
    assert all(BoundingBox((0, 0, 0), (64, 64, 32)).contains_bbox(box) for box in boxes(places))
    with pytest.raises(InputError, match="'mask' is empty"):
        find_places(campaign(work={**work, "inside": "0,0,0,16,16,16"}), dataset.layers)


@pytest.mark.parametrize("block", [8, 128])
def test_the_place_of_a_segment_is_a_voxel_inside_of_it(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(campaign_segments, "BLOCK_VOXELS", block)
    work = {"rule": "segments", "layer": "labels", "ids": [17, 3, 40], "padding": [2, 2, 1]}
    places = find_places(campaign(work=work), dataset.layers)
    labels = dataset.get_layer("labels").get_mag(Mag(1)).read()[0]

    assert [int(labels[place.position.to_tuple()]) for place in places] == [17, 3, 40]
    for place in places:
        own = np.argwhere(labels == labels[place.position.to_tuple()])
        tight = BoundingBox.from_points(own.tolist())
        wanted = tight.padded_with_margins(Vec3Int(2, 2, 1), Vec3Int(2, 2, 1))
        assert place.box == wanted.intersected_with(BoundingBox((0, 0, 0), (64, 64, 32)))


def test_segments_are_drawn_by_the_seed_whatever_the_blocks(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = {}
    for block, seed in itertools.product((8, 128), (1, 2)):
        monkeypatch.setattr(campaign_segments, "BLOCK_VOXELS", block)
        work = {"rule": "segments", "layer": "labels", "count": 7, "seed": seed}
        drawn[block, seed] = [place.about for place in find_places(campaign(work=work), dataset.layers)]

    assert drawn[8, 1] == drawn[128, 1] != drawn[128, 2] == drawn[8, 2]
    assert len(set(drawn[8, 1])) == 7
    by_rank = sorted(range(1, 41), key=lambda one: int(segment_ranks(np.array([one], np.uint64), 1)[0]))[:7]
    assert drawn[8, 1] == [f"segment {one}" for one in sorted(by_rank)]


@pytest.mark.parametrize("rule", ["segments", "random"])
def test_a_layer_is_never_in_memory_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str) -> None:
    monkeypatch.setattr(campaign_segments, "BLOCK_VOXELS", 32)
    monkeypatch.setattr(campaign_random, "BLOCK_VOXELS", 32)
    made, edge = Dataset(tmp_path / "data", voxel_size=(4, 4, 40)), 160
    layer = made.add_layer(
        "color", "segmentation", dtype="uint32", bounding_box=BoundingBox((0, 0, 0), (edge, edge, edge))
    )
    labels = np.arange(edge**3, dtype=np.uint32).reshape(edge, edge, edge) // 4096 + 1
    layer.add_mag(1).write(labels)
    work = {
        "segments": {"rule": "segments", "layer": "color", "count": 5},
        "random": {"rule": "random", "count": 5, "size": 4, "seed": 1, "mask": "color"},
    }[rule]
    find_places(campaign(work=work), made.layers)  # what is loaded once does not count
    tracemalloc.start()
    try:
        assert len(find_places(campaign(work=work), made.layers)) == 5
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert labels.nbytes == 16_384_000
    assert peak < 5_000_000


def test_every_segment_that_is_not_there_is_named(dataset: Dataset) -> None:
    with pytest.raises(InputError, match="no segments 41, 99 where"):
        find_places(campaign(work={"rule": "segments", "layer": "labels", "ids": [41, 2, 99]}), dataset.layers)
    with pytest.raises(InputError, match="40 segments where the work is, and 41 are wanted"):
        find_places(campaign(work={"rule": "segments", "layer": "labels", "count": 41}), dataset.layers)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"layers": ["color", "nuclei"]}, "no layer 'nuclei'; it has color, mask, labels"),
        ({"work": {"rule": "grid", "size": 8, "inside": "0,0,0,65,8,8"}}, "reaches beyond 0,0,0,64,64,32"),
        ({"work": {"rule": "segments", "layer": "labels", "ids": [1], "mag": 2}}, "no mag 2; it has 1"),
    ],
)
def test_what_the_dataset_does_not_have_is_named(dataset: Dataset, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        find_places(campaign(**changes), dataset.layers)


# ---------------------------------------------------------------------- tables


def table(folder: Path, text: str, **changes: Any) -> TableWork:
    file = folder / changes.pop("name", "seeds.csv")
    file.write_text(text, encoding="utf-8")
    return TableWork.model_validate({"rule": "table", "file": str(file), **changes}, context={"home": folder})


def test_a_table_of_positions_is_read_with_its_other_columns(tmp_path: Path) -> None:
    work = table(tmp_path, "Comment,X,y, z\nfirst,12,22,32\n,,,\nthird,109.0,109,69\n", box_size=[10, 10, 4])
    places = table_places(work, INSIDE)

    assert [place.about for place in places] == ["row 2", "row 4"]
    assert [place.position.to_tuple() for place in places] == [(12, 22, 32), (109, 109, 69)]
    assert [box.to_tuple6() for box in boxes(places)] == [(10, 20, 30, 7, 7, 4), (104, 104, 67, 6, 6, 3)]


def test_a_table_of_boxes_begins_in_their_middles_unless_it_says_where(tmp_path: Path) -> None:
    head = "box_x;box_y;box_z;width;height;depth"
    middles = table_places(table(tmp_path, f"{head}\n10;20;30;10;10;10\n"), INSIDE)
    own = table_places(table(tmp_path, f"{head};x;y;z\n10;20;30;10;10;10;11;21;31\n"), INSIDE)

    assert [place.position.to_tuple() for place in middles] == [(15, 25, 35)]
    assert [place.position.to_tuple() for place in own] == [(11, 21, 31)]
    assert boxes(middles) == boxes(own)


def test_an_xlsx_table_gives_what_a_csv_gives(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [12, 13], "y": [22, 23], "z": [32, 33]})
    with pd.ExcelWriter(tmp_path / "seeds.xlsx") as writer:
        pd.DataFrame({"nothing": [1]}).to_excel(writer, sheet_name="notes", index=False)
        frame.to_excel(writer, sheet_name="seeds", index=False)
    work = {"rule": "table", "file": "seeds.xlsx", "sheet": "seeds"}
    places = table_places(TableWork.model_validate(work, context={"home": tmp_path}), INSIDE)

    assert keys(places) == keys(table_places(table(tmp_path, frame.to_csv(index=False)), INSIDE))
    with pytest.raises(ConfigurationError, match=r"it is no table .*'other'"):
        table_places(TableWork.model_validate({**work, "sheet": "other"}, context={"home": tmp_path}), INSIDE)


def test_every_wrong_row_is_named_by_its_number(tmp_path: Path) -> None:
    rows = ["x,y,z", "12,22,32", "12.5,22,32", "12,,bogus", "", "9,22,32", "1e3,22,32"]
    with pytest.raises(ConfigurationError) as refusal:
        table_places(table(tmp_path, "\n".join(rows) + "\n"), INSIDE)

    assert [(problem.where, problem.what) for problem in refusal.value.problems] == [
        ("row 3", "x is '12.5', which is no whole number of voxels"),
        ("row 4", "y is empty; z is 'bogus', which is no whole number of voxels"),
        ("row 6", "the position (9, 22, 32) is outside of 10,20,30,100,90,40"),
        ("row 7", "x is '1e3', which is no whole number of voxels"),
    ]


def test_thousands_of_wrong_rows_are_counted(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        table_places(table(tmp_path, "x,y,z\n" + "a,b,c\n" * 3000), INSIDE)

    assert len(refusal.value.problems) == 51
    assert refusal.value.problems[-1].what == "2950 more are wrong"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is no table"),
        ("x,y,z\n", "it has no rows"),
        ("a,b\n1,2\n", "it says no places; its columns are 'a', 'b'"),
        ("box_x,box_y,width\n1,2,3\n", "of a box's columns box_z, height, depth are missing"),
        ("x,y,z,X\n1,2,3,4\n", "the columns x stand twice"),
    ],
)
def test_a_table_that_says_no_places_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        table_places(table(tmp_path, text), INSIDE)


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    work = TableWork.model_validate({"rule": "table", "file": "gone.csv"}, context={"home": tmp_path})
    with pytest.raises(ConfigurationError, match="it does not exist"):
        table_places(work, INSIDE)


# ---------------------------------------------------------------------- skeletons

_NML = """<things>
<parameters><experiment name="brain"/><scale x="4" y="4" z="40"/></parameters>
<thing id="1" color.r="1" color.g="0" color.b="0" color.a="1" name="soma">
<nodes><node id="1" radius="1" x="12.9" y="22.0" z="32.5"/><node id="2" radius="1" x="13" y="23" z="33"/></nodes>
<edges><edge source="1" target="2"/></edges></thing>
<thing id="2" color.r="1" color.g="0" color.b="0" color.a="1" name="axon">
<nodes><node id="3" radius="1" x="{x}" y="24" z="34"/></nodes><edges/></thing>
<branchpoints><branchpoint id="2" time="0"/></branchpoints>
<comments><comment node="3" content="here"/></comments>
</things>"""


def nodes(folder: Path, *, x: int = 14, **changes: Any) -> list[Place]:
    (folder / "seeds.nml").write_text(_NML.format(x=x))
    work = {"rule": "nodes", "file": "seeds.nml", **changes}
    return node_places(NodesWork.model_validate(work, context={"home": folder}), INSIDE)


def test_nodes_are_places_in_the_voxel_that_they_are_in(tmp_path: Path) -> None:
    def at(**changes: Any) -> list[tuple[int, ...]]:
        return [place.position.to_tuple() for place in nodes(tmp_path, **changes)]

    assert at() == [(12, 22, 32), (13, 23, 33), (14, 24, 34)]
    assert at(which="branch_points") == [(13, 23, 33)]
    assert at(which="commented") == [(14, 24, 34)]
    assert at(trees=["soma"]) == [(12, 22, 32), (13, 23, 33)]
    assert boxes(nodes(tmp_path, which="commented", box_size=4)) == [BoundingBox((12, 22, 32), (4, 4, 4))]


def test_nodes_outside_and_trees_that_are_not_there_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        nodes(tmp_path, x=500, trees=["axon", "dendrite"])

    assert [problem.where for problem in refusal.value.problems] == ["tree 'dendrite'", "node 3 of tree 'axon': here"]
    with pytest.raises(ConfigurationError, match="no such nodes"):
        nodes(tmp_path, which="commented", trees=["soma"])


# ---------------------------------------------------------------------- plans


def test_a_place_that_is_named_twice_is_one_task_and_ten_thousand_are_planned_at_once() -> None:
    places = grid_places(grid_work(size=10), BoundingBox((0, 0, 0), (1000, 1000, 10)))
    plan = plan_campaign(campaign(instances=2), "0" * 24, [*places, *places[:10]])

    assert len(plan.tasks) == 10_000
    assert len({task.key for task in plan.tasks}) == 10_000
    assert plan.compared({plan.tasks[0].key, "other/key"}).missing == plan.tasks[1:]
