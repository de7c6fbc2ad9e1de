"""Layers of a dataset on a server: what they are, their mags to read, and what of them can be changed there.

Every change is read, changed and sent as the server's partial update of the data source (`RemoteDataset.change`).
"""

from collections.abc import Callable
from concurrent.futures import Executor
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from upath import UPath

from wk_assets.dataset.layer_handle import LayerHandle
from wk_assets.dataset.mag_view import MagView
from wk_assets.dataset.remote_adding import RemoteMagAdding
from wk_assets.dataset.remote_mag_view import RemoteMagView
from wk_assets.dataset.remote_mesh import Mesh, save_mesh
from wk_assets.dataset.remote_resampling import RemoteLayerResampling
from wk_assets.errors import AlreadyThereError, PropertiesError, RemoteLocationError
from wk_assets.geometry.bounding_box import NDBoundingBox
from wk_assets.geometry.mag import MagLike
from wk_assets.geometry.vec3_int import Vec3Int, Vec3IntLike
from wk_assets.operations.arrays.largest_segment_id import find_largest_segment_id
from wk_assets.operations.datasets.layer_box import check_layer_box, with_layer_box
from wk_assets.properties.layer_properties import LayerProperties, MagViewProperties, SegmentationLayerProperties
from wk_assets.properties.names import check_layer_name
from wk_assets.properties.view_configuration import LayerViewConfiguration
from wk_assets.storage.mag_array import MagArray

if TYPE_CHECKING:
    from wk_assets.dataset.remote_attachments import RemoteAttachments
    from wk_assets.dataset.remote_dataset import RemoteDataset


class RemoteLayer(RemoteMagAdding, RemoteLayerResampling, LayerHandle):
    """Offer one layer of a dataset on a server. Made by `RemoteDataset`."""

    _dataset: "RemoteDataset"

    def __init__(self, dataset: "RemoteDataset", properties: LayerProperties, read_only: bool = False) -> None:
        super().__init__(dataset, properties, read_only)

    @property
    def dataset(self) -> "RemoteDataset":
        """The dataset that this is a layer of."""
        return self._dataset

    @property
    def name(self) -> str:
        """The layer's name; setting it renames the layer on the server.

        Raises InvalidNameError, AlreadyThereError, ReadOnlyError, ServerError.
        """
        return self._properties.name

    @name.setter
    def name(self, layer_name: str) -> None:
        if layer_name != self.name:
            if layer_name in self._dataset.layers:
                raise AlreadyThereError(f"dataset {self._dataset.dataset_id} has a layer {layer_name!r} already")
            self._dataset.rename_layer(self, check_layer_name(layer_name))

    @property
    def path(self) -> Path:
        """Raise RemoteLocationError: the layer has no directory on this machine."""
        raise RemoteLocationError(f"layer {self.name!r} of {self._dataset!r} is on a server; it has no path here")

    @property
    def resolved_path(self) -> Path:
        """Raise RemoteLocationError, as `path`."""
        return self.path

    @property
    def is_foreign(self) -> bool:
        """Always False: the server keeps the layer with its dataset, wherever its files lie."""
        return False

    @property
    def view_configuration(self) -> LayerViewConfiguration | None:
        """The same as `default_view_configuration`; can be set. Raises ReadOnlyError, ServerError."""
        return self.default_view_configuration

    @view_configuration.setter
    def view_configuration(self, view_configuration: LayerViewConfiguration | None) -> None:
        self.default_view_configuration = view_configuration

    def as_segmentation_layer(self) -> "RemoteSegmentationLayer":
        """Give it as what it is, for the type checker. Raises PropertiesError if it is no segmentation."""
        if isinstance(self, RemoteSegmentationLayer):
            return self
        raise PropertiesError(f"layer {self.name!r} is a {self.category} layer, not a segmentation")

    def open_array(self, entry: MagViewProperties) -> MagArray:
        """Open one mag for reading, in the way that the dataset was opened. See `RemoteSource.open_array`."""
        return self._dataset.source.open_array(self._properties, entry)

    def _set_box(self, new_box: Callable[[LayerProperties], NDBoundingBox]) -> None:
        def changed(stored: LayerProperties) -> LayerProperties:
            return with_layer_box(stored, check_layer_box(new_box(stored), stored))

        self.change("bounding box", changed)

    def _mag_view(self, entry: MagViewProperties) -> MagView[Self]:
        view: MagView[Self] = RemoteMagView(self, entry)  # type: ignore[assignment]  # a mag of this very layer
        return view


