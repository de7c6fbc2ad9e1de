"""Export a layer: plan what will be written, then write it, whole or not at all. Any stored format, bounded memory.

What grows where, and how a repeated export goes on, is in `export_stage`; the formats are in `export_tiff_stack`,
`export_planes` and `export_ome_zarr`.
"""

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

from wk_assets.errors import NotInDatasetError
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.compute import Compute
from wk_assets.operations.exports.export_ome_zarr import OmeZarrWriter
from wk_assets.operations.exports.export_planes import OmeTiffWriter, RawWriter
from wk_assets.operations.exports.export_request import ExportFormat, ExportRequest, ExportResult
from wk_assets.operations.exports.export_tiff_stack import TiffStackWriter
from wk_assets.operations.exports.export_writer import ExportWriter
from wk_assets.operations.exports.exported_voxels import ExportedVoxels, export_box, open_voxels
from wk_assets.operations.exports.id_mapping import load_mapping
from wk_assets.operations.records.export_stage import ExportStage, fingerprint
from wk_assets.operations.records.layer_request import Progress, ProgressListener
from wk_assets.properties.layer_properties import LayerProperties
from wk_assets.storage.properties_file import read_properties

_EXPORT_VERSION = 1  # to be raised when the same layer gives other files than before


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPlan:
    """Say what an export will write. `levels`: the mags that are read, finest first. `up_to_date`: it is there already."""

    request: ExportRequest
    levels: tuple[ExportedVoxels, ...]
    writer: ExportWriter
    identity: str
    up_to_date: bool

    @property
    def size_bytes(self) -> int:
        """Bytes of the voxels before any compression, without smaller pictures that are made on the way."""
        return sum(level.size_bytes for level in self.levels)

    @property
    def files(self) -> int:
        """How many files, or images, there will be."""
        return self.writer.files()


def plan_export(request: ExportRequest, compute: Compute | None = None) -> ExportPlan:
    """Plan an export; nothing is written.

    Raises NotADatasetError, NotInDatasetError (which layers or mags there are), GeometryError for a box that is not
    the layer's, InputError for voxels that the format does not hold, TargetNotWritableError if something else is there.
    """
    properties = read_properties(request.dataset_path)
    layer = next((one for one in properties.data_layers if one.name == request.layer_name), None)
    if layer is None:
        names = ", ".join(one.name for one in properties.data_layers) or "none"
        raise NotInDatasetError(f"{request.dataset_path} has no layer {request.layer_name!r}; there are {names}")
    levels = _levels(request, layer)
    writer = _writer(request, layer, levels, compute or Compute.of_this_machine())
    identity = _identity(request, levels)
    stage = ExportStage(request.target, identity)
    finished = stage.is_finished
    if not finished:
        stage.require_place(overwrite=request.overwrite)
    return ExportPlan(request=request, levels=levels, writer=writer, identity=identity, up_to_date=finished)


def run_export(plan: ExportPlan, listener: ProgressListener | None = None) -> ExportResult:
    """Write what is planned; the target appears when it is whole. Goes on where an export of the same was interrupted.

    Raises LockedError while another process exports to the same target, StorageError, and what reading the layer raises.
    """
    started = time.monotonic()
    request, writer = plan.request, plan.writer
    stage = ExportStage(request.target, plan.identity)
    with stage.opened():
        reused = stage.is_finished
        if not reused:
            stage.require_place(overwrite=request.overwrite)
            _write(plan, stage, listener)
    return ExportResult(
        target=request.target,
        files=writer.files(),
        size_bytes=_size_of(request.target),
        seconds=time.monotonic() - started,
        reused=reused,
    )


def _write(plan: ExportPlan, stage: ExportStage, listener: ProgressListener | None) -> None:
    writer = plan.writer
    stage.begin()
    if not stage.state and not stage.done:
        stage.prepared({"prepared": dict(writer.prepare(stage.product))})
    steps = writer.steps()
    total, done = sum(steps), sum(steps[: stage.done])
    for step in range(stage.done, len(steps)):
        writer.run_step(stage.product, stage.state["prepared"], step)
        stage.note(step + 1)
        done += steps[step]
        if listener is not None:
            listener(Progress(done_voxels=done, total_voxels=total))
    writer.finish(stage.product, plan.request.target)
    stage.publish()


