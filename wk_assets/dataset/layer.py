"""One volume of a dataset, with its mags: the public handle. Its parts: `layer_handle`, `layer_mags`, `resampling`."""

from concurrent.futures import Executor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from wk_assets.dataset.export import LayerExport
from wk_assets.dataset.owners import LayerOwner
from wk_assets.dataset.resampling import ResampledLayer
from wk_assets.errors import PropertiesError
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.arrays.largest_segment_id import find_largest_segment_id
from wk_assets.properties.layer_properties import AttachmentsProperties, SegmentationLayerProperties

if TYPE_CHECKING:
    from wk_assets.dataset.attachments import Attachments


class Layer(ResampledLayer):
    """Offer one layer: its type, its box, its mags. Made by `Dataset`."""

    @cached_property
    def export(self) -> LayerExport:
        """Write the layer in formats of other programs: TIFF, OME-TIFF, OME-Zarr."""
        return LayerExport(Path(self.dataset.path), self.name)

    def as_segmentation_layer(self) -> "SegmentationLayer":
        """Give it as what it is, for the type checker. Raises PropertiesError if it is no segmentation."""
        if isinstance(self, SegmentationLayer):
            return self
        raise PropertiesError(f"layer {self.name!r} is a {self.category} layer, not a segmentation")


class SegmentationLayer(Layer):
    """Offer a layer whose voxels are segment ids; 0 is background."""

    def __init__(self, dataset: LayerOwner, properties: SegmentationLayerProperties, read_only: bool = False) -> None:
        super().__init__(dataset, properties, read_only)

    @property
    def largest_segment_id(self) -> int | None:
        """The greatest id in the layer; None: unknown, not 0. Can be set, exactly for ids of 64 bits.

        Raises PropertiesError for a number below 0 or beyond the layer's dtype, ReadOnlyError.
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
        """Look at all stored voxels of the finest mag and set `largest_segment_id`; None if there are none but zeros.

        Memory: one chunk per thread (`chunk_shape` in mag-1 voxels, a shard by default). Raises NotInDatasetError without mags.
        """
        view = self.get_finest_mag()
        shape = None if chunk_shape is None else chunk_shape // view.mag.to_vec3_int()
        self.largest_segment_id = find_largest_segment_id(
            view.array, view.box_in_mag, chunk_shape=shape, executor=executor
        )

    @property
    def attachments(self) -> "Attachments":
        """The files that belong to the segmentation: meshes, agglomerates, indexes."""
        # here, not above: attachments load libraries that the voxels do not need
        from wk_assets.dataset.attachments import Attachments

        return Attachments(self)

    @property
    def mappings(self) -> tuple[str, ...]:
        """Names of mappings of old datasets."""
        return self._segmentation.mappings

    @property
    def _segmentation(self) -> SegmentationLayerProperties:
        if not isinstance(self._properties, SegmentationLayerProperties):
            raise PropertiesError(f"layer {self.name!r} is not a segmentation any more; open the dataset again")
        return self._properties

    def _attachments_properties(self) -> AttachmentsProperties:
        self.reload()
        return self._segmentation.attachments

    def _save_attachments(self, properties: AttachmentsProperties) -> None:
        self._update("attachments", attachments=properties)
