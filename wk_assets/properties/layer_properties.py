"""One layer in datasource-properties.json: its box, voxel type, mags and attachments. Pure JSON <-> model.

Source: the layers that WEBKNOSSOS and its tools read and write, with the older forms that they still read.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from wk_assets.geometry.bounding_box import BoundingBox, NDBoundingBox, NormalizedBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.properties.element_class import dtype_per_channel, element_class
from wk_assets.properties.json_model import (
    LARGEST_PLAIN_INTEGER,
    Integer,
    JsonModel,
    MagJson,
    Natural,
    Number,
    Text,
    mistake,
)
from wk_assets.properties.names import LAYER_NAME_PATTERN
from wk_assets.properties.view_configuration import LayerViewConfiguration

Category = Literal["color", "segmentation"]
_AXES = ("c", "x", "y", "z")


class DataFormat(StrEnum):
    """Name the format of a layer's arrays."""

    WKW = "wkw"
    Zarr = "zarr"
    Zarr3 = "zarr3"
    N5 = "n5"
    NeuroglancerPrecomputed = "neuroglancerPrecomputed"


class AttachmentDataFormat(StrEnum):
    """Name the format of an attachment."""

    HDF5 = "hdf5"
    JSON = "json"
    Zarr3 = "zarr3"
    NeuroglancerPrecomputed = "neuroglancerPrecomputed"


class BoundingBoxProperties(JsonModel):
    """Hold a layer's box x, y, z in mag-1 voxels. `axis_order` stands here only while the layer has no mags."""

    top_left: tuple[Integer, Integer, Integer]
    width: Natural
    height: Natural
    depth: Natural
    axis_order: dict[str, Natural] | None = None
    channel_index: Natural | None = None

    @classmethod
    def of(cls, box: BoundingBox) -> "BoundingBoxProperties":
        """Describe a box."""
        width, height, depth = box.size
        return cls(top_left=box.topleft.to_tuple(), width=width, height=height, depth=depth)

    @property
    def box(self) -> BoundingBox:
        """Give the box."""
        return BoundingBox(self.top_left, (self.width, self.height, self.depth))


class MagViewProperties(JsonModel):
    """Say where the array of one mag is: `path` is relative to the file (`./color/1`), absolute, or a URL.

    `axis_order` maps an axis to the dimension of the array. `cube_length` is the edge of a file in voxels, wkw only.
    Old files have no path: the folder is found by the mag's name.
    """

    mag: MagJson
    path: Text | None = None
    cube_length: Natural | None = None
    axis_order: dict[str, Natural] | None = None
    channel_index: Natural | None = None

    @classmethod
    def of_array(cls, mag: Mag, path: str, axes: Sequence[str]) -> "MagViewProperties":
        """Describe an array at `path` whose dimensions are `axes`, in storage order, e.g. ("c", "z", "y", "x")."""
        order = {axis: axes.index(axis) for axis in _AXES if axis in axes}
        return cls(mag=mag, path=path, axis_order=order)


class AdditionalAxisProperties(JsonModel):
    """Name an axis beyond x, y, z and channel: its half-open bounds, and the dimension of the array at which it stands."""

    name: Text
    bounds: tuple[Integer, Integer]
    index: Natural


class CorrespondencesProperties(JsonModel):
    """Pair landmarks before and after a thin plate spline: points x, y, z."""

    source: tuple[tuple[Number, Number, Number], ...]
    target: tuple[tuple[Number, Number, Number], ...]


class CoordinateTransformationProperties(JsonModel):
    """Say how a layer is moved before it is shown: an affine 4x4 matrix, or a thin plate spline."""

    type: Text
    matrix: tuple[tuple[Number, ...], ...] | None = None
    correspondences: CorrespondencesProperties | None = None

    @field_validator("matrix")
    @classmethod
    def _four_by_four(cls, matrix: tuple[tuple[float, ...], ...] | None) -> tuple[tuple[float, ...], ...] | None:
        if matrix is not None and [len(row) for row in matrix] != [4, 4, 4, 4]:
            raise mistake("is not a 4x4 matrix")
        return matrix


class AttachmentProperties(JsonModel):
    """Say where a file that belongs to a segmentation is: meshes, agglomerates, an index."""

    name: Text
    path: Text
    data_format: AttachmentDataFormat


class AttachmentsProperties(JsonModel):
    """Hold all attachments of a segmentation layer by their kind."""

    meshes: tuple[AttachmentProperties, ...] | None = None
    agglomerates: tuple[AttachmentProperties, ...] | None = None
    segment_index: AttachmentProperties | None = None
    segment_statistics: AttachmentProperties | None = None
    cumsum: AttachmentProperties | None = None
    connectomes: tuple[AttachmentProperties, ...] | None = None


