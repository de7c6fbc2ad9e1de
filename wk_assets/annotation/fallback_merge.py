"""Lay a volume annotation over the layer that it was drawn on, and make a dataset of the result.

What counts as drawn: WEBKNOSSOS stores a volume annotation in chunks of 32 x 32 x 32 voxels. The first stroke in a chunk copies
the fallback layer's voxels into it, so a stored chunk says all about its voxels, and a zero in it is a voxel that somebody
erased. Hence a stored chunk replaces the fallback's, zeros included, and where no chunk is stored the fallback stays. Volume
layers that were made by programs may hold zeros where nothing is meant: `zeros_are_unpainted` keeps the fallback there.
Source: exports of annotations, and the peer's result of the same merge.

One shard of the target per thread is in memory; only shards with something drawn in them are read and written.
"""

from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wk_assets.annotation.volume_layer import VolumeLayer
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.layer import SegmentationLayer
from wk_assets.dataset.mag_view import MagView
from wk_assets.errors import AnnotationFileError, GeometryError, InputError, PropertiesError
from wk_assets.geometry.bounding_box import BoundingBox, NormalizedBoundingBox
from wk_assets.operations.arrays.map_chunks import map_chunks
from wk_assets.operations.compute import Compute
from wk_assets.operations.passes.portable_array import PortableArray
from wk_assets.operations.passes.task_runner import executor_or_threads
from wk_assets.operations.passes.tile_sources import tiles_of
from wk_assets.properties.dataset_properties import FILE_NAME
from wk_assets.storage.new_path import made_whole


class _Job(NamedTuple):
    target: PortableArray
    drawn: PortableArray
    shard: NormalizedBoundingBox
    boxes: tuple[NormalizedBoundingBox, ...]
    zeros_are_unpainted: bool


def merge_with_fallback(
    volume: VolumeLayer,
    fallback: SegmentationLayer,
    target: Path,
    *,
    zeros_are_unpainted: bool = False,
    executor: Executor | None = None,
) -> None:
    """Make a dataset at `target` with one layer, called as the fallback layer and of its type, that holds both.

    Its mags are those of the fallback layer from the annotation's finest on; coarser ones are made anew above what was drawn.
    The dataset appears when it is whole. Raises AnnotationFileError without voxels, InputError if there is something at
    `target`, PropertiesError for segment ids that the fallback layer's type does not hold, GeometryError for a finest mag that
    the fallback layer does not have, StorageError.
    """
    if not volume.has_data:
        raise AnnotationFileError(
            f"volume layer {volume.name!r} has no voxels here; download the annotation with its volume data"
        )
    with volume.opened() as drawn, made_whole(target) as partial:
        dataset = Dataset(partial, name=target.name, voxel_size_with_unit=fallback.dataset.voxel_size_with_unit)
        layer = _copied(fallback, drawn, dataset, executor)
        if not drawn.mags:
            return
        finest = drawn.get_finest_mag()
        _check_ids(drawn, fallback)
        box = _drawn_box(finest)
        if box.is_empty():
            return
        if not BoundingBox.from_ndbbox(layer.bounding_box).contains_bbox(box):
            layer.bounding_box = layer.bounding_box.extended_by(box)
        target_view = layer.get_mag(finest.mag)
        jobs = _jobs(target_view, finest, zeros_are_unpainted=zeros_are_unpainted)
        with executor_or_threads(executor, Compute.of_this_machine().threads) as pool:
            done = map_chunks(_overlay, jobs, executor=pool, name=lambda job: f"shard {job.shard}")
            largest = max(done, default=0)
        if len(layer.mags) > 1:
            layer.redownsample(bounding_box=box, executor=executor)
        known = (fallback.largest_segment_id, volume.largest_segment_id)
        layer.largest_segment_id = None if known[0] is None else max(largest, known[0], known[1] or 0)


