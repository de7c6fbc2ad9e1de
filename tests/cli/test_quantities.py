import pytest
from hypothesis import given
from hypothesis import strategies as st

from wk_assets.cli.quantities import bytes_text, counted, lengths_text, seconds_text, size_text, voxels_text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (3 << 50, "3.0 PiB")],
)
def test_bytes_are_written_with_binary_units(size_bytes: int, text: str) -> None:
    assert bytes_text(size_bytes) == text


@given(st.integers(min_value=0, max_value=1 << 50))
def test_a_number_never_reaches_the_next_unit(size_bytes: int) -> None:
    number = float(bytes_text(size_bytes).split()[0])

    assert number < 1024


@given(st.integers(min_value=0, max_value=10**15), st.integers(min_value=0, max_value=10**15))
def test_more_voxels_never_read_as_fewer(one: int, other: int) -> None:
    factors = {"voxel": 1, "kvoxel": 10**3, "Mvoxel": 10**6, "Gvoxel": 10**9, "Tvoxel": 10**12, "Pvoxel": 10**15}

    def read_back(voxels: int) -> float:
        number, unit = voxels_text(voxels).split()
        return float(number) * factors[unit]

    less, more = sorted((one, other))
    assert read_back(less) <= read_back(more)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.84, "0.8 s"), (59.9, "59.9 s"), (247, "4 min 07 s"), (11520, "3 h 12 min")]
)
def test_durations_are_written_in_the_units_of_a_clock(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_sizes_and_lengths_are_written_axis_by_axis() -> None:
    assert size_text((256, 256, 60)) == "256 x 256 x 60"
    assert lengths_text((11.24, 11.24, 25.0), "nanometer") == "11.24 x 11.24 x 25 nanometer"


def test_a_noun_follows_its_number() -> None:
    assert (counted(1, "layer"), counted(2, "layer"), counted(0, "layer")) == ("1 layer", "2 layers", "0 layers")
