"""Volumes for the tests of the engine: a source that is an array, and mags computed the slow way, one by one."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.border import symmetric_indices
from wk_assets.kernels.downsample import downsample
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.passes.slab_sources import LoadTask
from wk_assets.operations.records.layer_record import SliceFact


class ArraySource:
    """Hand out the slices of an array (c, z, y, x) whose first voxel lies at `topleft`."""

    def __init__(self, voxels: NDArray[Any], topleft: Vec3Int, *, fail_at: int | None = None) -> None:
        self._voxels = voxels
        self._topleft = topleft
        self.fail_at = fail_at
        self.loaded: list[int] = []

    def load_tasks(self, z_start: int, z_stop: int) -> list[LoadTask]:
        rows = (self._topleft.y, self._topleft.y + self._voxels.shape[2])
        return [LoadTask((z, z + 1), rows, self._filler(z)) for z in range(z_start, z_stop)]

    def _filler(self, z: int) -> Callable[[NDArray[Any]], tuple[SliceFact, ...]]:
        def fill(out: NDArray[Any]) -> tuple[SliceFact, ...]:
            if z == self.fail_at:
                raise RuntimeError(f"slice {z}")
            self.loaded.append(z)
            out[:, 0] = self._voxels[:, z - self._topleft.z]
            return (SliceFact(z=z, minimum=0, maximum=z, total=0, zeros=0, nans=0, count=1),)

        return fill


def mag_by_mag(
    voxels: NDArray[Any], topleft: Vec3Int, mags: Sequence[Mag], mode: DownsamplingMode
) -> list[NDArray[Any]]:
    """Compute each mag (c, z, y, x) from the whole of the one before it, borders mirrored."""
    _, depth, height, width = voxels.shape
    box = BoundingBox(topleft, (width, height, depth))
    made = [voxels]
    for finer, coarser in pairwise(mags):
        source = box.align_with_mag(finer, ceil=True).in_mag(finer)
        target = box.align_with_mag(coarser, ceil=True).in_mag(coarser)
        factors = coarser.to_vec3_int() // finer.to_vec3_int()
        padded = made[-1]
        for axis, dimension in (("z", 1), ("y", 2), ("x", 3)):
            (first, last), (start, stop), factor = (
                target.get_bounds(axis),
                source.get_bounds(axis),
                factors.get(axis),
            )
            indices = symmetric_indices(first * factor, last * factor, start, stop) - start
            padded = np.take(padded, indices, axis=dimension)
        made.append(downsample(padded, (factors.z, factors.y, factors.x), mode))
    return made
