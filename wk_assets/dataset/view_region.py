"""Which voxels a call means: regions given in several ways, arrays given with several axes. Pure; opens nothing.

Boxes are mag-1 voxels unless they say `_in_mag`. `whole` is the box of the view that is asked, with its channels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import GeometryError
from wk_assets.geometry.bounding_box import NDBoundingBox, NormalizedBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int, Vec3IntLike, VecInt, VecIntLike

_XYZ = ("x", "y", "z")
Shape = Vec3IntLike | int


def in_words(box: NDBoundingBox) -> str:
    """Write a box as a person would: `t 0..4, x 10..74, y 0..64, z 0..32`."""
    return ", ".join("{} {}..{}".format(axis, *box.get_bounds(axis)) for axis in box.axes if axis != "c")


def read_region(
    whole: NormalizedBoundingBox,
    size: Vec3IntLike | None,
    relative_offset: Vec3IntLike | None,
    absolute_offset: Vec3IntLike | None,
    relative_bounding_box: NDBoundingBox | None,
    absolute_bounding_box: NDBoundingBox | None,
) -> NormalizedBoundingBox:
    """Find the region that is asked for: all of the view, a size at one offset, or one box.

    Axes that are not named keep the bounds of the view. Raises GeometryError if it is given twice, lacks its size, or is
    empty.
    """
    places = _given_places(relative_offset, absolute_offset, relative_bounding_box, absolute_bounding_box)
    if size is not None and (relative_bounding_box is not None or absolute_bounding_box is not None):
        raise GeometryError(f"size and {places[0]} are given; a box has a size already")
    if size is None and (relative_offset is not None or absolute_offset is not None):
        raise GeometryError(f"{places[0]} is given without size; say how much")
    if relative_bounding_box is not None or absolute_bounding_box is not None:
        region = _from_box(whole, relative_bounding_box, absolute_bounding_box)
    else:
        region = _at_offset(whole, relative_offset, absolute_offset)
        region = region if size is None else region.with_size(size)
    if region.is_empty():
        raise GeometryError(
            f"the region at {tuple(region.topleft_xyz)} of size {tuple(region.size_xyz)} holds no voxel"
        )
    return region


def write_region(
    whole: NormalizedBoundingBox,
    mag: Mag,
    data: NDArray[Any],
    relative_offset: Vec3IntLike | None,
    absolute_offset: Vec3IntLike | None,
    relative_bounding_box: NDBoundingBox | None,
    absolute_bounding_box: NDBoundingBox | None,
) -> tuple[NormalizedBoundingBox, NDArray[Any]]:
    """Find the region (mag 1) that data is for, and give the data all axes of `whole` in their order.

    Data is x, y, z; or c, x, y, z; or has the axes of the view, with or without c; or those of the box that is given, in
    its order. Without a place it begins at the view's corner; its shape says how far it goes. Raises GeometryError if the
    place is given twice or the shape does not fit it.
    """
    _given_places(relative_offset, absolute_offset, relative_bounding_box, absolute_bounding_box)
    box = relative_bounding_box if relative_bounding_box is not None else absolute_bounding_box
    if box is not None:
        region = _from_box(whole, relative_bounding_box, absolute_bounding_box)
        voxels = with_all_axes(_in_order_of(whole, box, data), region)
        expected = tuple(region.in_mag(mag).size)
        if voxels.shape != expected:
            raise GeometryError(
                f"data of shape {data.shape} does not fit a box of {expected} voxels of mag {mag} along {region.axes}"
            )
        return region, voxels
    region = _at_offset(whole, relative_offset, absolute_offset)
    voxels = with_all_axes(data, region)
    extent = dict(zip(region.axes, voxels.shape, strict=True))
    for axis in region.axes:
        if axis not in _XYZ and extent[axis] != region.get_shape(axis):
            raise GeometryError(
                f"data of shape {data.shape} has {extent[axis]} positions along {axis}, the view has "
                f"{region.get_shape(axis)}; name the box that the data is for"
            )
    size = Vec3Int([extent[axis] for axis in _XYZ]) * mag.to_vec3_int()
    return region.with_size_xyz(size), voxels


def with_all_axes(data: NDArray[Any], region: NormalizedBoundingBox) -> NDArray[Any]:
    """Give data the axes of a region, a view of the same voxels; missing axes have one position there.

    Raises GeometryError for another number of axes than the region can have.
    """
    extra = len(region.axes) - 4
    single = region.get_shape("c") == 1
    if data.ndim == extra + 4:
        return data
    if data.ndim == extra + 3 and single:
        return np.expand_dims(data, extra)
    if extra and data.ndim in (3, 4):
        if data.ndim == 3 and not single:
            raise GeometryError(_misfit(data, region))
        for axis in region.axes[:extra]:
            if region.get_shape(axis) != 1:
                raise GeometryError(_misfit(data, region))
        spatial = data if data.ndim == 4 else data[np.newaxis]
        return spatial[(np.newaxis,) * extra]
    raise GeometryError(_misfit(data, region))


def without_extra_axes(voxels: NDArray[Any], axes: tuple[str, ...]) -> NDArray[Any]:
    """Turn (…, c, x, y, z) into (c, x, y, z); raises GeometryError where an axis more has several positions."""
    for axis, length in zip(axes[:-4], voxels.shape, strict=False):
        if length != 1:
            raise GeometryError(
                f"the region has {length} positions along {axis}; read them one at a time, or use read()"
            )
    return voxels.reshape(voxels.shape[-4:])


def check_aligned(
    region_in_mag: NormalizedBoundingBox, whole_in_mag: NormalizedBoundingBox, shard_shape: Vec3Int
) -> None:
    """Raise GeometryError unless a write covers whole shards; where the view begins or ends counts as a border too."""
    for axis in _XYZ:
        (start, stop), (first, last) = region_in_mag.get_bounds(axis), whole_in_mag.get_bounds(axis)
        shard = shard_shape.get(axis)
        if (start % shard and start != first) or (stop % shard and stop != last):
            raise GeometryError(
                f"writing {axis} = {start}..{stop} (voxels of the mag) cuts through shards of {tuple(shard_shape)}: "
                "each would be decoded and encoded again. Write whole shards, or pass allow_unaligned=True"
            )


def exact_cast(data: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Give data as another dtype; raises GeometryError, with the value, if one would not stay what it is."""
    if data.dtype == dtype or np.can_cast(data.dtype, dtype, "safe"):
        return data.astype(dtype, copy=False)
    with np.errstate(invalid="ignore", over="ignore"):
        cast = data.astype(dtype)
        back = cast.astype(data.dtype)
    changed = (back != data) & ~(np.isnan(back) & np.isnan(data)) if data.dtype.kind in "fc" else back != data
    if data.dtype.kind in "iu" and dtype.kind in "iu":
        changed |= (cast < 0) != (data < 0)  # -1 and 2**64 - 1 turn into one another and back
    if changed.any():
        value = data[changed][0]
        raise GeometryError(
            f"data of {data.dtype} holds {value}, which {dtype} can not hold; convert it before writing"
        )
    return cast


