"""A cursor comes back from its text, stays small, and is refused when it is not ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.cursor import MAX_SIGHTINGS, AcquisitionId, Cursor, read_cursor, write_cursor
from wk_assets.errors import CursorError
from wk_assets.facility.finished import Sighting

SIGHTINGS = st.dictionaries(
    st.builds(AcquisitionId, st.text(max_size=10), st.text(max_size=10)),
    st.builds(
        Sighting,
        signature=st.text(max_size=20),
        since=st.floats(allow_nan=False, allow_infinity=False),
        scans=st.integers(1, 10**9),
    ),
    max_size=20,
)


@given(SIGHTINGS)
def test_a_cursor_comes_back_from_its_text(sightings: dict[AcquisitionId, Sighting]) -> None:
    cursor = Cursor(sightings)

    assert dict(read_cursor(write_cursor(cursor)).sightings) == sightings


@pytest.mark.parametrize("text", [None, ""])
def test_no_text_is_the_empty_cursor(text: str | None) -> None:
    assert not read_cursor(text).sightings


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 1}', '{"version": 2, "sightings": []}', '{"a": 1}', "1723"])
def test_text_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(CursorError, match="cursor"):
        read_cursor(text)


def test_the_text_is_bounded() -> None:
    sighting = Sighting(signature="x" * 32, since=1.8e9, scans=100000)
    many = {AcquisitionId("scope", f"run-{number:06}"): sighting for number in range(10 * MAX_SIGHTINGS)}

    assert len(write_cursor(Cursor(many))) < 100_000
