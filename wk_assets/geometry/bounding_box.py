"""The boxes that people use: `BoundingBox` (x, y, z), `NDBoundingBox` (any axes), `NormalizedBoundingBox` (with channels).

The three live here because they turn into one another. Their arithmetic is in `named_box`, their text in `box_notation`.
Coordinates are mag-1 voxels unless a name says `_in_mag`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self, TypeVar, overload

from wk_assets.errors import GeometryError
from wk_assets.geometry.box_notation import (
    numbers_from_checkpoint_name,
    numbers_from_csv,
    numbers_from_mapping,
    value_from_json,
)
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.named_box import DEFAULT_BOX_NAME, Color, NamedBox
from wk_assets.geometry.vec3_int import Vec3Int, Vec3IntLike, VecInt, VecIntLike

_XYZ = ("x", "y", "z")
_Box = TypeVar("_Box", bound="NDBoundingBox")


@dataclass(frozen=True, slots=True, init=False)
class NDBoundingBox(NamedBox):
    """Hold a box with any named axes: `NDBoundingBox((75, 75, 75, 0), (100, 100, 100, 20), axes=("x", "y", "z", "t"))`.

    `index` is the dimension of an array at which each axis stands; by default the order of `axes`.
    """

    def intersected_with(self, other: Self, dont_assert: bool = False) -> Self:
        """Give what both boxes cover; raises GeometryError if that is nothing, unless `dont_assert`."""
        return _intersection(self, other, dont_assert)

    def extended_by(self, other: Self) -> Self:
        """Give the smallest box that covers both; an empty box adds nothing."""
        return _union(self, other)

    def contains_bbox(self, inner_bbox: Self) -> bool:
        """Say whether another box lies inside."""
        return _encloses(self, inner_bbox)

    def normalize_axes(self, num_channels: int) -> "NormalizedBoundingBox":
        """Add the channel axis before x, y, z: (t, x, y, z) becomes (t, c, x, y, z). Other axes come first, in their order."""
        if num_channels < 1:
            raise GeometryError(f"a layer has at least one channel, not {num_channels}")
        if "c" in self.axes and self.get_shape("c") != num_channels:
            raise GeometryError(f"the box has {self.get_shape('c')} channels already, not {num_channels}")
        extra = [axis for axis in self.axes if axis not in ("c", *_XYZ)]
        order = (*extra, "c", *_XYZ)
        return NormalizedBoundingBox(
            [self.topleft.get(axis, 0) if axis == "c" else self.topleft.get(axis) for axis in order],
            [self.size.get(axis, num_channels) if axis == "c" else self.size.get(axis) for axis in order],
            order,
            None,
            self.name,
            self.is_visible,
            self.color,
        )

    def denormalize(self) -> "NDBoundingBox":
        """Drop the channel axis; without other axes than x, y, z the result is a `BoundingBox`."""
        order = [axis for axis in self.axes if axis != "c"]
        topleft = [self.topleft.get(axis) for axis in order]
        size = [self.size.get(axis) for axis in order]
        if tuple(order) == _XYZ:
            return BoundingBox(topleft, size, name=self.name, is_visible=self.is_visible, color=self.color)
        return NDBoundingBox(topleft, size, order, None, self.name, self.is_visible, self.color)

    @staticmethod
    def group_boxes_with_aligned_mag(bounding_boxes: "Iterable[_Box]", aligning_mag: Mag) -> "dict[_Box, list[_Box]]":
        """Group boxes by the cell of a grid that each lies in, e.g. 256 voxel cubes by the cells of `Mag(1024)`.

        The keys are the boxes aligned outward to `aligning_mag`.
        """
        groups: dict[_Box, list[_Box]] = {}
        for box in bounding_boxes:
            groups.setdefault(box.align_with_mag(aligning_mag, ceil=True), []).append(box)
        return groups


@dataclass(frozen=True, slots=True, init=False)
class BoundingBox(NDBoundingBox):
    """Hold a box x, y, z: `BoundingBox((75, 75, 75), (100, 100, 100))`, half-open, in mag-1 voxels.

    `index` is where x, y, z stand in an array; the channel stands before them. Raises GeometryError for a negative size.
    """

    vector_type: ClassVar[type[VecInt]] = Vec3Int

    topleft: Vec3Int
    size: Vec3Int
    axes: tuple[str, str, str]
    index: Vec3Int
    bottomright: Vec3Int = field(init=False, repr=False, compare=False)

    def __init__(
        self,
        topleft: Vec3IntLike,
        size: Vec3IntLike,
        axes: tuple[str, str, str] = _XYZ,
        index: Vec3IntLike = Vec3Int(1, 2, 3),  # noqa: B008  # immutable
        name: str | None = DEFAULT_BOX_NAME,
        is_visible: bool = True,
        color: Color | None = None,
    ) -> None:
        NDBoundingBox.__init__(self, topleft, size, axes, index, name, is_visible, color)

    @classmethod
    def from_tuple2(cls, tuple2: tuple[Vec3IntLike, Vec3IntLike]) -> "BoundingBox":
        """Build it from (topleft, size)."""
        topleft, size = tuple2
        return cls(topleft, size)

    @classmethod
    def from_tuple6(cls, tuple6: tuple[int, int, int, int, int, int]) -> "BoundingBox":
        """Build it from (x, y, z, width, height, depth)."""
        return cls(tuple6[:3], tuple6[3:])

    @classmethod
    def from_points(cls, points: Iterable[Vec3IntLike]) -> "BoundingBox":
        """Build the smallest box that holds all voxels named; raises GeometryError if there are none."""
        positions = [Vec3Int(point) for point in points]
        if not positions:
            raise GeometryError("no points: a box needs at least one")
        first, last = positions[0], positions[0]
        for position in positions[1:]:
            first, last = first.pairmin(position), last.pairmax(position)
        return cls(first, last - first + 1)

    @classmethod
    def from_ndbbox(cls, bbox: NDBoundingBox) -> "BoundingBox":
        """Take x, y, z of a box with more axes."""
        return cls(bbox.topleft_xyz, bbox.size_xyz, name=bbox.name, is_visible=bbox.is_visible, color=bbox.color)

    @classmethod
    def from_config_dict(cls, bbox: dict[str, Any]) -> "BoundingBox":
        """Build it from {"topleft": [x, y, z], "size": [x, y, z]}; raises GeometryError for missing keys."""
        return cls.from_tuple6(numbers_from_mapping(bbox))

    @classmethod
    def from_checkpoint_name(cls, checkpoint_name: str) -> "BoundingBox":
        """Find `x_y_z_width_height_depth` in a text; raises GeometryError if it is not there."""
        return cls.from_tuple6(numbers_from_checkpoint_name(checkpoint_name))

    @classmethod
    def from_csv(cls, csv_bbox: str) -> "BoundingBox":
        """Parse `x,y,z,width,height,depth`; raises GeometryError."""
        return cls.from_tuple6(numbers_from_csv(csv_bbox))

    @classmethod
    def from_auto(cls, obj: "BoundingBox | str | dict[str, Any] | list[Any] | tuple[Any, ...]") -> "BoundingBox":
        """Understand whatever may be a box: itself, CSV or JSON text, a config dict, (topleft, size), six numbers.

        Raises GeometryError for anything else.
        """
        if isinstance(obj, BoundingBox):
            return obj
        if isinstance(obj, str):
            return cls.from_auto(value_from_json(obj)) if obj.strip()[:1] in ("{", "[") else cls.from_csv(obj)
        if isinstance(obj, dict):
            return cls.from_config_dict(obj)
        numbers: object = obj
        if isinstance(numbers, list | tuple) and len(numbers) == 2:
            return cls(numbers[0], numbers[1])
        if isinstance(numbers, list | tuple) and len(numbers) == 6:
            return cls(numbers[:3], numbers[3:])
        raise GeometryError(f"{obj!r} is not a box; write x,y,z,width,height,depth")

    @classmethod
    def empty(cls) -> "BoundingBox":
        """Give the box without voxels at the origin."""
        return cls((0, 0, 0), (0, 0, 0))

    def to_tuple6(self) -> tuple[int, int, int, int, int, int]:
        """Give (x, y, z, width, height, depth)."""
        return (*self.topleft.to_tuple(), *self.size.to_tuple())

    def to_csv(self) -> str:
        """Give `x,y,z,width,height,depth`."""
        return ",".join(map(str, self.to_tuple6()))

    def to_config_dict(self) -> dict[str, Any]:
        """Give {"topleft": [x, y, z], "size": [x, y, z]}."""
        return {"topleft": self.topleft.to_list(), "size": self.size.to_list()}

    def with_bounds_x(self, new_topleft_x: int | None = None, new_size_x: int | None = None) -> "BoundingBox":
        """Replace x of the corner, or the width."""
        return self.with_bounds("x", new_topleft_x, new_size_x)

    def with_bounds_y(self, new_topleft_y: int | None = None, new_size_y: int | None = None) -> "BoundingBox":
        """Replace y of the corner, or the height."""
        return self.with_bounds("y", new_topleft_y, new_size_y)

    def with_bounds_z(self, new_topleft_z: int | None = None, new_size_z: int | None = None) -> "BoundingBox":
        """Replace z of the corner, or the depth."""
        return self.with_bounds("z", new_topleft_z, new_size_z)

    @overload
    def intersected_with(
        self, other: "NormalizedBoundingBox", dont_assert: bool = False
    ) -> "NormalizedBoundingBox": ...
    @overload
    def intersected_with(self, other: "BoundingBox", dont_assert: bool = False) -> "BoundingBox": ...
    def intersected_with(
        self, other: "BoundingBox | NormalizedBoundingBox", dont_assert: bool = False
    ) -> "BoundingBox | NormalizedBoundingBox":
        """Give what both boxes cover along x, y, z, with the other's channels if it has some.

        Raises GeometryError if that is nothing, unless `dont_assert`.
        """
        if isinstance(other, NormalizedBoundingBox):
            return _intersection(_with_axes_of(self, other), other, dont_assert)
        return _intersection(self, other, dont_assert)

    @overload
    def extended_by(self, other: "NormalizedBoundingBox") -> "NormalizedBoundingBox": ...
    @overload
    def extended_by(self, other: "BoundingBox") -> "BoundingBox": ...
    def extended_by(self, other: "BoundingBox | NormalizedBoundingBox") -> "BoundingBox | NormalizedBoundingBox":
        """Give the smallest box that covers both along x, y, z, with the other's channels if it has some."""
        if isinstance(other, NormalizedBoundingBox):
            return _union(_with_axes_of(self, other), other)
        return _union(self, other)

    def contains_bbox(self, inner_bbox: "BoundingBox | NormalizedBoundingBox") -> bool:
        """Say whether another box lies inside along x, y, z; its channels do not matter."""
        return _encloses(self, BoundingBox.from_ndbbox(inner_bbox))


