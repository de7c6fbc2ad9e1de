"""wk-assets: microscope output becomes WEBKNOSSOS datasets, as a lineage of Dagster assets.

The public names are offered lazily (PEP 562), so that importing one leaf of the package stays fast and
importing the library never imports dagster. Everything else has one canonical import path: its module.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from wk_assets.version import __version__

_PUBLIC = {
    "AgglomerateAttachment": "wk_assets.dataset.agglomerate_attachment",
    "AgglomerateGraph": "wk_assets.operations.arrays.agglomerate_graph",
    "AiModelCategory": "wk_assets.dataset.remote_ai_model",
    "Annotation": "wk_assets.annotation.annotation",
    "AnnotationInfo": "wk_assets.annotation.annotation_info",
    "AnnotationState": "wk_assets.annotation.annotation_info",
    "AnnotationType": "wk_assets.annotation.annotation_info",
    "ArrayInfo": "wk_assets.storage.mag_array",
    "Attachment": "wk_assets.dataset.attachment",
    "AttachmentDataFormat": "wk_assets.properties.layer_properties",
    "Attachments": "wk_assets.dataset.attachments",
    "BoundingBox": "wk_assets.geometry.bounding_box",
    "COLOR_CATEGORY": "wk_assets.properties.category",
    "ConnectomeAttachment": "wk_assets.dataset.attachment",
    "CoordinateTransformationProperties": "wk_assets.properties.layer_properties",
    "CumsumAttachment": "wk_assets.dataset.attachment",
    "DataFormat": "wk_assets.properties.layer_properties",
    "Dataset": "wk_assets.dataset.dataset",
    "DatasetViewConfiguration": "wk_assets.properties.view_configuration",
    "Datastore": "wk_assets.dataset.datastore",
    "Group": "wk_assets.skeleton.group",
    "Layer": "wk_assets.dataset.layer",
    "LayerCategoryType": "wk_assets.properties.category",
    "LayerToLink": "wk_assets.dataset.layer_to_link",
    "LayerViewConfiguration": "wk_assets.properties.view_configuration",
    "LengthUnit": "wk_assets.geometry.length_unit",
    "Mag": "wk_assets.geometry.mag",
    "MagView": "wk_assets.dataset.mag_view",
    "MeshAttachment": "wk_assets.dataset.attachment",
    "NDBoundingBox": "wk_assets.geometry.bounding_box",
    "Node": "wk_assets.skeleton.node",
    "NormalizedBoundingBox": "wk_assets.geometry.bounding_box",
    "Project": "wk_assets.administration.tasks",
    "RemoteAccessMode": "wk_assets.dataset.remote_access_mode",
    "RemoteAiModel": "wk_assets.dataset.remote_ai_model",
    "RemoteAnnotation": "wk_assets.annotation.remote_annotation",
    "RemoteAttachments": "wk_assets.dataset.remote_attachments",
    "RemoteDataset": "wk_assets.dataset.remote_dataset",
    "RemoteFolder": "wk_assets.dataset.remote_folder",
    "RemoteLayer": "wk_assets.dataset.remote_layer",
    "RemoteSegmentationLayer": "wk_assets.dataset.remote_layer",
    "SEGMENTATION_CATEGORY": "wk_assets.properties.category",
    "SamplingModes": "wk_assets.geometry.mag_ladder",
    "SegmentIndexAttachment": "wk_assets.dataset.attachment",
    "SegmentInformation": "wk_assets.annotation.segment_information",
    "SegmentationLayer": "wk_assets.dataset.layer",
    "Skeleton": "wk_assets.skeleton.skeleton",
    "Task": "wk_assets.administration.tasks",
    "TaskExperience": "wk_assets.administration.tasks",
    "TaskStatus": "wk_assets.administration.tasks",
    "TaskType": "wk_assets.administration.task_type",
    "Team": "wk_assets.people.members",
    "TransferMode": "wk_assets.dataset.transfer_mode",
    "Tree": "wk_assets.skeleton.tree",
    "User": "wk_assets.people.members",
    "Vec3Int": "wk_assets.geometry.vec3_int",
    "VecInt": "wk_assets.geometry.vec3_int",
    "View": "wk_assets.dataset.view",
    "VoxelSize": "wk_assets.geometry.voxel_size",
    "Zarr3Config": "wk_assets.storage.mag_array",
}
_OWN_NAMES = {"SamplingModes": "SamplingMode"}  # what a module calls what scripts know by another name

__all__ = [
    "COLOR_CATEGORY",
    "SEGMENTATION_CATEGORY",
    "AgglomerateAttachment",
    "AgglomerateGraph",
    "AiModelCategory",
    "Annotation",
    "AnnotationInfo",
    "AnnotationState",
    "AnnotationType",
    "ArrayInfo",
    "Attachment",
    "AttachmentDataFormat",
    "Attachments",
    "BoundingBox",
    "ConnectomeAttachment",
    "CoordinateTransformationProperties",
    "CumsumAttachment",
    "DataFormat",
    "Dataset",
    "DatasetViewConfiguration",
    "Datastore",
    "Group",
    "Layer",
    "LayerCategoryType",
    "LayerToLink",
    "LayerViewConfiguration",
    "LengthUnit",
    "Mag",
    "MagView",
    "MeshAttachment",
    "NDBoundingBox",
    "Node",
    "NormalizedBoundingBox",
    "Project",
    "RemoteAccessMode",
    "RemoteAiModel",
    "RemoteAnnotation",
    "RemoteAttachments",
    "RemoteDataset",
    "RemoteFolder",
    "RemoteLayer",
    "RemoteSegmentationLayer",
    "SamplingModes",
    "SegmentIndexAttachment",
    "SegmentInformation",
    "SegmentationLayer",
    "Skeleton",
    "Task",
    "TaskExperience",
    "TaskStatus",
    "TaskType",
    "Team",
    "TransferMode",
    "Tree",
    "User",
    "Vec3Int",
    "VecInt",
    "View",
    "VoxelSize",
    "Zarr3Config",
    "__version__",
]

if TYPE_CHECKING:
    from wk_assets.administration.task_type import TaskType
    from wk_assets.administration.tasks import Project, Task, TaskExperience, TaskStatus
    from wk_assets.annotation.annotation import Annotation
    from wk_assets.annotation.annotation_info import AnnotationInfo, AnnotationState, AnnotationType
    from wk_assets.annotation.remote_annotation import RemoteAnnotation
    from wk_assets.annotation.segment_information import SegmentInformation
    from wk_assets.dataset.agglomerate_attachment import AgglomerateAttachment
    from wk_assets.dataset.attachment import (
        Attachment,
        ConnectomeAttachment,
        CumsumAttachment,
        MeshAttachment,
        SegmentIndexAttachment,
    )
    from wk_assets.dataset.attachments import Attachments
    from wk_assets.dataset.dataset import Dataset
    from wk_assets.dataset.datastore import Datastore
    from wk_assets.dataset.layer import Layer, SegmentationLayer
    from wk_assets.dataset.layer_to_link import LayerToLink
    from wk_assets.dataset.mag_view import MagView
    from wk_assets.dataset.remote_access_mode import RemoteAccessMode
    from wk_assets.dataset.remote_ai_model import AiModelCategory, RemoteAiModel
    from wk_assets.dataset.remote_attachments import RemoteAttachments
    from wk_assets.dataset.remote_dataset import RemoteDataset
    from wk_assets.dataset.remote_folder import RemoteFolder
    from wk_assets.dataset.remote_layer import RemoteLayer, RemoteSegmentationLayer
    from wk_assets.dataset.transfer_mode import TransferMode
    from wk_assets.dataset.view import View
    from wk_assets.geometry.bounding_box import BoundingBox, NDBoundingBox, NormalizedBoundingBox
    from wk_assets.geometry.length_unit import LengthUnit
    from wk_assets.geometry.mag import Mag
    from wk_assets.geometry.mag_ladder import SamplingMode as SamplingModes
    from wk_assets.geometry.vec3_int import Vec3Int, VecInt
    from wk_assets.geometry.voxel_size import VoxelSize
    from wk_assets.operations.arrays.agglomerate_graph import AgglomerateGraph
    from wk_assets.people.members import Team, User
    from wk_assets.properties.category import COLOR_CATEGORY, SEGMENTATION_CATEGORY, LayerCategoryType
    from wk_assets.properties.layer_properties import (
        AttachmentDataFormat,
        CoordinateTransformationProperties,
        DataFormat,
    )
    from wk_assets.properties.view_configuration import DatasetViewConfiguration, LayerViewConfiguration
    from wk_assets.skeleton.group import Group
    from wk_assets.skeleton.node import Node
    from wk_assets.skeleton.skeleton import Skeleton
    from wk_assets.skeleton.tree import Tree
    from wk_assets.storage.mag_array import ArrayInfo, Zarr3Config


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'wk_assets' has no attribute {name!r}; it offers {', '.join(sorted(_PUBLIC))}")
    return getattr(import_module(_PUBLIC[name]), _OWN_NAMES.get(name, name))
