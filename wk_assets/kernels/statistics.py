"""What the voxels of each slice amount to: one read of memory, numbers out. No I/O, no judgement (see the checks)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SliceStatistics:
    """Hold one number per slice, each array of shape (z,), over all channels of the slice.

    `minimum`, `maximum`: the slab's dtype; NaN voxels are ignored, a slice of nothing but NaN has NaN.
    `total`: the exact sum for integers (uint64 or int64; Python ints in an object array for 64-bit voxels),
    float64 for floats, NaN voxels ignored. `zeros`, `nans`, `count`: int64; `count` is all voxels of the slice.
    """

    minimum: NDArray[Any]
    maximum: NDArray[Any]
    total: NDArray[Any]
    zeros: NDArray[np.int64]
    nans: NDArray[np.int64]
    count: NDArray[np.int64]


def slice_statistics(slab: NDArray[Any]) -> SliceStatistics:
    """Measure every slice of `slab`: (c, z, y, x), (u)int8-64 or float32/64, at least one voxel per slice."""
    axes = (0, 2, 3)
    depth = slab.shape[1]
    if slab.dtype.kind == "f":
        nan = np.isnan(slab)
        minimum = np.where(nan, np.inf, slab).min(axis=axes).astype(slab.dtype)
        maximum = np.where(nan, -np.inf, slab).max(axis=axes).astype(slab.dtype)
        nans = nan.sum(axis=axes, dtype=np.int64)
        total: NDArray[Any] = np.where(nan, 0, slab).sum(axis=axes, dtype=np.float64)
    else:
        minimum, maximum = slab.min(axis=axes), slab.max(axis=axes)
        nans = np.zeros(depth, np.int64)
        wide = object if slab.dtype.itemsize == 8 else (np.uint64 if slab.dtype.kind == "u" else np.int64)
        total = slab.astype(wide).sum(axis=axes)
    return SliceStatistics(
        minimum=minimum,
        maximum=maximum,
        total=total,
        zeros=(slab == 0).sum(axis=axes, dtype=np.int64),
        nans=nans,
        count=np.full(depth, slab.size // depth, np.int64),
    )


def histogram(values: NDArray[Any], bin_count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Count the finite `values` (any shape) in `bin_count` bins of equal width: (counts, edges), edges one longer."""
    finite = values[np.isfinite(values)]
    counts, edges = np.histogram(finite, bins=bin_count)
    return counts.astype(np.int64), edges.astype(np.float64)
