"""Cut a box into blocks that are read one after the other, along the borders of chunks. Boxes in, boxes out."""

from collections.abc import Iterator
from itertools import pairwise, product
from math import prod

from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int


def chunk_blocks(box_in_mag: BoundingBox, chunk_shape: Vec3Int, edge: int = 128) -> tuple[BoundingBox, ...]:
    """Cut a box so that no chunk is decoded for two blocks. Blocks have at most `edge` voxels per axis, or one chunk.

    Source order: x fastest, z slowest. An empty box has no blocks.
    """
    if prod(box_in_mag.size) == 0:
        return ()
    cuts = []
    for start, stop, chunk in zip(box_in_mag.topleft, box_in_mag.bottomright, chunk_shape, strict=True):
        step = chunk * max(1, edge // chunk)
        cuts.append([start, *range((start // step + 1) * step, stop, step), stop])
    return tuple(
        BoundingBox(Vec3Int(x, y, z), Vec3Int(next_x - x, next_y - y, next_z - z))
        for (z, next_z), (y, next_y), (x, next_x) in product(pairwise(cuts[2]), pairwise(cuts[1]), pairwise(cuts[0]))
    )


def boxes_around(outer: BoundingBox, inner: BoundingBox) -> Iterator[BoundingBox]:
    """Yield up to six disjoint boxes that together are `outer` without `inner`, which lies inside, or is empty."""
    if inner.is_empty():
        yield outer
        return
    low, high = list(outer.topleft), list(outer.bottomright)
    for axis in (2, 1, 0):
        for start, stop in ((low[axis], inner.topleft[axis]), (inner.bottomright[axis], high[axis])):
            if stop > start:
                first, last = list(low), list(high)
                first[axis], last[axis] = start, stop
                size = [b - a for a, b in zip(first, last, strict=True)]
                if min(size) > 0:
                    yield BoundingBox(Vec3Int(first), Vec3Int(size))
        low[axis], high[axis] = inner.topleft[axis], inner.bottomright[axis]
