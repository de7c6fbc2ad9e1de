"""The arithmetic that all bounding boxes share: a half-open box of integers with named axes.

Pure integers; no file, no array but for slicing one. The boxes that people use are in `bounding_box`.
"""

import itertools
import operator
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import GeometryError, UnknownAxisError
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int, Vec3IntLike, VecInt, VecIntLike

Color = tuple[float, float, float, float]
DEFAULT_BOX_NAME = "Unnamed Bounding Box"
_XYZ = ("x", "y", "z")


@dataclass(frozen=True, slots=True, init=False)
class NamedBox:
    """Hold a box: `topleft` inclusive, `bottomright` exclusive, one component per axis, in voxels.

    Vectors given to a method may name their axes (`VecInt(t=1)`); axes that they do not name keep what they have.
    Unnamed numbers are one per axis of the box, or three for x, y, z.
    Raises GeometryError for a negative size, and for components that do not fit the axes.
    """

    vector_type: ClassVar[type[VecInt]] = VecInt

    topleft: VecInt
    size: VecInt
    axes: tuple[str, ...]
    index: VecInt
    bottomright: VecInt = field(init=False, repr=False, compare=False)
    name: str | None
    is_visible: bool
    color: Color | None

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
        start = _named(self.vector_type, topleft, names)
        extent = _named(self.vector_type, size, names)
        order = _named(self.vector_type, range(len(names)) if index is None else index, names)
        if not extent.is_positive():
            raise GeometryError(
                f"box at {start} with size {extent}: a size can not be negative; give the corner that is smaller"
            )
        if len(set(order)) != len(order) or not order.is_positive():
            raise GeometryError(f"box index {order}: each axis needs a position of its own, counted from 0")
        if color is not None and len(color) != 4:
            raise GeometryError(f"box color {color!r}: give four numbers red, green, blue, alpha")
        assign = object.__setattr__  # the dataclass is frozen
        assign(self, "topleft", start)
        assign(self, "size", extent)
        assign(self, "axes", names)
        assign(self, "index", order)
        assign(self, "bottomright", start + extent)
        assign(self, "name", name)
        assign(self, "is_visible", is_visible)
        assign(self, "color", None if color is None else tuple(color))

    # What it is

    @property
    def ndim(self) -> int:
        """Count the axes."""
        return len(self.axes)

    @property
    def topleft_xyz(self) -> Vec3Int:
        """Give the inclusive corner along x, y, z."""
        return self.topleft.xyz

    @property
    def size_xyz(self) -> Vec3Int:
        """Give the size along x, y, z."""
        return self.size.xyz

    @property
    def bottomright_xyz(self) -> Vec3Int:
        """Give the exclusive corner along x, y, z."""
        return self.bottomright.xyz

    @property
    def index_xyz(self) -> Vec3Int:
        """Give the positions of x, y, z among the dimensions of an array."""
        return self.index.xyz

    def get_shape(self, axis_name: str) -> int:
        """Give the size along an axis; raises UnknownAxisError."""
        return self.size.get(axis_name)

    def get_bounds(self, axis: str) -> tuple[int, int]:
        """Give (first, last + 1) along an axis; raises UnknownAxisError."""
        return self.topleft.get(axis), self.bottomright.get(axis)

    def volume(self) -> int:
        """Count the voxels."""
        return self.size.prod()

    def is_empty(self) -> bool:
        """Say whether there is no voxel inside."""
        return not self.size.is_positive(strictly_positive=True)

    def contains(self, coord: VecIntLike) -> bool:
        """Say whether a point is inside; its coordinates may be floats."""
        point = list(np.asarray(coord).tolist()) if isinstance(coord, np.ndarray) else list(coord)
        if len(point) != self.ndim:
            raise GeometryError(f"point {point!r} has {len(point)} coordinates, the box {self.ndim} axes {self.axes!r}")
        return all(
            first <= value < last for first, value, last in zip(self.topleft, point, self.bottomright, strict=True)
        )

    # Other boxes made from it

    def with_name(self, name: str | None) -> Self:
        """Rename it."""
        return replace(self, name=name)

    def with_is_visible(self, is_visible: bool) -> Self:
        """Show or hide it."""
        return replace(self, is_visible=is_visible)

    def with_color(self, color: Color) -> Self:
        """Give it a color: red, green, blue, alpha from 0 to 1."""
        return replace(self, color=color)

    def with_topleft(self, new_topleft: VecIntLike) -> Self:
        """Move it: another inclusive corner, same size."""
        return replace(self, topleft=self._vector(new_topleft, self.topleft))

    def with_size(self, new_size: VecIntLike) -> Self:
        """Resize it from its inclusive corner."""
        return replace(self, size=self._vector(new_size, self.size))

    def with_bottomright(self, new_bottomright: VecIntLike) -> Self:
        """Resize it so that the exclusive corner lies elsewhere; raises GeometryError if that is before the inclusive one."""
        return replace(self, size=self._vector(new_bottomright, self.bottomright) - self.topleft)

    def with_index(self, new_index: VecIntLike) -> Self:
        """Say at which dimension of an array each axis is."""
        return replace(self, index=self._vector(new_index, self.index))

    def with_topleft_xyz(self, new_xyz: Vec3IntLike) -> Self:
        """Move it along x, y, z."""
        return replace(self, topleft=self.topleft.with_xyz(Vec3Int(new_xyz)))

    def with_size_xyz(self, new_xyz: Vec3IntLike) -> Self:
        """Resize it along x, y, z."""
        return replace(self, size=self.size.with_xyz(Vec3Int(new_xyz)))

    def with_bottomright_xyz(self, new_xyz: Vec3IntLike) -> Self:
        """Resize it along x, y, z so that the exclusive corner lies elsewhere."""
        return self.with_bottomright(self.bottomright.with_xyz(Vec3Int(new_xyz)))

    def with_index_xyz(self, new_xyz: Vec3IntLike) -> Self:
        """Say at which dimension of an array x, y, z are."""
        return replace(self, index=self.index.with_xyz(Vec3Int(new_xyz)))

    def with_bounds(self, axis: str, new_topleft: int | None = None, new_size: int | None = None) -> Self:
        """Replace corner or size along one axis; raises UnknownAxisError."""
        first, last = self.get_bounds(axis)
        return replace(
            self,
            topleft=self.topleft.with_replaced(axis, first if new_topleft is None else new_topleft),
            size=self.size.with_replaced(axis, last - first if new_size is None else new_size),
        )

    def offset(self, vector: VecIntLike) -> Self:
        """Move it by a vector."""
        return replace(self, topleft=self.topleft + self._vector(vector, self.topleft * 0))

    def padded_with_margins(self, margins_left: Vec3IntLike, margins_right: Vec3IntLike | None = None) -> Self:
        """Grow it by margins along x, y, z on both sides (the left ones also to the right, if these are not given)."""
        left = self._vector(margins_left, self.topleft * 0)
        right = left if margins_right is None else self._vector(margins_right, self.topleft * 0)
        return replace(self, topleft=self.topleft - left, size=left + self.size + right)

    # Relations to mags and grids

    def align_with_mag(self, mag: Mag | Vec3Int, ceil: bool = False) -> Self:
        """Round both corners to multiples of a mag along x, y, z: outward if `ceil`, else inward.

        Inward, a box without a whole voxel of that mag becomes empty.
        """
        factors = self._spatial(mag)
        if ceil:
            start, end = self.topleft // factors * factors, self.bottomright.ceildiv(factors) * factors
        else:
            start, end = self.topleft.ceildiv(factors) * factors, self.bottomright // factors * factors
        return replace(self, topleft=start, size=(end - start).pairmax(0))

    def in_mag(self, mag: Mag) -> Self:
        """Express a box of mag-1 voxels in voxels of a mag; raises GeometryError unless both corners are multiples of it."""
        factors = self._spatial(mag)
        for corner, which in ((self.topleft, "topleft"), (self.bottomright, "bottomright")):
            if any(corner % factors):
                raise GeometryError(
                    f"{which} {corner} is not a multiple of mag {mag}; use align_with_mag({mag!r}, ceil=True) first"
                )
        return replace(self, topleft=self.topleft // factors, size=self.size // factors)

    def from_mag_to_mag1(self, from_mag: Mag) -> Self:
        """Express a box of a mag's voxels in mag-1 voxels."""
        factors = self._spatial(from_mag)
        return replace(self, topleft=self.topleft * factors, size=self.size * factors)

    def chunk(
        self, chunk_shape: VecIntLike, chunk_border_alignments: VecIntLike | None = None
    ) -> Generator[Self, None, None]:
        """Cut it into boxes of `chunk_shape` (smaller at its edges) that do not overlap, the last axis fastest.

        With `chunk_border_alignments`, every border between two chunks is a multiple of them. Raises GeometryError
        unless the shape is greater than zero and a multiple of the alignments.
        """
        shape = self._vector(chunk_shape, self.size.pairmax(1))
        if not shape.is_positive(strictly_positive=True):
            raise GeometryError(f"chunk shape {shape} must be greater than zero along every axis")
        origin = self.topleft
        if chunk_border_alignments is not None:
            alignments = self._vector(chunk_border_alignments, self.size * 0 + 1)
            if not alignments.is_positive(strictly_positive=True) or any(shape % alignments):
                raise GeometryError(f"chunk shape {shape} is not a multiple of the border alignments {alignments}")
            origin = origin - origin % alignments
        return self._chunks(origin, shape)

    def _chunks(self, origin: VecInt, shape: VecInt) -> Generator[Self, None, None]:
        starts = map(range, origin, self.bottomright, shape)
        for corner in itertools.product(*starts):
            start = (shape * 0 + corner).pairmax(self.topleft)
            end = (shape + corner).pairmin(self.bottomright)
            yield replace(self, topleft=start, size=end - start)

    # Arrays

    def to_slices(self) -> tuple[slice, ...]:
        """Give the slices that cut it from an array whose dimensions stand in the order of `index`."""
        return tuple(slice(*self.get_bounds(axis)) for axis in self._array_axes())

    def to_slices_xyz(self) -> tuple[slice, ...]:
        """Give slices that cut it along x, y, z and take the first element of each other axis."""
        return tuple(slice(*self.get_bounds(axis)) if axis in _XYZ else slice(0, 1) for axis in self._array_axes())

    def slice_array(self, array: NDArray[Any]) -> NDArray[Any]:
        """Cut it from an array, as a view; raises GeometryError where it reaches beyond the array."""
        if array.ndim != self.ndim:
            raise GeometryError(
                f"an array of shape {array.shape} has other dimensions than a box with axes {self.axes!r}"
            )
        for axis, length in zip(self._array_axes(), array.shape, strict=True):
            first, last = self.get_bounds(axis)
            if first < 0 or last > length:
                raise GeometryError(f"box {first}..{last} along {axis} reaches beyond the array of shape {array.shape}")
        return array[self.to_slices()]

    def xyz_array_to_bbox_shape(self, data: NDArray[Any]) -> NDArray[Any]:
        """Give an array (x, y, z) the dimensions of this box, as a view; all its other axes must have size 1."""
        thick = [axis for axis in self.axes if axis not in _XYZ and self.get_shape(axis) != 1]
        if thick:
            raise GeometryError(
                f"an array x, y, z has no place along {', '.join(thick)}: the box is thicker than 1 there"
            )
        if data.ndim != 3:
            raise GeometryError(f"an array of shape {data.shape} is not an array x, y, z")
        order = self._array_axes()
        spatial = [axis for axis in order if axis in _XYZ]
        transposed = data.transpose([_XYZ.index(axis) for axis in spatial])
        return transposed[tuple(slice(None) if axis in _XYZ else np.newaxis for axis in order)]

    # Text

    def to_checkpoint_name(self) -> str:
        """Give `x_y_z_width_height_depth`: corner, then size, in the order of the axes."""
        return "_".join(map(str, (*self.topleft, *self.size)))

    def to_config_dict(self) -> dict[str, Any]:
        """Give {"topleft": [...], "size": [...], "axes": [...]}."""
        return {"topleft": self.topleft.to_list(), "size": self.size.to_list(), "axes": list(self.axes)}

    def _array_axes(self) -> list[str]:
        return [axis for _, axis in sorted(zip(self.index, self.axes, strict=True))]

    def _vector(self, values: VecIntLike, default: VecInt) -> VecInt:
        """Fit numbers to the axes of this box: by name, one per axis, or x, y, z."""
        if isinstance(values, VecInt) and set(values.axes) <= set(self.axes):
            given: Iterator[tuple[str, int]] = zip(values.axes, values, strict=True)
        else:
            numbers = [operator.index(value) for value in values]
            names = _XYZ if len(numbers) == 3 != self.ndim else self.axes
            if len(numbers) != len(names):
                raise GeometryError(
                    f"{numbers!r}: a box with axes {self.axes!r} needs {self.ndim} components, or x, y, z"
                )
            given = zip(names, numbers, strict=True)
        components = dict(zip(self.axes, default, strict=True))
        for axis, value in given:
            if axis not in components:
                raise UnknownAxisError(f"no axis {axis!r} in a box with axes {self.axes!r}")
            components[axis] = value
        return self.vector_type(components.values(), axes=self.axes)

    def _spatial(self, mag: Mag | Vec3Int) -> VecInt:
        factors = mag.to_vec3_int() if isinstance(mag, Mag) else Vec3Int(mag)
        if not factors.is_positive(strictly_positive=True):
            raise GeometryError(f"{factors!r} can not align a box: its factors must be greater than zero")
        return (self.topleft * 0 + 1).with_xyz(factors)


def _named(vector_type: type[VecInt], values: VecIntLike, axes: tuple[str, ...]) -> VecInt:
    """Give numbers, one per axis in their order, the names of these axes."""
    if type(values) is vector_type and values.axes == axes:
        return values  # the common case, made many times where a box is cut into chunks
    return vector_type(tuple(values), axes=axes)
