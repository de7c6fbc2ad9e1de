"""The physical edge lengths of a mag-1 voxel. Where a value came from is kept by `readers.volume.MeasuredVoxelSize`."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from wk_assets.errors import GeometryError
from wk_assets.geometry.length_unit import DEFAULT_LENGTH_UNIT, LengthUnit


@dataclass(frozen=True, slots=True, init=False)
class VoxelSize:
    """Hold the edge lengths x, y, z of a mag-1 voxel, in `unit`.

    Raises GeometryError unless there are three finite numbers greater than zero, and for a unit that is no length.
    """

    factor: tuple[float, float, float]
    unit: LengthUnit

    def __init__(
        self, factor: "Iterable[float] | NDArray[Any]", unit: "LengthUnit | str" = DEFAULT_LENGTH_UNIT
    ) -> None:
        try:
            lengths = tuple(float(length) for length in factor)
        except (TypeError, ValueError):
            raise GeometryError(f"voxel size {factor!r}: give three numbers x, y, z, like (11.24, 11.24, 28)") from None
        if len(lengths) != 3:
            raise GeometryError(f"voxel size {lengths!r}: give three numbers x, y, z, like (11.24, 11.24, 28)")
        for axis, length in zip("xyz", lengths, strict=True):
            if not math.isfinite(length) or length <= 0:
                raise GeometryError(
                    f"voxel size {lengths!r}: {axis} is {length}; it must be finite and greater than zero"
                )
        object.__setattr__(self, "factor", lengths)
        object.__setattr__(self, "unit", unit if isinstance(unit, LengthUnit) else LengthUnit.from_text(unit))

    def to_nanometer(self) -> tuple[float, float, float]:
        """Give the edge lengths x, y, z in nanometers."""
        x, y, z = self.factor
        scale = self.unit.nanometers
        return x * scale, y * scale, z * scale

    def __str__(self) -> str:
        return f"{' x '.join(format(length, 'g') for length in self.factor)} {self.unit.value}"
