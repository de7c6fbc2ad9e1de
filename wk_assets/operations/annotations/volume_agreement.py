"""How far two volumes agree: two annotators on one box, or an annotator and a reference.

`compare_volumes` reads both once, block by block, into a table of overlaps; all figures are computed from that table by
pure functions. Skeletons are compared in `skeleton_agreement`.

With n_ij the voxels that have label i in the first and j in the second volume, a_i = sum_j n_ij, b_j = sum_i n_ij, N = sum n_ij:

    voxel accuracy   sum_i n_ii / N, over all voxels of the box, background included
    Dice             2 n_ii / (a_i + b_i), per segment id; Jaccard: n_ii / (a_i + b_i - n_ii)
    variation of information   split: H(second | first) = -sum n_ij/N log2(n_ij / a_i): bits by which the second divides
                     segments of the first; merge: H(first | second) = -sum n_ij/N log2(n_ij / b_j)
    adapted Rand error   1 - 2 P R / (P + R), with R = sum n_ij^2 / sum a_i^2 and P = sum n_ij^2 / sum b_j^2

The last two do not depend on which ids segments have. They are taken over the voxels that are a segment in the first volume
(so N, a and b count those alone): what the first did not paint says nothing of how the second divided it. Sources: Meila
(2007), Comparing clusterings; Arganda-Carreras et al. (2015), doi 10.3389/fnana.2015.00142, with background of the truth left out.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Final

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import GeometryError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.operations.annotations.volume_checks import BLOCK_EDGE, check_labels, read_labels
from wk_assets.operations.layers.chunk_blocks import chunk_blocks
from wk_assets.storage.mag_array import MagArray

BACKGROUND: Final = 0


@dataclass(frozen=True, slots=True)
class Overlaps:
    """Count voxels by the label in the first and the label in the second volume."""

    voxels: Mapping[tuple[int, int], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentAgreement:
    """Compare the voxels that have one id: how many each has, how many both; `dice` and `jaccard` are 0 to 1."""

    segment_id: int
    first_voxels: int
    second_voxels: int
    common_voxels: int

    @property
    def dice(self) -> float:
        """2 n_ii / (a_i + b_i)."""
        return 2 * self.common_voxels / (self.first_voxels + self.second_voxels)

    @property
    def jaccard(self) -> float:
        """n_ii / (a_i + b_i - n_ii)."""
        return self.common_voxels / (self.first_voxels + self.second_voxels - self.common_voxels)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeAgreement:
    """Hold the figures that this module's head defines. Entropies in bits; where the first painted nothing they are 0."""

    voxels: int
    voxel_accuracy: float
    segments: tuple[SegmentAgreement, ...]
    variation_split: float
    variation_merge: float
    rand_precision: float
    rand_recall: float

    @property
    def adapted_rand_error(self) -> float:
        """1 - 2 P R / (P + R): 0 is the same division."""
        total = self.rand_precision + self.rand_recall
        return 1 - 2 * self.rand_precision * self.rand_recall / total if total else 1.0

    @property
    def mean_dice(self) -> float:
        """Mean over all segments of both; 1 if there are none."""
        return sum(one.dice for one in self.segments) / len(self.segments) if self.segments else 1.0


def compare_volumes(
    first: MagArray, second: MagArray, box_in_mag: BoundingBox, *, block_edge: int = BLOCK_EDGE
) -> Overlaps:
    """Count the overlaps of two arrays of one mag in a box. One block of each is held, and the table.

    What is not stored is background. Raises GeometryError for an empty box and for arrays that are no labels.
    """
    check_labels(first)
    check_labels(second)
    if not prod(box_in_mag.size):
        raise GeometryError(f"agreement: the box {box_in_mag} holds no voxel. Give the task's box")
    found: Counter[tuple[int, int]] = Counter()
    for block in chunk_blocks(box_in_mag, first.info.chunk_shape, block_edge):
        found.update(overlaps(read_labels(first, block), read_labels(second, block)).voxels)
    return Overlaps(found)


def overlaps(first: NDArray[np.generic], second: NDArray[np.generic]) -> Overlaps:
    """Count the overlaps of two blocks of labels of one shape, `(x, y, z)`."""
    ours, mine = np.unique(first, return_inverse=True)
    theirs, yours = np.unique(second, return_inverse=True)
    pairs, counts = np.unique(mine.reshape(-1) * theirs.size + yours.reshape(-1), return_counts=True)
    return Overlaps(
        {
            (int(ours[pair // theirs.size]), int(theirs[pair % theirs.size])): int(count)
            for pair, count in zip(pairs, counts, strict=True)
        }
    )


def agreement(table: Overlaps) -> VolumeAgreement:
    """Compute all figures of a table of overlaps. Raises GeometryError for one without voxels."""
    total = sum(table.voxels.values())
    if not total:
        raise GeometryError("agreement: the volumes have no voxel in common. Compare them in the box of their task")
    rows, columns = _sums(table.voxels, 0), _sums(table.voxels, 1)
    ids = sorted((set(rows) | set(columns)) - {BACKGROUND})
    segments = tuple(
        SegmentAgreement(
            segment_id=one,
            first_voxels=rows[one],
            second_voxels=columns[one],
            common_voxels=table.voxels.get((one, one), 0),
        )
        for one in ids
    )
    split, merge, precision, recall = _divisions({pair: n for pair, n in table.voxels.items() if pair[0] != BACKGROUND})
    return VolumeAgreement(
        voxels=total,
        voxel_accuracy=sum(n for (i, j), n in table.voxels.items() if i == j) / total,
        segments=segments,
        variation_split=split,
        variation_merge=merge,
        rand_precision=precision,
        rand_recall=recall,
    )


def painted_agreement(table: Overlaps) -> float:
    """Say in one figure how alike two annotators divided what at least one of them painted: 0 to 1, 1 is the same.

    1 - adapted Rand error over those voxels, background being one more part: it is the same whoever comes first, and whatever
    ids they used. Two volumes without a painted voxel are the same.
    """
    pairs = {pair: n for pair, n in table.voxels.items() if pair != (BACKGROUND, BACKGROUND)}
    _, _, precision, recall = _divisions(pairs)
    return 2 * precision * recall / (precision + recall)


def _sums(voxels: Mapping[tuple[int, int], int], place: int) -> Counter[int]:
    found: Counter[int] = Counter()
    for pair, count in voxels.items():
        found[pair[place]] += count
    return found


def _divisions(voxels: Mapping[tuple[int, int], int]) -> tuple[float, float, float, float]:
    """Return H(second | first), H(first | second) in bits, and precision and recall of pairs of voxels."""
    total = sum(voxels.values())
    if not total:
        return 0.0, 0.0, 1.0, 1.0
    rows, columns = _sums(voxels, 0), _sums(voxels, 1)
    pairs = np.array(list(voxels.values()), np.float64)
    of_first = np.array([rows[i] for i, _ in voxels], np.float64)
    of_second = np.array([columns[j] for _, j in voxels], np.float64)
    # log2(a / n) instead of -log2(n / a): an exact 0.0 where they are equal, never -0.0
    split = float((pairs / total * np.log2(of_first / pairs)).sum())
    merge = float((pairs / total * np.log2(of_second / pairs)).sum())
    together = float((pairs**2).sum())
    precision = together / sum(float(n) ** 2 for n in columns.values())
    recall = together / sum(float(n) ** 2 for n in rows.values())
    return split, merge, precision, recall
