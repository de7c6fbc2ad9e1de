"""Make realistic test volumes of any size, always the same ones: TIFF slices as a microscope leaves them.

`em`: grey, uint8; cells with dark membranes, shading, fine texture and the noise of a detector, so that it compresses
as raw electron microscopy does (zstd 5 on 32³ about 1.3). `labels`: uint32, the same cells as supervoxels, 0 on
membranes (about 50). Slices are made one after the other, so memory does not grow with the depth. Beyond `TILE` voxels
a slice is mirrored in x and y: codecs and kernels see 32 voxels at a time, and to them it is as good as new.
The geometry: nearest of jittered grid points (a Voronoi tessellation) at places that smooth noise has moved.
"""

import argparse
import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zstandard
from numba import float32, int64, njit, uint32
from numpy.typing import NDArray

from benchmarks.volume_spec import DESCRIPTION, KINDS, VolumeSpec, parse_size

TILE = 512
CELL = 56.0  # mean distance of two cells, voxels
COARSE_STEP = 24  # voxels between two lattice points of the fields that bend and shade the cells
FINE_STEP = 3  # the same of the texture inside of the cells


def write_volume(spec: VolumeSpec, folder: Path, threads: int) -> dict[str, Any]:
    """Write `slices/*.tif` and, last, the description; an interrupted folder is made anew. Return the description."""
    if folder.exists():
        shutil.rmtree(folder)
    slices = folder / "slices"
    slices.mkdir(parents=True)
    compression = None if spec.compression == "none" else spec.compression
    probe: list[NDArray[Any]] = []
    for z, voxels in enumerate(volume_slices(spec, threads)):
        tifffile.imwrite(
            slices / f"{spec.kind}_{z:05d}.tif",
            voxels,
            photometric="minisblack",
            compression=compression,
            metadata=None,
        )
        if z < 32:
            probe.append(voxels)
    description = asdict(spec) | {"zstd5_ratio_of_32_cubes": round(chunk_ratio(np.stack(probe)), 3)}
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=2))
    return description


def volume_slices(spec: VolumeSpec, threads: int) -> Iterator[NDArray[Any]]:
    """Yield the slices in order, shape (y, x), uint8 or uint32; at most 2 · `threads` of them are held at once."""
    size_x, size_y, size_z = spec.size
    tile = (min(size_y, TILE), min(size_x, TILE))
    mirror_y, mirror_x = _mirrored(size_y, tile[0]), _mirrored(size_x, tile[1])

    def one(z: int) -> NDArray[Any]:
        voxels = _tile(spec, z, tile)
        return voxels if voxels.shape == (size_y, size_x) else np.ascontiguousarray(voxels[np.ix_(mirror_y, mirror_x)])

    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, size_z, 2 * threads):
            yield from pool.map(one, range(start, min(start + 2 * threads, size_z)))


