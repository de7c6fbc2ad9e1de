"""Import images, or any source of a volume, as layers of a dataset: which files, which channels, which category, how.

A table of contents: files are mapped in `layer_mapping`, the category is decided in `category_rule`, voxels are written by the
engine (`run_layer`) in one pass, or by `import_array` for what the engine does not write.
"""

import colorsys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from wk_assets.errors import AlreadyThereError, AxesError, InputError, InvalidNameError
from wk_assets.geometry.mag import Mag
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.compute import Compute
from wk_assets.operations.datasets.change_properties import change_properties
from wk_assets.operations.datasets.commit_dataset import commit_dataset
from wk_assets.operations.datasets.committed_request import committed_request
from wk_assets.operations.imports.category_rule import category_of
from wk_assets.operations.imports.import_array import has_layer, import_array
from wk_assets.operations.imports.import_request import ImportRequest
from wk_assets.operations.layers.layer_plan import plan_layer
from wk_assets.operations.layers.run_layer import run_layer
from wk_assets.operations.records.layer_request import ArraySettings, LayerRequest, ProgressListener
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.layer_properties import DataFormat, LayerProperties
from wk_assets.properties.view_configuration import LayerViewConfiguration
from wk_assets.readers.arranged import Arrangement, arranged
from wk_assets.readers.channels import channels_of
from wk_assets.readers.open_volume import open_volume
from wk_assets.readers.volume import SourceSelection, VolumeSource
from wk_assets.storage.properties_file import read_properties

MOST_LAYERS = 20
_AS_IT_IS = Arrangement()
_GOLDEN = 0.618033988749895  # hues that are spread evenly however many there are
_FIRST_COLORS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLayer:
    """A layer that images make. `color`: in which it is shown, None: grey."""

    name: str
    source: VolumeSource
    files: tuple[Path, ...]
    color: tuple[int, int, int] | None = None


