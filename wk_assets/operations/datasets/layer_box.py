"""A layer's box in the metadata and in its arrays: when it changes, both do. Touches no voxel."""

from pathlib import Path

from wk_assets.errors import GeometryError
from wk_assets.geometry.bounding_box import BoundingBox, NDBoundingBox, NormalizedBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.properties.layer_properties import BoundingBoxProperties, DataFormat, LayerProperties
from wk_assets.storage.open_mag_array import open_mag_array
from wk_assets.storage.properties_file import array_location


def check_layer_box(box: NDBoundingBox, layer: LayerProperties) -> NormalizedBoundingBox:
    """Give a box the axes of a layer, in their order; axes that it does not name keep what they have.

    Raises GeometryError for an axis that the layer does not have, other channels, or a corner below the origin.
    """
    current = layer.bounding_box
    for axis in box.axes:
        if axis not in current.axes:
            raise GeometryError(f"layer {layer.name!r} has no axis {axis!r}; its axes are {', '.join(current.axes)}")
    if "c" in box.axes and box.get_bounds("c") != (0, layer.num_channels):
        raise GeometryError(f"layer {layer.name!r} has {layer.num_channels} channels, the box {box.get_shape('c')}")
    named = current
    for axis in box.axes:
        first, last = box.get_bounds(axis)
        named = named.with_bounds(axis, first, last - first)
    if min(named.topleft) < 0:
        raise GeometryError(f"layer {layer.name!r}: {box} begins below the origin, where no array has voxels")
    return named


def with_layer_box(layer: LayerProperties, box: NormalizedBoundingBox) -> LayerProperties:
    """Return the layer's properties with another box (checked by `check_layer_box`)."""
    place = BoundingBoxProperties.of(BoundingBox.from_ndbbox(box))
    kept = layer.box_properties
    place = kept.model_copy(
        update={"top_left": place.top_left, "width": place.width, "height": place.height, "depth": place.depth}
    )
    axes = tuple(axis.model_copy(update={"bounds": box.get_bounds(axis.name)}) for axis in layer.additional_axes or ())
    return layer.model_copy(update={"box_properties": place, "additional_axes": axes or None})


def with_box_around(layer: LayerProperties, box: NDBoundingBox) -> LayerProperties:
    """Return the layer's properties with a box that holds another one (mag 1) too. Raises what `check_layer_box` raises."""
    current = layer.bounding_box
    other = check_layer_box(box, layer)
    return with_layer_box(layer, other if current.is_empty() else current.extended_by(other))


def box_in_mag(box: NormalizedBoundingBox, mag: Mag) -> NormalizedBoundingBox:
    """Return a layer's box in voxels of a mag, rounded outward."""
    return box.align_with_mag(mag, ceil=True).in_mag(mag)


def resize_arrays(dataset_path: Path, layer: LayerProperties) -> None:
    """Let every array of the layer that lies in the dataset end where its box does. The caller holds the dataset's lock.

    Arrays of other datasets, and of formats that are only read, are left alone. Raises StorageError, PropertiesError.
    """
    if layer.data_format in (DataFormat.N5, DataFormat.NeuroglancerPrecomputed):
        return
    root = dataset_path.resolve()
    for entry in layer.mags:
        location = array_location(dataset_path, layer.name, entry.mag, entry.path)
        if location is None or not location.resolve().is_relative_to(root):
            continue
        array = open_mag_array(
            location,
            data_format=layer.data_format,
            axis_order=entry.axis_order,
            additional_axes=layer.additional_axes or (),
        )
        array.resize(box_in_mag(layer.bounding_box, entry.mag))
