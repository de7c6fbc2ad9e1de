"""Which axis each dimension is: from what properties say, there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wk_assets.errors import PropertiesError
from wk_assets.properties.layer_properties import AdditionalAxisProperties
from wk_assets.storage.array_axes import ArrayAxes


def axis(name: str, index: int) -> AdditionalAxisProperties:
    return AdditionalAxisProperties(name=name, bounds=(0, 2), index=index)


stored_axes = st.sampled_from(("xyz", "cxyz", "txyz", "tcxyz", "tacxyz")).flatmap(st.permutations).map(tuple)


@given(stored=stored_axes)
def test_what_an_array_says_of_its_axes_finds_them_again(stored: tuple[str, ...]) -> None:
    axes = ArrayAxes(stored)
    additional = [axis(name, stored.index(name)) for name in axes.additional]
    assert ArrayAxes.of("a", len(stored), axes.axis_order, additional) == axes
    order = {name: place for name, place in axes.axis_order.items() if name in "cxyz"}
    assert ArrayAxes.of("a", len(stored), order, additional) == axes


@given(stored=stored_axes)
def test_voxels_of_a_box_are_viewed_as_they_are_stored(stored: tuple[str, ...]) -> None:
    axes = ArrayAxes(stored)
    shape = dict(zip("tacxyz", (2, 3, 4 if "c" in stored else 1, 5, 6, 7), strict=True))
    voxels = np.arange(np.prod([shape[name] for name in axes.names])).reshape([shape[name] for name in axes.names])
    seen = axes.as_stored(voxels)
    assert seen.shape == tuple(shape[name] for name in stored)
    assert np.shares_memory(seen, voxels)
    place = {name: length - 1 for name, length in shape.items()} | {"x": 2}
    assert seen[tuple(place[name] for name in stored)] == voxels[tuple(place[name] for name in axes.names)]


def test_axes_that_nobody_names_are_c_x_y_z_or_x_y_z_behind_the_additional_ones() -> None:
    assert ArrayAxes.of("a", 3, None, []).stored == ("x", "y", "z")
    assert ArrayAxes.of("a", 4, None, []).stored == ("c", "x", "y", "z")
    assert ArrayAxes.of("a", 5, None, [axis("t", 2)]).stored == ("c", "x", "t", "y", "z")
    assert ArrayAxes.of("a", 4, None, [axis("t", 0)]).stored == ("t", "x", "y", "z")


@pytest.mark.parametrize(
    ("dimensions", "order", "additional", "message"),
    [
        (2, None, [], "2 dimensions"),
        (5, None, [], "5 dimensions"),
        (4, {"x": 0, "y": 1, "z": 2}, [], "4 dimensions"),
        (4, {"c": 0, "x": 1, "y": 2, "z": 4}, [], "4 dimensions"),
        (4, {"c": 0, "x": 0, "y": 2, "z": 3}, [], "dimension 0 is called 'c' and 'x'"),
        (4, {"c": 0, "x": 1, "y": 2, "z": 3}, [("t", 0)], "dimension 0 is called 't' and 'c'"),
        (3, {"c": 0, "x": 1, "y": 2}, [], "x, y, z must each have one dimension"),
    ],
)
def test_dimensions_without_a_name_or_with_two_are_refused(
    dimensions: int, order: dict[str, int] | None, additional: list[tuple[str, int]], message: str
) -> None:
    with pytest.raises(PropertiesError, match=message):
        ArrayAxes.of("a", dimensions, order, [axis(*given) for given in additional])
