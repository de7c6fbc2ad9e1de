"""How often which value occurs in a layer, counted in a coarse mag with bounded memory, and its small picture.

Only images have a histogram: how often which segment id occurs says nothing about the quality of a segmentation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import GeometryError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.operations.layers.chunk_blocks import chunk_blocks
from wk_assets.operations.records.layer_record import LayerRecord
from wk_assets.storage.stored_array import StoredArray
from wk_assets.storage.voxel_array import VoxelArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Count values in bins of equal width: bin i holds `minimum + i * bin_width <= value`, below the next bin.

    For integers `bin_width` is a whole number, so that every bin covers as many possible values as the others; the last
    bin may reach beyond `maximum`. `not_finite` (NaN and infinities) are in no bin. `voxels` is how many were looked at.
    """

    minimum: float
    maximum: float
    bin_width: float
    counts: tuple[int, ...]
    not_finite: int
    voxels: int
    complete: bool  # False: an evenly spread part of the blocks


def layer_histogram(
    record: LayerRecord, dataset_path: Path, *, bins: int = 128, max_voxels: int = 1 << 25
) -> Histogram:
    """Count the values of a layer in the finest mag of at most `max_voxels` voxels; of the coarsest, if none is so small.

    Raises GeometryError for a segmentation, and what reading the mag raises.
    """
    if record.category == "segmentation":
        raise GeometryError(f"layer {record.layer_name!r} is a segmentation: a histogram of segment ids has no meaning")
    small = [mag for mag in record.mags if prod(mag.box_in_mag.size) <= max_voxels]
    chosen = small[0] if small else record.mags[-1]
    return array_histogram(
        StoredArray.open(dataset_path / chosen.path), chosen.box_in_mag.to_box(), bins=bins, max_voxels=max_voxels
    )


def array_histogram(
    array: VoxelArray, box_in_mag: BoundingBox, *, bins: int = 128, max_voxels: int = 1 << 25
) -> Histogram:
    """Count the values of all channels in `box_in_mag`; if it is larger than `max_voxels`, of evenly spread blocks.

    Reads the voxels twice (extremes, then counts) and holds one block at a time. Raises GeometryError for an empty box.
    """
    blocks = chunk_blocks(box_in_mag, array.chunk_shape)
    if not blocks:
        raise GeometryError(f"histogram: the box {box_in_mag} holds no voxel")
    stride = ceil(prod(box_in_mag.size) / max_voxels)
    looked_at = blocks[::stride]
    minimum, maximum, not_finite, voxels = _extremes(array, looked_at)
    if minimum is None or maximum is None:
        return Histogram(
            minimum=0, maximum=0, bin_width=1, counts=(), not_finite=not_finite, voxels=voxels, complete=stride == 1
        )
    integral = array.dtype.kind in "iu"
    if integral:
        span = int(maximum) - int(minimum) + 1
        width: float = -(-span // bins)  # Python's integers: a quotient of floats is wrong from 2**53 on
        count = -(-span // int(width))
    else:
        width = (float(maximum) - float(minimum)) / bins or 1.0
        count = bins if maximum > minimum else 1
    counts = np.zeros(count, np.int64)
    for finite in _finite_values(array, looked_at):
        if count == 1:
            places = np.zeros(
                finite.size, np.intp
            )  # the width of the only bin may be 2**64, which no integer type holds
        elif integral:
            # differences of 64-bit integers may exceed their type: modulo 2**64 they are right in uint64
            steps = (finite.astype(np.uint64) - np.uint64(int(minimum) % (1 << 64))) // np.uint64(width)
            places = steps.astype(np.intp)
        else:
            places = ((finite.astype(np.float64) - float(minimum)) / width).astype(np.intp).clip(max=count - 1)
        counts += np.bincount(places, minlength=count)
    return Histogram(
        minimum=minimum,
        maximum=maximum,
        bin_width=width,
        counts=tuple(int(number) for number in counts),
        not_finite=not_finite,
        voxels=voxels,
        complete=stride == 1,
    )


def _extremes(array: VoxelArray, blocks: Sequence[BoundingBox]) -> tuple[float | None, float | None, int, int]:
    minimum: float | None = None
    maximum: float | None = None
    finite_voxels = 0
    for finite in _finite_values(array, blocks):
        finite_voxels += finite.size
        if finite.size:
            low, high = finite.min().item(), finite.max().item()
            minimum = low if minimum is None else min(minimum, low)
            maximum = high if maximum is None else max(maximum, high)
    voxels = array.channels * sum(prod(block.size) for block in blocks)
    return minimum, maximum, voxels - finite_voxels, voxels


def _finite_values(array: VoxelArray, blocks: Sequence[BoundingBox]) -> Iterator[NDArray[Any]]:
    for block in blocks:
        values = array.read(block)
        yield values[np.isfinite(values)] if array.dtype.kind == "f" else values.reshape(-1, order="A")


def histogram_svg(histogram: Histogram, *, width: int = 200, height: int = 80) -> str:
    """Draw a histogram as one small SVG document: heights are logarithms of counts, the labels are the extremes."""
    baseline = height - 14
    heights = np.log1p(np.asarray(histogram.counts, np.float64))
    scale = baseline / heights.max() if heights.size and heights.max() > 0 else 0.0
    step = width / max(1, heights.size)
    path = "".join(f"H{index * step:.4g}V{baseline - bar * scale:.4g}" for index, bar in enumerate(heights))
    label = f'y="{height - 3}" font-family="sans-serif" font-size="10" fill="#555"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f"<title>values from {histogram.minimum:g} to {histogram.maximum:g}, logarithm of {histogram.voxels} counts</title>"
        f'<path d="M0 {baseline}{path}H{width}V{baseline}Z" fill="#4a7ebb"/>'
        f'<text x="1" {label}>{histogram.minimum:g}</text>'
        f'<text x="{width - 1}" {label} text-anchor="end">{histogram.maximum:g}</text>'
        "</svg>"
    )
