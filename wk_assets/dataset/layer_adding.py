"""What gives a dataset layers, and takes them away: new ones, files that are there already."""

from pathlib import Path
from typing import Any

from numpy.typing import DTypeLike

from wk_assets.dataset.layer import Layer
from wk_assets.dataset.opened_dataset import OpenedDataset
from wk_assets.dataset.owners import MagOwner
from wk_assets.errors import AlreadyThereError, InputError, PropertiesError
from wk_assets.geometry.bounding_box import BoundingBox, NDBoundingBox
from wk_assets.operations.datasets.existing_files import describe_existing_layer
from wk_assets.operations.datasets.remove_layer import remove_layer
from wk_assets.properties.category import parse_category
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.element_class import check_layer_dtype
from wk_assets.properties.layer_properties import (
    DataFormat,
    LayerProperties,
    SegmentationLayerProperties,
    new_layer_properties,
)
from wk_assets.properties.names import check_layer_name

DEFAULT_DATA_FORMAT = DataFormat.Zarr3


class LayerAdding(OpenedDataset):
    """Add layers to a dataset and delete them."""

    def add_layer(
        self,
        layer_name: str,
        category: str,
        *,
        dtype: DTypeLike | None = None,
        dtype_per_channel: DTypeLike | None = None,
        num_channels: int | None = None,
        data_format: str | DataFormat = DEFAULT_DATA_FORMAT,
        bounding_box: NDBoundingBox | None = None,
        **kwargs: Any,
    ) -> Layer:
        """Add a layer without mags. `category`: `color` or `segmentation`; `dtype`: of one channel, uint8 by default.

        `bounding_box`: mag-1 voxels, none by default; its axes beside x, y, z become additional axes of the layer.
        Segmentations take `largest_segment_id` and `mappings` too. Raises AlreadyThereError, InvalidNameError, PropertiesError
        for a category, dtype or format that there is not, GeometryError, ReadOnlyError.
        """
        kind, given = parse_category(category), _one_dtype(dtype, dtype_per_channel)
        largest, mappings = kwargs.pop("largest_segment_id", None), kwargs.pop("mappings", None)
        if kwargs:
            raise InputError(f"add_layer does not know {', '.join(kwargs)}; it takes largest_segment_id and mappings")
        properties = new_layer_properties(
            name=check_layer_name(layer_name),
            category=kind,
            box=BoundingBox.empty() if bounding_box is None else bounding_box,
            dtype=check_layer_dtype(kind, "uint8" if given is None else given),
            mags=(),
            channels=1 if num_channels is None else num_channels,
            data_format=parse_data_format(data_format),
            largest_segment_id=largest if kind == "segmentation" else None,
        )
        if mappings is not None and isinstance(properties, SegmentationLayerProperties):
            properties = properties.model_copy(update={"mappings": tuple(mappings)})
        return self._add(properties)

    def get_or_add_layer(
        self,
        layer_name: str,
        category: str,
        *,
        dtype: DTypeLike | None = None,
        dtype_per_channel: DTypeLike | None = None,
        num_channels: int | None = None,
        data_format: str | DataFormat = DEFAULT_DATA_FORMAT,
        **kwargs: Any,
    ) -> Layer:
        """Give a layer, or add it as `add_layer` does. Raises PropertiesError if it is there and is of another kind."""
        given = _one_dtype(dtype, dtype_per_channel)
        if layer_name not in self.layers:
            return self.add_layer(
                layer_name, category, dtype=given, num_channels=num_channels, data_format=data_format, **kwargs
            )
        layer = self.get_layer(layer_name)
        wanted = {"category": parse_category(category)} | (
            {} if num_channels is None else {"num_channels": num_channels}
        )
        for what, value in {
            **wanted,
            **({} if given is None else {"dtype": check_layer_dtype(category, given)}),
        }.items():
            if getattr(layer, what) != value:
                raise PropertiesError(
                    f"layer {layer_name!r} is there already, with {what} {getattr(layer, what)}, not {value}"
                )
        return layer

    def add_layer_like(self, other_layer: MagOwner, layer_name: str) -> Layer:
        """Add a layer without mags that is like another one: category, type, channels, format, box, how it is shown.

        Raises AlreadyThereError, InvalidNameError, ReadOnlyError.
        """
        return self._add(without_files(other_layer.properties, check_layer_name(layer_name)))

    def add_layer_for_existing_files(self, layer_name: str, category: str, **kwargs: Any) -> Layer:
        """Take over arrays that lie in `<dataset>/<layer_name>/<mag>` as a layer; nothing is written but the metadata.

        Type, channels, format and box are those of the finest array, unless given: `dtype`, `num_channels`, `data_format`,
        `bounding_box`. Raises AlreadyThereError, NotADatasetError if there is no array, PropertiesError.
        """
        kind = parse_category(category)
        given = _one_dtype(kwargs.pop("dtype", None), kwargs.pop("dtype_per_channel", None))
        data_format = kwargs.pop("data_format", None)
        properties = describe_existing_layer(
            Path(self._path),
            check_layer_name(layer_name),
            kind,
            dtype=None if given is None else check_layer_dtype(kind, given),
            num_channels=kwargs.pop("num_channels", None),
            data_format=None if data_format is None else parse_data_format(data_format),
            box=kwargs.pop("bounding_box", None),
            largest_segment_id=kwargs.pop("largest_segment_id", None),
        )
        if kwargs:
            raise InputError(f"add_layer_for_existing_files does not know {', '.join(kwargs)}")
        return self._add(properties)

    def delete_layer(self, layer_name: str) -> None:
        """Take a layer out of the dataset, and remove its files; arrays of other datasets stay.

        Raises NotInDatasetError, ReadOnlyError, StorageError.
        """
        if layer_name not in self.layers:
            self.reload()
        self.get_layer(layer_name)
        self.change(f"deletion of layer {layer_name}", lambda stored: stored.without_layer(layer_name))
        remove_layer(Path(self._path), layer_name)

    # ------------------------------------------------------------------ within

    def _add(self, properties: LayerProperties) -> Layer:
        def changed(stored: DatasetProperties) -> DatasetProperties:
            if any(layer.name == properties.name for layer in stored.data_layers):
                raise AlreadyThereError(
                    f"dataset {stored.name!r} has a layer {properties.name!r} already; delete it first"
                )
            return stored.with_layer(properties)

        self.change(f"adding of layer {properties.name}", changed)
        return self.get_layer(properties.name)


def without_files(layer: LayerProperties, name: str) -> LayerProperties:
    """Give a layer's properties another name, and no mags and attachments."""
    order = {axis: place for place, axis in enumerate(layer.bounding_box.axes) if axis in ("c", "x", "y", "z")}
    box = layer.box_properties.model_copy(update={"axis_order": order})
    update: dict[str, Any] = {"name": name, "mags": (), "box_properties": box}
    if isinstance(layer, SegmentationLayerProperties):
        update["attachments"] = type(layer.attachments)()
    return layer.model_copy(update=update)


def parse_data_format(data_format: str | DataFormat) -> DataFormat:
    """Understand the name of a format. Raises PropertiesError, naming those that there are."""
    try:
        return DataFormat(data_format)
    except ValueError:
        raise PropertiesError(f"data format {data_format!r}: write {', '.join(DataFormat)}") from None


def _one_dtype(dtype: DTypeLike | None, dtype_per_channel: DTypeLike | None) -> Any:
    if dtype is not None and dtype_per_channel is not None:
        raise PropertiesError("dtype and dtype_per_channel are given; they mean the same, give dtype")
    return dtype if dtype is not None else dtype_per_channel