@dataclass(frozen=True, slots=True, init=False)
class NormalizedBoundingBox(NDBoundingBox):
    """Hold a box with a channel axis, as arrays are stored: `c, x, y, z`, other axes before them."""

    def __init__(
        self,
        topleft: VecIntLike,
        size: VecIntLike,
        axes: Iterable[str],
        index: VecIntLike | None = None,
        name: str | None = DEFAULT_BOX_NAME,
        is_visible: bool = True,
        color: Color | None = None,
    ) -> None:
        names = tuple(axes)
        missing = [axis for axis in ("c", *_XYZ) if axis not in names]
        if missing:
            raise GeometryError(f"axes {names!r} lack {', '.join(missing)}; use normalize_axes to add the channels")
        NDBoundingBox.__init__(self, topleft, size, names, index, name, is_visible, color)

    def intersected_with(self, other: NDBoundingBox, dont_assert: bool = False) -> "NormalizedBoundingBox":
        """Give what both boxes cover; a box without channels is compared along x, y, z only.

        Raises GeometryError if that is nothing, unless `dont_assert`.
        """
        return _intersection(self, _with_axes_of(other, self), dont_assert)

    def extended_by(self, other: NDBoundingBox) -> "NormalizedBoundingBox":
        """Give the smallest box that covers both; a box without channels is compared along x, y, z only."""
        return _union(self, _with_axes_of(other, self))

    def contains_bbox(self, inner_bbox: NDBoundingBox) -> bool:
        """Say whether another box lies inside; a box without channels is compared along x, y, z only."""
        return _encloses(self, _with_axes_of(inner_bbox, self))

    def to_wkw_dict(self) -> dict[str, Any]:
        """Give the JSON object of `datasource-properties.json`: topLeft, width, height, depth and where the axes stand.

        `additionalAxes`, `channelIndex` and `numChannels` appear only where they are not the default.
        """
        extra = [axis for axis in self.axes if axis not in ("c", *_XYZ)]
        first_channel, channels = self.topleft.c, self.size.c
        return {
            "topLeft": self.topleft_xyz.to_list(),
            **dict(zip(("width", "height", "depth"), self.size_xyz, strict=True)),
            "axisOrder": {axis: self.index.get(axis) for axis in ("c", *_XYZ)},
            **({"channelIndex": first_channel} if first_channel else {}),
            **({"numChannels": channels} if channels != 1 else {}),
            **(
                {
                    "additionalAxes": [
                        {"name": axis, "bounds": list(self.get_bounds(axis)), "index": self.index.get(axis)}
                        for axis in extra
                    ]
                }
                if extra
                else {}
            ),
        }

    @classmethod
    def from_wkw_dict(cls, bbox: dict[str, Any]) -> NDBoundingBox:
        """Read the JSON object of `datasource-properties.json`; without a channel axis in it the result has none.

        Raises GeometryError for missing keys, and for additional axes without `axisOrder`.
        """
        extra = bbox.get("additionalAxes") or []
        if extra and "axisOrder" not in bbox:
            raise GeometryError("boundingBox has additionalAxes but no axisOrder: nobody says where x, y, z stand")
        order: dict[str, int] = dict(bbox.get("axisOrder") or {"c": 0, "x": 1, "y": 2, "z": 3})
        x, y, z, width, height, depth = numbers_from_mapping(bbox)
        channel = bbox.get("channelIndex", 0)
        bounds = {"x": (x, width), "y": (y, height), "z": (z, depth), "c": (channel, bbox.get("numChannels", 1))}
        for axis in extra:
            first, last = axis["bounds"]
            bounds[axis["name"]] = (first, last - first)
            order[axis["name"]] = axis["index"]
        unknown = [axis for axis in order if axis not in bounds]
        if unknown or not set(_XYZ) <= set(order):
            raise GeometryError(f"axisOrder {order!r}: expected x, y, z, c and the names of additionalAxes")
        names = sorted(order, key=lambda axis: order[axis])
        topleft = [bounds[axis][0] for axis in names]
        size = [bounds[axis][1] for axis in names]
        index = [order[axis] for axis in names]
        return (cls if "c" in names else NDBoundingBox)(topleft, size, names, index)


