"""The mag of an array: by which integer factor each axis is coarser than mag 1.

Names (`1`, `2-2-1`) and order only; which mags a layer gets is decided in `mag_ladder`.
"""

import re
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import GeometryError
from wk_assets.geometry.vec3_int import Vec3Int


class Mag:
    """Hold the magnification x, y, z: powers of two, in mag-1 voxels per voxel.

    `Mag(4)`, `Mag("4")`, `Mag("2-2-1")`, `Mag(2, 2, 1)`, `Mag((2, 2, 1))`, `Mag(Vec3Int(2, 2, 1))`.
    Order compares the greatest factor alone, as WEBKNOSSOS does: 2-2-1 and 2-2-2 are each <= the other, and not equal.
    Raises GeometryError for a factor that is not a power of two. Source: the folders' names in WEBKNOSSOS datasets.
    """

    __slots__ = ("_factors",)

    _factors: Vec3Int

    def __init__(self, x: "MagLike", y: int | None = None, z: int | None = None) -> None:
        factors = _parse_mag(x if y is None and z is None else (x, y, z))
        for factor in factors:
            if factor < 1 or factor & (factor - 1):
                raise GeometryError(
                    f"mag {'-'.join(map(str, factors))}: {factor} is not a power of two (1, 2, 4, 8, ...)"
                )
        object.__setattr__(self, "_factors", factors)

    @property
    def x(self) -> int:
        """Give the factor along x."""
        return self._factors.x

    @property
    def y(self) -> int:
        """Give the factor along y."""
        return self._factors.y

    @property
    def z(self) -> int:
        """Give the factor along z."""
        return self._factors.z

    @property
    def max_dim(self) -> int:
        """Give the greatest factor, which orders mags."""
        return max(self._factors)

    @property
    def max_dim_log2(self) -> int:
        """Give the exponent of the greatest factor."""
        return self.max_dim.bit_length() - 1

    def to_layer_name(self) -> str:
        """Give the short name, which is the folder's: `4` if all factors are equal, else `4-4-2`."""
        return str(self.x) if self._factors.is_uniform() else self.to_long_layer_name()

    def to_long_layer_name(self) -> str:
        """Give the long name: `4-4-4`, `4-4-2`."""
        return "-".join(map(str, self._factors))

    def to_list(self) -> list[int]:
        """Give [x, y, z]."""
        return self._factors.to_list()

    def to_tuple(self) -> tuple[int, int, int]:
        """Give (x, y, z)."""
        return self._factors.to_tuple()

    def to_np(self) -> NDArray[Any]:
        """Give an array [x, y, z]."""
        return np.array(self.to_tuple())

    def to_vec3_int(self) -> Vec3Int:
        """Give the factors as a vector."""
        return self._factors

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("Mag can not be changed; make another one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("Mag can not be changed")

    def __reduce__(self) -> tuple[type["Mag"], tuple[int, int, int]]:
        return Mag, self.to_tuple()

    def __eq__(self, other: object) -> bool:
        return self._factors == other._factors if isinstance(other, Mag) else NotImplemented

    def __hash__(self) -> int:
        return hash(("mag", self._factors))

    def __lt__(self, other: "Mag") -> bool:
        return self.max_dim < other.max_dim

    def __le__(self, other: "Mag") -> bool:
        return self.max_dim <= other.max_dim

    def __gt__(self, other: "Mag") -> bool:
        return self.max_dim > other.max_dim

    def __ge__(self, other: "Mag") -> bool:
        return self.max_dim >= other.max_dim

    def __str__(self) -> str:
        return self.to_layer_name()

    def __repr__(self) -> str:
        return (
            f"Mag({self.to_layer_name()})"
            if self._factors.is_uniform()
            else f"Mag({', '.join(map(str, self._factors))})"
        )


MagLike: TypeAlias = int | str | Mag | Iterable[int] | NDArray[Any]


def _parse_mag(value: Any) -> Vec3Int:
    if isinstance(value, Mag):
        return value.to_vec3_int()
    if isinstance(value, str):
        if not re.fullmatch(r"\d+(-\d+-\d+)?", value):
            raise GeometryError(f"{value!r} is not a mag; write one power of two or three, like 4 or 4-4-2")
        factors = [int(part) for part in value.split("-")]
        return Vec3Int(factors * 3 if len(factors) == 1 else factors)
    if isinstance(value, bool):
        raise GeometryError(f"{value!r} is not a mag; write one power of two or three, like 4 or 4-4-2")
    return Vec3Int.from_vec_or_int(value)
