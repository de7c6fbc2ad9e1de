"""Where the voxels of a pass come from: a microscope's images, or a mag that is stored already.

A source hands out load tasks: each fills its own part of a slab, so that they may run on any threads in any order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Protocol

from numpy.typing import NDArray

from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.statistics import slice_statistics
from wk_assets.operations.passes.pyramid_plan import STORED_BLOCK_BYTES
from wk_assets.operations.records.layer_record import SliceFact
from wk_assets.readers.volume import RowReader, SliceRecord, VolumeReader
from wk_assets.storage.stored_array import StoredArray

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class LoadTask:
    """One block to be loaded: slices `z`, rows `y`, columns `x` (world voxels of the source's mag; None: all of the box).

    `fill` fills an array (c, z, y, x) of just that block, any strides, x contiguous, and says what it saw of the slices; parts
    of one slice may be said by several tasks. `then`: a task that the same thread does next, for sources that go one way.
    """

    z: Range
    y: Range
    fill: Callable[[NDArray[Any]], tuple[SliceFact, ...]]
    x: Range | None = None
    then: "LoadTask | None" = None


class SlabSource(Protocol):
    """Fill slices of a layer's box."""

    def load_tasks(self, z_start: int, z_stop: int) -> list[LoadTask]:
        """Return tasks that together fill the box's window of these slices. They may raise SourceError, StorageError."""
        ...


class ImageSource:
    """Load a microscope's slices, and measure each while it is still in the processor's cache.

    `at`: position along the volume's additional axes. `rows`: how many rows are loaded at a time, 0: whole slices.
    """

    def __init__(self, reader: VolumeReader, topleft: Vec3Int, *, at: tuple[int, ...] = (), rows: int = 0) -> None:
        self._reader = reader
        self._topleft = topleft
        self._at = at
        self._height = reader.description.size.y
        self._step = min(rows, self._height)

    def load_tasks(self, z_start: int, z_stop: int) -> list[LoadTask]:
        """Return one task per slice or window of rows; those of a slice that is read in order follow one another."""
        if not self._step:
            rows = (self._topleft.y, self._topleft.y + self._height)
            return [LoadTask((z, z + 1), rows, partial(self._load_slice, z)) for z in range(z_start, z_stop)]
        windows = list(pairwise(_cuts(0, self._height, self._step)))
        if not self._reader.description.rows.in_order:
            return [self._window(z, rows, self._open(z)) for z in range(z_start, z_stop) for rows in windows]
        tasks = []
        for z in range(z_start, z_stop):
            reader, task = self._open(z), None
            for rows in reversed(windows):
                task = self._window(z, rows, reader, then=task)
            tasks += [task] if task else []
        return tasks

    def _open(self, z: int) -> RowReader:
        return self._reader.open_rows(z - self._topleft.z, self._at)

    def _window(self, z: int, rows: Range, reader: RowReader, then: LoadTask | None = None) -> LoadTask:
        first, last = rows
        y = (first + self._topleft.y, last + self._topleft.y)
        return LoadTask((z, z + 1), y, partial(self._load_rows, reader, z, first), then=then)

    def _load_slice(self, z: int, out: NDArray[Any]) -> tuple[SliceFact, ...]:
        return (_fact(z, out, self._reader.read_slice(z - self._topleft.z, out[:, 0], self._at), self._at),)

    def _load_rows(self, reader: RowReader, z: int, first: int, out: NDArray[Any]) -> tuple[SliceFact, ...]:
        return (_fact(z, out, reader.read(first, out[:, 0]), self._at),)


def _fact(z: int, voxels: NDArray[Any], record: SliceRecord, at: tuple[int, ...]) -> SliceFact:
    measured = slice_statistics(voxels)
    problem = record.problem
    return SliceFact(
        z=z,
        at=at,
        minimum=measured.minimum[0].item(),
        maximum=measured.maximum[0].item(),
        total=_plain(measured.total[0]),
        zeros=int(measured.zeros[0]),
        nans=int(measured.nans[0]),
        count=int(measured.count[0]),
        file=record.file,
        digest=record.digest,
        problem_file=problem.file if problem else None,
        problem=problem.reason if problem else None,
        filled_with=problem.filled_with.value if problem else None,
    )


class StoredSource:
    """Load a mag that is stored already, rows of chunks at a time, at one position along its additional axes."""

    def __init__(self, array: StoredArray, box_in_mag: BoundingBox, *, leading: tuple[int, ...] = ()) -> None:
        self._array = array.at(leading) if leading else array
        self._box = box_in_mag

    def load_tasks(self, z_start: int, z_stop: int) -> list[LoadTask]:
        """Return one task per row of chunks, or part of it if it is long; there is nothing to say of single slices."""
        chunk = self._array.chunk_shape
        column_bytes = self._array.channels * (z_stop - z_start) * chunk.y * self._array.dtype.itemsize
        step_x = max(1, STORED_BLOCK_BYTES // (column_bytes * chunk.x)) * chunk.x
        z = (z_start, z_stop)
        return [
            LoadTask(z, y, partial(self._load, z, y, x), x=x)
            for y in pairwise(_cuts(*self._box.get_bounds("y"), chunk.y))
            for x in pairwise(_cuts(*self._box.get_bounds("x"), step_x))
        ]

    def _load(self, z: Range, y: Range, x: Range, out: NDArray[Any]) -> tuple[SliceFact, ...]:
        box = BoundingBox((x[0], y[0], z[0]), (x[1] - x[0], y[1] - y[0], z[1] - z[0]))
        self._array.read_into(box, out)
        return ()


def _cuts(start: int, stop: int, step: int) -> list[int]:
    return [start, *range((start // step + 1) * step, stop, step), stop]


def _plain(value: Any) -> int | float:
    plain: int | float = value.item() if hasattr(value, "item") else value
    return plain
