"""What a planned run will probably store and take, from a sample of its source: read, encoded, downsampled as it will be.

An estimate, not a promise: the time is that of cores with nothing else to do, and the sample is a few slabs of the
source. Where stored mags are read instead, their own ratio is taken, and no time is foretold.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.downsample import downsample
from wk_assets.operations.compute import Compute
from wk_assets.operations.layers.chunk_sample import ChunkSample, ChunkSampler
from wk_assets.operations.layers.compression import LevelMeasure, measure_level
from wk_assets.operations.layers.layer_plan import LayerPlan, MagPlan
from wk_assets.operations.records.layer_record import read_layer_record
from wk_assets.operations.records.layer_request import LayerEstimate

# What the engine spends on a chunk besides its voxels: tasks, positions, appending. Measured at 10 to 20 microseconds.
_SECONDS_PER_CHUNK = 15e-6
_SMALL_BLOCK = 8  # voxels; larger ones take as long as so many copies (benchmarks/README.md)
_COPIES_OF_LARGE_BLOCKS = 4
_SECONDS_PER_STORED_BYTE = 1e-9  # writing, its checksum, and letting the disk catch up


def estimated(plan: LayerPlan, compute: Compute, sampler: ChunkSampler | None = None) -> LayerPlan:
    """Return the plan with its estimate. `sampler`: may have the source's sample already.

    Raises SourceError for a source that can not be opened.
    """
    if plan.up_to_date:
        return replace(plan, estimate=LayerEstimate(stored_bytes=0, seconds=0.0, chunks=0))
    if plan.description is None or plan.request.source is None:
        return replace(plan, estimate=_by_what_is_stored(plan))
    array = plan.request.array.fitted_to(plan.box.size)
    sample = (sampler or ChunkSampler(compute.threads)).sample(plan.request.source, array.chunk_shape)
    return replace(plan, estimate=_by_sample(plan, sample, compute.threads))


def _by_what_is_stored(plan: LayerPlan) -> LayerEstimate:
    """Let coarser mags compress as the finest did."""
    record = read_layer_record(plan.request.dataset_path, plan.request.layer_name)
    finest = record.mags[0] if record is not None and record.mags else None
    fraction = finest.stored_bytes / max(1, finest.raw_bytes) if finest is not None else 1.0
    return LayerEstimate(stored_bytes=int(plan.raw_bytes * fraction), seconds=None, chunks=0)


def _by_sample(plan: LayerPlan, sample: ChunkSample, threads: int) -> LayerEstimate:
    """Add up reading, packing, encoding and downsampling as the work of one thread, and share it."""
    read_voxels = sum(one.read_voxels for one in plan.passes if one.parent is None)
    seconds = read_voxels * sample.read_seconds_per_voxel
    if not sample.chunks:
        return LayerEstimate(stored_bytes=0, seconds=seconds / threads, chunks=0)
    slab = np.concatenate(sample.chunks, axis=3)
    voxels = slab[0].size
    seconds += read_voxels * _seconds(slab.copy) / voxels  # statistics
    level = plan.request.array.zstd_level
    finest = measure_level(sample.chunks, plan.request.array, level)
    cut = _seconds(lambda: [_packed(chunk) for chunk in sample.chunks])
    encode = finest.encode_seconds + _SECONDS_PER_CHUNK * len(sample.chunks)
    stored_bytes = 0.0
    positions = prod(extent for _, extent in plan.additional)
    measured: dict[Vec3Int, tuple[float, LevelMeasure]] = {}  # by factors: seconds to downsample, what it becomes
    for mag in plan.mags:
        if mag.up_to_date:
            continue
        factors, measure = _factors(plan, mag), finest
        if factors is not None:
            if factors not in measured:
                measured[factors] = _measured_downsampling(plan, sample, slab, factors)
            work, measure = measured[factors]
            seconds += positions * prod(mag.size) * prod(factors) * work / voxels
        stored_bytes += mag.raw_bytes * sample.used_fraction / measure.ratio
        seconds += positions * prod(mag.size) * (cut + sample.used_fraction * encode) / voxels
    seconds += stored_bytes * _SECONDS_PER_STORED_BYTE
    return LayerEstimate(stored_bytes=int(stored_bytes), seconds=seconds / threads, chunks=len(sample.chunks))


def _factors(plan: LayerPlan, mag: MagPlan) -> Vec3Int | None:
    """Return the factors from the mag before, None for the finest."""
    position = plan.request.mags.index(mag.mag)
    if position == 0:
        return None
    return mag.mag.to_vec3_int() // plan.request.mags[position - 1].to_vec3_int()


def _measured_downsampling(
    plan: LayerPlan, sample: ChunkSample, slab: NDArray[Any], factors: Vec3Int
) -> tuple[float, LevelMeasure]:
    """Downsample the sample, in seconds, and encode the result: labels grow denser, noise grows less.

    The seconds are those of memory copies, which compiled kernels are as fast as: loading them takes longer than the sample.
    As many voxels go into one piece as a chunk has. They were no neighbours, so the bytes are rather too many.
    """
    _, depth, height, width = sample.chunks[0].shape
    usable = (min(factors.z, depth), min(factors.y, height), min(factors.x, width))
    copies = _COPIES_OF_LARGE_BLOCKS if prod(usable) > _SMALL_BLOCK else 1
    seconds = copies * _seconds(slab.copy)
    coarse = downsample(slab, usable, plan.request.mode)
    piece = min(coarse.shape[3], width // usable[2] * prod(usable))
    pieces = [np.ascontiguousarray(coarse[..., x : x + piece]) for x in range(0, coarse.shape[3] - piece + 1, piece)]
    return seconds, measure_level(pieces, plan.request.array, plan.request.array.zstd_level)


def _packed(chunk: NDArray[Any]) -> bool:
    """Copy a chunk, and look whether it holds anything."""
    return bool(chunk.copy().view(np.uint8).any())


def _seconds(work: Callable[[], object]) -> float:
    """Time the second of two calls: the first may compile or load a kernel."""
    work()
    began = time.thread_time()
    work()
    return time.thread_time() - began
