"""What every reader of slices shares: checked targets, and what stands in for a slice that can not be read.

No format is known here: `tiff`, `image_files` fill one slice, this decides what becomes of a failure. A *plane* is a
slice at one position of the additional axes, counted through: planes of the first position, of the second, and so on.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import GeometryError, UnreadableSliceError
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.readers.volume import (
    BadSlicePolicy,
    RowAccess,
    SliceProblem,
    SliceRecord,
    SourceFile,
    SourceSelection,
    VolumeDescription,
)
from wk_assets.readers.voxel_sizes import FoundSizes, chosen_voxel_size

LARGEST_SLICE_BYTES = 8 << 30  # a header that promises more is a bomb or corrupt: refused before anything is decoded


class FillsRows(Protocol):
    """Fill windows of rows of one plane. For one thread; keeps no file open between calls."""

    def fill(self, first_row: int, out: NDArray[Any]) -> None:
        """Fill `out` (c, rows, x) with the rows from `first_row` on, or raise."""
        ...


Settled = tuple[FillsRows | None, SliceProblem | None]  # the rows that are read (None: black), and why not the slice's


class SliceReader(ABC):
    """Be the policy half of a reader. Holds no file and no lock: safe to share between threads."""

    def __init__(self, description: VolumeDescription, policy: BadSlicePolicy) -> None:
        self._description = description
        self._policy = policy
        self._known = {self._plane(problem.z, problem.at): problem for problem in description.problems}

    @property
    def description(self) -> VolumeDescription:
        """Say what the volume is."""
        return self._description

    @abstractmethod
    def _fill(self, plane: int, out: NDArray[Any]) -> str | None:
        """Fill `out` (c, y, x) with a plane or raise; give the digest of its file if the file is that one plane."""

    @abstractmethod
    def _rows(self, plane: int) -> FillsRows:
        """Get ready to fill windows of rows of a plane. Raises UnreadableSliceError only when filling."""

    @abstractmethod
    def _digest(self, plane: int) -> str | None:
        """Read the file of a plane for the digest that `_fill` gives; None if it gives none."""

    @abstractmethod
    def _name(self, plane: int) -> str:
        """Name the file of a plane, for a report."""

    @abstractmethod
    def digests(self) -> dict[str, str]:
        """Map relative path to digest, for the files that `read_slice` gives none for."""

    def read_slice(self, z: int, out: NDArray[Any], at: tuple[int, ...] = ()) -> SliceRecord:
        """Fill `out` (c, y, x), dtype of the description, any strides, with slice `z` at a position (empty: the first).

        Raises UnreadableSliceError (names the file) unless the policy fills, SourceChangedError if the file is not
        what was listed, GeometryError for a `z`, an `at` or an `out` that does not fit.
        """
        plane = self._plane(z, at)
        self._check_target(z, out, 0, self._description.size.y)
        problem = self._known.get(plane)
        if problem is None:
            try:
                digest = self._fill(plane, out)
                return SliceRecord(z=z, file=self._name(plane) if digest else None, digest=digest)
            except UnreadableSliceError as error:
                if self._policy is BadSlicePolicy.FAIL:
                    raise
                problem = self._problem(plane, error)
        if self._policy is BadSlicePolicy.REPEAT:
            self._repeat_neighbour(plane, out, problem)
        else:
            out[...] = 0
        return SliceRecord(z=z, problem=problem)

    def open_rows(self, z: int, at: tuple[int, ...] = ()) -> "SliceRows":
        """Get ready to read slice `z` in windows of rows. Raises GeometryError for a `z` or an `at` that does not fit."""
        return SliceRows(self, z, self._plane(z, at))

    def fill_rows(
        self, z: int, plane: int, settled: "Settled | None", first_row: int, out: NDArray[Any]
    ) -> tuple["Settled", SliceRecord]:
        """Fill a window of a plane for `SliceRows`, which keeps what was `settled` at the first one."""
        self._check_target(z, out, first_row, out.shape[1] if out.ndim == 3 else 0)
        source, problem = settled = settled or self._settle(plane, out)
        if source is None:
            out[...] = 0
        else:
            source.fill(first_row, out)
        digest = self._digest(plane) if problem is None and first_row == 0 else None
        return settled, SliceRecord(z=z, file=self._name(plane) if digest else None, digest=digest, problem=problem)

    def _settle(self, plane: int, scratch: NDArray[Any]) -> "Settled":
        """Decide which plane's rows are read. `scratch`: any window; what it holds afterwards means nothing.

        A whole slice is replaced, or none of it. So under a policy that fills, the slice is decoded once to see whether
        it can be, before its first row is given away.
        """
        problem = self._known.get(plane)
        if problem is None:
            failure = None if self._policy is BadSlicePolicy.FAIL else self._failure(plane, scratch)
            if failure is None:
                return self._rows(plane), None
            problem = self._problem(plane, failure)
        if self._policy is not BadSlicePolicy.REPEAT:
            return None, problem
        for neighbour in self._neighbours(plane):
            if self._failure(neighbour, scratch) is None:
                return self._rows(neighbour), problem
        raise _nothing_stands_in(problem)

    def _failure(self, plane: int, scratch: NDArray[Any]) -> UnreadableSliceError | None:
        """Decode a plane, window by window, and give what goes wrong."""
        height, step = self._description.size.y, scratch.shape[1]
        try:
            rows = self._rows(plane)
            for first in range(0, height, step):
                rows.fill(first, scratch[:, : min(step, height - first)])
        except UnreadableSliceError as error:
            return error
        return None

    def _repeat_neighbour(self, plane: int, out: NDArray[Any], problem: SliceProblem) -> None:
        """Fill `out` with the nearest readable slice before a plane, else after it.

        Which one that is depends on the files alone, never on what other threads have read: so it is read again.
        """
        for neighbour in self._neighbours(plane):
            try:
                self._fill(neighbour, out)
            except UnreadableSliceError:
                continue
            return
        raise _nothing_stands_in(problem)

    def _neighbours(self, plane: int) -> Iterator[int]:
        """Give the planes that may stand in for one, of the same position, without those known to be bad."""
        depth = self._description.size.z
        first = plane // depth * depth
        for neighbour in (*range(plane - 1, first - 1, -1), *range(plane + 1, first + depth)):
            if neighbour not in self._known:
                yield neighbour

    def _problem(self, plane: int, error: UnreadableSliceError) -> SliceProblem:
        depth = self._description.size.z
        extents = tuple(extent for _, extent in self._description.additional)
        at = tuple(int(index) for index in np.unravel_index(plane // depth, extents)) if extents else ()
        return SliceProblem(z=plane % depth, file=self._name(plane), reason=str(error), filled_with=self._policy, at=at)

    def _plane(self, z: int, at: tuple[int, ...]) -> int:
        described = self._description
        if not 0 <= z < described.size.z:
            raise GeometryError(f"slice {z} does not exist: the volume has z 0 to {described.size.z - 1}")
        extents = tuple(extent for _, extent in described.additional)
        position = at or (0,) * len(extents)
        if len(position) != len(extents) or any(
            not 0 <= index < extent for index, extent in zip(position, extents, strict=True)
        ):
            raise GeometryError(
                f"position {at} does not exist: the volume's additional axes are {described.additional}"
            )
        number = 0
        for index, extent in zip(position, extents, strict=True):
            number = number * extent + index
        return number * described.size.z + z

    def _check_target(self, z: int, out: NDArray[Any], first_row: int, rows: int) -> None:
        described = self._description
        shape = (described.channels, rows, described.size.x)
        if out.shape != shape or out.dtype != described.dtype:
            raise GeometryError(
                f"slice {z} needs an array (c, y, x) of {shape} {described.dtype}, not {out.shape} {out.dtype}"
            )
        if not 0 <= first_row <= first_row + rows <= described.size.y:
            raise GeometryError(f"rows {first_row} to {first_row + rows} leave slice {z}, which has {described.size.y}")

    def close(self) -> None:  # noqa: B027 -- nothing to do is the common case, not a forgotten method
        """Do nothing: every file is closed when the call that opened it returns."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class SliceRows:
    """Read one slice in windows of rows: the `RowReader` of every reader here."""

    def __init__(self, reader: SliceReader, z: int, plane: int) -> None:
        self._reader = reader
        self._z = z
        self._plane = plane
        self._settled: Settled | None = None

    def read(self, first_row: int, out: NDArray[Any]) -> SliceRecord:
        """Fill `out` (c, rows, x), dtype of the description, any strides, with the rows from `first_row` on.

        Raises what `read_slice` raises.
        """
        self._settled, record = self._reader.fill_rows(self._z, self._plane, self._settled, first_row, out)
        return record


