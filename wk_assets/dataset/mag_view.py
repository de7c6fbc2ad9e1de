"""One layer at one mag: a view of all of it that also knows where it lies, and can be stored in another way.

Its box is the layer's, rounded outward to whole voxels of the mag. Thin: copying, comparing and merging are operations.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from numpy.typing import NDArray
from upath import UPath

from wk_assets.dataset.owners import MagOwner
from wk_assets.dataset.progress_bar import progress_listener
from wk_assets.dataset.view import View
from wk_assets.dataset.view_region import Shape, check_aligned, in_words, write_region
from wk_assets.dataset.voxel_view import cxyz_data
from wk_assets.errors import GeometryError, NotADatasetError, PropertiesError
from wk_assets.geometry.bounding_box import NDBoundingBox, NormalizedBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int, Vec3IntLike
from wk_assets.operations.arrays.merge_arrays import merge_arrays, merge_shard
from wk_assets.operations.arrays.rewrite_mag import is_compressed, rewrite_mag
from wk_assets.operations.datasets.array_request import array_info
from wk_assets.operations.datasets.layer_box import box_in_mag as layer_box_in_mag
from wk_assets.operations.records.mag_lock import mag_lock, work_place
from wk_assets.properties.layer_properties import DataFormat, MagViewProperties
from wk_assets.storage.create_mag_array import create_mag_array
from wk_assets.storage.mag_array import MagArray, Zarr3Config
from wk_assets.storage.properties_file import array_location, stated_location

LayerT = TypeVar("LayerT", bound=MagOwner)


class MagView(View, Generic[LayerT]):
    """Show one layer at one mag. Use `Layer.get_mag` or `Layer.add_mag`."""

    def __init__(
        self,
        layer: LayerT,
        mag: Mag,
        path: Path,
        read_only: bool = False,
        *,
        properties: MagViewProperties | None = None,
    ) -> None:
        super().__init__(
            Path(path),
            None,
            mag,
            layer.data_format,
            read_only,
            axis_order=None if properties is None else properties.axis_order,
            additional_axes=layer.additional_axes,
        )
        self._layer = layer
        self._properties = properties or MagViewProperties.of_array(
            mag, stated_location(Path(layer.dataset.path), Path(path)), layer.normalized_bounding_box.axes
        )

    @classmethod
    def of_entry(cls, layer: LayerT, properties: MagViewProperties) -> Self:
        """Make the handle of a mag that datasource-properties.json names."""
        location = array_location(Path(layer.dataset.path), layer.name, properties.mag, properties.path)
        return cls(
            layer, properties.mag, Path(properties.path or "") if location is None else location, properties=properties
        )

    @classmethod
    def create(
        cls,
        layer: LayerT,
        mag: Mag,
        *,
        path: Path,
        chunk_shape: Vec3Int,
        shard_shape: Vec3Int | None = None,
        chunks_per_shard: Vec3Int | None = None,
        compression_mode: bool | Zarr3Config,
        read_only: bool = False,
    ) -> Self:
        """Make an empty array for a layer at `path`; `Layer.add_mag` also names it in the metadata.

        Raises PropertiesError for shapes or types that the format does not have, StorageError.
        """
        info = array_info(
            layer.properties,
            mag,
            chunk_shape=chunk_shape,
            shard_shape=shard_shape,
            chunks_per_shard=chunks_per_shard,
            compression=compression_mode,
        )
        create_mag_array(Path(path), info)
        return cls(layer, mag, path, read_only)

    # ------------------------------------------------------------------ what it is

    @property
    def layer(self) -> LayerT:
        """The layer that this is a mag of."""
        return self._layer

    @property
    def name(self) -> str:
        """The mag in short: `2`, `4-4-2`."""
        return self._mag.to_layer_name()

    @property
    def properties(self) -> MagViewProperties:
        """What datasource-properties.json says of the mag."""
        return self._properties

    @property
    def path(self) -> Path:
        """The array's directory (a `UPath` that is a `Path`). Raises NotADatasetError for an array behind a URL."""
        if self._is_remote:
            raise NotADatasetError(f"mag {self.name} lies at {self._properties.path}; only local arrays are read")
        found: Path = UPath(self._path)  # type: ignore[assignment]  # local UPaths are Paths
        return found

    @property
    def normalized_bounding_box(self) -> NormalizedBoundingBox:
        """The layer's box, rounded outward to whole voxels of the mag, with its channel axis."""
        return self._layer.normalized_bounding_box.align_with_mag(self._mag, ceil=True)

    @property
    def box_in_mag(self) -> NormalizedBoundingBox:
        """The same in voxels of the mag, for operations."""
        return layer_box_in_mag(self._layer.normalized_bounding_box, self._mag)

    @property
    def read_only(self) -> bool:
        """Whether writing is refused; always so for arrays of other datasets."""
        return self._read_only or self._layer.read_only or self.is_foreign

    @property
    def is_foreign(self) -> bool:
        """Whether the array lies outside of the dataset's directory."""
        root = Path(self._layer.dataset.path).resolve()
        return self._is_remote or not self._path.resolve().is_relative_to(root)

    def adopt(self, properties: MagViewProperties, *, resized: bool = False) -> None:
        """Take note of what datasource-properties.json says now: the layer may have another name or box."""
        if resized:
            self._opened = None
        if properties != self._properties:
            location = array_location(Path(self._layer.dataset.path), self._layer.name, self._mag, properties.path)
            self._path = Path(properties.path or "") if location is None else location
            self._properties, self._axis_order, self._opened = properties, properties.axis_order, None

    @property
    def own_location(self) -> Path | None:
        """What goes when the mag is deleted: the array's directory, or a link in the dataset; None for what lies elsewhere."""
        root = Path(self._layer.dataset.path).resolve()
        if self._is_remote or not self._path.parent.resolve().is_relative_to(root):
            return None
        return self._path

    # ------------------------------------------------------------------ writing that makes the layer larger

    def write(
        self,
        data: NDArray[Any],
        *,
        allow_resize: bool = False,
        allow_unaligned: bool = False,
        relative_offset: Vec3IntLike | None = None,
        absolute_offset: Vec3IntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
    ) -> None:
        """Store voxels as `View.write` does; `allow_resize` lets the layer's box grow to hold them.

        Raises GeometryError for data that leaves the layer's box without `allow_resize`, and what `View.write` raises.
        """
        self._check_writable()
        region, voxels = write_region(
            self.normalized_bounding_box,
            self._mag,
            data,
            relative_offset,
            absolute_offset,
            relative_bounding_box,
            absolute_bounding_box,
        )
        if voxels.size == 0:
            return
        if not self.normalized_bounding_box.contains_bbox(region):
            self._layer.reload()  # another process may have made it larger
        whole = self.normalized_bounding_box
        if not whole.contains_bbox(region):
            if not allow_resize:
                raise GeometryError(
                    f"the data is for {in_words(region)} (mag-1 voxels), which leaves the layer's box {in_words(whole)}; "
                    "pass allow_resize=True, or set the layer's bounding_box first"
                )
            whole = region if whole.is_empty() else whole.extended_by(region)
            if not allow_unaligned:
                check_aligned(region.in_mag(self._mag), whole.in_mag(self._mag), self.info.shard_shape)
            self._layer.extend_box(region)
            self._opened = None
            whole = self.normalized_bounding_box
        self._store(region, voxels, whole, allow_unaligned=allow_unaligned)

    def write_cxyz(
        self,
        data: NDArray[Any],
        *,
        allow_resize: bool = False,
        allow_unaligned: bool = False,
        relative_offset: Vec3IntLike | None = None,
        absolute_offset: Vec3IntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
    ) -> None:
        """Do what `write` does for data c, x, y, z; additional axes have one position. Raises what `write` raises."""
        self.write(
            cxyz_data(data, self.normalized_bounding_box.axes),
            allow_resize=allow_resize,
            allow_unaligned=allow_unaligned,
            relative_offset=relative_offset,
            absolute_offset=absolute_offset,
            relative_bounding_box=relative_bounding_box,
            absolute_bounding_box=absolute_bounding_box,
        )

    # ------------------------------------------------------------------ what is on disk

    def get_bounding_boxes_on_disk(self) -> Iterator[NDBoundingBox]:
        """Yield the box (mag 1) of each shard that is stored, cut to the array, in a fixed order. Raises StorageError."""
        for box in self.array.stored_boxes():
            yield box.from_mag_to_mag1(self._mag).denormalize()

    def get_views_on_disk(self, read_only: bool | None = None) -> Iterator[View]:
        """Yield a view of each shard that is stored, cut to the layer's box. Raises what `get_view` raises."""
        whole = self.normalized_bounding_box
        for box in self.array.stored_boxes():
            part = box.from_mag_to_mag1(self._mag).intersected_with(whole, dont_assert=True)
            if not part.is_empty():
                yield self.get_view(absolute_bounding_box=part, read_only=read_only)

    def get_zarr_array(self) -> Any:
        """Give the array as a `tensorstore.TensorStore` in the order of its own axes, to be read, or written with care.

        An array with a manifest is given for reading only: what is written past its manifest would be taken for damage.
        Raises PropertiesError (a ValueError) for formats that are not Zarr.
        """
        from wk_assets.storage.tensorstore_handle import open_tensorstore

        if self._data_format not in (DataFormat.Zarr, DataFormat.Zarr3):
            raise PropertiesError(
                f"mag {self.name} of layer {self._layer.name!r} is {self._data_format}, not a Zarr array"
            )
        return open_tensorstore(self.path, self._data_format, read_only=self.read_only)

    # ------------------------------------------------------------------ storing it in another way

    def compress(self, *, target_path: "Path | str | None" = None, executor: Executor | None = None) -> None:
        """Compress the array, in place or into the dataset `target_path` (made if it is not there).

        In place nothing happens if it is compressed already. See `rechunk`.
        """
        if target_path is None and is_compressed(self.info):
            return
        self.rechunk(compress=True, target_path=target_path, executor=executor)

    def rechunk(
        self,
        *,
        chunk_shape: Shape | None = None,
        shard_shape: Shape | None = None,
        compress: "bool | Zarr3Config | None" = None,
        target_path: "Path | str | None" = None,
        executor: Executor | None = None,
        _progress_desc: str | None = None,
    ) -> None:
        """Store the array with other chunks, shards or compression; what is not given stays as it is.

        In place the new array is made beside the old one and takes its name when it is whole: a reader sees the old one or
        the new one. With `target_path` the mag is added to a layer of the same name in that dataset. Memory is bounded by a
        few shards. Raises LockedError if somebody wrote into the array meanwhile, GeometryError, PropertiesError, StorageError.
        """
        with progress_listener(_progress_desc) as listener:
            if target_path is None:
                self._check_writable()
                info = array_info(
                    self._layer.properties,
                    self._mag,
                    chunk_shape=chunk_shape,
                    shard_shape=shard_shape,
                    compression=compress,
                    like=self.info,
                )
                place = (Path(self._layer.dataset.path), self._layer.name, self._mag, "rewriting")
                with mag_lock(*place):
                    rewrite_mag(
                        self.array, info, self.box_in_mag, work_place(*place), executor=executor, listener=listener
                    )
                self._opened = None
            else:
                dataset = self._layer.dataset.at_path(Path(target_path))
                name = self._layer.name
                layer = dataset.layers.get(name) or dataset.add_layer_like(self._layer, name)
                layer.add_mag_as_copy(
                    self, chunk_shape=chunk_shape, shard_shape=shard_shape, compress=compress, executor=executor
                )

    def merge_with_view(self, other: "MagView[Any]", executor: Executor | None = None) -> None:
        """Lay another mag over this one: where the other has a stored shard, all its voxels replace those of this one.

        The layer's box grows to hold what comes. Raises GeometryError for another mag, dtype or number of channels.
        """
        self._check_writable()
        if (self.mag, self.get_dtype(), self.num_channels) != (other.mag, other.get_dtype(), other.num_channels):
            raise GeometryError(
                f"mag {other.mag} of {other.num_channels} x {other.get_dtype()} can not be merged into mag {self.mag} of "
                f"{self.num_channels} x {self.get_dtype()}"
            )
        if not self.normalized_bounding_box.contains_bbox(other.normalized_bounding_box):
            self._layer.extend_box(other.layer.bounding_box)
            self._opened = None
        merge_arrays(self.array, other.array, other.box_in_mag, executor=executor)

    def merge_chunk(self, args: "tuple[MagView[Any], NDBoundingBox, list[NDBoundingBox]]") -> None:
        """Lay boxes (mag 1) of another mag over one shard of this one; a part of `merge_with_view`."""
        other, shard, boxes = args
        self._check_writable()
        axes = self.num_channels
        merge_shard(
            self.array,
            other.array,
            shard.normalize_axes(axes).in_mag(self._mag),
            [box.normalize_axes(axes).in_mag(self._mag) for box in boxes],
        )

    def __repr__(self) -> str:
        return f"MagView(name={self.name!r}, layer={self._layer.name!r}, {in_words(self.normalized_bounding_box)})"

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return _mag_of, (self._layer, self._mag)

    # ------------------------------------------------------------------ within

    @property
    def _is_remote(self) -> bool:
        return array_location(Path(), "", self._mag, self._properties.path or "./") is None

    def _open(self) -> MagArray:
        _ = self.path
        return super()._open()


def _mag_of(layer: MagOwner, mag: Mag) -> object:
    """Give the mag again in another process."""
    return layer.get_mag(mag)