def fallback_layer_of(volume: VolumeLayer, dataset_directory: Path, dataset_name: str) -> SegmentationLayer:
    """Open the layer that a volume layer was drawn on; `dataset_directory`: the dataset, or the folder that holds it.

    Raises InputError if it was drawn on none, NotADatasetError, NotInDatasetError.
    """
    if volume.fallback_layer_name is None:
        raise InputError(
            f"volume layer {volume.name!r} has no fallback layer, so there is nothing to merge it with; export it instead "
            "(export_volume_layer_to_dataset)"
        )
    path = dataset_directory
    if not (path / FILE_NAME).exists() and dataset_name == Path(dataset_name).name and (path / dataset_name).is_dir():
        path = path / dataset_name
    return Dataset.open(path, read_only=True).get_segmentation_layer(volume.fallback_layer_name)


# ---------------------------------------------------------------------- within


def _copied(
    fallback: SegmentationLayer, drawn: SegmentationLayer, dataset: Dataset, executor: Executor | None
) -> SegmentationLayer:
    """Copy the fallback layer's mags from the annotation's finest on."""
    first = drawn.get_finest_mag().mag if drawn.mags else fallback.get_finest_mag().mag
    if first not in fallback.mags:
        there = ", ".join(mag.to_layer_name() for mag in fallback.mags)
        raise GeometryError(
            f"the annotation begins at mag {first.to_layer_name()}, which layer {fallback.name!r} of {fallback.dataset.path} does "
            f"not have (it has {there}); make it there first: wk-assets downsample"
        )
    layer = dataset.add_layer_like(fallback, fallback.name).as_segmentation_layer()
    for mag, view in fallback.mags.items():
        if mag >= first:
            layer.add_mag_as_copy(view, extend_layer_bounding_box=False, executor=executor)
    return layer


def _check_ids(drawn: SegmentationLayer, fallback: SegmentationLayer) -> None:
    """Refuse ids that would become others in the fallback layer's type."""
    if np.can_cast(drawn.dtype, fallback.dtype, "safe"):
        return
    limit = int(np.iinfo(fallback.dtype).max)
    array = drawn.get_finest_mag().array
    largest = max((int(array.read_box(box).max(initial=0)) for box in array.stored_boxes()), default=0)
    if largest > limit:
        raise PropertiesError(
            f"segment id {largest} of the annotation is beyond {limit}, the largest of layer {fallback.name!r} "
            f"({fallback.dtype}); convert that layer to {drawn.dtype} first"
        )


def _drawn_box(view: MagView[Any]) -> BoundingBox:
    whole = BoundingBox.empty()
    for box in view.array.stored_boxes():
        whole = whole.extended_by(BoundingBox.from_ndbbox(box.from_mag_to_mag1(view.mag)))
    return BoundingBox(whole.topleft, whole.size)


def _jobs(target: MagView[Any], drawn: MagView[Any], *, zeros_are_unpainted: bool) -> Iterator[_Job]:
    """Give for each shard of the target the stored boxes that lie in it."""
    found: dict[NormalizedBoundingBox, tuple[NormalizedBoundingBox, ...]] = {}
    for stored in drawn.array.stored_boxes():
        for part in tiles_of(stored, target.info.shard_shape):
            corner = part.topleft_xyz // target.info.shard_shape * target.info.shard_shape
            shard = part.with_topleft_xyz(corner).with_size_xyz(target.info.shard_shape)
            found[shard] = (*found.get(shard, ()), part)
    written = PortableArray.of(target.array, read_only=False)
    read = PortableArray.of(drawn.array, read_only=True)
    for shard, boxes in found.items():
        yield _Job(written, read, shard, boxes, zeros_are_unpainted)


def _overlay(job: _Job) -> int:
    """Lay what is drawn in one shard over it; returns the greatest id that was drawn."""
    around = job.boxes[0]
    for box in job.boxes[1:]:
        around = around.extended_by(box)
    around = around.intersected_with(job.target.info.box, dont_assert=True)
    if around.is_empty():
        return 0
    voxels = job.target.read_box(around).copy()
    largest = 0
    for box in job.boxes:
        inside = box.intersected_with(around, dont_assert=True)
        if inside.is_empty():
            continue
        painted = job.drawn.read_box(inside).astype(voxels.dtype, copy=False)
        window = inside.offset(around.topleft * -1).to_slices()
        if job.zeros_are_unpainted:
            painted = np.where(painted == 0, voxels[window], painted)
        voxels[window] = painted
        largest = max(largest, int(painted.max(initial=0)))
    job.target.write_box(around, voxels)
    return largest
