"""A volume as it is to be stored: axes reversed or swapped, numbers of another type or range. Wraps any reader.

Flips are those of the whole volume, named after the axes of the result: x and y are swapped first.
"""

from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import InputError
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.readers.open_volume import open_volume
from wk_assets.readers.volume import (
    MeasuredVoxelSize,
    RowAccess,
    RowReader,
    SliceRecord,
    VolumeDescription,
    VolumeReader,
    VolumeSource,
)

_WHOLE_BYTES = 16 << 20  # slices up to this size are read whole and turned; larger ones a few rows at a time
_PIECE_BYTES = 4 << 20  # of rows that are converted at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """Say how a volume is changed on its way. `flip`: axes of the result that run the other way, out of "xyz".

    `dtype` None: as it is; else numbers are converted as numpy's `astype` does it (floats to integers: cut towards zero),
    beyond its range they are clipped. `rescale` (low, high): low becomes 0, high the greatest number of the dtype (1.0 of a
    float), linear between and clipped outside. `at`: the position along additional axes that is taken, None: all.
    """

    flip: str = ""
    swap_xy: bool = False
    dtype: np.dtype[Any] | None = None
    rescale: tuple[float, float] | None = None
    at: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        strange = set(self.flip) - set("xyz")
        if strange:
            raise InputError(f"flip {self.flip!r}: {', '.join(sorted(strange))} is no axis; give axes out of x, y, z")
        if self.rescale is not None and not self.rescale[0] < self.rescale[1]:
            raise InputError(f"rescale {self.rescale}: give the smaller value first, like 0.2,0.8")

    @property
    def changes_nothing(self) -> bool:
        """Say whether the volume stays as it is."""
        return self == Arrangement()

    def identity(self) -> dict[str, Any]:
        """Say what decides the voxels, as JSON."""
        return {
            "flip": "".join(sorted(set(self.flip))),
            "swap_xy": self.swap_xy,
            "dtype": None if self.dtype is None else self.dtype.name,
            "rescale": None if self.rescale is None else list(self.rescale),
            "at": None if self.at is None else list(self.at),
        }

    def converted(self, voxels: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return voxels as `dtype`, rescaled if that is asked for."""
        if self.rescale is not None:
            low, high = self.rescale
            top = 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)
            scaled = (np.clip(voxels.astype(np.float64), low, high) - low) * (top / (high - low))
            if dtype.kind != "f":
                return _to_integers(scaled, dtype)
            floats: NDArray[Any] = scaled.astype(dtype)
            return floats
        if dtype.kind in "ui" and voxels.dtype != dtype:
            return _to_integers(voxels, dtype)
        return voxels.astype(dtype, copy=False)

    def place(self, voxels: NDArray[Any], out: NDArray[Any]) -> None:
        """Convert and reverse rows (c, y, x) into `out`, a few at a time: what is held beside them is little."""
        rows = voxels.shape[1]
        step = max(1, _PIECE_BYTES // (8 * voxels.shape[0] * voxels.shape[2]))
        columns = slice(None, None, -1 if "x" in self.flip else 1)
        for first in range(0, rows, step):
            piece = self.converted(voxels[:, first : first + step], out.dtype)
            last = first + piece.shape[1]
            if "y" in self.flip:
                out[:, rows - last : rows - first] = piece[:, ::-1, columns]
            else:
                out[:, first:last] = piece[:, :, columns]


def _to_integers(voxels: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Clip and convert. 64-bit integers stay exact; what is no number becomes 0."""
    limits = np.iinfo(dtype)
    if voxels.dtype.kind == "f":
        numbers = np.nan_to_num(voxels, nan=0.0, posinf=np.inf, neginf=-np.inf)
        # the greatest 64-bit integers are no floats: what is beyond the last float below them is set apart
        over, under = numbers >= float(limits.max), numbers <= float(limits.min)
        inside = np.where(over | under, 0, numbers).astype(dtype)
        inside[over], inside[under] = limits.max, limits.min
        return inside
    own = np.iinfo(voxels.dtype)
    low, high = max(int(limits.min), int(own.min)), min(int(limits.max), int(own.max))
    clipped: NDArray[Any] = np.clip(voxels, voxels.dtype.type(low), voxels.dtype.type(high))
    return clipped.astype(dtype)


class ArrangedVolume:
    """Read slices of another reader, arranged. Safe to share between threads if that reader is."""

    def __init__(self, reader: VolumeReader, arrangement: Arrangement) -> None:
        self._reader = reader
        self._arrangement = arrangement
        self._original = reader.description
        self._description = _described(self._original, arrangement)
        size = self._original.size
        self._slice_bytes = size.x * size.y * self._original.channels * self._original.dtype.itemsize

    @property
    def description(self) -> VolumeDescription:
        """Say what the volume is, arranged."""
        return self._description

    def read_slice(self, z: int, out: NDArray[Any], at: tuple[int, ...] = ()) -> SliceRecord:
        """Fill `out` (c, y, x) with slice `z` of the arranged volume. Raises what the wrapped reader raises."""
        arrangement, original = self._arrangement, self._original
        turns = arrangement.swap_xy or bool(set(arrangement.flip) & set("xy"))
        if not turns and original.dtype == self._description.dtype and arrangement.rescale is None:
            return _at_slice(self._reader.read_slice(self._z(z), out, self._at(at)), z)
        if self._slice_bytes > _WHOLE_BYTES and not arrangement.swap_xy:
            return self.open_rows(z, at).read(0, out)
        voxels = np.empty((original.channels, original.size.y, original.size.x), original.dtype)
        record = self._reader.read_slice(self._z(z), voxels, self._at(at))
        arrangement.place(voxels.transpose(0, 2, 1) if arrangement.swap_xy else voxels, out)
        return _at_slice(record, z)

    def open_rows(self, z: int, at: tuple[int, ...] = ()) -> RowReader:
        """Get ready to read slice `z` in windows of rows; where x and y are swapped, the slice is held meanwhile."""
        if self._arrangement.swap_xy:
            return _HeldRows(self, z, at)
        return _ArrangedRows(
            self._reader.open_rows(self._z(z), self._at(at)),
            self._arrangement,
            self._description,
            self._original.dtype,
            z,
        )

    def digests(self) -> dict[str, str]:
        """Give the digests of the wrapped reader."""
        return self._reader.digests()

    def close(self) -> None:
        """Close the wrapped reader."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _z(self, z: int) -> int:
        return self._original.size.z - 1 - z if "z" in self._arrangement.flip else z

    def _at(self, at: tuple[int, ...]) -> tuple[int, ...]:
        return at if self._arrangement.at is None else self._arrangement.at


class _ArrangedRows:
    """Read windows of rows that are reversed or converted."""

    def __init__(
        self, rows: RowReader, arrangement: Arrangement, description: VolumeDescription, dtype: np.dtype[Any], z: int
    ) -> None:
        self._rows = rows
        self._arrangement = arrangement
        self._description = description
        self._dtype = dtype
        self._z = z

    def read(self, first_row: int, out: NDArray[Any]) -> SliceRecord:
        """Fill `out` (c, rows, x), a few rows at a time, in the order in which the wrapped reader likes them."""
        turned = "y" in self._arrangement.flip
        rows, height = out.shape[1], self._description.size.y
        start = height - first_row - rows if turned else first_row
        step = max(1, _PIECE_BYTES // (out.shape[0] * out.shape[2] * self._dtype.itemsize))
        record: SliceRecord | None = None
        for first in range(0, rows, step):
            voxels = np.empty((out.shape[0], min(step, rows - first), out.shape[2]), self._dtype)
            last = first + voxels.shape[1]
            read = self._rows.read(start + first, voxels)
            record = read if record is None or read.digest else record
            self._arrangement.place(voxels, out[:, rows - last : rows - first] if turned else out[:, first:last])
        return _at_slice(record or SliceRecord(z=self._z), self._z)


class _HeldRows:
    """Read windows of rows of a slice that is held whole."""

    def __init__(self, volume: ArrangedVolume, z: int, at: tuple[int, ...]) -> None:
        self._volume = volume
        self._z = z
        self._at = at
        self._held: tuple[NDArray[Any], SliceRecord] | None = None

    def read(self, first_row: int, out: NDArray[Any]) -> SliceRecord:
        """Fill `out` (c, rows, x)."""
        if self._held is None:
            described = self._volume.description
            voxels = np.empty((described.channels, described.size.y, described.size.x), described.dtype)
            self._held = voxels, self._volume.read_slice(self._z, voxels, self._at)
        voxels, record = self._held
        out[...] = voxels[:, first_row : first_row + out.shape[1]]
        return record if first_row == 0 else replace(record, file=None, digest=None)


def _at_slice(record: SliceRecord, z: int) -> SliceRecord:
    problem = None if record.problem is None else replace(record.problem, z=z)
    return replace(record, z=z, problem=problem)


def _described(original: VolumeDescription, arrangement: Arrangement) -> VolumeDescription:
    """Describe the arranged volume."""
    if arrangement.at is not None:
        _check_position(original, arrangement.at)
    size = Vec3Int(original.size.y, original.size.x, original.size.z) if arrangement.swap_xy else original.size
    dtype = original.dtype if arrangement.dtype is None else arrangement.dtype.newbyteorder("=")
    slice_bytes = original.size.x * original.size.y * original.channels * original.dtype.itemsize
    rows = replace(original.rows, held_bytes=original.rows.held_bytes + _WHOLE_BYTES + 4 * _PIECE_BYTES)
    if arrangement.swap_xy:
        held = rows.held_bytes + slice_bytes + slice_bytes // original.dtype.itemsize * dtype.itemsize
        rows = RowAccess(unit=size.y, held_bytes=held, in_order=True, reason="to swap x and y a slice is held whole")
    turned = "z" in arrangement.flip
    problems = tuple(
        replace(
            one, z=original.size.z - 1 - one.z if turned else one.z, at=() if arrangement.at is not None else one.at
        )
        for one in original.problems
        if arrangement.at is None or one.at == arrangement.at
    )
    return replace(
        original,
        size=size,
        dtype=dtype,
        rows=rows,
        problems=tuple(sorted(problems, key=lambda one: (one.at, one.z))),
        voxel_size=_swapped(original.voxel_size) if arrangement.swap_xy else original.voxel_size,
        additional=() if arrangement.at is not None else original.additional,
    )


def _check_position(original: VolumeDescription, at: tuple[int, ...]) -> None:
    extents = [extent for _, extent in original.additional]
    named = (
        ", ".join(f"{axis} 0 to {extent - 1}" for axis, extent in original.additional) or "no axis beside c, x, y, z"
    )
    if len(at) != len(extents) or any(not 0 <= one < extent for one, extent in zip(at, extents, strict=True)):
        raise InputError(f"position {at}: the images have {named}")


def _swapped(measured: MeasuredVoxelSize | None) -> MeasuredVoxelSize | None:
    """Swap what files say; what a person gave is already that of the result."""
    if measured is None or measured.source.startswith("option "):
        return measured
    x, y, z = measured.voxel_size.factor
    return replace(measured, voxel_size=VoxelSize((y, x, z), measured.voxel_size.unit))


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrangedSource:
    """Name a source and how it is arranged."""

    source: VolumeSource
    arrangement: Arrangement

    @property
    def voxel_size(self) -> MeasuredVoxelSize | None:
        """Give the voxel size that settings state, if they do: that of the arranged volume."""
        return self.source.voxel_size

    def open(self) -> ArrangedVolume:
        """Open the source. Raises what it raises, InputError for a position that it does not have."""
        reader = open_volume(self.source)
        try:
            return ArrangedVolume(reader, self.arrangement)
        except BaseException:
            reader.close()
            raise

    def identity(self) -> dict[str, Any]:
        """Say what besides the files decides the voxels."""
        return self.source.identity() | {"arranged": self.arrangement.identity()}


def arranged(source: VolumeSource, arrangement: Arrangement) -> VolumeSource:
    """Arrange a source; one that is to stay as it is stays itself."""
    return source if arrangement.changes_nothing else ArrangedSource(source=source, arrangement=arrangement)
