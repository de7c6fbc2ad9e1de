"""Agglomerates as an attachment: make one from a graph, read it back as a graph. The file is `operations.agglomerate_file`'s."""

from typing import Protocol

from numpy.typing import DTypeLike

from wk_assets.dataset.attachment import Attachment
from wk_assets.operations.arrays.agglomerate_graph import AgglomerateGraph, agglomerate_arrays, graph_of
from wk_assets.properties.layer_properties import AttachmentDataFormat
from wk_assets.storage.agglomerate_file import read_agglomerates, write_agglomerates
from wk_assets.storage.local_path import Location, local_path


class TakesAgglomerates(Protocol):
    """What `create_and_add_to` needs of `SegmentationLayer.attachments`."""

    def create_agglomerate(self, name: str, graph: AgglomerateGraph) -> "AgglomerateAttachment":
        """Write the graph into the layer's folder and register it."""
        ...


class LayerWithAttachments(Protocol):
    """What `create_and_add_to` needs of a `SegmentationLayer`."""

    @property
    def attachments(self) -> TakesAgglomerates:
        """The layer's attachments."""
        ...


class AgglomerateAttachment(Attachment):
    """Name a file that says which segments are one object."""

    container_name = "agglomerates"
    type_name = "agglomerate"

    @classmethod
    def create(
        cls, path: Location, graph: AgglomerateGraph, *, segmentation_dtype: DTypeLike = "uint32"
    ) -> "AgglomerateAttachment":
        """Write a Zarr v3 agglomerate file at `path`, which must not exist; the attachment is named after it.

        `segmentation_dtype`: that of the layer, uint32 or uint64. The file is there once it is whole and on the disk. Raises
        InputError for a graph that it can not hold or if there is something at `path`, RemoteLocationError, StorageError.
        """
        target = local_path(path).absolute()
        attachment = cls.from_path_and_name(target, target.name, data_format=AttachmentDataFormat.Zarr3)
        write_agglomerates(target, agglomerate_arrays(graph, segmentation_dtype))
        return attachment

    @classmethod
    def create_and_add_to(
        cls, layer: LayerWithAttachments, name: str, graph: AgglomerateGraph
    ) -> "AgglomerateAttachment":
        """Write the graph as `<layer>/agglomerates/<name>` and register it. Raises what `create` and adding raise."""
        return layer.attachments.create_agglomerate(name, graph)

    def to_graph(self) -> AgglomerateGraph:
        """Read the whole file, Zarr v3 or HDF5, as a graph.

        Raises NotADatasetError if there is none, PropertiesError if it is not an agglomerate file, RemoteLocationError.
        """
        return graph_of(read_agglomerates(local_path(self.path), self.data_format))
