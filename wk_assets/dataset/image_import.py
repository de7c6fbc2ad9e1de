"""Layers from images and arrays: `Dataset.from_images`, `add_layer_from_images`, `write_layer`.

Thin: which files are which layer, which category, and how voxels travel is decided in `operations.imports.import_images`.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from glob import glob
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from wk_assets.dataset.layer import Layer
from wk_assets.dataset.layer_adding import DEFAULT_DATA_FORMAT, parse_data_format
from wk_assets.dataset.layer_copying import LayerCopying
from wk_assets.errors import GeometryError, InputError, MissingSliceError, ReadOnlyError, VoxelSizeError
from wk_assets.geometry.bounding_box import NDBoundingBox
from wk_assets.geometry.mag import Mag, MagLike
from wk_assets.geometry.vec3_int import Vec3Int, Vec3IntLike
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.operations.compute import Compute
from wk_assets.operations.imports.import_images import (
    MOST_LAYERS,
    FoundLayer,
    decide_category,
    find_layers,
    import_layer,
    require_few,
)
from wk_assets.operations.imports.import_request import ImportRequest
from wk_assets.operations.imports.layer_mapping import ConversionLayerMapping as _ConversionLayerMapping
from wk_assets.operations.imports.layer_mapping import find_images, map_to_layers
from wk_assets.properties.category import parse_category
from wk_assets.properties.layer_properties import DataFormat
from wk_assets.readers.arranged import Arrangement
from wk_assets.readers.natural_order import natural_key
from wk_assets.readers.open_volume import open_volume
from wk_assets.readers.volume import SourceSelection
from wk_assets.storage.local_path import local_path

Shape = Vec3IntLike | int
Location = str | PathLike[str]


class ImageImport(LayerCopying):
    """Make layers from what others wrote."""

    ConversionLayerMapping = _ConversionLayerMapping

    @classmethod
    def from_images(
        cls,
        input_path: Location,
        output_path: Location,
        voxel_size: tuple[float, float, float] | None = None,
        name: str | None = None,
        *,
        map_filepath_to_layer_name: _ConversionLayerMapping
        | Callable[[Path], str] = _ConversionLayerMapping.INSPECT_SINGLE_FILE,
        z_slices_sort_key: Callable[[Path], Any] | None = None,
        voxel_size_with_unit: VoxelSize | None = None,
        layer_name: str | None = None,
        layer_category: str | None = None,
        data_format: str | DataFormat = DEFAULT_DATA_FORMAT,
        chunk_shape: Shape | None = None,
        shard_shape: Shape | None = None,
        chunks_per_shard: Shape | None = None,
        compress: bool = True,
        swap_xy: bool = False,
        flip_x: bool = False,
        flip_y: bool = False,
        flip_z: bool = False,
        use_bioformats: bool = False,
        max_layers: int = MOST_LAYERS,
        batch_size: int | None = None,
        executor: Executor | None = None,
    ) -> Self:
        """Make a dataset from an image file, or from all images of a folder, at mag 1.

        `map_filepath_to_layer_name`: which file belongs to which layer (see `ConversionLayerMapping`, or a function). Several
        files of a layer are its slices, in natural order of their names (slice_2 before slice_10) or by `z_slices_sort_key`;
        numbers that are missing leave no gap. Channels become layers `<name>__channel0`, … of their own, RGB images one
        layer. `layer_category` None: decided by the rule in `operations.imports.category_rule`, which always gives the same answer.
        `flip_x`, `flip_y`, `flip_z` reverse the axes of the dataset, after `swap_xy`. Without a voxel size, the files must say it.
        `batch_size` and `executor` are taken and not needed: memory is bounded and threads of this process work.

        What a killed import left at `output_path` is gone on with. Raises SourceError for images that can not be imported,
        InputError for more than `max_layers` layers, DatasetExistsError for a dataset of another voxel size, StorageError.
        """
        _refuse_bioformats(use_bioformats)
        _check_batch(batch_size)
        del executor
        source = local_path(input_path)
        files = find_images(source)
        sort_key = z_slices_sort_key
        found = [
            layer
            for layer_of_files, group in map_to_layers(source, files, map_filepath_to_layer_name, layer_name).items()
            for layer in find_layers(
                layer_of_files,
                _selection(group, sort_key),
                _arrangement(flip_x=flip_x, flip_y=flip_y, flip_z=flip_z, swap_xy=swap_xy),
            )
        ]
        require_few([layer.name for layer in found], max_layers)
        size = voxel_size_with_unit
        if size is None:
            size = VoxelSize(voxel_size) if voxel_size is not None else _measured_voxel_size(found[0])
        dataset = cls(output_path, name=name, exist_ok=True, voxel_size_with_unit=size)
        for layer in found:
            category = layer_category or decide_category(layer.source, _names(source, layer.files))
            dataset._import(  # noqa: SLF001 - of this very class
                layer,
                category,
                data_format=data_format,
                mag=Mag(1),
                topleft=Vec3Int(0, 0, 0),
                shapes=(chunk_shape, shard_shape, chunks_per_shard),
                compress=compress,
            )
        dataset.reload()
        return dataset

    def add_layer_from_images(
        self,
        images: "str | Sequence[Location]",
        layer_name: str,
        category: str | None = "color",
        *,
        data_format: str | DataFormat = DEFAULT_DATA_FORMAT,
        mag: MagLike = Mag(1),
        chunk_shape: Shape | None = None,
        shard_shape: Shape | None = None,
        chunks_per_shard: Shape | None = None,
        compress: bool = True,
        topleft: Vec3IntLike = Vec3Int(0, 0, 0),
        swap_xy: bool = False,
        flip_x: bool = False,
        flip_y: bool = False,
        flip_z: bool = False,
        dtype: DTypeLike | None = None,
        use_bioformats: bool = False,
        channel: int | None = None,
        timepoint: int | None = None,
        czi_channel: int | None = None,
        batch_size: int | None = None,
        allow_multiple_layers: bool = False,
        max_layers: int = MOST_LAYERS,
        truncate_rgba_to_rgb: bool = True,
        executor: Executor | None = None,
    ) -> Layer:
        """Import images as a layer, at `mag`. `images`: one path, a glob, or a list of paths in the order of their slices.

        `topleft` in mag-1 voxels. `dtype`: values are converted, those beyond its range are clipped. `channel`, `timepoint`:
        take one of several; with `allow_multiple_layers` all channels become layers `<layer_name>__channel0`, … and the first is
        returned. `category` None: decided by the rule in `category_rule`. `flip_x`, `flip_y`, `flip_z` reverse the
        axes of the dataset, after `swap_xy`. `truncate_rgba_to_rgb`: transparency is left out; it must be opaque everywhere.

        Raises SourceError for images that can not be imported, AlreadyThereError, InputError, ReadOnlyError, StorageError.
        """
        _refuse_bioformats(use_bioformats)
        _check_batch(batch_size)
        del executor, truncate_rgba_to_rgb
        if czi_channel is not None:
            raise InputError(f"czi_channel {czi_channel}: CZI files are not read; export them as OME-TIFF")
        if self.read_only:
            raise ReadOnlyError(f"{self!r} was opened for reading; open it without read_only to import images")
        files = _listed(images)
        arrangement = _arrangement(flip_x=flip_x, flip_y=flip_y, flip_z=flip_z, swap_xy=swap_xy, dtype=dtype)
        selection = _selection(files, None if not isinstance(images, str) else _natural, channel)
        found = find_layers(
            layer_name, selection, arrangement, timepoint=timepoint, split_channels=allow_multiple_layers
        )
        require_few([layer.name for layer in found], max_layers)
        for layer in found:
            self._import(
                layer,
                category or decide_category(layer.source, [path.name for path in files]),
                data_format=data_format,
                mag=Mag(mag),
                topleft=Vec3Int(topleft),
                shapes=(chunk_shape, shard_shape, chunks_per_shard),
                compress=compress,
            )
        self.reload()
        return self.get_layer(found[0].name)

    def write_layer(
        self,
        layer_name: str,
        category: str,
        data: NDArray[Any],
        *,
        data_format: str | DataFormat = DEFAULT_DATA_FORMAT,
        downsample: bool = True,
        chunk_shape: Shape | None = None,
        shard_shape: Shape | None = None,
        chunks_per_shard: Shape | None = None,
        axes: Iterable[str] | None = None,
        absolute_offset: "Vec3IntLike | Sequence[int] | None" = None,
        mag: MagLike = Mag(1),
    ) -> Layer:
        """Write an array as a new layer, and make its coarser mags.

        `axes` names the axes of `data`: by default x, y, z, or c, x, y, z of four. Others than c, x, y, z become additional axes.
        `absolute_offset`: of the first voxel, in mag-1 voxels: x, y, z, or one number per axis but c. Raises GeometryError for axes that do
        not fit the data, and what `add_layer`, `add_mag` and `downsample` raise.
        """
        voxels, names = _in_order(data, axes)
        box = _box_of(voxels, names, absolute_offset, Mag(mag))
        layer = self.add_layer(
            layer_name,
            category,
            dtype=voxels.dtype,
            num_channels=voxels.shape[names.index("c")],
            data_format=data_format,
            bounding_box=box,
        )
        written = layer.add_mag(
            mag, chunk_shape=chunk_shape, shard_shape=shard_shape, chunks_per_shard=chunks_per_shard, compress=True
        )
        written.write(voxels, absolute_bounding_box=box, allow_unaligned=True)
        if layer.category == "segmentation":
            layer.as_segmentation_layer().largest_segment_id = max(int(voxels.max()), 0) if voxels.size else None
        if downsample:
            layer.downsample()
        return layer

    # ------------------------------------------------------------------ within

    def _import(
        self,
        layer: FoundLayer,
        category: str,
        *,
        data_format: str | DataFormat,
        mag: Mag,
        topleft: Vec3Int,
        shapes: tuple[Shape | None, Shape | None, Shape | None],
        compress: bool,
    ) -> None:
        chunk, shard, chunks = (None if shape is None else Vec3Int.from_vec_or_int(shape) for shape in shapes)
        import_layer(
            ImportRequest(
                dataset_path=Path(self.path),
                layer_name=layer.name,
                category=parse_category(category),
                source=layer.source,
                data_format=parse_data_format(data_format),
                mag=mag,
                topleft=topleft,
                chunk_shape=chunk,
                shard_shape=shard,
                chunks_per_shard=chunks,
                compress=compress,
                color=layer.color,
            ),
            Compute.of_this_machine(),
        )


def _refuse_bioformats(use_bioformats: bool) -> None:
    if use_bioformats:
        raise InputError("use_bioformats: there is no Bio-Formats here; export the images as OME-TIFF")


def _check_batch(batch_size: int | None) -> None:
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size {batch_size}: give at least 1, or leave it out")


def _natural(path: Path) -> Any:
    return natural_key(path.as_posix())


def _selection(
    files: Sequence[Path], sort_key: Callable[[Path], Any] | None, channel: int | None = None
) -> SourceSelection:
    """Select files as slices in natural order, by a key, or (for a list without one) as they are given."""
    ordered = tuple(sorted(files, key=sort_key)) if sort_key is not None else tuple(files)
    root = Path(ordered[0].anchor) if len({path.parent for path in ordered}) > 1 else ordered[0].parent
    return SourceSelection(root=root, files=ordered, channel=channel, in_given_order=len(ordered) > 1)


def _listed(images: "str | Sequence[Location]") -> tuple[Path, ...]:
    """List files of a path, a glob, or a list. Raises MissingSliceError if there are none."""
    if isinstance(images, str):
        path = Path(images)
        if path.exists():
            return find_images(path)
        found = sorted(glob(images, recursive=True))  # noqa: PTH207 -- patterns may be absolute
        matches = tuple(Path(match).absolute() for match in found if Path(match).is_file())
        if not matches:
            raise MissingSliceError(f"{images}: no such file, and no file matches it as a pattern")
        return matches
    if not images:
        raise MissingSliceError("images: the list is empty; name at least one file")
    return tuple(local_path(path).absolute() for path in images)


def _arrangement(
    *, flip_x: bool, flip_y: bool, flip_z: bool, swap_xy: bool, dtype: DTypeLike | None = None
) -> Arrangement:
    flips = {"x": flip_x, "y": flip_y, "z": flip_z}
    return Arrangement(
        flip="".join(axis for axis, flip in flips.items() if flip),
        swap_xy=swap_xy,
        dtype=None if dtype is None else np.dtype(dtype),
    )


def _names(source: Path, files: Sequence[Path]) -> list[str]:
    """Name the files and folders below what a person gave: its own name counts too, the path above it does not."""
    root = source.absolute().parent
    return sorted({part for path in files for part in path.relative_to(root).parts})


def _measured_voxel_size(layer: FoundLayer) -> VoxelSize:
    with open_volume(layer.source) as reader:
        measured = reader.description.voxel_size
    if measured is None:
        raise VoxelSizeError(
            f"{layer.files[0]}: the files do not say how large a voxel is; pass voxel_size=(x, y, z) in nanometers"
        )
    return measured.voxel_size


def _in_order(data: NDArray[Any], axes: Iterable[str] | None) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Bring an array's axes into the order (additional ..., c, x, y, z), with a channel axis."""
    names = tuple(axes) if axes is not None else {3: ("x", "y", "z"), 4: ("c", "x", "y", "z")}.get(data.ndim, ())
    if not names:
        raise GeometryError(
            f"data of shape {data.shape} has {data.ndim} axes; name them with `axes`, like ('t', 'x', 'y', 'z')"
        )
    if len(names) != data.ndim or len(set(names)) != len(names) or not {"x", "y", "z"} <= set(names):
        raise GeometryError(
            f"axes {names} of data of shape {data.shape}: name each of its axes once, x, y and z among them"
        )
    if "c" not in names:
        data, names = data[..., np.newaxis], (*names, "c")
    order = (*(axis for axis in names if axis not in {"c", "x", "y", "z"}), "c", "x", "y", "z")
    return data.transpose([names.index(axis) for axis in order]), order


def _box_of(
    voxels: NDArray[Any], names: tuple[str, ...], offset: "Vec3IntLike | Sequence[int] | None", mag: Mag
) -> NDBoundingBox:
    """Give the box of an array in mag-1 voxels: its axes without channels."""
    factors = dict(zip("xyz", mag.to_tuple(), strict=True))
    axes = tuple(axis for axis in names if axis != "c")
    given = [0] * len(axes) if offset is None else [int(number) for number in offset]
    if len(given) == 3:
        given = [0] * (len(axes) - 3) + given
    if len(given) != len(axes):
        raise GeometryError(f"absolute_offset {tuple(given)}: give x, y, z, or one number for each of {axes}")
    size = [voxels.shape[names.index(axis)] * factors.get(axis, 1) for axis in axes]
    return NDBoundingBox(given, size, axes)
