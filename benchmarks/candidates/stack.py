"""Read a whole stack into memory, for the tools that want it there. Needs numpy and tifffile in the tool's environment."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from benchmarks.candidates.task import slices_of


def read_stack(source: Path, threads: int) -> NDArray[Any]:
    """Read the whole stack, shape (z, y, x), each slice straight to its place."""
    paths = slices_of(source)
    first = tifffile.imread(paths[0])
    stack = np.empty((len(paths), *first.shape), first.dtype)

    def load(z: int) -> None:
        with tifffile.TiffFile(paths[z]) as file:
            file.pages[0].asarray(out=stack[z])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(load, range(len(paths))))
    return stack
