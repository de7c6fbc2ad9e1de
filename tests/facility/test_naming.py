"""From a folder's name to a dataset's name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wk_assets.facility.naming import dataset_name, placeholders
from wk_assets.properties.names import check_dataset_name


@given(acquisition=st.text(st.characters(codec="utf-8"), min_size=1, max_size=400))
def test_every_folder_name_becomes_a_legal_dataset_name(acquisition: str) -> None:
    name = dataset_name("{acquisition}", instrument="scope", acquisition=acquisition)

    assert check_dataset_name(name) == name
    assert dataset_name("{acquisition}", instrument="scope", acquisition=name) == name


@pytest.mark.parametrize(
    ("template", "acquisition", "name"),
    [
        ("{acquisition}", "2026-11-21_fish", "2026-11-21_fish"),
        ("{instrument}-{acquisition}", "run 7", "scope-run-7"),
        ("{acquisition}", "Müller/Fisch 1", "Muller-Fisch-1"),
        ("x{acquisition}", "{instrument}", "x-instrument"),
    ],
)
def test_a_template_is_filled_and_made_safe(template: str, acquisition: str, name: str) -> None:
    assert dataset_name(template, instrument="scope", acquisition=acquisition) == name


def test_placeholders_are_listed() -> None:
    assert placeholders("{instrument}-{acquisition}-x") == ("instrument", "acquisition")