def chunk_ratio(slab: NDArray[Any], level: int = 5) -> float:
    """Return raw bytes by zstd bytes of the 32³ chunks of `slab`, (z, y, x); of at most 64 of them."""
    compressor = zstandard.ZstdCompressor(level=level)
    raw = stored = 0
    corners = [(y, x) for y in range(0, slab.shape[1], 32) for x in range(0, slab.shape[2], 32)]
    for y, x in corners[:: max(1, len(corners) // 64)]:
        chunk = np.ascontiguousarray(slab[:32, y : y + 32, x : x + 32])
        raw += chunk.nbytes
        stored += len(compressor.compress(chunk.tobytes()))
    return raw / stored


def _mirrored(size: int, tile: int) -> NDArray[np.intp]:
    place = np.arange(size) % (2 * tile)
    return np.where(place < tile, place, 2 * tile - 1 - place)


def _tile(spec: VolumeSpec, z: int, tile: tuple[int, int]) -> NDArray[Any]:
    height, width = tile
    coarse = np.stack([_field(spec.seed + channel, z, COARSE_STEP, tile) for channel in range(4)])
    labels = np.empty((height, width), np.uint32)
    if spec.kind == "labels":
        _fill(z, coarse, np.empty((1, 1), np.float32), labels, np.empty((0, 0), np.uint8))
        return labels
    grey, blurred = np.empty((height, width), np.uint8), np.empty((height, width), np.uint8)
    _fill(z, coarse, _field(spec.seed + 4, z, FINE_STEP, tile), labels, grey)
    _blur(grey, blurred)
    return blurred


def _field(seed: int, z: int, step: int, tile: tuple[int, int]) -> NDArray[np.float32]:
    """Return smooth noise at the lattice points of slice `z`: mean 0, standard deviation about 1."""
    shape = (tile[0] // step + 2, tile[1] // step + 2)
    below, above = np.empty(shape, np.float32), np.empty(shape, np.float32)
    _noise_plane(seed, z // step, below)
    _noise_plane(seed, z // step + 1, above)
    part = np.float32(z % step / step)
    return below * (1 - part) + above * part


@njit(inline="always")
def _hash(a: Any) -> Any:
    a = uint32(a)
    a ^= a >> uint32(16)
    a = uint32(a * uint32(0x7FEB352D))
    a ^= a >> uint32(15)
    a = uint32(a * uint32(0x846CA68B))
    a ^= a >> uint32(16)
    return a


@njit(cache=True, nogil=True)
def _noise_plane(seed: int, plane: int, out: NDArray[np.float32]) -> None:
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            h = _hash(_hash(_hash(uint32(seed * 40503 + plane)) ^ uint32(y)) ^ uint32(x))
            out[y, x] = float32((h / 2147483648.0 - 1.0) * 1.732)


@njit(inline="always")
def _between(field: Any, y: Any, x: Any, step: Any) -> Any:
    fy, fx = y / step, x / step
    y0, x0 = int64(fy), int64(fx)
    ty, tx = float32(fy - y0), float32(fx - x0)
    upper = field[y0, x0] * (1 - tx) + field[y0, x0 + 1] * tx
    lower = field[y0 + 1, x0] * (1 - tx) + field[y0 + 1, x0 + 1] * tx
    return upper * (1 - ty) + lower * ty


@njit(cache=True, nogil=True)  # not fastmath: the voxels must not depend on the processor
def _fill(
    z: int,
    coarse: NDArray[np.float32],
    fine: NDArray[np.float32],
    labels: NDArray[np.uint32],
    grey: NDArray[np.uint8],
) -> None:
    """Draw one slice. `coarse`: (displacement x, y, z and shade, y, x). `grey` empty: only labels are wanted."""
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            px = x + 9.0 * _between(coarse[0], y, x, COARSE_STEP)
            py = y + 9.0 * _between(coarse[1], y, x, COARSE_STEP)
            pz = z + 9.0 * _between(coarse[2], y, x, COARSE_STEP)
            cx, cy, cz = int(np.floor(px / CELL)), int(np.floor(py / CELL)), int(np.floor(pz / CELL))
            nearest, second, cell = 1e18, 1e18, uint32(0)
            for k in range(27):
                gx, gy, gz = cx + k % 3 - 1, cy + k // 3 % 3 - 1, cz + k // 9 - 1
                h = _hash(uint32(gx * 73856093) ^ uint32(gy * 19349663) ^ uint32(gz * 83492791))
                dx = (gx + (h & uint32(1023)) / 1024.0) * CELL - px
                dy = (gy + ((h >> uint32(10)) & uint32(1023)) / 1024.0) * CELL - py
                dz = (gz + ((h >> uint32(20)) & uint32(1023)) / 1024.0) * CELL - pz
                distance = dx * dx + dy * dy + dz * dz
                if distance < nearest:
                    nearest, second, cell = distance, nearest, h
                elif distance < second:
                    second = distance
            gap = np.sqrt(second) - np.sqrt(nearest)
            labels[y, x] = uint32(0) if gap < 1.5 else (_hash(cell) & uint32(0x3FFFFF)) + uint32(1)
            if grey.size:
                value = 165.0 + (cell >> uint32(27)) * 0.6 + 10.0 * _between(coarse[3], y, x, COARSE_STEP)
                value += 6.0 * _between(fine, y, x, FINE_STEP) - 65.0 * np.exp(-(gap * gap) / 14.0)
                h = _hash(_hash(uint32(x) + uint32(y) * uint32(65537)) ^ uint32(z))
                noise = (h & uint32(255)) + ((h >> uint32(8)) & uint32(255)) + ((h >> uint32(16)) & uint32(255))
                value += (float(noise + (h >> uint32(24))) - 510.0) / 147.8 * 5.0  # the sum of four is nearly normal
                grey[y, x] = np.uint8(min(255.0, max(0.0, value)))


@njit(cache=True, nogil=True)
def _blur(source: NDArray[np.uint8], target: NDArray[np.uint8]) -> None:
    """Spread each voxel over its neighbours in the slice, as a microscope does."""
    height, width = source.shape
    for y in range(height):
        above, below = max(y - 1, 0), min(y + 1, height - 1)
        for x in range(width):
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            total = 12 * int(source[y, x]) + int(source[above, x]) + int(source[below, x])
            total += int(source[y, left]) + int(source[y, right])
            target[y, x] = np.uint8((total + 8) // 16)


def main() -> None:
    """Make one volume from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.volumes", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("folder", type=Path, help="where `slices/*.tif` go; an existing folder is replaced")
    parser.add_argument("--kind", choices=KINDS, default="em")
    parser.add_argument("--size", type=parse_size, default=(512, 512, 256), help="voxels x,y,z")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--compression", choices=("none", "zlib", "lzw", "zstd"), default="none")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    chosen = parser.parse_args()
    spec = VolumeSpec(kind=chosen.kind, size=chosen.size, seed=chosen.seed, compression=chosen.compression)
    print(json.dumps(write_volume(spec, chosen.folder, chosen.threads)))


if __name__ == "__main__":
    main()
