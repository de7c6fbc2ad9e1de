"""From the options of `convert` to a layer's request, and from its plan to a committed dataset.

Joins readers, the mag ladder and operations for images that no instrument of a configuration wrote.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import get_args

from wk_assets.cli.committed_dataset import committed
from wk_assets.errors import (
    DiskFullError,
    GeometryError,
    InvalidNameError,
    MissingSliceError,
    NotADatasetError,
    PropertiesError,
    TargetNotWritableError,
    VoxelSizeError,
)
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.mag_ladder import SamplingMode, default_coarsest_mag, mag_ladder
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.arrays.array_volume import ArrayVolume
from wk_assets.operations.checks.layer_checks import CheckOutcome, run_layer_checks
from wk_assets.operations.compute import Compute
from wk_assets.operations.datasets.commit_dataset import DatasetRequest, DatasetResult, commit_dataset
from wk_assets.operations.imports.category_rule import category_of
from wk_assets.operations.imports.layer_mapping import IMAGE_SUFFIXES
from wk_assets.operations.layers.chunk_sample import ChunkSampler
from wk_assets.operations.layers.compression import AUTO, PROBED_LEVELS, Compression, probe_compression
from wk_assets.operations.layers.estimate_layer import estimated
from wk_assets.operations.layers.layer_plan import LayerPlan
from wk_assets.operations.layers.run_layer import run_layer
from wk_assets.operations.records.layer_record import BOOKKEEPING, read_layer_record
from wk_assets.operations.records.layer_request import (
    ArraySettings,
    Category,
    LayerRequest,
    LayerResult,
    ProgressListener,
)
from wk_assets.properties.dataset_properties import FILE_NAME
from wk_assets.properties.layer_properties import DataFormat
from wk_assets.properties.names import check_layer_name
from wk_assets.readers.arranged import Arrangement, arranged
from wk_assets.readers.open_volume import open_volume
from wk_assets.readers.volume import MeasuredVoxelSize, SourceSelection, VolumeDescription, VolumeSource
from wk_assets.storage.array_layout import Layout
from wk_assets.storage.durable import free_bytes
from wk_assets.storage.stored_array import StoredArray

AUTOMATIC = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionOptions:
    """The options as they were typed. `mags` None: by the voxel size; empty: none but the finest.

    `category` "auto": by the rule of `operations.imports.category_rule`. `max_mag`: the coarsest mag. `name`: of a new dataset.
    """

    voxel_size: str | None = None
    unit: LengthUnit = LengthUnit.NANOMETER
    layer_name: str | None = None
    category: str = AUTOMATIC
    name: str | None = None
    files: str | None = None
    axes: str | None = None
    channel: int | None = None
    flip: str = ""
    swap_xy: bool = False
    layout: Layout = Layout.OME
    compression: str = AUTO
    mags: str | None = None
    max_mag: str | None = None
    sampling: SamplingMode = SamplingMode.ANISOTROPIC
    mode: DownsamplingMode | None = None
    chunk_shape: Vec3Int | None = None
    shard_shape: Vec3Int | None = None
    data_format: DataFormat = DataFormat.Zarr3


def conversion_request(
    source: Path, target: Path, options: ConversionOptions, sampler: ChunkSampler | None = None
) -> LayerRequest:
    """Build the request of the layer; opens the headers of the images, and samples them if that is to decide the level.

    Raises InputError for an option that is wrong, SourceError for images that can not be imported.
    """
    _require_place(target)
    selection = SourceSelection(
        root=source if source.is_dir() else source.parent,
        files=images_of(source, options.files),
        axes=options.axes,
        channel=options.channel,
        voxel_size=voxel_size_of(options.voxel_size, options.unit),
    )
    return request_of_source(
        arranged(selection, Arrangement(flip=options.flip, swap_xy=options.swap_xy)),
        str(source),
        target,
        options,
        sampler,
        names=_names_of(source, selection.files),
    )


def request_of_source(
    source: VolumeSource,
    title: str,
    target: Path,
    options: ConversionOptions,
    sampler: ChunkSampler | None = None,
    *,
    names: Sequence[str] = (),
) -> LayerRequest:
    """Build the request of a layer of any source; `title` names it in errors, `names` help to decide the category.

    Raises InputError for an option that is wrong, SourceError for what can not be imported.
    """
    _require_place(target)
    compression = Compression.parse(options.compression)
    with open_volume(source) as reader:
        description = reader.description
        category = category_of(reader, names) if options.category == AUTOMATIC else _category(options.category)
        name = check_layer_name(options.layer_name or category)
        if description.voxel_size is None:
            raise VoxelSizeError(
                f"{title}: the files do not say how large a voxel is; give --voxel-size x,y,z and --unit"
            )
        topleft = reader.origin if isinstance(reader, ArrayVolume) else Vec3Int(0, 0, 0)
        array = _array_settings(options, compression.zstd_level)
        if compression.tolerance is not None:
            stored = _level_of_the_same_images(target, name, description)
            if stored is None:
                fitted = array.fitted_to(description.size)
                sample = (sampler or ChunkSampler()).sample(source, fitted.chunk_shape, reader)
                stored = probe_compression(sample, fitted, tolerance=compression.tolerance).chosen
            array = replace(array, zstd_level=stored)
    voxel_size = description.voxel_size.voxel_size
    usual = DownsamplingMode.MODE if category == "segmentation" else DownsamplingMode.MEDIAN
    return LayerRequest(
        dataset_path=target,
        layer_name=name,
        category=category,
        source=source,
        voxel_size=voxel_size,
        mags=(Mag(1), *_coarser_mags(options, voxel_size, description, target)),
        mode=usual if options.mode is None else options.mode,
        topleft=topleft,
        array=array,
    )


def _names_of(source: Path, files: Sequence[Path]) -> list[str]:
    root = source.absolute().parent
    return sorted({part for path in files for part in path.relative_to(root).parts})


def _array_settings(options: ConversionOptions, zstd_level: int | None) -> ArraySettings:
    array = ArraySettings(layout=options.layout, zstd_level=zstd_level)
    if options.chunk_shape is not None:
        array = replace(array, chunk_shape=options.chunk_shape)
    if options.shard_shape is not None:
        array = replace(array, shard_shape=options.shard_shape)
    for name, shape in (("--chunk-shape", array.chunk_shape), ("--shard-shape", array.shard_shape)):
        if any(edge & (edge - 1) for edge in shape):
            raise GeometryError(f"{name} {tuple(shape)}: every edge must be a power of two, like 32, 64 or 256")
    if any(array.shard_shape % array.chunk_shape):
        raise GeometryError(
            f"--shard-shape {tuple(array.shard_shape)} is not a multiple of --chunk-shape {tuple(array.chunk_shape)}"
        )
    return array


def carry_out(
    plan: LayerPlan,
    compute: Compute,
    listener: ProgressListener | None = None,
    sampler: ChunkSampler | None = None,
    *,
    name: str | None = None,
) -> tuple[LayerResult, tuple[CheckOutcome, ...], DatasetResult | None]:
    """Run the plan, check the layer, commit the dataset: None instead of it if a check of severity error failed.

    `name`: of the dataset, if it is a new one.

    Raises DiskFullError before anything is written, and what the operations raise.
    """
    request = plan.request
    _require_disk(plan, compute, sampler)
    dataset = _dataset_request(request, name)
    result = run_layer(plan, compute, listener)
    record = read_layer_record(request.dataset_path, request.layer_name)
    if record is None:
        raise NotADatasetError(f"{request.dataset_path}: the ledger of layer {request.layer_name!r} is gone; run again")
    checks = run_layer_checks(record, request.dataset_path)
    blocked = any(outcome.blocks_publication for outcome in checks)
    return result, checks, None if blocked else commit_dataset(dataset)


def images_of(source: Path, pattern: str | None) -> tuple[Path, ...]:
    """List the image files that a person means by a path. Raises MissingSliceError if there are none."""
    if source.is_file():
        return (source.absolute(),)
    if not source.is_dir():
        raise MissingSliceError(f"{source} does not exist; give an image file, or a folder with one image per slice")
    names = sorted(path.name for path in source.iterdir() if path.is_file() and not path.name.startswith("."))
    chosen = [
        name for name in names if (fnmatch(name, pattern) if pattern else Path(name).suffix.lower() in IMAGE_SUFFIXES)
    ]
    if not chosen:
        wanted = f"file that matches {pattern!r}" if pattern else f"image ({', '.join(IMAGE_SUFFIXES)})"
        seen = ", ".join(names[:3]) or "nothing"
        raise MissingSliceError(
            f"{source} holds no {wanted}; there is {seen}{', …' if len(names) > 3 else ''}. Say --files"
        )
    return tuple((source / name).absolute() for name in chosen)


def voxel_size_of(text: str | None, unit: LengthUnit) -> MeasuredVoxelSize | None:
    """Read `--voxel-size`, None if it was not given. Raises VoxelSizeError."""
    if text is None:
        return None
    try:
        x, y, z = (float(part) for part in text.replace(" ", "").split(","))
        return MeasuredVoxelSize(voxel_size=VoxelSize((x, y, z), unit), source="option --voxel-size")
    except ValueError as error:
        detail = f" ({error})" if isinstance(error, GeometryError) else ""
        raise VoxelSizeError(
            f"--voxel-size {text!r} is not three lengths greater than zero{detail}; write x,y,z like 11.24,11.24,25"
        ) from error


def _require_place(target: Path) -> None:
    """Refuse a target that holds something else: a typing mistake must not fill a person's folder with arrays."""
    if target.exists() and not target.is_dir():
        raise TargetNotWritableError(f"{target} is a file; give a directory for the dataset")
    ours = (target / FILE_NAME).exists() or (target / BOOKKEEPING).exists()
    if target.is_dir() and not ours and (other := next(target.iterdir(), None)) is not None:
        raise TargetNotWritableError(
            f"{target} is not a dataset and holds other things ({other.name}); give a new or an empty directory"
        )