class RemoteSegmentationLayer(RemoteLayer):
    """Offer a layer of a dataset on a server whose voxels are segment ids; 0 is background."""

    def __init__(
        self, dataset: "RemoteDataset", properties: SegmentationLayerProperties, read_only: bool = False
    ) -> None:
        super().__init__(dataset, properties, read_only)

    @property
    def largest_segment_id(self) -> int | None:
        """The greatest id in the layer; None: unknown, not 0. Can be set, exactly for ids of 64 bits.

        Raises PropertiesError for a number below 0 or beyond the layer's dtype, ReadOnlyError, ServerError.
        """
        return self._segmentation.largest_segment_id

    @largest_segment_id.setter
    def largest_segment_id(self, largest_segment_id: int | None) -> None:
        if largest_segment_id is not None:
            largest_segment_id = int(largest_segment_id)
            if not 0 <= largest_segment_id <= 2 ** (8 * self.dtype.itemsize) - 1:
                raise PropertiesError(f"largest segment id {largest_segment_id} is no id of a layer of {self.dtype}")
        self._update("largest segment id", largest_segment_id=largest_segment_id)

    def refresh_largest_segment_id(
        self, *, chunk_shape: Vec3Int | None = None, executor: Executor | None = None
    ) -> None:
        """Read all voxels of the finest mag and set `largest_segment_id`; None if there are none but zeros.

        `chunk_shape`: mag-1 voxels that are read at once, a chunk of the array by default. Raises NotInDatasetError without
        mags, ReadOnlyError, ServerError.
        """
        self.check_may_change()
        view = self.get_finest_mag()
        shape = None if chunk_shape is None else chunk_shape // view.mag.to_vec3_int()
        self.largest_segment_id = find_largest_segment_id(
            view.array, view.box_in_mag, chunk_shape=shape, executor=executor
        )

    @property
    def attachments(self) -> "RemoteAttachments":
        """The files that belong to the segmentation: meshes, agglomerates, indexes."""
        # here, not above: attachments load libraries that the voxels do not need
        from wk_assets.dataset.remote_attachments import RemoteAttachments

        return RemoteAttachments(self)

    def download_mesh(
        self,
        segment_id: int,
        output_dir: str | PathLike[str] | UPath,
        mesh_file_name: str | None = None,
        datastore_url: str | None = None,
        lod: int = 0,
        mapping_name: str | None = None,
        mapping_type: Literal["agglomerate", "json"] | None = None,
        mag: MagLike | None = None,
        seed_position: Vec3IntLike | None = None,
        token: str | None = None,
        sharing_token: str | None = None,
    ) -> UPath:
        """Save the mesh of one segment as STL in `output_dir`; returns where.

        From the mesh file of that name, at level of detail `lod` (0: the finest); or, without one, made for the occasion from
        the voxels of `mag` around `seed_position` (mag-1 voxels). `token`, `sharing_token`: for this one call. Raises
        InputError unless it is one of both, ServerError, StorageError.
        """
        mesh = Mesh.of(
            segment_id,
            mesh_file_name=mesh_file_name,
            lod=lod,
            mapping_name=mapping_name,
            mapping_type=mapping_type,
            mag=mag,
            seed_position=seed_position,
        )
        source = self._dataset.source.for_reader(sharing_token or token)
        return UPath(save_mesh(source, self.name, mesh, output_dir, store_url=datastore_url))

    @property
    def _segmentation(self) -> SegmentationLayerProperties:
        if not isinstance(self._properties, SegmentationLayerProperties):
            raise PropertiesError(f"layer {self.name!r} is not a segmentation any more; open the dataset again")
        return self._properties