def chunk_size(whole: NormalizedBoundingBox, shape: VecIntLike | int) -> VecInt:
    """Give the size of a chunk along all axes: all channels, one position along axes that are not named."""
    size = (whole.size * 0 + 1).with_replaced("c", max(1, whole.get_shape("c")))
    if isinstance(shape, VecInt) and not isinstance(shape, Vec3Int):
        for axis, length in zip(shape.axes, shape, strict=True):
            size = size.with_replaced(axis, length)
        return size
    numbers = [shape] * 3 if isinstance(shape, int) else list(shape)
    if len(numbers) == len(whole.axes):
        return (whole.size * 0) + numbers
    return size.with_xyz(Vec3Int(numbers))


def _given_places(*places: object) -> list[str]:
    names = ("relative_offset", "absolute_offset", "relative_bounding_box", "absolute_bounding_box")
    given = [name for name, place in zip(names, places, strict=True) if place is not None]
    if len(given) > 1:
        raise GeometryError(f"{' and '.join(given)} are given; a region is given in one way")
    return given


def _at_offset(
    whole: NormalizedBoundingBox, relative: Vec3IntLike | None, absolute: Vec3IntLike | None
) -> NormalizedBoundingBox:
    if absolute is not None:
        return whole.with_topleft(absolute)
    return whole if relative is None else whole.offset(relative)


def _from_box(
    whole: NormalizedBoundingBox, relative: NDBoundingBox | None, absolute: NDBoundingBox | None
) -> NormalizedBoundingBox:
    box = relative if relative is not None else absolute
    if box is None:
        return whole
    for axis in box.axes:
        if axis not in whole.axes and box.get_shape(axis) != 1:
            raise GeometryError(f"the box has several positions along {axis}, an axis that the layer does not have")
    region = whole
    for axis in whole.axes:
        if axis in box.axes:
            first, last = box.get_bounds(axis)
            base = whole.topleft.get(axis) if relative is not None else 0
            region = region.with_bounds(axis, base + first, last - first)
    return region


def _in_order_of(whole: NormalizedBoundingBox, box: NDBoundingBox, data: NDArray[Any]) -> NDArray[Any]:
    """Turn data with the axes of a box into the order of `whole`; other data stays as it is."""
    if data.ndim != len(box.axes):
        return data
    order = [box.axes.index(axis) for axis in whole.axes if axis in box.axes]
    if len(order) != data.ndim:
        return data
    return data.transpose(order)


def _misfit(data: NDArray[Any], region: NormalizedBoundingBox) -> str:
    return (
        f"data of shape {data.shape} does not fit axes {region.axes} with sizes {tuple(region.size)}; "
        "give x, y, z, or c, x, y, z, or all of these axes"
    )
