"""Cut two views into the same number of chunks, so that each chunk of the one belongs to one of the other. Pure."""

from wk_assets.dataset.view_region import chunk_size
from wk_assets.errors import GeometryError
from wk_assets.geometry.bounding_box import BoundingBox, NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int

Pair = tuple[NormalizedBoundingBox, NormalizedBoundingBox]


def zipped_boxes(
    source: NormalizedBoundingBox,
    target: NormalizedBoundingBox,
    source_shape: Vec3Int,
    target_shape: Vec3Int,
    *,
    common: Vec3Int,
) -> list[Pair]:
    """List pairs of boxes (mag 1): x, y, z cut at multiples of the shapes, each position of an additional axis alone.

    `common`: the coarser mag's factors. Two views of one region may differ by the rounding of their mags; they are cut by
    one grid then. Otherwise raises GeometryError unless the sizes relate as the shapes do.
    """
    if source_shape == target_shape and _around(source, common) == _around(target, common):
        return _by_one_grid(source, target, source_shape)
    if source.size_xyz * target_shape != target.size_xyz * source_shape:
        raise GeometryError(
            f"views of {tuple(source.size_xyz)} and {tuple(target.size_xyz)} voxels can not be cut into chunks of "
            f"{tuple(source_shape)} and {tuple(target_shape)}: sizes must relate as the chunk shapes do"
        )
    firsts = list(source.chunk(chunk_size(source, source_shape), chunk_size(source, source_shape)))
    seconds = list(target.chunk(chunk_size(target, target_shape), chunk_size(target, target_shape)))
    if len(firsts) != len(seconds):
        raise GeometryError(
            f"the views are cut into {len(firsts)} and {len(seconds)} chunks: their corners lie differently in the grids of "
            f"{tuple(source_shape)} and {tuple(target_shape)}"
        )
    return list(zip(firsts, seconds, strict=True))


def _around(box: NormalizedBoundingBox, factors: Vec3Int) -> BoundingBox:
    return BoundingBox.from_ndbbox(box).align_with_mag(factors, ceil=True)


def _by_one_grid(source: NormalizedBoundingBox, target: NormalizedBoundingBox, shape: Vec3Int) -> list[Pair]:
    whole = source.extended_by(target)
    pairs = []
    for cell in whole.chunk(chunk_size(whole, shape), chunk_size(whole, shape)):
        first = cell.intersected_with(source, dont_assert=True)
        second = cell.intersected_with(target, dont_assert=True)
        if not (first.is_empty() or second.is_empty()):
            pairs.append((first, second))
    return pairs
