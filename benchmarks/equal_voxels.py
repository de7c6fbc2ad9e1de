"""Compare two arrays voxel by voxel, read with tensorstore: neither writer judges its own work.

Arrays may name their axes in another order, and may be larger (padded) on one side: the common part is compared.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

SLAB = 64  # slices that are in memory at once


def differing_voxels(one: Path, other: Path) -> tuple[int, int]:
    """Return how many voxels were compared, and how many differ."""
    first, second = _opened(one), _opened(other)
    width, height, depth = (min(a, b) for a, b in zip(_size(first), _size(second), strict=True))
    compared = differing = 0
    for z in range(0, depth, SLAB):
        box = (width, height, z, min(z + SLAB, depth))
        a, b = _read(first, *box), _read(second, *box)
        compared += a.size
        differing += int(np.count_nonzero(a != b))
    return compared, differing


def _opened(path: Path) -> Any:
    """Open an array and bring its axes into the order x, y, z."""
    array = ts.open({"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path)}}, open=True).result()
    names = json.loads((path / "zarr.json").read_text(encoding="utf-8"))["dimension_names"]
    for axis in reversed(range(len(names))):
        if names[axis] not in {"x", "y", "z"}:
            array = array[ts.d[axis][0]]
    spatial = [name for name in names if name in {"x", "y", "z"}]
    return array[ts.d[tuple(spatial.index(name) for name in "xyz")].transpose[0, 1, 2]]


def _size(array: Any) -> tuple[int, int, int]:
    x, y, z = array.shape
    return x, y, z


def _read(array: Any, width: int, height: int, start: int, stop: int) -> NDArray[Any]:
    voxels: NDArray[Any] = array[:width, :height, start:stop].read(order="F").result()
    return voxels


def main() -> None:
    """Compare from the command line: `ONE OTHER`, JSON out; `benchmarks.end_to_end` runs it as a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.equal_voxels", description=differing_voxels.__doc__)
    parser.add_argument("one", type=Path)
    parser.add_argument("other", type=Path)
    chosen = parser.parse_args()
    compared, differing = differing_voxels(chosen.one, chosen.other)
    print(json.dumps({"compared_voxels": compared, "differing_voxels": differing}))


if __name__ == "__main__":
    main()
