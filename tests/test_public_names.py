"""The few names that notebooks import from `wk_assets`: adding one is a decision, removing one breaks somebody."""

import importlib

import pytest

import wk_assets

PUBLIC_NAMES = [
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
    "COLOR_CATEGORY",
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
    "SEGMENTATION_CATEGORY",
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


def test_the_public_names_are_these() -> None:
    assert sorted(wk_assets.__all__) == PUBLIC_NAMES == sorted(PUBLIC_NAMES)


@pytest.mark.parametrize("name", PUBLIC_NAMES)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(importlib.import_module("wk_assets"), name) is not None


def test_a_public_name_is_the_one_that_its_module_owns() -> None:
    mag = importlib.import_module("wk_assets.geometry.mag")

    assert wk_assets.Mag is mag.Mag


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(
        AttributeError, match=r"no attribute 'Magnification'; it offers AgglomerateAttachment, AgglomerateGraph"
    ):
        _ = wk_assets.Magnification
