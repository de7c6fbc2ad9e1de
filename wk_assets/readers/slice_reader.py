"""What every reader of slices shares: checked targets, and what stands in for a slice that can not be read.

No format is known here: `tiff`, `image_files` fill one slice, this decides what becomes of a failure.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import GeometryError, UnreadableSliceError
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.readers.volume import (
    BadSlicePolicy,
    SliceProblem,
    SliceRecord,
    SourceFile,
    SourceSelection,
    VolumeDescription,
)
from wk_assets.readers.voxel_sizes import FoundSizes, chosen_voxel_size

LARGEST_SLICE_BYTES = 8 << 30  # a header that promises more is a bomb or corrupt: refused before anything is decoded


class SliceReader(ABC):
    """Be the policy half of a reader. Holds no file and no lock: safe to share between threads."""

    def __init__(self, description: VolumeDescription, policy: BadSlicePolicy) -> None:
        self._description = description
        self._policy = policy
        self._known = {problem.z: problem for problem in description.problems}

    @property
    def description(self) -> VolumeDescription:
        """Say what the volume is."""
        return self._description

    @abstractmethod
    def _fill(self, z: int, out: NDArray[Any]) -> str | None:
        """Fill `out` (c, y, x) with slice `z` or raise; give the digest of its file if the file is that one slice."""

    @abstractmethod
    def _name(self, z: int) -> str:
        """Name the file of slice `z`, for a report."""

    @abstractmethod
    def digests(self) -> dict[str, str]:
        """Map relative path to digest, for the files that `read_slice` gives none for."""

    def read_slice(self, z: int, out: NDArray[Any]) -> SliceRecord:
        """Fill `out` (c, y, x), dtype of the description, any strides, with slice `z`.

        Raises UnreadableSliceError (names the file) unless the policy fills, SourceChangedError if the file is not
        what was listed, GeometryError for a `z` or an `out` that does not fit.
        """
        self._check_target(z, out)
        problem = self._known.get(z)
        if problem is None:
            try:
                digest = self._fill(z, out)
                return SliceRecord(z=z, file=self._name(z) if digest else None, digest=digest)
            except UnreadableSliceError as error:
                if self._policy is BadSlicePolicy.FAIL:
                    raise
                problem = SliceProblem(z=z, file=self._name(z), reason=str(error), filled_with=self._policy)
        if self._policy is BadSlicePolicy.REPEAT:
            self._repeat_neighbour(z, out, problem)
        else:
            out[...] = 0
        return SliceRecord(z=z, problem=problem)

    def _repeat_neighbour(self, z: int, out: NDArray[Any], problem: SliceProblem) -> None:
        """Fill `out` with the nearest readable slice before `z`, else after it.

        Which one that is depends on the files alone, never on what other threads have read: so it is read again.
        """
        for neighbour in (*range(z - 1, -1, -1), *range(z + 1, self._description.size.z)):
            if neighbour in self._known:
                continue
            try:
                self._fill(neighbour, out)
            except UnreadableSliceError:
                continue
            return
        raise UnreadableSliceError(f"{problem.file}: {problem.reason}; and no other slice can be read to stand in")

    def _check_target(self, z: int, out: NDArray[Any]) -> None:
        described = self._description
        if not 0 <= z < described.size.z:
            raise GeometryError(f"slice {z} does not exist: the volume has z 0 to {described.size.z - 1}")
        shape = (described.channels, described.size.y, described.size.x)
        if out.shape != shape or out.dtype != described.dtype:
            raise GeometryError(
                f"slice {z} needs an array (c, y, x) of {shape} {described.dtype}, not {out.shape} {out.dtype}"
            )

    def close(self) -> None:  # noqa: B027 -- nothing to do is the common case, not a forgotten method
        """Do nothing: every file is closed when the call that opened it returns."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


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
    )
