import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.operations.memory_mag_array import MemoryMagArray
from wk_assets.errors import GeometryError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.kernels.components import components
from wk_assets.operations.annotations.volume_checks import VolumeFacts, VolumeRules, judge_volume, measure_volume


def volume(labels: np.ndarray) -> MemoryMagArray:
    return MemoryMagArray.of(labels[np.newaxis], chunk=2, shard=4)


@given(arrays(np.uint16, st.tuples(*[st.integers(1, 9)] * 3), elements=st.integers(0, 2)), st.sampled_from([2, 4, 128]))
@settings(max_examples=30)
def test_blocks_of_any_size_give_what_the_whole_volume_gives(labels: np.ndarray, edge: int) -> None:
    facts = measure_volume(volume(labels), task_box_in_mag=None, island_voxels=3, block_edge=edge)

    numbers, count = components(labels)
    sizes = np.bincount(numbers.reshape(-1), minlength=count + 1)
    names = {number: int(labels[numbers == number][0]) for number in range(1, count + 1)}
    assert {one.segment_id: one.voxels for one in facts.segments.values()} == {
        int(label): int((labels == label).sum()) for label in np.unique(labels) if label
    }
    for segment in facts.segments.values():
        mine = [sizes[number] for number, name in names.items() if name == segment.segment_id]
        assert segment.components == len(mine)
        assert segment.islands == sum(size < 3 for size in mine)


def test_a_spiral_through_all_blocks_is_one_piece() -> None:
    labels = np.zeros((9, 9, 1), np.uint8)
    labels[0, :] = labels[:, 8] = labels[8, :] = labels[2:, 0] = labels[2, :6] = 5  # one line, turning inward

    facts = measure_volume(volume(labels), task_box_in_mag=None, block_edge=2)

    assert facts.segments[5].components == components(labels)[1] == 1


def test_voxels_outside_of_the_box_are_counted_per_segment_and_the_rest_covers_it() -> None:
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[:4, :4, :4] = 1
    labels[6, 6, 6] = 2

    facts = measure_volume(volume(labels), task_box_in_mag=BoundingBox((2, 0, 0), (4, 4, 4)), block_edge=4)

    assert facts.segments[1].outside == 32
    assert facts.segments[2].outside == 1
    assert facts.covered == 32
    assert facts.coverage == 0.5


def test_one_block_at_a_time_is_read() -> None:
    array = volume(np.ones((16, 16, 16), np.uint8))

    measure_volume(array, task_box_in_mag=None, block_edge=4)

    assert array.largest_read == 4**3


def test_each_rule_names_the_segments_that_break_it() -> None:
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[:2, :2, :2] = 1
    labels[4:6, :2, :2] = 1
    labels[7, 7, 7] = 3
    facts = measure_volume(volume(labels), task_box_in_mag=BoundingBox((0, 0, 0), (7, 8, 8)), island_voxels=2)

    findings = {one.rule: one for one in judge_volume(facts, VolumeRules(least_coverage=0.5))}

    assert [name for name, one in findings.items() if one.passed] == ["not_empty"]
    assert findings["inside_box"].segment_ids == (3,)
    assert findings["one_component"].segment_ids == (1,)
    assert findings["no_islands"].segment_ids == (3,)
    assert findings["coverage"].sentence == "3.6% of the task's box is painted; 50.0% are asked for."


def test_rules_that_are_not_asked_for_are_not_judged() -> None:
    nothing = VolumeRules(inside_box=False, one_component=False, no_islands=False, not_empty=False)

    assert judge_volume(VolumeFacts(segments={}, box_in_mag=None, covered=0, island_voxels=2), nothing) == ()
    (empty,) = judge_volume(
        VolumeFacts(segments={}, box_in_mag=None, covered=0, island_voxels=2),
        VolumeRules(inside_box=False, one_component=False, no_islands=False),
    )
    assert not empty.passed


def test_images_and_channels_are_refused() -> None:
    with pytest.raises(GeometryError, match="one channel of integers"):
        measure_volume(MemoryMagArray((1, 4, 4, 4), "float32"), task_box_in_mag=None)
    with pytest.raises(GeometryError, match="2 channels"):
        measure_volume(MemoryMagArray((2, 4, 4, 4), "uint8"), task_box_in_mag=None)