def _levels(request: ExportRequest, layer: LayerProperties) -> tuple[ExportedVoxels, ...]:
    mapping = (
        None if request.apply_mapping is None else load_mapping(request.dataset_path, layer, request.apply_mapping)
    )
    if not layer.mags:
        raise NotInDatasetError(
            f"layer {layer.name!r} of {request.dataset_path} has no mags, so there is nothing to export"
        )
    stored = sorted((one.mag for one in layer.mags), key=lambda mag: (mag.max_dim, mag.to_tuple()))
    finest = stored[0] if request.mag is None else request.mag
    is_image = request.format in {ExportFormat.OME_ZARR, ExportFormat.OME_ZARR_04, ExportFormat.OZX}
    coarser = [
        mag
        for mag in stored
        if mag != finest and all(one % other == 0 for one, other in zip(mag.to_tuple(), finest.to_tuple(), strict=True))
    ]
    mags = [finest, *(coarser if is_image and request.coarser else ())]
    # all levels show the same place: the box is widened once, to the mag that is asked for
    box = export_box(layer, request.box).align_with_mag(finest, ceil=True) if request.box is not None else None
    return tuple(open_voxels(request.dataset_path, layer, mag, box, mapping) for mag in mags)


def _writer(
    request: ExportRequest, layer: LayerProperties, levels: tuple[ExportedVoxels, ...], compute: Compute
) -> ExportWriter:
    voxel_size = read_properties(request.dataset_path).scale
    mode = DownsamplingMode.MODE if layer.category == "segmentation" else DownsamplingMode.MEDIAN
    finest, workers = levels[0], compute.threads
    if request.format is ExportFormat.TIFF:
        return TiffStackWriter(
            voxels=finest,
            voxel_size=voxel_size,
            names=request.names,
            mode=mode,
            downsample=request.downsample,
            tile=_tile(request, finest),
            workers=workers,
        )
    if request.format is ExportFormat.RAW:
        return RawWriter(voxels=finest, voxel_size=voxel_size, workers=workers)
    if request.format is ExportFormat.OME_TIFF:
        return OmeTiffWriter(
            voxels=finest,
            voxel_size=voxel_size,
            layer_name=layer.name,
            mode=mode,
            pyramid=request.coarser,
            workers=workers,
        )
    shown = layer.default_view_configuration
    return OmeZarrWriter(
        levels=levels,
        layer_name=layer.name,
        category=layer.category,
        voxel_size=voxel_size,
        version="0.4" if request.format is ExportFormat.OME_ZARR_04 else "0.5",
        zipped=request.format is ExportFormat.OZX,
        shard_shape=request.shard_shape,
        window=None if shown is None or layer.category != "color" else shown.intensity_range,
    )


def _tile(request: ExportRequest, voxels: ExportedVoxels) -> tuple[int, int] | None:
    if request.tiles_per_dimension is None:
        return request.tile_size
    columns, rows = request.tiles_per_dimension
    width, height = (-(-extent // request.downsample) for extent in (voxels.size.x, voxels.size.y))
    return -(-width // columns), -(-height // rows)


def _identity(request: ExportRequest, levels: tuple[ExportedVoxels, ...]) -> str:
    """Name what the files will hold: the arrays as they are now, the boxes, and every option that changes a byte."""
    document = [
        _EXPORT_VERSION,
        request.format.value,
        request.layer_name,
        [[level.mag.to_layer_name(), repr(level.box), fingerprint(level.array.path)] for level in levels],
        [request.coarser, request.names.prefix, request.names.digits, request.downsample],
        [request.tile_size, request.tiles_per_dimension, list(request.shard_shape or ())],
        [request.apply_mapping, _mapping_digest(levels[0])],
    ]
    return hashlib.sha256(json.dumps(document).encode()).hexdigest()[:32]


def _mapping_digest(voxels: ExportedVoxels) -> str:
    mapping = voxels.mapping
    if mapping is None:
        return ""
    return hashlib.sha256(mapping.sources.tobytes() + mapping.targets.tobytes()).hexdigest()


def _size_of(target: Path) -> int:
    if target.is_file():
        return target.stat().st_size
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