def _with_axes_of(box: NDBoundingBox, model: NormalizedBoundingBox) -> NormalizedBoundingBox:
    """Give `box` the channels (and other axes) of `model` where it has none itself."""
    foreign = [axis for axis in box.axes if axis not in model.axes]
    if foreign:
        raise GeometryError(f"a box with axes {box.axes!r} and one with axes {model.axes!r} can not be compared")
    return NormalizedBoundingBox(
        [box.topleft.get(axis, model.topleft.get(axis)) for axis in model.axes],
        [box.size.get(axis, model.size.get(axis)) for axis in model.axes],
        model.axes,
        model.index,
        box.name,
        box.is_visible,
        box.color,
    )


def _same_axes(box: NDBoundingBox, other: NDBoundingBox) -> None:
    if box.axes != other.axes:
        raise GeometryError(f"a box with axes {box.axes!r} and one with axes {other.axes!r} can not be compared")


def _intersection(box: _Box, other: _Box, dont_assert: bool) -> _Box:
    _same_axes(box, other)
    start = box.topleft.pairmax(other.topleft)
    size = (box.bottomright.pairmin(other.bottomright) - start).pairmax(0)
    if not dont_assert and not size.is_positive(strictly_positive=True):
        raise GeometryError(
            f"box {box.topleft}..{box.bottomright} and box {other.topleft}..{other.bottomright} have no voxel in common"
        )
    return replace(box, topleft=start, size=size)


def _union(box: _Box, other: _Box) -> _Box:
    _same_axes(box, other)
    if box.is_empty():
        return other
    if other.is_empty():
        return box
    start = box.topleft.pairmin(other.topleft)
    return replace(box, topleft=start, size=box.bottomright.pairmax(other.bottomright) - start)


def _encloses(box: NDBoundingBox, inner: NDBoundingBox) -> bool:
    _same_axes(box, inner)
    return (inner.topleft - box.topleft).is_positive() and (box.bottomright - inner.bottomright).is_positive()
