"""Sizes as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from wk_assets.facility.section import format_size, parse_size


@given(size=st.integers(min_value=0, max_value=1 << 62))
def test_a_number_of_bytes_is_itself(size: int) -> None:
    assert parse_size(size) == size == parse_size(str(size))


@given(count=st.integers(min_value=1, max_value=1023), power=st.integers(min_value=0, max_value=5))
def test_a_written_size_reads_back(count: int, power: int) -> None:
    size = count * 1024**power
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    ("text", "size"),
    [("5 GiB", 5 << 30), ("500MB", 500_000_000), ("1.5 TiB", 3 << 39), ("  2 kb ", 2000), ("7 B", 7)],
)
def test_a_size_has_a_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("wrong", ["5 Gigs", "", "-1 GiB", "GiB", "1e9", None, True, -5, [1], 1.5])
def test_what_is_no_size_is_refused_with_an_example(wrong: object) -> None:
    with pytest.raises(PydanticCustomError) as refusal:
        parse_size(wrong)
    assert refusal.value.context is not None
    assert "5 GiB" in refusal.value.context["remedy"]
