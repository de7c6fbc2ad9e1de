"""Cut one row of chunks out of a slab, so that each chunk is contiguous and known to be empty or not."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import DownsamplingError


def pack_chunk_row(
    slab: NDArray[Any],
    corner_zy: tuple[int, int],
    valid_zyx: tuple[tuple[int, int], tuple[int, int], tuple[int, int]],
    chunk_shape_zyx: tuple[int, int, int],
    out: NDArray[Any],
    used: NDArray[np.bool_],
) -> None:
    """Copy the chunks whose first voxel row is `corner_zy` in the slab to `out`; say in `used` which hold anything.

    `slab`: (c, z, y, x), C-contiguous, x a multiple of the chunk. `valid_zyx`: half-open ranges of the slab that hold
    voxels of the layer; everything else is written as zero. `out`: (chunks of the row, c, cz, cy, cx), same dtype,
    C-contiguous. `used`: (chunks of the row,). A chunk is used when any bit of it is set (so -0.0 counts).
    """
    from wk_assets.kernels import compilation, compiled_pack  # here, not above: numba takes most of a second to import

    cz, cy, cx = chunk_shape_zyx
    chunks = slab.shape[3] // cx
    if out.shape != (chunks, slab.shape[0], cz, cy, cx) or used.shape != (chunks,):
        raise DownsamplingError(f"pack: out {out.shape} and used {used.shape} do not fit a slab of shape {slab.shape}")
    (z0, z1), (y0, y1), (x0, x1) = valid_zyx
    word = np.dtype(np.uint64) if cx * slab.dtype.itemsize % 8 == 0 else np.dtype(f"u{slab.dtype.itemsize}")
    compilation.call(compiled_pack.pack_rows, slab.view(word), corner_zy, (z0, z1), (y0, y1), out.view(word), used)
    _clear_outside(out, used, x0, x1, cx)


def _clear_outside(out: NDArray[Any], used: NDArray[np.bool_], x0: int, x1: int, cx: int) -> None:
    """Zero what lies outside [x0, x1): the slab's border voxels may be mirrored there for the next mag."""
    chunks = out.shape[0]
    for chunk in range(x1 // cx, chunks):
        out[chunk, ..., max(x1 - chunk * cx, 0) :] = 0
        used[chunk] = out[chunk].view(np.uint8).any()
    for chunk in range(min(-(-x0 // cx), chunks)):
        out[chunk, ..., : x0 - chunk * cx] = 0
        used[chunk] = out[chunk].view(np.uint8).any()
