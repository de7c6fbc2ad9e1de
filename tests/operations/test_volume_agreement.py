from math import isclose, log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.operations.memory_mag_array import MemoryMagArray
from wk_assets.errors import GeometryError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.operations.annotations.volume_agreement import (
    Overlaps,
    agreement,
    compare_volumes,
    overlaps,
    painted_agreement,
)

SHAPE = (4, 5, 3)
volumes = arrays(np.uint32, SHAPE, elements=st.integers(0, 3))
painted = arrays(np.uint32, SHAPE, elements=st.integers(1, 3))


def memory(labels: np.ndarray) -> MemoryMagArray:
    return MemoryMagArray.of(labels[np.newaxis], chunk=2, shard=4)


@given(volumes)
@settings(max_examples=20)
def test_a_volume_agrees_with_itself(labels: np.ndarray) -> None:
    figures = agreement(overlaps(labels, labels))

    assert figures.voxel_accuracy == figures.mean_dice == 1.0
    assert figures.variation_split == figures.variation_merge == 0.0
    assert isclose(figures.adapted_rand_error, 0.0, abs_tol=1e-12)


@given(painted, painted)
@settings(max_examples=20)
def test_splits_of_the_one_are_merges_of_the_other(first: np.ndarray, second: np.ndarray) -> None:
    there, back = agreement(overlaps(first, second)), agreement(overlaps(second, first))

    assert isclose(there.variation_split, back.variation_merge, abs_tol=1e-9)
    assert isclose(there.rand_precision, back.rand_recall)
    assert isclose(there.adapted_rand_error, back.adapted_rand_error, abs_tol=1e-9)
    assert isclose(there.mean_dice, back.mean_dice)


@given(painted, painted, st.permutations([1, 2, 3]))
@settings(max_examples=20)
def test_other_ids_change_accuracy_but_not_division(first: np.ndarray, second: np.ndarray, ids: list[int]) -> None:
    renamed = np.array([0, *ids], np.uint32)[second]

    before, after = agreement(overlaps(first, second)), agreement(overlaps(first, renamed))

    assert isclose(before.variation_split, after.variation_split, abs_tol=1e-9)
    assert isclose(before.variation_merge, after.variation_merge, abs_tol=1e-9)
    assert isclose(before.adapted_rand_error, after.adapted_rand_error, abs_tol=1e-9)


@given(volumes, volumes)
@settings(max_examples=15)
def test_block_by_block_gives_the_table_of_the_whole(first: np.ndarray, second: np.ndarray) -> None:
    table = compare_volumes(memory(first), memory(second), BoundingBox((0, 0, 0), SHAPE), block_edge=2)

    assert dict(table.voxels) == dict(overlaps(first, second).voxels)


def test_one_segment_cut_in_halves_is_a_split_of_one_bit() -> None:
    figures = agreement(Overlaps({(1, 1): 50, (1, 2): 50}))

    assert figures.variation_split == 1.0
    assert figures.variation_merge == 0.0
    assert (figures.rand_precision, figures.rand_recall) == (1.0, 0.5)
    assert isclose(figures.adapted_rand_error, 1 / 3)


def test_two_segments_as_one_are_a_merge() -> None:
    figures = agreement(Overlaps({(1, 1): 25, (2, 1): 75}))

    assert figures.variation_split == 0.0
    assert isclose(figures.variation_merge, -(0.25 * log2(0.25) + 0.75 * log2(0.75)))


def test_dice_and_jaccard_of_half_an_overlap() -> None:
    figures = agreement(Overlaps({(1, 1): 10, (1, 0): 10, (0, 1): 10, (0, 0): 70}))

    (segment,) = figures.segments
    assert segment.dice == 0.5
    assert segment.jaccard == 1 / 3
    assert figures.voxel_accuracy == 0.8


def test_a_first_volume_without_segments_has_nothing_to_divide() -> None:
    figures = agreement(Overlaps({(0, 1): 3, (0, 0): 1}))

    assert (figures.variation_split, figures.variation_merge, figures.adapted_rand_error) == (0.0, 0.0, 0.0)
    assert figures.mean_dice == 0.0


def test_an_empty_box_is_refused() -> None:
    array = memory(np.zeros(SHAPE, np.uint32))

    with pytest.raises(GeometryError, match="no voxel"):
        compare_volumes(array, array, BoundingBox.empty())
    with pytest.raises(GeometryError, match="no voxel in common"):
        agreement(Overlaps({}))


@given(volumes, volumes)
@settings(max_examples=20)
def test_agreement_on_what_is_painted_is_the_same_whoever_comes_first(first: np.ndarray, second: np.ndarray) -> None:
    there, back = painted_agreement(overlaps(first, second)), painted_agreement(overlaps(second, first))

    assert isclose(there, back)
    assert 0 < there <= 1
    assert isclose(painted_agreement(overlaps(first, first)), 1.0)


def test_background_around_a_small_thing_does_not_hide_that_annotators_disagree() -> None:
    assert isclose(painted_agreement(Overlaps({(0, 0): 10**9, (1, 1): 50, (1, 0): 50})), 2 / 3)
