"""A window into one mag: which part of the world it shows, and how to read it. Thin: arrays do the reading.

All coordinates are mag-1 voxels, whatever the mag; boxes must be aligned with the mag. Names are those of the
WEBKNOSSOS Python library's reference, so that scripts feel at home.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import GeometryError
from wk_assets.geometry.bounding_box import BoundingBox, NDBoundingBox, NormalizedBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int, Vec3IntLike
from wk_assets.storage.open_array import read_padded
from wk_assets.storage.voxel_array import VoxelArray


class View:
    """Show the part of a mag that lies in a bounding box. Read-only."""

    def __init__(self, *, open_array: Callable[[], VoxelArray], bounding_box: NDBoundingBox, mag: Mag) -> None:
        self._open_array = open_array
        self._bounding_box = bounding_box
        self._mag = mag

    @cached_property
    def array(self) -> VoxelArray:
        """The array that holds the voxels, opened when it is first needed. Raises NotADatasetError, PropertiesError."""
        return self._open_array()

    @property
    def bounding_box(self) -> NDBoundingBox:
        """The part of the world that is shown, in mag-1 voxels."""
        return self._bounding_box

    @property
    def normalized_bounding_box(self) -> NormalizedBoundingBox:
        """The bounding box with a channel axis."""
        return self._bounding_box.normalize_axes(self.num_channels)

    @property
    def mag(self) -> Mag:
        """The mag that is read."""
        return self._mag

    @property
    def num_channels(self) -> int:
        """Number of channels."""
        return self.array.channels

    @property
    def read_only(self) -> bool:
        """Whether writing is refused; always so."""
        return True

    def get_dtype(self) -> np.dtype[Any]:
        """Give the dtype of one channel."""
        return self.array.dtype

    def get_view(
        self,
        size: Vec3IntLike | None = None,
        *,
        relative_offset: Vec3IntLike | None = None,
        absolute_offset: Vec3IntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
        read_only: bool | None = None,
    ) -> "View":
        """Give a view of a region, which may reach beyond this one.

        The region is given as for `read`. Raises GeometryError if it is given twice, empty or not aligned with the mag,
        and for `read_only=False`.
        """
        if read_only is False:
            raise GeometryError("this dataset was opened for reading; leave out read_only=False")
        box = self._region(size, relative_offset, absolute_offset, relative_bounding_box, absolute_bounding_box)
        box.in_mag(self._mag)
        return View(open_array=lambda: self.array, bounding_box=box, mag=self._mag)

    def read(
        self,
        size: Vec3IntLike | None = None,
        *,
        relative_offset: Vec3IntLike | None = None,
        absolute_offset: Vec3IntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
    ) -> NDArray[Any]:
        """Return the voxels of a region, shape (c, x, y, z); where the array has none, there are zeros.

        The region is all of this view, or `size` with one offset (none: the view's corner), or one bounding box;
        relative ones count from the view's corner. A lost shard of our own arrays raises instead of reading as zeros.
        Raises GeometryError if the region is given twice, is empty, or is not aligned with the mag; StorageError.
        """
        box = self._region(size, relative_offset, absolute_offset, relative_bounding_box, absolute_bounding_box)
        return read_padded(self.array, box.in_mag(self._mag))

    def read_cxyz(
        self,
        size: Vec3IntLike | None = None,
        *,
        relative_offset: Vec3IntLike | None = None,
        absolute_offset: Vec3IntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
    ) -> NDArray[Any]:
        """Do what `read` does: the order of the result's axes is c, x, y, z, however the array lies on disk."""
        return self.read(
            size,
            relative_offset=relative_offset,
            absolute_offset=absolute_offset,
            relative_bounding_box=relative_bounding_box,
            absolute_bounding_box=absolute_bounding_box,
        )

    def read_xyz(
        self,
        *,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
    ) -> NDArray[Any]:
        """Return the voxels of a bounding box (none: of all of this view), shape (c, x, y, z). See `read`."""
        return self.read(relative_bounding_box=relative_bounding_box, absolute_bounding_box=absolute_bounding_box)

    def _region(
        self,
        size: Vec3IntLike | None,
        relative_offset: Vec3IntLike | None,
        absolute_offset: Vec3IntLike | None,
        relative_bounding_box: NDBoundingBox | None,
        absolute_bounding_box: NDBoundingBox | None,
    ) -> BoundingBox:
        given = {
            "relative_offset": relative_offset,
            "absolute_offset": absolute_offset,
            "relative_bounding_box": relative_bounding_box,
            "absolute_bounding_box": absolute_bounding_box,
        }
        places = [name for name, value in given.items() if value is not None]
        if len(places) > 1:
            raise GeometryError(f"{' and '.join(places)} are given; a region is given in one way")
        boxed = relative_bounding_box is not None or absolute_bounding_box is not None
        if size is not None and boxed:
            raise GeometryError(f"size and {places[0]} are given; a box has a size already")
        if size is None and (relative_offset is not None or absolute_offset is not None):
            raise GeometryError(f"{places[0]} is given without size; say how much to read")
        corner = self._bounding_box.topleft_xyz
        if absolute_bounding_box is not None:
            region = _spatial(absolute_bounding_box)
        elif relative_bounding_box is not None:
            region = _spatial(relative_bounding_box).offset(corner)
        elif size is None:
            region = _spatial(self._bounding_box)
        elif absolute_offset is not None:
            region = BoundingBox(absolute_offset, size)
        elif relative_offset is not None:
            region = BoundingBox(corner + Vec3Int(relative_offset), size)
        else:
            region = BoundingBox(corner, size)
        if region.is_empty():
            raise GeometryError(f"the region at {tuple(region.topleft)} of size {tuple(region.size)} holds no voxel")
        return region


def _spatial(box: NDBoundingBox) -> BoundingBox:
    """Take x, y, z of a box whose other axes have one position only; arrays with more of them are not read yet."""
    extra = [axis for axis in box.axes if axis not in ("c", "x", "y", "z") and box.get_shape(axis) != 1]
    if extra:
        raise GeometryError(f"the box has several positions along {', '.join(extra)}; read one of them at a time")
    return BoundingBox.from_ndbbox(box)
