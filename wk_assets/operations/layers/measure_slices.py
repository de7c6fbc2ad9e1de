"""Measure slices of a stored mag anew after somebody edited it: what the ledger says of them must be what they are.

The window in which an image is shown and the largest segment id of a segmentation come from these numbers.
"""

from itertools import pairwise, product
from pathlib import Path

from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.kernels.statistics import slice_statistics
from wk_assets.operations.passes.pyramid_plan import STORED_BLOCK_BYTES
from wk_assets.operations.records.layer_record import LayerRecord, LayerStatistics, SliceFact
from wk_assets.storage.stored_array import StoredArray

_MEASURED = ("minimum", "maximum", "total", "zeros", "nans", "count")


def measured_anew(
    dataset_path: Path, record: LayerRecord, changed_in_mag: BoundingBox | None = None
) -> LayerStatistics | None:
    """Return a layer's statistics with those slices measured again that may have changed (None: all); None if it has none.

    `changed_in_mag`: voxels of the finest mag. What is known of a slice's file stays. Reads the slices' voxels, some
    megabytes at a time. Raises ShardMissingError, ShardCorruptError.
    """
    if record.statistics is None or not record.statistics.slices:
        return None
    finest = record.mags[0]
    box = finest.box_in_mag.to_box()
    start, stop = box.get_bounds("z") if changed_in_mag is None else changed_in_mag.get_bounds("z")
    start, stop = max(start, box.topleft.z), min(stop, box.bottomright.z)
    array = StoredArray.open(dataset_path / finest.path)
    found: dict[tuple[tuple[int, ...], int], SliceFact] = {}
    for at in product(*(range(extent) for _, extent in record.additional)):
        found |= {(at, fact.z): fact for fact in _measure(array.at(at), box, start, stop, at)}
    slices = tuple(
        fact.model_copy(update={name: getattr(found[fact.at, fact.z], name) for name in _MEASURED})
        if (fact.at, fact.z) in found
        else fact
        for fact in record.statistics.slices
    )
    return LayerStatistics(slices=slices)


def _measure(array: StoredArray, box: BoundingBox, start: int, stop: int, at: tuple[int, ...]) -> list[SliceFact]:
    chunk = array.chunk_shape
    column_bytes = array.channels * chunk.z * chunk.y * chunk.x * array.dtype.itemsize
    step_x = max(1, STORED_BLOCK_BYTES // column_bytes) * chunk.x
    facts: dict[int, SliceFact] = {}
    blocks = product(
        pairwise(_cuts(start, stop, chunk.z)),
        pairwise(_cuts(*box.get_bounds("y"), chunk.y)),
        pairwise(_cuts(*box.get_bounds("x"), step_x)),
    )
    for (z0, z1), (y0, y1), (x0, x1) in blocks:
        voxels = array.read(BoundingBox((x0, y0, z0), (x1 - x0, y1 - y0, z1 - z0))).transpose(0, 3, 2, 1)
        measured = slice_statistics(voxels)
        for index, z in enumerate(range(z0, z1)):
            total = measured.total[index]
            fact = SliceFact(
                z=z,
                at=at,
                minimum=measured.minimum[index].item(),
                maximum=measured.maximum[index].item(),
                total=total.item() if hasattr(total, "item") else total,
                zeros=int(measured.zeros[index]),
                nans=int(measured.nans[index]),
                count=int(measured.count[index]),
            )
            facts[z] = facts[z].joined(fact) if z in facts else fact
    return list(facts.values())


def _cuts(start: int, stop: int, step: int) -> list[int]:
    return [start, *range((start // step + 1) * step, stop, step), stop]
