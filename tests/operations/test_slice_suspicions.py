import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.operations.layer_on_disk import facts_of
from wk_assets.operations.checks.slice_suspicions import (
    contrast_jumps,
    dark_slices,
    longest_zero_run,
    name_slices,
    partly_black_candidates,
)

RNG = np.random.default_rng(7)


def camera_stack(depth: int = 30) -> NDArray[np.uint16]:
    """Noise around an offset of 100, as a camera writes it; shape (c, x, y, z)."""
    return RNG.normal(140, 10, (1, 40, 30, depth)).clip(100, 300).astype(np.uint16)


def fading_labels() -> NDArray[np.uint32]:
    """A ball of one label: slices fade in and out, the first and last ones are empty."""
    x, y, z = np.mgrid[-20:20, -20:20, -24:24]
    labels: NDArray[np.uint32] = (((x**2 + y**2 + z**2) < 18**2).astype(np.uint32) * 7)[np.newaxis]
    return labels


def test_a_sound_stack_raises_no_suspicion() -> None:
    rows = facts_of(camera_stack())

    assert dark_slices(rows) == ()
    assert partly_black_candidates(rows, 10) == ()
    assert contrast_jumps(rows) == ()


@pytest.mark.parametrize("dark", [(0,), (29,), (0, 29), (11,), (5, 6, 7), (0, 1, 2, 17, 28, 29)])
def test_dark_slices_are_found_wherever_they_stand(dark: tuple[int, ...]) -> None:
    stack = camera_stack()
    stack[..., list(dark)] = 0

    assert dark_slices(facts_of(stack)) == dark


def test_a_slice_of_one_value_is_dark_even_if_the_value_is_not_zero() -> None:
    stack = camera_stack()
    stack[..., 9] = 128

    assert dark_slices(facts_of(stack)) == (9,)


def test_a_single_hot_pixel_does_not_light_a_dark_slice() -> None:
    stack = camera_stack()
    stack[..., 9] = 0
    stack[0, 3, 3, 9] = 60000

    assert dark_slices(facts_of(stack)) == (9,)


def test_labels_that_fade_out_are_natural_and_a_gap_in_them_is_not() -> None:
    labels = fading_labels()
    assert dark_slices(facts_of(labels)) == ()

    labels[..., 20] = 0

    assert dark_slices(facts_of(labels)) == (20,)


def test_a_stack_of_nothing_is_dark_everywhere() -> None:
    assert dark_slices(facts_of(np.zeros((1, 8, 8, 3), np.uint8))) == (0, 1, 2)


@pytest.mark.parametrize("part", [0.5, 0.1, 0.01])
def test_slices_whose_end_is_zero_are_candidates(part: float) -> None:
    stack = camera_stack()
    rows = stack.shape[1] * stack.shape[2]
    flat = stack[0, ..., 12].T.reshape(-1)
    flat[int(rows * (1 - part)) :] = 0
    stack[0, ..., 12] = flat.reshape(stack.shape[2], stack.shape[1]).T

    assert partly_black_candidates(facts_of(stack), 10) == (12,)


@pytest.mark.parametrize("place", [0, 1, 15, 28, 29])
def test_a_brighter_slice_is_a_jump_wherever_it_stands(place: int) -> None:
    stack = camera_stack()
    stack[..., place] += 60

    assert [jump.z for jump in contrast_jumps(facts_of(stack))] == [place]


def test_a_lasting_step_is_named_at_its_border_only() -> None:
    stack = camera_stack()
    stack[..., 15:] *= 2

    named = [jump.z for jump in contrast_jumps(facts_of(stack))]

    assert named
    assert set(named) <= {13, 14, 15, 16}


@pytest.mark.parametrize("slope", [-3, -1, 2, 10])
def test_a_slow_trend_such_as_bleaching_is_no_jump(slope: int) -> None:
    stack = camera_stack().astype(np.int32) + (slope * np.arange(30)).astype(np.int32)

    assert contrast_jumps(facts_of(stack)) == ()


def test_ignored_slices_are_neither_named_nor_neighbours() -> None:
    stack = camera_stack()
    stack[..., 4] = 0
    stack[..., 20] += 80

    assert [jump.z for jump in contrast_jumps(facts_of(stack), frozenset({4}))] == [20]


def test_too_few_slices_say_nothing() -> None:
    stack = camera_stack(3)
    stack[..., 1] *= 3

    assert contrast_jumps(facts_of(stack)) == ()


def naive_run(flat: list[int]) -> int:
    best = current = 0
    for value in flat:
        current = 0 if value else current + 1
        best = max(best, current)
    return best


@given(st.lists(st.integers(0, 1), max_size=60), st.integers(1, 7))
def test_a_zero_run_is_the_same_in_one_piece_and_in_bands(flat: list[int], width: int) -> None:
    rows = np.array(flat[: len(flat) // width * width], np.uint8).reshape(-1, width)
    whole, _ = longest_zero_run(rows)

    best = carried = 0
    for row in rows:
        run, carried = longest_zero_run(row, carried)
        best = max(best, run)

    assert whole == best == naive_run(rows.reshape(-1).tolist())


@pytest.mark.parametrize(
    ("slices", "text"),
    [
        ((), "none"),
        ((17,), "17"),
        ((99, 17), "17, 99"),
        ((7, 8, 9, 2), "2, 7-9"),
        (tuple(range(0, 40, 2)), "0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22 and 8 more"),
    ],
)
def test_slices_are_named_as_people_write_them(slices: tuple[int, ...], text: str) -> None:
    assert name_slices(slices) == text
