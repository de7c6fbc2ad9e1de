"""Vectors of integers with named axes: `VecInt` for any axes, `Vec3Int` for x, y, z.

Both classes live here because they name one another (`VecInt.xyz` is a `Vec3Int`, which is a `VecInt`).
Immutable and hashable; equal to any sequence of the same numbers, whatever its axes are called.
Physical lengths are floats and live in `voxel_size`.
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self, SupportsIndex, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import GeometryError, UnknownAxisError

_XYZ = ("x", "y", "z")
_UNNAMED = "axis_"


def _as_integers(values: Iterable[Any], what: str) -> tuple[int, ...]:
    try:
        return tuple(operator.index(value) for value in values)
    except TypeError:
        raise GeometryError(f"{what}: components must be integers, but got {values!r}") from None


def _default_axes(length: int) -> tuple[str, ...]:
    # Four numbers may be x, y, z, t as well as c, x, y, z: only three are named without being told.
    return _XYZ if length == 3 else tuple(f"{_UNNAMED}{position}" for position in range(length))


class VecInt(Sequence[int]):
    """Hold one integer per named axis.

    `VecInt(1, 2, 3, 4, axes=("x", "y", "z", "t"))`, `VecInt([1, 2, 3, 4], axes=...)` and `VecInt(x=1, y=2, z=3, t=4)` are
    the same vector. Without names three components are x, y, z; any other number of components stays unnamed.
    Raises GeometryError for components that are not integers and for axes that do not fit.
    """

    __slots__ = ("_axes", "_data")

    _axes: tuple[str, ...]
    _data: tuple[int, ...]

    def __init__(self, *args: "int | VecIntLike", axes: Iterable[str] | None = None, **kwargs: int) -> None:
        kind = type(self).__name__
        if args and kwargs:
            raise GeometryError(f"{kind}: give components by position or by name, not both: {args!r}, {kwargs!r}")
        if kwargs:
            names = tuple(axes) if axes is not None else tuple(kwargs)
            if set(names) != set(kwargs):
                raise GeometryError(f"{kind}: axes {names!r} and the components {kwargs!r} name different axes")
            data = _as_integers((kwargs[name] for name in names), kind)
        else:
            source: Iterable[Any] = args
            if len(args) == 1 and isinstance(args[0], Iterable):
                source = args[0]
            data = _as_integers(source, kind)
            own_names = source.axes if isinstance(source, VecInt) else _default_axes(len(data))
            names = own_names if axes is None else tuple(axes)
        if len(names) != len(data):
            raise GeometryError(f"{kind}: {len(data)} components {data!r} for {len(names)} axes {names!r}")
        if len(set(names)) != len(names):
            raise GeometryError(f"{kind}: axes {names!r} name one axis twice")
        self._fill(data, names)

    def _fill(self, data: tuple[int, ...], axes: tuple[str, ...]) -> None:
        object.__setattr__(self, "_data", data)
        object.__setattr__(self, "_axes", axes)

    def _like(self, data: tuple[int, ...]) -> Self:
        """Build a vector of the same kind and axes, without checks: the components come from arithmetic on integers."""
        vector = object.__new__(type(self))
        vector._fill(data, self._axes)
        return vector

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} can not be changed; use with_replaced({name!r}, ...)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} can not be changed")

    def __reduce__(self) -> tuple[Callable[..., "VecInt"], tuple[Any, ...]]:
        return _rebuild, (type(self), self._data, self._axes)

    @property
    def axes(self) -> tuple[str, ...]:
        """Name the axes, in the order of the components."""
        return self._axes

    @property
    def x(self) -> int:
        """Give the x component; raises UnknownAxisError if there is none."""
        return self.get("x")

    @property
    def y(self) -> int:
        """Give the y component; raises UnknownAxisError if there is none."""
        return self.get("y")

    @property
    def z(self) -> int:
        """Give the z component; raises UnknownAxisError if there is none."""
        return self.get("z")

    @property
    def c(self) -> int:
        """Give the channel component; raises UnknownAxisError if there is none."""
        return self.get("c")

    @property
    def xyz(self) -> "Vec3Int":
        """Give the x, y and z components."""
        return Vec3Int.from_xyz(self.x, self.y, self.z)

    def get(self, axis: str, default: int | None = None) -> int:
        """Give the component of `axis`, else `default`; raises UnknownAxisError if there is neither."""
        if axis in self._axes:
            return self._data[self._axes.index(axis)]
        if default is not None:
            return default
        raise UnknownAxisError(f"no axis {axis!r} in {self!r}; its axes are {', '.join(self._axes)}")

    def with_x(self, new_x: int) -> Self:
        """Replace the x component."""
        return self.with_replaced("x", new_x)

    def with_y(self, new_y: int) -> Self:
        """Replace the y component."""
        return self.with_replaced("y", new_y)

    def with_z(self, new_z: int) -> Self:
        """Replace the z component."""
        return self.with_replaced("z", new_z)

    def with_c(self, new_c: int) -> Self:
        """Replace the channel component."""
        return self.with_replaced("c", new_c)

    def with_xyz(self, new_xyz: "Vec3Int") -> Self:
        """Replace x, y and z where this vector has them; components that it does not have are skipped."""
        spatial = Vec3Int(new_xyz)
        return self._like(
            tuple(spatial.get(axis, value) for axis, value in zip(self._axes, self._data, strict=True)),
        )

    def with_replaced(self, axis: str | int, new_element: int) -> Self:
        """Replace the component of an axis, named or by position."""
        if isinstance(axis, str):
            self.get(axis)
            position = self._axes.index(axis)
        else:
            position = range(len(self._data))[axis]
        (element,) = _as_integers((new_element,), type(self).__name__)
        return self._like((*self._data[:position], element, *self._data[position + 1 :]))

    def to_tuple(self) -> tuple[int, ...]:
        """Give the components as a tuple."""
        return self._data

    def to_list(self) -> list[int]:
        """Give the components as a list."""
        return list(self._data)

    def to_np(self) -> NDArray[Any]:
        """Give the components as an array of shape (len(self),)."""
        return np.array(self._data)

    def contains(self, needle: int) -> bool:
        """Say whether a component equals `needle`."""
        return needle in self._data

    def is_positive(self, strictly_positive: bool = False) -> bool:
        """Say whether no component is negative (or, strictly, every one is greater than zero)."""
        return all(value > 0 if strictly_positive else value >= 0 for value in self._data)

    def is_uniform(self) -> bool:
        """Say whether all components are the same."""
        return len(set(self._data)) <= 1

    def prod(self) -> int:
        """Multiply the components; exact for any size."""
        product = 1
        for value in self._data:
            product *= value
        return product

    def pairmax(self, other: "int | VecIntLike") -> Self:
        """Take the greater of each pair of components."""
        return self._combine(other, max)

    def pairmin(self, other: "int | VecIntLike") -> Self:
        """Take the smaller of each pair of components."""
        return self._combine(other, min)

    def ceildiv(self, other: "int | VecIntLike") -> Self:
        """Divide each component, rounding up."""
        return self._combine(other, lambda dividend, divisor: -(-dividend // divisor))

    def add_or_none(self, other: "VecInt | None") -> Self | None:
        """Add two vectors; None if the other is None."""
        return None if other is None else self + other

    def moveaxis(self, source: int | list[int], target: int | list[int]) -> Self:
        """Move components (with their axes' names) to other positions, as `numpy.moveaxis` does: not a swap.

        The axes of a `Vec3Int` stay x, y, z: its components alone move.
        """
        count = len(self._data)
        sources = [range(count)[position] for position in ([source] if isinstance(source, int) else source)]
        targets = [range(count)[position] for position in ([target] if isinstance(target, int) else target)]
        if len(sources) != len(targets) or len(set(sources)) != len(sources) or len(set(targets)) != len(targets):
            raise GeometryError(f"moveaxis: can not move positions {source!r} to {target!r}; name each position once")
        order = [position for position in range(count) if position not in sources]
        for destination, origin in sorted(zip(targets, sources, strict=True)):
            order.insert(destination, origin)
        moved = self._like(tuple(self._data[position] for position in order))
        if not isinstance(self, Vec3Int):
            moved._fill(moved._data, tuple(self._axes[position] for position in order))
        return moved

    @classmethod
    def from_str(cls, string: str) -> "VecInt":
        """Parse `1,2,3` or `(1, 2, 3)`; raises GeometryError for anything else."""
        return VecInt(_parse_integers(string))

    @classmethod
    def full(cls, an_int: int, axes: tuple[str, ...]) -> "VecInt":
        """Give each of `axes` the same component."""
        return VecInt((an_int,) * len(axes), axes=axes)

    @classmethod
    def zeros(cls, axes: tuple[str, ...]) -> "VecInt":
        """Give each of `axes` the component 0."""
        return VecInt.full(0, axes)

    @classmethod
    def ones(cls, axes: tuple[str, ...]) -> "VecInt":
        """Give each of `axes` the component 1."""
        return VecInt.full(1, axes)

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[int]:
        return iter(self._data)

    def __contains__(self, value: object) -> bool:
        return value in self._data

    @overload
    def __getitem__(self, index: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[int, ...]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> int | tuple[int, ...]:
        return self._data[index]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, VecInt):
            return self._data == other._data
        if isinstance(other, tuple | list):
            return self._data == tuple(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._data)  # equal to a tuple, so it must hash like one

    def __repr__(self) -> str:
        numbers = ",".join(map(str, self._data))
        return f"{type(self).__name__}({numbers}, axes={self._axes!r})"

    def __str__(self) -> str:
        return f"({', '.join(map(str, self._data))})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self._data, dtype=dtype)

    def __add__(self, other: "int | VecIntLike") -> Self:
        return self._combine(other, operator.add)

    def __radd__(self, other: "int | VecIntLike") -> Self:
        return self._combine(other, operator.add)

    def __sub__(self, other: "int | VecIntLike") -> Self:
        return self._combine(other, operator.sub)

    def __rsub__(self, other: "int | VecIntLike") -> Self:
        return self._combine(other, lambda mine, theirs: theirs - mine)

    def __mul__(self, other: "int | VecIntLike") -> Self:
        return self._combine(other, operator.mul)

    def __rmul__(self, other: "int | VecIntLike") -> Self:
        return self._combine(other, operator.mul)

    def __floordiv__(self, other: "int | VecIntLike") -> Self:
        return self._combine(other, operator.floordiv)

    def __mod__(self, other: "int | VecIntLike") -> Self:
        return self._combine(other, operator.mod)

    def __neg__(self) -> Self:
        return self._like(tuple(-value for value in self._data))

    def _combine(self, other: "int | VecIntLike", operation: Callable[[int, int], int]) -> Self:
        if isinstance(other, VecInt):
            operands = other._data
            same_length = len(operands) == len(self._data)
            if same_length and self._axes != other._axes and not (self._unnamed() or other._unnamed()):
                raise GeometryError(f"{self!r} and {other!r} name different axes; reorder one of them first")
        elif isinstance(other, Iterable):
            operands = _as_integers(other, type(self).__name__)
        else:
            operands = _as_integers((other,), type(self).__name__) * len(self._data)
        if len(operands) != len(self._data):
            raise GeometryError(
                f"{self!r} has {len(self._data)} components, but the other vector {operands!r} has {len(operands)}"
            )
        return self._like(tuple(map(operation, self._data, operands)))

    def _unnamed(self) -> bool:
        return bool(self._axes) and self._axes[0].startswith(_UNNAMED)


class Vec3Int(VecInt):
    """Hold integers x, y, z: a position, a size or a factor, in voxels.

    `Vec3Int(1, 2, 3)`, `Vec3Int((1, 2, 3))`, `Vec3Int(x=1, y=2, z=3)` and `Vec3Int(numpy.array([1, 2, 3]))` are the same.
    Raises GeometryError unless there are three integers.
    """

    __slots__ = ()

    def __init__(self, *args: "int | Vec3IntLike", axes: Iterable[str] | None = _XYZ, **kwargs: int) -> None:
        if axes is not None and tuple(axes) != _XYZ:
            raise GeometryError(f"Vec3Int: axes are always x, y, z, not {tuple(axes)!r}; use VecInt for others")
        source = args[0] if len(args) == 1 else args
        count = len(kwargs) or (len(source) if isinstance(source, Sequence | np.ndarray) else None)
        if count is not None and count != 3:
            raise GeometryError(f"Vec3Int: needs three integers x, y, z, but got {kwargs or source!r}")
        if isinstance(source, VecInt) and source.axes != _XYZ and not source._unnamed():
            raise GeometryError(f"Vec3Int: {source!r} has other axes than x, y, z; use its .xyz")
        super().__init__(*args, axes=_XYZ, **kwargs)

    @property
    def x(self) -> int:
        """Give the x component."""
        return self._data[0]

    @property
    def y(self) -> int:
        """Give the y component."""
        return self._data[1]

    @property
    def z(self) -> int:
        """Give the z component."""
        return self._data[2]

    def to_tuple(self) -> tuple[int, int, int]:
        """Give (x, y, z)."""
        x, y, z = self._data
        return x, y, z

    @classmethod
    def from_xyz(cls, x: int, y: int, z: int) -> "Vec3Int":
        """Build a vector from three Python integers, without checks (the fast way)."""
        vector = object.__new__(cls)
        vector._fill((x, y, z), _XYZ)
        return vector

    @classmethod
    def from_vec3_float(cls, vec: tuple[float, float, float]) -> "Vec3Int":
        """Cut the fraction off each component (toward zero); raises GeometryError for NaN and infinities."""
        try:
            x, y, z = (int(component) for component in vec)
        except (ValueError, OverflowError, TypeError):
            raise GeometryError(f"Vec3Int: {vec!r} are not three finite numbers") from None
        return cls.from_xyz(x, y, z)

    @classmethod
    def from_vec_or_int(cls, vec_or_int: "Vec3IntLike | int") -> "Vec3Int":
        """Take a vector as it is, an integer for all three components."""
        return cls(vec_or_int) if isinstance(vec_or_int, Iterable) else cls.full(vec_or_int)

    @classmethod
    def from_str(cls, string: str) -> "Vec3Int":
        """Parse `1,2,3` or `(1, 2, 3)`; raises GeometryError for anything else."""
        return cls(_parse_integers(string))

    @classmethod
    def full(cls, an_int: int, _axes: tuple[str, ...] = _XYZ) -> "Vec3Int":
        """Give x, y and z the same component."""
        return cls(an_int, an_int, an_int)

    @classmethod
    def zeros(cls, _axes: tuple[str, ...] = _XYZ) -> "Vec3Int":
        """Give (0, 0, 0)."""
        return cls.full(0)

    @classmethod
    def ones(cls, _axes: tuple[str, ...] = _XYZ) -> "Vec3Int":
        """Give (1, 1, 1)."""
        return cls.full(1)

    def __repr__(self) -> str:
        return f"Vec3Int({','.join(map(str, self._data))})"


VecIntLike: TypeAlias = VecInt | Iterable[int] | NDArray[Any]
Vec3IntLike: TypeAlias = Vec3Int | Iterable[int] | NDArray[Any]


def _rebuild(kind: type[VecInt], data: tuple[int, ...], axes: tuple[str, ...]) -> VecInt:
    return kind(data, axes=axes)


def _parse_integers(text: str) -> tuple[int, ...]:
    stripped = text.strip().removeprefix("(").removesuffix(")")
    if not re.fullmatch(r"\s*[-+]?\d+\s*(,\s*[-+]?\d+\s*)*,?\s*", stripped):
        raise GeometryError(f"{text!r} is not a vector; write integers like 1,2,3")
    return tuple(int(part) for part in stripped.split(",") if part.strip())