def _category(text: str) -> Category:
    for category in ("color", "segmentation"):
        if text == category:
            return category
    raise InvalidNameError(f"--category {text!r}: a layer is one of {', '.join(get_args(Category))}")


def _coarser_mags(
    options: ConversionOptions, voxel_size: VoxelSize, description: VolumeDescription, target: Path
) -> tuple[Mag, ...]:
    if options.mags is not None:
        return tuple(sorted({Mag(text.strip()) for text in options.mags.split(",") if text.strip()} - {Mag(1)}))
    return mag_ladder(
        voxel_size.to_nanometer(),
        Mag(1),
        default_coarsest_mag(description.size) if options.max_mag is None else Mag(options.max_mag),
        options.sampling,
        existing=_mags_of_other_layers(target),
        depth=description.size.z,
    )


def _mags_of_other_layers(target: Path) -> tuple[Mag, ...]:
    """List the mags of layers that are there: one dataset's layers share their mags where that is possible."""
    try:
        names = committed(target).layer_names
    except NotADatasetError:
        return ()
    records = [record for name in names if (record := read_layer_record(target, name)) is not None]
    return tuple({mag.to_mag() for record in records for mag in record.mags})


def _dataset_request(request: LayerRequest, name: str | None) -> DatasetRequest:
    try:
        there = committed(request.dataset_path)
    except NotADatasetError:
        there = None
    others = () if there is None else tuple(name for name in there.layer_names if name != request.layer_name)
    return DatasetRequest(
        dataset_path=request.dataset_path,
        name=(name or request.dataset_path.absolute().name) if there is None else there.name,
        voxel_size=request.voxel_size if there is None else there.voxel_size,
        layer_names=(*others, request.layer_name),
        layout=request.array.layout if there is None else there.layout,
    )