class LayerProperties(JsonModel):
    """Hold one layer. `element_class` is the type of a whole voxel, all channels together; `dtype` that of a channel."""

    key_order: ClassVar[tuple[str, ...]] = (
        "name",
        "category",
        "box_properties",
        "data_format",
        "mags",
        "default_view_configuration",
        "coordinate_transformations",
        "additional_axes",
        "num_channels",
        "element_class",
    )

    name: Text
    category: Category
    box_properties: BoundingBoxProperties = Field(alias="boundingBox")
    data_format: DataFormat
    mags: tuple[MagViewProperties, ...]
    default_view_configuration: LayerViewConfiguration | None = None
    coordinate_transformations: tuple[CoordinateTransformationProperties, ...] | None = None
    additional_axes: tuple[AdditionalAxisProperties, ...] | None = None
    num_channels: Natural
    element_class: Text

    @property
    def box(self) -> BoundingBox:
        """Give the layer's box along x, y, z, in mag-1 voxels."""
        return self.box_properties.box

    @property
    def bounding_box(self) -> NormalizedBoundingBox:
        """Give the layer's box with all its axes: additional ones by their index, then c, x, y, z."""
        extra = sorted(self.additional_axes or (), key=lambda axis: axis.index)
        box = self.box
        return NormalizedBoundingBox(
            [*(axis.bounds[0] for axis in extra), 0, *box.topleft],
            [*(axis.bounds[1] - axis.bounds[0] for axis in extra), self.num_channels, *box.size],
            [*(axis.name for axis in extra), *_AXES],
        )

    @property
    def dtype_np(self) -> np.dtype[Any]:
        """Give the dtype of one channel."""
        return dtype_per_channel(self.element_class, self.num_channels)

    @property
    def dtype(self) -> str:
        """Name the dtype of one channel."""
        return self.dtype_np.name

    @model_validator(mode="before")
    @classmethod
    def _understand_old_forms(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        layer = dict(value)
        if "mags" not in layer and isinstance(layer.get("wkwResolutions"), list):
            layer["mags"] = [_modern_mag(entry) for entry in layer.pop("wkwResolutions")]
        if "numChannels" not in layer and "num_channels" not in layer:
            layer["numChannels"] = 3 if layer.get("elementClass") == "uint24" else 1
        return layer

    @field_validator("name")
    @classmethod
    def _legal_name(cls, name: str) -> str:
        if not LAYER_NAME_PATTERN.fullmatch(name):
            raise mistake("is not a layer's name")
        return name

    @field_validator("num_channels")
    @classmethod
    def _some_channels(cls, channels: int) -> int:
        if channels < 1:
            raise mistake("is less than 1")
        return channels

    @field_validator("element_class")
    @classmethod
    def _known_element_class(cls, name: str, info: ValidationInfo) -> str:
        if "num_channels" in info.data:  # else that is the mistake to name
            dtype_per_channel(name, info.data["num_channels"])
        return name


class SegmentationLayerProperties(LayerProperties):
    """Hold a segmentation layer. `largest_segment_id` None means unknown, not 0."""

    key_order: ClassVar[tuple[str, ...]] = (
        *LayerProperties.key_order[:-2],
        "largest_segment_id",
        "mappings",
        "attachments",
        *LayerProperties.key_order[-2:],
    )

    largest_segment_id: Natural | None = None
    mappings: tuple[Text, ...] = ()
    attachments: AttachmentsProperties = AttachmentsProperties()

    @field_validator("largest_segment_id", mode="before")
    @classmethod
    def _open_the_envelope(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("customJsonEncoding") == "bigint":
            digits = value.get("value")
            if not (isinstance(digits, str) and digits.isascii() and digits.isdigit()):
                raise mistake("is an envelope without a whole number")
            return int(digits)
        return value

    @field_validator("mappings", "attachments", mode="before")
    @classmethod
    def _none_is_the_default(cls, value: Any, info: ValidationInfo) -> Any:
        return ({} if info.field_name == "attachments" else ()) if value is None else value

    def to_json(self) -> dict[str, Any]:
        """Give the layer as JSON values; an id that a JavaScript number can not hold goes into an envelope."""
        layer = super().to_json()
        if self.largest_segment_id is not None and self.largest_segment_id > LARGEST_PLAIN_INTEGER:
            layer["largestSegmentId"] = {"customJsonEncoding": "bigint", "value": str(self.largest_segment_id)}
        return layer


def new_layer_properties(
    *,
    name: str,
    category: Category,
    box: NDBoundingBox,
    dtype: "np.dtype[Any] | type | str",
    mags: Sequence[MagViewProperties],
    channels: int = 1,
    data_format: DataFormat = DataFormat.Zarr3,
    largest_segment_id: int | None = None,
    default_view_configuration: LayerViewConfiguration | None = None,
) -> LayerProperties:
    """Describe a layer; `box` in mag-1 voxels, with x, y, z and any additional axes, which arrays store before the channels.

    A box that names its channels need not repeat them. `dtype` is that of one channel. Raises PropertiesError for a voxel
    type that WEBKNOSSOS does not have, GeometryError for channels that contradict the box, and pydantic's ValidationError
    for an illegal name.
    """
    given = box.size.c if isinstance(box, NormalizedBoundingBox) and channels == 1 else channels
    normalized = box.normalize_axes(given)
    spatial = BoundingBoxProperties.of(BoundingBox.from_ndbbox(normalized))
    if not mags:
        spatial = spatial.model_copy(update={"axis_order": {axis: normalized.index.get(axis) for axis in _AXES}})
    extra = [axis for axis in normalized.axes if axis not in _AXES]
    content: dict[str, Any] = {
        "name": name,
        "category": category,
        "box_properties": spatial,
        "data_format": data_format,
        "mags": tuple(mags),
        "default_view_configuration": default_view_configuration,
        "additional_axes": tuple(
            AdditionalAxisProperties(name=axis, bounds=normalized.get_bounds(axis), index=normalized.index.get(axis))
            for axis in extra
        )
        or None,
        "num_channels": normalized.size.c,
        "element_class": element_class(dtype, normalized.size.c),
    }
    if category == "segmentation":
        return SegmentationLayerProperties(**content, largest_segment_id=largest_segment_id)
    return LayerProperties(**content)


def _modern_mag(entry: Any) -> Any:
    if not isinstance(entry, dict) or "resolution" not in entry:
        return entry
    resolution = entry["resolution"]
    mag = [resolution] * 3 if isinstance(resolution, int) else resolution
    return {"mag": mag, **{key: value for key, value in entry.items() if key != "resolution"}}
