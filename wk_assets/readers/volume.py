"""What a reader of foreign images must offer: a description first, then slices, whole or in windows of rows.

Protocol and values only. No file is opened here (see `tiff`, `image_files`), nothing is written anywhere.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize


class BadSlicePolicy(StrEnum):
    """Say what becomes of a slice that is missing or can not be read."""

    FAIL = "fail"
    BLACK = "black"  # the slice is filled with zeros, and reported
    REPEAT = "repeat"  # the nearest readable slice before it (else after it) stands in for it, and is reported


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """Identify one file of a source by what a listing says of it.

    `relative_path` is posix, relative to the acquisition's folder. `mtime_ns` is compared for equality, never for
    order (clocks of shares differ).
    """

    path: Path
    relative_path: str
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredVoxelSize:
    """A voxel size with its birth certificate: the value in x, y, z, and where it was read from."""

    voxel_size: VoxelSize
    source: str  # e.g. "OME-XML PhysicalSizeX/Y/Z of nuclei.ome.tif" or "instrument setting 'voxel_size'"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPixelSize:
    """What a file says of x and y alone: electron microscopes know their pixels, not how thick a section is."""

    x: float
    y: float
    unit: LengthUnit
    source: str  # e.g. "Zeiss tag 34118 ap_pixel_size of slice_0001.tif"

    def __str__(self) -> str:
        return f"x {self.x:g}, y {self.y:g} {self.unit.value} ({self.source})"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSelection:
    """Say which files are one layer, and how to read them.

    `files` are absolute paths in any order (readers sort them naturally, and the numbers in their names count slices);
    `in_given_order`: they are the slices in just this order, whatever they are called. `axes` names the axes of a file that does
    not name them itself, slowest first, e.g. "zyx", "cyx"; None: the file must name them. `channel` selects one of
    several channels, None: all (only legal for one channel or RGB).
    """

    root: Path  # the acquisition's folder: relative paths start here
    files: tuple[Path, ...]
    axes: str | None = None
    channel: int | None = None
    on_bad_slice: BadSlicePolicy = BadSlicePolicy.FAIL
    expected_slices: int | None = None
    voxel_size: MeasuredVoxelSize | None = None  # given by settings; wins over the files' own, the disagreement is kept
    in_given_order: bool = False

    def identity(self) -> dict[str, Any]:
        """Say, as JSON, what besides the files decides the voxels."""
        identity: dict[str, Any] = {
            "axes": self.axes,
            "channel": self.channel,
            "on_bad_slice": self.on_bad_slice,
            "expected_slices": self.expected_slices,
        }
        return identity | ({"in_given_order": True} if self.in_given_order else {})


class OpensVolume(Protocol):
    """Name a source that knows itself how it is opened: a raw file, a folder of cubes, a stored array. Hashable."""

    @property
    def voxel_size(self) -> MeasuredVoxelSize | None:
        """Give the voxel size that settings state, if they do."""
        ...

    def open(self) -> "VolumeReader":
        """Open the source; only headers are read. Raises SourceError."""
        ...

    def identity(self) -> dict[str, Any]:
        """Say, as JSON, what besides the files decides the voxels."""
        ...


VolumeSource = SourceSelection | OpensVolume


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceProblem:
    """Name one slice that could not be read as it is, and what stands in its place.

    `at`: its position along the additional axes, empty where there are none.
    """

    z: int
    file: str  # relative path, or the name that was expected
    reason: str
    filled_with: BadSlicePolicy
    at: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRecord:
    """What is known after a slice was read: a digest of its file's bytes where that came for free, a problem if any.

    `digest` is `xxh3_128:<hex>` of the whole file `file` (relative path) when one file holds one slice, else None
    (see `VolumeReader.digests`).
    """

    z: int
    file: str | None = None
    digest: str | None = None
    problem: SliceProblem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowAccess:
    """Say what it takes to read a slice in windows of rows, for a plan that has to fit the memory.

    `unit`: rows that are decoded together (a strip, a row of tiles); windows that are cut at its multiples decode nothing
    twice. `held_bytes`: most that reading holds beside the window. `in_order`: a slice's windows are to be read one after
    the other, first to last, by one `RowReader`: anything else starts anew at its first row. `reason`: why so much is
    held, for an error; empty if it is little.
    """

    unit: int = 1
    held_bytes: int = 0
    in_order: bool = False
    reason: str = ""

    def joined(self, other: "RowAccess") -> "RowAccess":
        """Give what fits the slices of both."""
        return RowAccess(
            unit=max(self.unit, other.unit),
            held_bytes=max(self.held_bytes, other.held_bytes),
            in_order=self.in_order or other.in_order,
            reason=(self if self.held_bytes >= other.held_bytes else other).reason,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeDescription:
    """Describe one layer's source volume without reading its voxels.

    `size` in voxels x, y, z (the selected channels). `dtype` is the native-endian numpy dtype of what `read_slice` fills.
    `channels` is 1, or 3 for RGB (uint8). `problems` are the slices known to be bad before any is read, under a policy
    that fills them; reading such a slice gives the same problem again. `voxel_size` is None where nobody says it
    whole; `pixel_sizes` is what the files say of x and y alone. `additional`: axes beyond these, slowest first, each a
    name (lower case, like "t") and its number of positions: the volume is one such x, y, z box per position.
    """

    format: str  # "tiff-sequence", "tiff-stack", "image-sequence"
    files: tuple[SourceFile, ...]
    size: Vec3Int
    channels: int
    dtype: np.dtype[Any]
    voxel_size: MeasuredVoxelSize | None
    voxel_size_alternatives: tuple[MeasuredVoxelSize, ...] = ()
    pixel_sizes: tuple[MeasuredPixelSize, ...] = ()
    problems: tuple[SliceProblem, ...] = field(default=())
    rows: RowAccess = RowAccess()
    additional: tuple[tuple[str, int], ...] = ()


class RowReader(Protocol):
    """Read one slice in windows of rows. For one thread; keeps no file open between calls."""

    def read(self, first_row: int, out: NDArray[Any]) -> SliceRecord:
        """Fill `out`, shape (c, rows, x), with the rows from `first_row` on: the same voxels as `read_slice` gives.

        The digest comes with the window that begins at row 0 (the file is read once more for it). Raises what
        `read_slice` raises.
        """
        ...


class VolumeReader(Protocol):
    """Read slices of one source volume. Safe to call from several threads at once; opens its files read-only.

    Conformance: `tests/readers/conformance.py` ships the tests that every reader inherits.
    """

    @property
    def description(self) -> VolumeDescription:
        """Say what the volume is; known since opening, never changes."""
        ...

    def read_slice(self, z: int, out: NDArray[Any], at: tuple[int, ...] = ()) -> SliceRecord:
        """Fill `out`, shape (c, y, x), dtype of the description, with slice `z` (0-based).

        `at`: the position along the additional axes, empty: the first. Raises UnreadableSliceError (names the file)
        unless the policy fills, SourceChangedError if the file's size or mtime is not the listed one.
        """
        ...

    def open_rows(self, z: int, at: tuple[int, ...] = ()) -> RowReader:
        """Get ready to read slice `z` in windows of rows, for slices that are too large to be held whole."""
        ...

    def digests(self) -> dict[str, str]:
        """Map relative path to `xxh3_128:<hex>` of each file that `read_slice` gives no digest for (reads the bytes)."""
        ...

    def close(self) -> None:
        """Let go of everything that is held. No file stays open between calls anyway."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
