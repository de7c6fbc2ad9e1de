"""Is a volume an image or labels, where nobody says so? Decided by a rule that always gives the same answer.

1. Floats and RGB are an image: `color`.
2. A name that says it decides: the words segmentation, segments, seg, labels, label, or ids, in the name of the file or of
   a folder below the one that is imported, mean `segmentation`.
3. Else the voxels decide. In up to 16 slices, evenly spread, neighbours along x are compared that are not both 0. If three
   quarters of them are equal, or more, it is `segmentation`: labels are alike in whole regions, and grey values are not.
   All zero is `color`, and so is what has negative values there: segment ids are never negative.
"""

import re
from collections.abc import Iterable
from typing import Literal

import numpy as np

from wk_assets.readers.volume import VolumeReader

_WORD = re.compile(r"(?<![a-z])(segmentation|segmentations|segments|segment|seg|labels|label|ids)(?![a-z])")
_SLICES = 16
_WINDOW_BYTES = 16 << 20
_ALIKE = 0.75


def category_of(reader: VolumeReader, names: Iterable[str]) -> Literal["color", "segmentation"]:
    """Decide what a volume is. `names`: of its files and folders, below the one that a person gave.

    Reads up to 16 slices, or 16 MiB in the middle of each. Raises what reading raises.
    """
    described = reader.description
    if described.dtype.kind == "f" or described.channels > 1:
        return "color"
    if any(_WORD.search(name.lower()) for name in names):
        return "segmentation"
    size = described.size
    count = min(_SLICES, size.z)
    rows = max(1, min(size.y, _WINDOW_BYTES // (size.x * described.dtype.itemsize)))
    first_row = (size.y - rows) // 2
    window = np.empty((1, rows, size.x), described.dtype)
    alike = compared = 0
    for index in range(count):
        z = (2 * index + 1) * size.z // (2 * count)
        reader.open_rows(z).read(first_row, window)
        if described.dtype.kind == "i" and window.min() < 0:
            return "color"
        left, right = window[0, :, :-1], window[0, :, 1:]
        told = (left != 0) | (right != 0)
        compared += int(told.sum())
        alike += int(((left == right) & told).sum())
    return "segmentation" if compared and alike / compared >= _ALIKE else "color"