def _level_of_the_same_images(target: Path, layer_name: str, description: VolumeDescription) -> int | None:
    """Return the zstd level that was chosen when these very files were converted before: a choice is made once."""
    record = read_layer_record(target, layer_name)
    if record is None:
        return None
    known = {(one.relative_path, one.size_bytes, one.mtime_ns) for one in record.sources}
    if known != {(file.relative_path, file.size_bytes, file.mtime_ns) for file in description.files}:
        return None
    try:
        level = StoredArray.open(target / record.mags[0].path).array_layout.zstd_level
    except (NotADatasetError, PropertiesError):
        return None  # damaged: it will be made anew, by the same sample as before
    return level if level in PROBED_LEVELS else None


def _require_disk(plan: LayerPlan, compute: Compute, sampler: ChunkSampler | None) -> None:
    """Raise DiskFullError if the layer will not fit: judged by its raw bytes, and only if these do not, by a sample."""
    free = free_bytes(plan.request.dataset_path)
    if plan.raw_bytes <= free:
        return
    plan = estimated(plan, compute, sampler)
    if plan.disk_bytes > free:
        raise DiskFullError(
            f"{plan.request.dataset_path}: the layer needs about {plan.disk_bytes} bytes, {free} are free; "
            "make room, or choose another target"
        )
