"""The voxels of a part of a mag: which part of the world it is, how to read and write it.

All coordinates are mag-1 voxels, whatever the mag; boxes must be aligned with the mag. Thin: regions are found by
`view_region`, arrays do the reading and writing. A view travels to other processes by where its array lies.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.dataset.view_region import (
    check_aligned,
    exact_cast,
    in_words,
    read_region,
    without_extra_axes,
    write_region,
)
from wk_assets.errors import GeometryError, ReadOnlyError
from wk_assets.geometry.bounding_box import NDBoundingBox, NormalizedBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3IntLike
from wk_assets.operations.arrays.read_padded_box import read_padded_box
from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat
from wk_assets.storage.mag_array import ArrayInfo, MagArray
from wk_assets.storage.open_mag_array import open_mag_array


class VoxelView:
    """Read and write the part of a mag that lies in a bounding box.

    `axis_order` and `additional_axes` say how the array lies, as in datasource-properties.json.
    """

    def __init__(
        self,
        path_to_mag_view: Path,
        bounding_box: NormalizedBoundingBox | None,
        mag: Mag,
        data_format: DataFormat,
        read_only: bool = False,
        cached_array: MagArray | None = None,
        *,
        axis_order: Mapping[str, int] | None = None,
        additional_axes: Sequence[AdditionalAxisProperties] = (),
    ) -> None:
        self._path = path_to_mag_view
        self._box = bounding_box
        self._mag = mag
        self._data_format = data_format
        self._read_only = read_only
        self._opened = cached_array
        self._axis_order = axis_order
        self._additional_axes = tuple(additional_axes)

    # ------------------------------------------------------------------ what it shows

    @property
    def bounding_box(self) -> NDBoundingBox:
        """The part of the world that is shown, in mag-1 voxels; a `BoundingBox` unless there are axes beside x, y, z."""
        return self.normalized_bounding_box.denormalize()

    @property
    def normalized_bounding_box(self) -> NormalizedBoundingBox:
        """The bounding box with a channel axis: the axes, and their order, of what `read` returns."""
        if self._box is None:
            raise GeometryError("this view was made without a box")
        return self._box

    @property
    def mag(self) -> Mag:
        """The mag that is shown."""
        return self._mag

    @property
    def data_format(self) -> DataFormat:
        """The format of the array."""
        return self._data_format

    @property
    def info(self) -> ArrayInfo:
        """How the array is cut and encoded, and how far it goes. Raises NotADatasetError, PropertiesError."""
        return self.array.info

    @property
    def num_channels(self) -> int:
        """Number of channels."""
        return self.normalized_bounding_box.get_shape("c")

    @property
    def read_only(self) -> bool:
        """Whether writing is refused."""
        return self._read_only

    @property
    def array(self) -> MagArray:
        """The array itself, for operations: boxes in voxels of the mag, all of it. Opened when it is first needed."""
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def get_dtype(self) -> np.dtype[Any]:
        """Give the dtype of one channel."""
        return self.info.voxel_type

    # ------------------------------------------------------------------ voxels

    def read(
        self,
        size: Vec3IntLike | None = None,
        *,
        relative_offset: Vec3IntLike | None = None,
        absolute_offset: Vec3IntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
    ) -> NDArray[Any]:
        """Return the voxels of a region, shape (c, x, y, z), additional axes before c; where the array has none, zeros.

        The region is all of this view, or `size` with one offset (none: the view's corner), or one bounding box;
        relative ones count from the view's corner. A lost shard of our own arrays raises instead of reading as zeros.
        Raises GeometryError if the region is given twice, is empty, or is not aligned with the mag; StorageError.
        """
        box = read_region(
            self.normalized_bounding_box,
            size,
            relative_offset,
            absolute_offset,
            relative_bounding_box,
            absolute_bounding_box,
        )
        box_in_mag = box.in_mag(self._mag)
        return read_padded_box(self._array_for(box_in_mag), box_in_mag)

    def read_cxyz(
        self,
        size: Vec3IntLike | None = None,
        *,
        relative_offset: Vec3IntLike | None = None,
        absolute_offset: Vec3IntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
    ) -> NDArray[Any]:
        """Do what `read` does, and leave out additional axes: always (c, x, y, z).

        Raises GeometryError where the region has several positions along an additional axis.
        """
        voxels = self.read(
            size,
            relative_offset=relative_offset,
            absolute_offset=absolute_offset,
            relative_bounding_box=relative_bounding_box,
            absolute_bounding_box=absolute_bounding_box,
        )
        return without_extra_axes(voxels, self.normalized_bounding_box.axes)

    def read_xyz(
        self,
        *,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
    ) -> NDArray[Any]:
        """Return the voxels of a bounding box (none: of all of this view), shape (c, x, y, z). See `read_cxyz`."""
        return self.read_cxyz(relative_bounding_box=relative_bounding_box, absolute_bounding_box=absolute_bounding_box)

    def write(
        self,
        data: NDArray[Any],
        *,
        allow_unaligned: bool = False,
        relative_offset: Vec3IntLike | None = None,
        absolute_offset: Vec3IntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
    ) -> None:
        """Store voxels: x, y, z; or c, x, y, z; or with additional axes before these (see `view_region.write_region`).

        Without a place the data begins at the view's corner. It must cover whole shards, or end where the view does, unless
        `allow_unaligned`: then what else is in these shards is kept, and they are written as a whole. Several threads and
        processes may write parts of one shard: they wait for one another. Data of another dtype is converted if no value
        changes. Raises GeometryError, ReadOnlyError, StorageError.
        """
        self._check_writable()
        whole = self.normalized_bounding_box
        region, voxels = write_region(
            whole, self._mag, data, relative_offset, absolute_offset, relative_bounding_box, absolute_bounding_box
        )
        if not whole.contains_bbox(region):
            raise GeometryError(
                f"the data is for {in_words(region)}, which reaches beyond {in_words(whole)} (mag-1 voxels)"
            )
        self._store(region, voxels, whole, allow_unaligned=allow_unaligned)

    def write_cxyz(
        self,
        data: NDArray[Any],
        *,
        allow_unaligned: bool = False,
        relative_offset: Vec3IntLike | None = None,
        absolute_offset: Vec3IntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
    ) -> None:
        """Do what `write` does for data c, x, y, z; additional axes have one position. Raises what `write` raises."""
        self.write(
            cxyz_data(data, self.normalized_bounding_box.axes),
            allow_unaligned=allow_unaligned,
            relative_offset=relative_offset,
            absolute_offset=absolute_offset,
            relative_bounding_box=relative_bounding_box,
            absolute_bounding_box=absolute_bounding_box,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({in_words(self.normalized_bounding_box)}, mag={self._mag}, path={str(self._path)!r})"

    def __getstate__(self) -> dict[str, Any]:
        # An open array stays in its process; a relative path would mean another place where the directory is another.
        return {**self.__dict__, "_opened": None, "_path": self._path.absolute()}

    # ------------------------------------------------------------------ within

    def _open(self) -> MagArray:
        return open_mag_array(
            self._path,
            data_format=self._data_format,
            axis_order=self._axis_order,
            additional_axes=self._additional_axes,
            read_only=self.read_only,
        )

    def _array_for(self, box_in_mag: NormalizedBoundingBox) -> MagArray:
        """Give the array; opened anew if it ends before the box does: somebody may have made it larger meanwhile."""
        if any(end > last for end, last in zip(box_in_mag.bottomright, self.info.box.bottomright, strict=True)):
            self._opened = self._open()
        return self.array

    def _store(
        self,
        region: NormalizedBoundingBox,
        voxels: NDArray[Any],
        whole: NormalizedBoundingBox,
        *,
        allow_unaligned: bool,
    ) -> None:
        region_in_mag = region.in_mag(self._mag)
        if region_in_mag.is_empty():
            return
        array = self._array_for(region_in_mag)
        if not allow_unaligned:
            check_aligned(region_in_mag, whole.in_mag(self._mag), array.info.shard_shape)
        array.write_box(region_in_mag, exact_cast(voxels, array.info.voxel_type))

    def _check_writable(self) -> None:
        if self.read_only:
            raise ReadOnlyError(f"{self!r} is only for reading; open the dataset without read_only to write")


def cxyz_data(data: NDArray[Any], axes: tuple[str, ...]) -> NDArray[Any]:
    """Give data c, x, y, z the additional axes of a view, each with one position. Raises GeometryError for other data."""
    if data.ndim != 4:
        raise GeometryError(f"data of shape {data.shape} is not c, x, y, z; use write() for other axes")
    return data[(np.newaxis,) * (len(axes) - 4)]
