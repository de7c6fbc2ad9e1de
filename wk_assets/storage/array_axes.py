"""Which axis each dimension of a stored array is, and boxes of it. Pure values; opens no file.

Outside, axes are always (additional ..., c, x, y, z); inside, as whoever wrote the array liked, with or without c.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import PropertiesError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.properties.layer_properties import AdditionalAxisProperties

_CXYZ = ("c", "x", "y", "z")


@dataclass(frozen=True, slots=True)
class ArrayAxes:
    """Name the axis of each dimension of an array, slowest first. Raises PropertiesError unless x, y, z are among them."""

    stored: tuple[str, ...]

    def __post_init__(self) -> None:
        if not {"x", "y", "z"} <= set(self.stored) or len(set(self.stored)) != len(self.stored):
            raise PropertiesError(f"axes {self.stored}: x, y, z must each have one dimension, and no axis two")

    @classmethod
    def of(
        cls,
        source: str,
        dimensions: int,
        axis_order: Mapping[str, int] | None,
        additional_axes: Sequence[AdditionalAxisProperties],
    ) -> Self:
        """Find them from what datasource-properties.json says; without `axis_order` they are (c,) x, y, z.

        Raises PropertiesError, naming `source`, where dimensions stay without a name or get two.
        """
        places = {axis.index: axis.name for axis in additional_axes}
        free = [place for place in range(dimensions) if place not in places]
        order = dict(axis_order or {})
        if not order and len(free) in {3, 4}:
            order = dict(zip(_CXYZ[4 - len(free) :], free, strict=True))
        for axis, place in order.items():
            if places.setdefault(place, axis) != axis:
                raise PropertiesError(f"{source}: dimension {place} is called {places[place]!r} and {axis!r}")
        if sorted(places) != list(range(dimensions)):
            raise PropertiesError(
                f"{source}: an array of {dimensions} dimensions, but axisOrder {dict(axis_order or {})} and additionalAxes "
                f"{[(axis.name, axis.index) for axis in additional_axes]}; say which dimension is which axis"
            )
        return cls(tuple(places[place] for place in range(dimensions)))

    @property
    def additional(self) -> tuple[str, ...]:
        """Names of the axes besides c, x, y, z, in the order of their dimensions."""
        return tuple(axis for axis in self.stored if axis not in _CXYZ)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the axes in the order in which boxes have them."""
        return (*self.additional, *_CXYZ)

    @property
    def axis_order(self) -> dict[str, int]:
        """The dimension of each of c (if there is one), x, y, z; of additional axes too, unless they are the first ones."""
        told = _CXYZ if self.additional == self.stored[: len(self.additional)] else (*self.additional, *_CXYZ)
        return {axis: self.stored.index(axis) for axis in told if axis in self.stored}

    def box(self, shape: Sequence[int]) -> NormalizedBoundingBox:
        """Return the box from the origin of an array with that shape."""
        return self.box_between([0] * len(shape), shape)

    def box_between(self, start: Sequence[int], stop: Sequence[int]) -> NormalizedBoundingBox:
        """Return the box between two corners given in the order of the dimensions."""
        bounds = {"c": (0, 1)} | {axis: (a, b - a) for axis, a, b in zip(self.stored, start, stop, strict=True)}
        return NormalizedBoundingBox(
            [bounds[axis][0] for axis in self.names], [bounds[axis][1] for axis in self.names], self.names
        )

    def xyz(self, shape: Sequence[int]) -> Vec3Int:
        """Return the lengths along x, y, z of something that is given in the order of the dimensions."""
        return Vec3Int(*(int(shape[self.stored.index(axis)]) for axis in "xyz"))

    def start(self, box: NormalizedBoundingBox) -> tuple[int, ...]:
        """Return the first corner of a box in the order of the dimensions."""
        return tuple(box.topleft.get(axis) for axis in self.stored)

    def stop(self, box: NormalizedBoundingBox) -> tuple[int, ...]:
        """Return the far corner of a box in the order of the dimensions."""
        return tuple(box.bottomright.get(axis) for axis in self.stored)

    def as_stored(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """View voxels with the axes of boxes in the order of the dimensions."""
        order = [self.names.index(axis) for axis in self.stored]
        if "c" in self.stored:
            return voxels.transpose(order)
        channel = self.names.index("c")
        single = voxels[(slice(None),) * channel + (0,)]
        return single.transpose([place - (place > channel) for place in order])


def new_voxels(box: NormalizedBoundingBox, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return zeros in the shape of a box, x contiguous, then y."""
    *outer, x, y, z = tuple(box.size)
    return np.zeros((*outer, z, y, x), dtype).swapaxes(-1, -3)
