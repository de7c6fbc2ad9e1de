"""Where the voxels of a pass come from: a microscope's images, or a mag that is stored already.

A source hands out load tasks: each fills its own part of a slab, so that they may run on any threads in any order.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Protocol

from numpy.typing import NDArray

from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.statistics import slice_statistics
from wk_assets.operations.layer_record import SliceFact
from wk_assets.readers.volume import VolumeReader
from wk_assets.storage.stored_array import StoredArray

LoadTask = Callable[[], tuple[SliceFact, ...]]


class SlabSource(Protocol):
    """Fill slices of a layer's box."""

    def load_tasks(self, z_start: int, z_stop: int, out: NDArray[Any]) -> list[LoadTask]:
        """Return tasks that together fill `out`, (c, z_stop - z_start, y, x): the box's window of these slices.

        z counts voxels of the source's mag, world coordinates. A task may raise SourceError or StorageError.
        """
        ...


class ImageSource:
    """Load a microscope's slices, and measure each while it is still in the processor's cache."""

    def __init__(self, reader: VolumeReader, topleft: Vec3Int) -> None:
        self._reader = reader
        self._first_z = topleft.z

    def load_tasks(self, z_start: int, z_stop: int, out: NDArray[Any]) -> list[LoadTask]:
        """Return one task per slice."""
        return [self._task(z, out[:, z - z_start]) for z in range(z_start, z_stop)]

    def _task(self, z: int, target: NDArray[Any]) -> LoadTask:
        def load() -> tuple[SliceFact, ...]:
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

        return load


class StoredSource:
    """Load a mag that is stored already, a row of chunks per task."""

    def __init__(self, array: StoredArray, box_in_mag: BoundingBox) -> None:
        self._array = array
        self._box = box_in_mag

    def load_tasks(self, z_start: int, z_stop: int, out: NDArray[Any]) -> list[LoadTask]:
        """Return one task per row of chunks; there is nothing to say of single slices."""
        top, bottom, step = self._box.topleft.y, self._box.bottomright.y, self._array.chunk_shape.y
        cuts = [top, *range((top // step + 1) * step, bottom, step), bottom]
        return [
            self._task(z_start, z_stop, first, last, out[:, :, first - top : last - top])
            for first, last in pairwise(cuts)
        ]

    def _task(self, z_start: int, z_stop: int, y_start: int, y_stop: int, target: NDArray[Any]) -> LoadTask:
        box = BoundingBox(
            (self._box.topleft.x, y_start, z_start), (self._box.size.x, y_stop - y_start, z_stop - z_start)
        )

        def load() -> tuple[SliceFact, ...]:
            self._array.read_into(box, target)
            return ()

        return load


def _plain(value: Any) -> int | float:
    plain: int | float = value.item() if hasattr(value, "item") else value
    return plain