def _nothing_stands_in(problem: SliceProblem) -> UnreadableSliceError:
    return UnreadableSliceError(f"{problem.file}: {problem.reason}; and no other slice can be read to stand in")


def check_slice_bytes(name: str, width: int, height: int, channels: int, dtype: np.dtype[Any]) -> None:
    """Refuse a slice of an impossible size before its pixels are looked at."""
    needed = width * height * channels * dtype.itemsize
    if width < 1 or height < 1:
        raise UnreadableSliceError(f"{name}: its header says {width} x {height} pixels: an empty image")
    if needed > LARGEST_SLICE_BYTES:
        raise UnreadableSliceError(
            f"{name}: its header promises {width} x {height} x {channels} {dtype} = {needed} bytes, more than the "
            f"{LARGEST_SLICE_BYTES} bytes that one slice may have; the file is corrupt or meant to exhaust the memory"
        )


class ChosenSamples(Protocol):
    """Say which channels a slice has, of which dtype."""

    @property
    def take(self) -> tuple[int, ...]:
        """Give the stored samples that become channels."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Give the dtype of the channels."""
        ...


def describe(
    selection: SourceSelection,
    form: str,
    files: Sequence[SourceFile],
    size: Vec3Int,
    choice: ChosenSamples,
    found: FoundSizes,
    problems: tuple[SliceProblem, ...],
    rows: RowAccess,
    additional: tuple[tuple[str, int], ...] = (),
) -> VolumeDescription:
    """Put together what is known of a volume; the voxel size of the settings wins over the files'."""
    chosen, alternatives, pixels = chosen_voxel_size(selection.voxel_size, found)
    return VolumeDescription(
        format=form,
        files=tuple(files),
        size=size,
        channels=len(choice.take),
        dtype=choice.dtype,
        voxel_size=chosen,
        voxel_size_alternatives=alternatives,
        pixel_sizes=pixels,
        problems=problems,
        # whether a slice must be replaced is found out once for all of its windows
        rows=rows if selection.on_bad_slice is BadSlicePolicy.FAIL else replace(rows, in_order=True),
        additional=additional,
    )