def channel_color(channel: int) -> tuple[int, int, int]:
    """Give the color in which a channel is shown: red, green, blue, then hues by the golden ratio."""
    if channel < len(_FIRST_COLORS):
        return _FIRST_COLORS[channel]
    red, green, blue = colorsys.hsv_to_rgb((channel - 3) * _GOLDEN % 1.0, 0.85, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def find_layers(
    name: str,
    selection: SourceSelection,
    arrangement: Arrangement = _AS_IT_IS,
    *,
    timepoint: int | None = None,
    split_channels: bool = True,
) -> tuple[FoundLayer, ...]:
    """Say which layers the files of a selection make: one, or one per channel (`<name>__channel0`, …).

    `timepoint`: the position on the axis of time that is taken, None: all of them. Without `split_channels`, several channels
    of which none is chosen are an error; of two the first is taken, with a warning.
    Raises AxesError, InputError for a time point that is not there, and what opening the files raises.
    """
    if selection.channel is None:
        found = channels_of(selection)
        count, described = found.count, found.description
    else:
        with open_volume(selection) as reader:
            count, described = 1, reader.description
    if timepoint is not None:
        arrangement = replace(arrangement, at=_position(selection, described.additional, timepoint))
    if count == 1:
        return (FoundLayer(name=name, source=arranged(selection, arrangement), files=selection.files),)
    if not split_channels:
        if count > 2:
            raise AxesError(
                f"{selection.files[0]}: has {count} channels, and a layer is one; say which with `channel` (0 to {count - 1}), or "
                f"take all with `allow_multiple_layers`"
            )
        warnings.warn(f"{selection.files[0]}: of its 2 channels, the first is taken; see `channel`", stacklevel=4)
        chosen = replace(selection, channel=0)
        return (FoundLayer(name=name, source=arranged(chosen, arrangement), files=selection.files),)
    return tuple(
        FoundLayer(
            name=f"{name}__channel{channel}",
            source=arranged(replace(selection, channel=channel), arrangement),
            files=selection.files,
            color=channel_color(channel),
        )
        for channel in range(count)
    )


def _position(selection: SourceSelection, additional: tuple[tuple[str, int], ...], timepoint: int) -> tuple[int, ...]:
    extents = dict(additional)
    if not 0 <= timepoint < extents.get("t", 1) or set(extents) - {"t"}:
        has = ", ".join(f"{axis} 0 to {extent - 1}" for axis, extent in additional) or "one time point"
        raise InputError(f"{selection.files[0]}: timepoint {timepoint} is not there; it has {has}")
    return (timepoint,) if extents else ()


def require_few(names: list[str], max_layers: int) -> None:
    """Raise InputError if there are more layers than somebody wants by accident."""
    if len(names) > max_layers:
        raise InputError(
            f"the images would make {len(names)} layers ({', '.join(names[:5])}, …), more than {max_layers}; map files to layers in "
            f"another way, or allow more with max_layers"
        )
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise InvalidNameError(f"several images would make a layer {double[0]!r}; map files to names yourself")


def decide_category(source: VolumeSource, names: Iterator[str] | list[str]) -> Literal["color", "segmentation"]:
    """Decide by the rule of `category_rule` whether a source is an image or labels."""
    with open_volume(source) as reader:
        return category_of(reader, names)


def import_layer(request: ImportRequest, compute: Compute, listener: ProgressListener | None = None) -> LayerProperties:
    """Import one layer, and return what the dataset says of it then. An import that is repeated goes on or rests.

    Zarr v3 at mag 1 is written by the engine, in one pass; everything else slab by slab. Raises SourceError, AlreadyThereError
    for a layer of that name that was not imported from the same, PropertiesError, StorageError, LockedError.
    """
    if not _by_engine(request):
        with open_volume(request.source) as reader:
            layer = import_array(request, reader, compute, listener)
        return _shown(request, layer)
    properties = read_properties(request.dataset_path)
    there = committed_request(request.dataset_path)
    if has_layer(properties, request.layer_name) and request.layer_name not in there.layer_names:
        raise AlreadyThereError(
            f"{request.dataset_path} has a layer {request.layer_name!r} that was not imported; choose another name, or delete it first"
        )
    array = ArraySettings(zstd_level=3 if request.compress else None)
    if request.chunk_shape is not None:
        array = replace(array, chunk_shape=request.chunk_shape)
    if request.shard_shape is not None:
        array = replace(array, shard_shape=request.shard_shape)
    elif request.chunks_per_shard is not None:
        array = replace(array, shard_shape=array.chunk_shape * request.chunks_per_shard)
    mode = DownsamplingMode.MODE if request.category == "segmentation" else DownsamplingMode.MEDIAN
    plan = plan_layer(
        LayerRequest(
            dataset_path=request.dataset_path,
            layer_name=request.layer_name,
            category=request.category,
            source=request.source,
            voxel_size=properties.scale,
            mags=(Mag(1),),
            mode=mode,
            topleft=request.topleft,
            array=array,
        ),
        compute,
    )
    run_layer(plan, compute, listener)
    others = tuple(name for name in there.layer_names if name != request.layer_name)
    commit_dataset(replace(there, layer_names=(*others, request.layer_name), layout=array.layout))
    return _shown(request, read_properties(request.dataset_path).layer(request.layer_name))


def _by_engine(request: ImportRequest) -> bool:
    return request.data_format is DataFormat.Zarr3 and request.mag == Mag(1) and isinstance(request.compress, bool)


def _shown(request: ImportRequest, layer: LayerProperties) -> LayerProperties:
    """Let a channel be shown in its color."""
    if request.color is None or request.category != "color":
        return layer
    color: tuple[float, float, float] = request.color

    def change(now: DatasetProperties) -> DatasetProperties:
        present = now.layer(request.layer_name)
        view: Any = present.default_view_configuration or LayerViewConfiguration()
        if view.color == color:
            return now
        view = view.model_copy(update={"color": color})
        return now.with_layer(present.model_copy(update={"default_view_configuration": view}))

    return change_properties(request.dataset_path, f"color of layer {request.layer_name}", change).layer(
        request.layer_name
    )
