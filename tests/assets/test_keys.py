"""Keys are built and parsed in one place, and no two things share a name."""

import re

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wk_assets.assets.keys import (
    CATALOGUE,
    AcquisitionAsset,
    AssetName,
    DatasetAsset,
    LayerAsset,
    MagAsset,
    PublishedAsset,
    build,
    group_name,
    op_name,
    parse,
)
from wk_assets.errors import InvalidNameError
from wk_assets.geometry.mag import Mag

DATASETS = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{2,12}", fullmatch=True)
LAYERS = st.from_regex(r"[a-c_$@-][a-cA-C0-9_$@.-]{0,8}", fullmatch=True)
MAGS = st.tuples(*[st.integers(0, 8)] * 3).map(lambda powers: Mag(tuple(1 << power for power in powers)))
NAMES: st.SearchStrategy[AssetName] = st.one_of(
    st.builds(AcquisitionAsset, DATASETS),
    st.builds(DatasetAsset, DATASETS),
    st.builds(PublishedAsset, DATASETS),
    st.builds(LayerAsset, DATASETS, LAYERS),
    st.builds(MagAsset, DATASETS, LAYERS, MAGS),
)


@given(NAMES)
def test_a_name_comes_back_from_its_key(name: AssetName) -> None:
    assert parse(build(name)) == name


@given(st.lists(NAMES, min_size=2, max_size=20, unique=True))
def test_distinct_names_share_neither_key_nor_op_name(names: list[AssetName]) -> None:
    assert len({build(name) for name in names}) == len(names)
    assert len({op_name(name) for name in names}) == len(names)


@given(NAMES)
def test_dagster_takes_every_op_name_and_group_name(name: AssetName) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_]{1,100}", op_name(name))
    assert re.fullmatch(r"[A-Za-z0-9_]+", group_name(name.dataset))


@pytest.mark.parametrize("other", ["a.b", "a_b", "a__b"])
def test_names_that_differ_in_punctuation_alone_are_told_apart(other: str) -> None:
    """Dagster turns '-' and '.' into '_' in op names: two datasets made one op."""
    assert op_name(DatasetAsset("a-b")) != op_name(DatasetAsset(other))
    assert group_name("a-b") != group_name(other)


def test_a_group_is_called_like_its_dataset_where_dagster_takes_the_name() -> None:
    assert group_name("brain_7") == "brain_7"
    assert group_name("catalogue") != "catalogue"


@pytest.mark.parametrize(
    "path",
    [
        ["catalogue"],
        ["datasets"],
        ["elsewhere", "brain"],
        ["datasets", "brain", "em", "3"],
        ["datasets", "brain", "em", "2-2-2"],
        ["datasets", "brain", "em", "1", "more"],
        ["datasets", "b/c"],
    ],
)
def test_a_key_that_is_not_ours_is_refused_by_name(path: list[str]) -> None:
    with pytest.raises(InvalidNameError):
        parse(dg.AssetKey(path))


def test_the_catalogue_is_an_asset_of_its_own() -> None:
    assert CATALOGUE.to_user_string() == "catalogue"
