"""Which file is which slice: laws over numbered names, and the names that are refused."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wk_assets.errors import AxesError, MissingSliceError
from wk_assets.readers.natural_order import natural_key, ranges_text, take_apart
from wk_assets.readers.sequence import arrange_slices
from wk_assets.readers.volume import BadSlicePolicy, SourceFile

NUMBERS = st.lists(st.integers(0, 300), min_size=2, max_size=60, unique=True)
FILLING = st.sampled_from([BadSlicePolicy.BLACK, BadSlicePolicy.REPEAT])


def files(*names: str) -> list[SourceFile]:
    return [SourceFile(path=Path("/a", name), relative_path=name, size_bytes=1, mtime_ns=0) for name in names]


def arranged(*names: str, expected: int | None = None, policy: BadSlicePolicy = BadSlicePolicy.FAIL) -> list[str]:
    return [slot.name for slot in arrange_slices(files(*names), expected, policy)]


@given(st.lists(st.text("abz_.0189", min_size=1), unique=True))
def test_natural_order_is_an_order_of_names(names: list[str]) -> None:
    backwards = sorted(names, key=natural_key, reverse=True)
    assert sorted(names, key=natural_key) == backwards[::-1]
    assert len({natural_key(name) for name in names}) == len(names)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_names_sort_by_the_value_of_their_numbers(one: int, other: int) -> None:
    assert (natural_key(f"s{one}.tif") < natural_key(f"s{other}.tif")) == (one < other)


@given(st.sets(st.integers(0, 40)))
def test_ranges_name_each_number_once(numbers: set[int]) -> None:
    text = ranges_text(numbers)
    if "more" not in text:
        named: list[int] = []
        for part in filter(None, text.split(", ")):
            start, _, stop = part.partition("-")
            named += range(int(start), int(stop or start) + 1)
        assert named == sorted(numbers)


@given(st.integers(0, 5000), st.integers(2, 40), st.booleans(), st.randoms())
def test_a_gapless_series_is_its_own_order(first: int, count: int, padded: bool, shuffle: random.Random) -> None:
    names = [f"run2/s_{number:06}.tif" if padded else f"run2/s_{number}.tif" for number in range(first, first + count)]
    mixed = names.copy()
    shuffle.shuffle(mixed)

    assert arranged(*mixed) == names


@given(NUMBERS)
def test_a_gap_is_never_closed(numbers: list[int]) -> None:
    names = [f"s{number}.tif" for number in numbers]
    missing = sorted(set(range(min(numbers), max(numbers) + 1)) - set(numbers))

    if not missing:
        assert len(arranged(*names)) == len(numbers)
        return
    with pytest.raises(MissingSliceError) as caught:
        arranged(*names)
    assert f"missing z {ranges_text(missing)} " in str(caught.value)


@given(NUMBERS, FILLING)
def test_a_filled_gap_keeps_every_slice_at_its_place(numbers: list[int], policy: BadSlicePolicy) -> None:
    span = max(numbers) - min(numbers) + 1
    slots = arrange_slices(files(*(f"s{number}.tif" for number in numbers)), span, policy)

    assert len(slots) == span
    for z, slot in enumerate(slots):
        number = min(numbers) + z
        assert slot.z == z
        assert slot.name == f"s{number}.tif"
        assert (slot.file is None) == (slot.problem is not None) == (number not in numbers)


def test_the_name_of_a_missing_slice_has_its_neighbours_zeros() -> None:
    assert arranged("a_008.tif", "a_010.tif", "a_011.tif", policy=BadSlicePolicy.BLACK) == [
        "a_008.tif", "a_009.tif", "a_010.tif", "a_011.tif",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "names",
    [
        ("a_1.tif", "a_01.tif"),
        ("a_1.tif", "a_1.TIFF"),
        ("a_1.tif", "a_2.tif", "a_02.tif", "a_3.tif"),
    ],
)
def test_two_files_for_one_slice_are_refused_under_every_policy(names: tuple[str, ...]) -> None:
    for policy in BadSlicePolicy:
        with pytest.raises(MissingSliceError, match="stand for the same slice"):
            arranged(*names, policy=policy)


@pytest.mark.parametrize(
    "names",
    [
        ("c0_z0.tif", "c0_z1.tif", "c1_z0.tif", "c1_z1.tif"),  # two channels
        ("raw_1.tif", "raw_2.tif", "mask_1.tif", "mask_2.tif"),  # two series
        ("first.tif", "second.tif"),  # no number
        ("s1_t7.tif", "s2_t8.tif", "s2_t9.tif", "s3_t10.tif"),  # a slice taken again
        ("x1_y2.tif", "x2_y1.tif"),  # two counts in two orders
    ],
)
def test_names_that_do_not_say_what_counts_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(AxesError, match="Narrow `files`"):
        arranged(*names)


def test_dates_and_other_numbers_beside_the_count_do_no_harm() -> None:
    names = ["v2_z01_20240131.tif", "v2_z02_20240131.tif", "v2_z03_20240201.tif"]
    assert arranged(*reversed(names)) == names


def test_expected_slices_confirms_that_numbers_count_in_steps() -> None:
    names = [f"z{nanometers:04}nm.tif" for nanometers in range(0, 200, 40)]

    with pytest.raises(MissingSliceError, match="`expected_slices: 5`"):
        arranged(*names)
    assert arranged(*names, expected=5) == names


def test_times_in_names_count_only_if_the_number_of_slices_is_confirmed() -> None:
    names = [f"Merlin_21-07-31_{time}_0-0.tif" for time in ("152727", "152801", "152840", "160001")]

    with pytest.raises(MissingSliceError, match="times or positions, say `expected_slices: 4`"):
        arranged(*names)
    assert arranged(*names, expected=4) == names


def test_numbers_without_measure_are_listed_in_no_time() -> None:
    with pytest.raises(MissingSliceError, match="missing z 3-1699999999999999998 between"):
        arranged("s1.tif", "s2.tif", "s1699999999999999999.tif")


def test_a_confirmed_count_does_not_hide_a_gap_in_a_dense_numbering() -> None:
    with pytest.raises(MissingSliceError, match="missing z 3 "):
        arranged("s1.tif", "s2.tif", "s4.tif", "s5.tif", expected=4)


def test_slices_missing_at_the_end_are_filled_where_the_count_began_at_its_beginning() -> None:
    assert arranged("s1.tif", "s2.tif", expected=4, policy=BadSlicePolicy.BLACK) == [
        "s1.tif", "s2.tif", "s3.tif", "s4.tif",
    ]  # fmt: skip
    with pytest.raises(MissingSliceError, match="before or after"):
        arranged("s7.tif", "s8.tif", expected=4, policy=BadSlicePolicy.BLACK)


def test_more_slices_missing_than_there_are_is_not_filled_unconfirmed() -> None:
    """A stray number in a name must not become a million black slices."""
    names = ("s1.tif", "s2.tif", "s1000000.tif")
    with pytest.raises(MissingSliceError, match="none is filled"):
        arranged(*names, policy=BadSlicePolicy.BLACK)


def test_too_many_files_are_refused_under_every_policy() -> None:
    for policy in BadSlicePolicy:
        with pytest.raises(MissingSliceError, match="more than there should be"):
            arranged("s1.tif", "s2.tif", "s3.tif", expected=2, policy=policy)


def test_suffixes_that_mean_the_same_are_the_same() -> None:
    assert take_apart("A1.TIFF").texts == take_apart("a1.tif").texts
