"""Where the voxels of a pass come from: a microscope's images, or a mag that is stored already.

A source hands out load tasks: each fills its own part of a slab, so that they may run on any threads in any order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

from numpy.typing import NDArray

from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.statistics import slice_statistics
from wk_assets.operations.layer_record import SliceFact
from wk_assets.readers.volume import VolumeReader
from wk_assets.storage.stored_array import StoredArray

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class LoadTask:
    """One block to be loaded: slices `z`, rows `y` (world voxels of the source's mag), all x of the layer's box.

    `fill` fills an array (c, z, y, x) of just that block, any strides, x contiguous.
    """

    z: Range
    y: Range
    fill: Callable[[NDArray[Any]], tuple[SliceFact, ...]]


class SlabSource(Protocol):
    """Fill slices of a layer's box."""

    def load_tasks(self, z_start: int, z_stop: int) -> list[LoadTask]:
        """Return tasks that together fill the box's window of these slices. They may raise SourceError, StorageError."""
        ...


class ImageSource:
    """Load a microscope's slices, and measure each while it is still in the processor's cache."""

    def __init__(self, reader: VolumeReader, topleft: Vec3Int) -> None:
        self._reader = reader
        self._first_z = topleft.z
        self._rows = (topleft.y, topleft.y + reader.description.size.y)

    def load_tasks(self, z_start: int, z_stop: int) -> list[LoadTask]:
        """Return one task per slice."""
        return [LoadTask((z, z + 1), self._rows, self._filler(z)) for z in range(z_start, z_stop)]

    def _filler(self, z: int) -> Callable[[NDArray[Any]], tuple[SliceFact, ...]]:
        def fill(out: NDArray[Any]) -> tuple[SliceFact, ...]:
            target = out[:, 0]
            record = self._reader.read_slice(z - self._first_z, target)
            measured = slice_statistics(target[:, None])
            problem = record.problem
            return (
                SliceFact(
                    z=z,
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
                ),
            )

        return fill


class StoredSource:
    """Load a mag that is stored already, a row of chunks per task."""

    def __init__(self, array: StoredArray, box_in_mag: BoundingBox) -> None:
        self._array = array
        self._box = box_in_mag

    def load_tasks(self, z_start: int, z_stop: int) -> list[LoadTask]:
        """Return one task per row of chunks; there is nothing to say of single slices."""
        top, bottom, step = self._box.topleft.y, self._box.bottomright.y, self._array.chunk_shape.y
        cuts = [top, *range((top // step + 1) * step, bottom, step), bottom]
        z = (z_start, z_stop)
        return [LoadTask(z, rows, self._filler(z, rows)) for rows in pairwise(cuts)]

    def _filler(self, z: Range, y: Range) -> Callable[[NDArray[Any]], tuple[SliceFact, ...]]:
        corner = (self._box.topleft.x, y[0], z[0])
        box = BoundingBox(corner, (self._box.size.x, y[1] - y[0], z[1] - z[0]))

        def fill(out: NDArray[Any]) -> tuple[SliceFact, ...]:
            self._array.read_into(box, out)
            return ()

        return fill


def _plain(value: Any) -> int | float:
    plain: int | float = value.item() if hasattr(value, "item") else value
    return plain
