"""Agglomerates as an attachment: make one from a graph, read it back as a graph. The file is `operations.agglomerate_file`'s."""

from typing import Protocol

import numpy as np
from numpy.typing import DTypeLike
from upath import UPath

from wk_assets.dataset.attachment import AnyPath, Attachment
from wk_assets.operations.agglomerate_graph import AgglomerateGraph
from wk_assets.properties.layer_properties import AttachmentDataFormat


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
        cls, path: AnyPath, graph: AgglomerateGraph, *, segmentation_dtype: DTypeLike = "uint32"
    ) -> "AgglomerateAttachment":
        """Write a Zarr v3 agglomerate file at `path`, which must not exist; the attachment is named after it.

        `segmentation_dtype`: that of the layer, uint32 or uint64 (smaller ones are stored as uint32). The file is visible once
        it is whole and on the disk. Raises InputError for a graph that it can not hold, StorageError.
        """
        raise NotImplementedError

    @classmethod
    def create_and_add_to(
        cls, layer: LayerWithAttachments, name: str, graph: AgglomerateGraph
    ) -> "AgglomerateAttachment":
        """Write the graph as `<layer>/agglomerates/<name>` and register it. Raises what `create` and adding raise."""
        return layer.attachments.create_agglomerate(name, graph)

    def to_graph(self) -> AgglomerateGraph:
        """Read the whole file (Zarr v3 or HDF5) as a graph. Raises PropertiesError if it is not an agglomerate file."""
        raise NotImplementedError


_ = (np, UPath, AttachmentDataFormat)
