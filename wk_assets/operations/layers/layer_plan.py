"""What a run would do to one layer, as a value: passes, mags, bytes, memory. Opens headers, reads no voxel, writes nothing.

A *pass* reads one source once and makes a chain of mags. Wanted mags that follow one another share a pass; a gap
between them starts a new one, from the mag that is stored there.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from wk_assets.errors import NotADatasetError, PlanError, PropertiesError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.shard_grid import ShardGrid
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.compute import Compute
from wk_assets.operations.layers.edited_mags import current_record
from wk_assets.operations.passes.memory_plan import fit_memory
from wk_assets.operations.passes.pyramid_plan import MemoryPlan, PyramidPlan, plan_pyramid
from wk_assets.operations.records.layer_record import LayerRecord
from wk_assets.operations.records.layer_request import ArraySettings, LayerEstimate, LayerRequest
from wk_assets.readers.open_volume import open_volume
from wk_assets.readers.volume import RowAccess, VolumeDescription, VolumeSource
from wk_assets.storage.manifest import Manifest, damaged_shards
from wk_assets.storage.shard import checksum_of

# Part of every content key: to be raised when the same input and settings give other bytes than before.
_BYTES_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MagPlan:
    """One wanted mag. `size`: voxels x, y, z of the layer's box in this mag. `path`: where it will lie, or lies."""

    mag: Mag
    key: str
    voxels_key: str
    parent_key: str | None
    box_in_mag: BoundingBox
    shards: int
    raw_bytes: int
    path: str
    up_to_date: bool

    @property
    def size(self) -> Vec3Int:
        """Voxels x, y, z."""
        return self.box_in_mag.size


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRedo:
    """Only the shards of a mag are made that depend on `changed_in_parent` (voxels of the finer mag); others are linked.

    `replaces`: the array of the version that they are taken from. `voxels`: of this mag, in the shards that are made.
    """

    replaces: Path
    changed_in_parent: BoundingBox
    voxels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PassPlan:
    """One reading of one source. `parent` None: the images; else the stored mag that is read (level 0 of the pyramid)."""

    parent: Mag | None
    pyramid: PyramidPlan
    memory: MemoryPlan
    mags: tuple[MagPlan, ...]
    copies_shards: bool = False  # cut and encoded as before: shards are copied, nothing is decoded
    redo: PlannedRedo | None = None  # of one mag, in part

    @property
    def key(self) -> str:
        """Identify what the pass makes: the same sources, settings and mags give the same key."""
        return _digest([mag.key for mag in self.mags])

    @property
    def read_voxels(self) -> int:
        """Voxels that are read; of a redo those that are made."""
        if self.redo is not None:
            return self.redo.voxels
        return prod(self.pyramid.levels[0].box.size) * len(self.pyramid.positions())


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPlan:
    """Everything that a run will do, and what is there already (`up_to_date`)."""

    request: LayerRequest
    description: VolumeDescription | None  # None when nothing is imported
    box: BoundingBox  # mag 1
    dtype: np.dtype[Any]
    channels: int
    mags: tuple[MagPlan, ...]
    passes: tuple[PassPlan, ...]
    read_bytes: int  # source files, or stored shards, that will be read
    peak_memory_bytes: int
    read_from: Path  # the dataset whose stored mags are read, if any
    read_checksums: bool = False  # whether "up to date" rests on the bytes of the shards, or on their sizes
    estimate: LayerEstimate | None = None  # filled by `estimate_layer`, which has to read some voxels for it
    additional: tuple[tuple[str, int], ...] = ()  # name and extent of axes beyond c, x, y, z, slowest first

    @property
    def raw_bytes(self) -> int:
        """Bytes of the voxels of all mags that will be written, before compression: an upper bound of the disk needed."""
        return sum(mag.raw_bytes for mag in self.mags if not mag.up_to_date)

    @property
    def disk_bytes(self) -> int:
        """Bytes that must be free: a fifth more than the estimate, at most the raw bytes; without one the raw bytes."""
        if self.estimate is None:
            return self.raw_bytes
        return min(self.raw_bytes, self.estimate.stored_bytes * 6 // 5)

    @property
    def up_to_date(self) -> bool:
        """Say whether nothing is left to do."""
        return not self.passes


def plan_layer(
    request: LayerRequest, compute: Compute, wanted: Collection[Mag] | None = None, *, read_checksums: bool = False
) -> LayerPlan:
    """Plan the wanted mags of a layer (None: all of `request.mags`).

    A mag is up to date if it was made from the same sources with the same settings, and all its shards are there in
    their sizes; with `read_checksums` also their bytes are read and must be those that were written.

    Raises SourceError if the images can not be imported, PlanError if a mag is not of the layer, its parent is not
    stored, or the pass does not fit the memory budget of `compute`.
    """
    chosen = _chosen(request, wanted)
    record = current_record(request.dataset_path, request.layer_name)
    importing = request.source is not None and request.mags[0] in chosen
    description = _describe(request.source) if importing and request.source is not None else None
    box, channels, dtype = _extent(request, description, record)
    array = request.array.fitted_to(box.size)
    additional = description.additional if description else record.additional if record else ()
    positions = prod(extent for _, extent in additional)
    mags = _plan_mags(
        request, array, chosen, record, description, box, channels, dtype, positions, read_checksums=read_checksums
    )
    access = description.rows if description else None
    passes = plan_passes(request, array, mags, box, channels, dtype, compute, additional=additional, access=access)
    peak = max((one.memory.peak_bytes for one in passes), default=0)
    return LayerPlan(
        request=request,
        description=description,
        box=box,
        dtype=dtype,
        channels=channels,
        mags=mags,
        passes=passes,
        read_bytes=_read_bytes(passes, description, record),
        peak_memory_bytes=peak,
        read_from=request.dataset_path,
        read_checksums=read_checksums,
        additional=additional,
    )


def _chosen(request: LayerRequest, wanted: Collection[Mag] | None) -> tuple[Mag, ...]:
    if wanted is None:
        return request.mags if request.source is not None else request.mags[1:]
    unknown = [mag.to_layer_name() for mag in wanted if mag not in request.mags]
    if unknown:
        known = ", ".join(mag.to_layer_name() for mag in request.mags)
        raise PlanError(f"layer {request.layer_name!r} has no mag {', '.join(unknown)}; its mags are {known}")
    return tuple(mag for mag in request.mags if mag in wanted)


def _describe(selection: VolumeSource) -> VolumeDescription:
    with open_volume(selection) as reader:
        return reader.description


def _extent(
    request: LayerRequest, description: VolumeDescription | None, record: LayerRecord | None
) -> tuple[BoundingBox, int, np.dtype[Any]]:
    if description is not None:
        return BoundingBox(request.topleft, description.size), description.channels, description.dtype
    if record is None:
        raise PlanError(
            f"nothing of layer {request.layer_name!r} is stored in {request.dataset_path} yet; "
            f"make mag {request.mags[0].to_layer_name()} first"
        )
    return record.box, record.channels, np.dtype(record.dtype)


def _plan_mags(
    request: LayerRequest,
    array: ArraySettings,
    chosen: Sequence[Mag],
    record: LayerRecord | None,
    description: VolumeDescription | None,
    box: BoundingBox,
    channels: int,
    dtype: np.dtype[Any],
    positions: int,
    *,
    read_checksums: bool,
) -> tuple[MagPlan, ...]:
    """Plan each mag. `positions`: along all additional axes together."""
    plans: dict[Mag, MagPlan] = {}
    for position, mag in enumerate(request.mags):
        if mag not in chosen:
            continue
        parent_key = None
        if position == 0:
            if request.source is None or description is None:
                raise PlanError(
                    f"mag {mag.to_layer_name()} of layer {request.layer_name!r} can only be imported: no source is given"
                )
            identity: dict[str, Any] = {
                "images": _source_identity(request.source, description),
                "at": list(request.topleft),
            }
        else:
            parent = request.mags[position - 1]
            parent_key = plans[parent].voxels_key if parent in plans else _stored_key(request, record, parent)
            identity = {"parent": parent_key, "mode": request.mode}
        voxels_key = _digest([_BYTES_VERSION, mag.to_layer_name(), identity])
        key = storage_key(voxels_key, array)
        in_mag = box.align_with_mag(mag, ceil=True).in_mag(mag)
        path, up_to_date = place(
            request.dataset_path, request.layer_name, mag, key, record, read_checksums=read_checksums
        )
        plans[mag] = MagPlan(
            mag=mag,
            key=key,
            voxels_key=voxels_key,
            parent_key=parent_key,
            box_in_mag=in_mag,
            shards=prod(ShardGrid(array.shard_shape).covering(in_mag).size // array.shard_shape) * positions,
            raw_bytes=prod(in_mag.size) * channels * positions * dtype.itemsize,
            path=path,
            up_to_date=up_to_date,
        )
    return tuple(plans.values())


def _stored_key(request: LayerRequest, record: LayerRecord | None, parent: Mag) -> str:
    stored = record.mag(parent) if record else None
    if stored is None:
        raise PlanError(
            f"mag {parent.to_layer_name()} of layer {request.layer_name!r} is not stored in {request.dataset_path}; make it first"
        )
    return stored.voxels_key


def _source_identity(selection: VolumeSource, description: VolumeDescription) -> dict[str, Any]:
    voxels = {
        "files": [[file.relative_path, file.size_bytes, file.mtime_ns] for file in description.files],
        "size": list(description.size),
        "channels": description.channels,
        "dtype": description.dtype.name,
    }
    if description.additional:
        voxels["additional"] = [list(axis) for axis in description.additional]
    return voxels | selection.identity()


def place(
    dataset_path: Path, layer_name: str, mag: Mag, key: str, record: LayerRecord | None, *, read_checksums: bool
) -> tuple[str, bool]:
    """Return where a version of a mag lies or will lie, and whether it is there, whole.

    A path is used for one content only: servers cache by path. So another version gets another name.
    """
    name = f"{layer_name}/{mag.to_layer_name()}"
    stored = record.mag(mag) if record else None
    if stored is not None and stored.key == key:
        return stored.path, is_whole(dataset_path / stored.path, key, read_checksums=read_checksums)
    first_version = stored is None and (not (dataset_path / name).exists() or is_whole(dataset_path / name, key))
    return (name if first_version else f"{name}.{key[:8]}"), False


def is_whole(array_path: Path, key: str, *, read_checksums: bool = False) -> bool:
    """Say whether a directory holds this content, every shard present in its size, if asked for with its checksum."""
    try:
        manifest = Manifest.load(array_path)
    except (NotADatasetError, PropertiesError):
        return False
    if manifest.content_key != key or damaged_shards(array_path, manifest):
        return False
    return not read_checksums or all(
        checksum_of(array_path / shard.key) == (shard.size_bytes, shard.crc32c) for shard in manifest.shards
    )


def plan_passes(
    request: LayerRequest,
    array: ArraySettings,
    mags: Sequence[MagPlan],
    box: BoundingBox,
    channels: int,
    dtype: np.dtype[Any],
    compute: Compute,
    *,
    additional: tuple[tuple[str, int], ...] = (),
    access: RowAccess | None = None,
) -> tuple[PassPlan, ...]:
    """Plan the passes that make those of the mags that are not up to date. Raises PlanError for too small a budget.

    `access`: how the images are read, if any are.
    """
    chains: list[list[MagPlan]] = []
    for plan in mags:
        if plan.up_to_date:
            continue
        position = request.mags.index(plan.mag)
        if chains and position and chains[-1][-1].mag == request.mags[position - 1]:
            chains[-1].append(plan)
        else:
            chains.append([plan])
    passes = []
    for chain in chains:
        position = request.mags.index(chain[0].mag)
        parent = request.mags[position - 1] if position else None
        levels = [*([parent] if parent else []), *(plan.mag for plan in chain)]
        pyramid = plan_pyramid(
            box=box,
            mags=levels,
            stored=[level != parent for level in levels],
            layout=array.layout,
            channels=channels,
            dtype=dtype,
            chunk_shape=array.chunk_shape,
            shard_shape=array.shard_shape,
            zstd_level=array.zstd_level,
            additional=additional,
        )
        memory = fit_memory(
            pyramid,
            threads=compute.threads,
            budget_bytes=compute.memory_bytes,
            access=access if parent is None else None,
        )
        passes.append(PassPlan(parent=parent, pyramid=pyramid, memory=memory, mags=tuple(chain)))
    return tuple(passes)


def _read_bytes(passes: Sequence[PassPlan], description: VolumeDescription | None, record: LayerRecord | None) -> int:
    total = 0
    for one in passes:
        if one.parent is None:
            total += sum(file.size_bytes for file in description.files) if description else 0
        else:
            stored = record.mag(one.parent) if record else None
            total += stored.stored_bytes if stored else 0
    return total


def storage_key(voxels_key: str, array: ArraySettings) -> str:
    """Return the key of voxels that are cut and encoded in this way."""
    cut = [array.layout, list(array.chunk_shape), list(array.shard_shape), array.zstd_level]
    return _digest([_BYTES_VERSION, voxels_key, cut])


def _digest(identity: object) -> str:
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
