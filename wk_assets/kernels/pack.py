"""Cut chunks out of a slab, so that each is contiguous and known to be empty or not.

Nothing compiled here: numpy copies a row of a chunk as one item of that many bytes, at the speed of memory.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import DownsamplingError

_WORD_BYTES = (8, 4, 2, 1)

Range = tuple[int, int]


def pack_chunks(
    slab: NDArray[Any],
    corner_zyx: tuple[int, int, int],
    valid_zyx: tuple[Range, Range, Range],
    out: NDArray[Any],
    used: NDArray[np.bool_],
) -> None:
    """Copy a run of chunks along x, the first at `corner_zyx` of the slab, to `out`; say in `used` which hold anything.

    `slab`: (c, z, y, x), x contiguous and at least as long as the run. `valid_zyx`: half-open ranges of the slab that hold
    voxels of the layer; everything else is written as zero. `out`: (chunks of the run, c, cz, cy, cx), same dtype,
    C-contiguous. `used`: (chunks of the run,). A chunk is used when any bit of it is set (so -0.0 counts).
    Raises DownsamplingError if the arrays do not fit one another.
    """
    chunks, channels, cz, cy, cx = out.shape
    z, y, x = corner_zyx
    if slab.shape[0] != channels or x + chunks * cx > slab.shape[3] or used.shape != (chunks,):
        raise DownsamplingError(
            f"pack: {out.shape} chunks from x {x} on and used {used.shape} do not fit a slab of shape {slab.shape}"
        )
    (z0, z1), (y0, y1), (x0, x1) = valid_zyx
    in_z, in_y = _common(z, cz, z0, z1), _common(y, cy, y0, y1)
    if in_z != (0, cz) or in_y != (0, cy):
        out[...] = 0
    row = np.dtype((np.void, cx * slab.itemsize))  # copied whole: numpy's loop over 32 bytes costs more than the bytes
    source = slab[:, z + in_z[0] : z + in_z[1], y + in_y[0] : y + in_y[1], x : x + chunks * cx].view(row)
    out.view(row)[:, :, in_z[0] : in_z[1], in_y[0] : in_y[1], 0] = source.transpose(3, 0, 1, 2)
    if x < x0 or x + chunks * cx > x1:
        _clear_outside(out, x0 - x, x1 - x)
    flat = out.reshape(chunks, -1).view(np.uint8)
    word = next(size for size in _WORD_BYTES if flat.shape[1] % size == 0)
    np.not_equal(np.bitwise_or.reduce(flat.view(f"u{word}"), axis=1), 0, out=used)


def _common(corner: int, extent: int, start: int, stop: int) -> Range:
    """Return the part of `extent` from `corner` on that lies in [start, stop), relative to the corner; (0, 0) if none."""
    low, high = max(start - corner, 0), min(stop - corner, extent)
    return (low, high) if low < high else (0, 0)


def _clear_outside(out: NDArray[Any], x0: int, x1: int) -> None:
    """Zero what lies outside [x0, x1) of the run: the slab's border voxels may be mirrored there for the next mag."""
    chunks, cx = out.shape[0], out.shape[-1]
    for chunk in range(max(0, x1 // cx), chunks):
        out[chunk, ..., max(x1 - chunk * cx, 0) :] = 0
    for chunk in range(min(-(-x0 // cx), chunks)):
        out[chunk, ..., : x0 - chunk * cx] = 0
