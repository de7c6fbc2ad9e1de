"""zstd levels on the chunks that a layer is cut into: how small, how fast, and what `auto` would choose.

    python benchmarks/codecs.py                    real images of ../shared/data, and generated ones
    python benchmarks/codecs.py --source em=stack/ images of your own, a folder or a file; may be repeated
    python benchmarks/codecs.py --chunk 32 --levels 1,3,5 --json table.json

`ratio`: raw bytes by stored bytes. Speeds: raw MB per second of CPU time of one thread, the median of --repeats, with
the largest deviation of a repeat from it. `excess`: bytes beyond those of the smallest level. Chunks are those that
`operations.layers.chunk_sample` takes, encoded and decoded by the codec that writes and reads datasets.
"""

import argparse
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.layers.chunk_sample import ChunkSample, sample_chunks
from wk_assets.operations.layers.compression import PROBED_LEVELS, TOLERANCE, probe_compression
from wk_assets.operations.records.layer_request import ArraySettings
from wk_assets.readers.open_volume import open_volume
from wk_assets.readers.volume import SourceSelection, VolumeDescription
from wk_assets.storage.array_layout import ArrayLayout
from wk_assets.storage.chunk_codec import ChunkCodec

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
IMAGES = {".tif", ".tiff", ".png", ".jpg", ".jpeg"}
LEVELS = (-1, 1, 2, 3, 4, 5, 6, 7, 8, 9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One level on one image with one chunk shape."""

    image: str
    dtype: str
    chunk: int
    chunks: int
    level: int
    ratio: float
    excess_percent: float
    encode_mb_per_s: float
    decode_mb_per_s: float
    noise_percent: float
    chosen_by_auto: bool


class Volume:
    """Voxels in memory, (z, y, x), that can be sampled as a source."""

    def __init__(self, voxels: NDArray[Any]) -> None:
        self._voxels = voxels
        depth, height, width = voxels.shape
        self.description = VolumeDescription(
            format="memory",
            files=(),
            size=Vec3Int(width, height, depth),
            channels=1,
            dtype=voxels.dtype,
            voxel_size=None,
        )

    def read_slice(self, z: int, out: NDArray[Any]) -> None:
        """Fill `out` (1, y, x)."""
        out[0] = self._voxels[z]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", action="append", default=[], metavar="NAME=PATH", help="measure these images alone")
    parser.add_argument("--chunk", action="append", type=int, help="edge in voxels; default 32 and 64")
    parser.add_argument("--levels", default=",".join(map(str, LEVELS)), help="comma-separated zstd levels")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    levels = tuple(int(level) for level in options.levels.split(","))
    rows: list[Row] = []
    for (name, sampled), edge in itertools.product(images(options.source), options.chunk or (32, 64)):
        measured = measure(name, sampled(Vec3Int(edge, edge, edge)), edge, levels, options.repeats)
        show(measured)
        rows.extend(measured)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


def images(sources: Sequence[str]) -> Iterator[tuple[str, Callable[[Vec3Int], ChunkSample]]]:
    """Give each image's name and how to take chunks from it."""
    if sources:
        for source in sources:
            name, _, path = source.rpartition("=")
            yield name or path, from_files(Path(path))
        return
    if SHARED_DATA.exists():
        yield "FIB-SEM, Drosophila (real)", from_files(SHARED_DATA / "fibsem-fib25" / "grayscale")
        yield "serial-section TEM, JPEG (real)", from_voxels(tem_windows())
        nuclei = SHARED_DATA / "lightmicroscopy-nuclei"
        yield "fluorescence, nuclei (real)", from_files(nuclei / "nuclei_40x256x256_uint16.ome.tif")
        bodies = SHARED_DATA / "fibsem-fib25"
        yield "labels, neurons (real)", from_files(bodies / "groundtruth_bodies_uint32.tif", "zyx")
        yield "labels, supervoxels (real)", from_files(bodies / "supervoxels_uint32.tif", "zyx")
    else:
        print(f"{SHARED_DATA} is absent: generated images alone")
    cells, membranes = voronoi(128, 16)
    yield "EM (generated)", from_voxels(drawn_em(cells, membranes))
    yield "fluorescence (generated)", from_voxels(drawn_fluorescence(cells, membranes))
    labels = np.where(membranes, 0, cells).astype(np.uint32)
    yield "labels, 32 bit (generated)", from_voxels(labels)
    yield (
        "labels, 64 bit (generated)",
        from_voxels(labels.astype(np.uint64) + (np.uint64(1) << np.uint64(40)) * (labels > 0)),
    )


def from_files(path: Path, axes: str | None = None) -> Callable[[Vec3Int], ChunkSample]:
    """Sample image files as an import would."""
    files = sorted(one for one in path.iterdir() if one.suffix in IMAGES) if path.is_dir() else [path]
    selection = SourceSelection(root=path if path.is_dir() else path.parent, files=tuple(files), axes=axes)

    def sample(chunk_shape: Vec3Int) -> ChunkSample:
        with open_volume(selection) as reader:
            return sample_chunks(reader, chunk_shape)

    return sample


def from_voxels(voxels: NDArray[Any]) -> Callable[[Vec3Int], ChunkSample]:
    """Sample voxels in memory."""
    return lambda chunk_shape: sample_chunks(Volume(voxels), chunk_shape)


def tem_windows() -> NDArray[np.uint8]:
    """Pile up windows of single sections: what zstd sees of serial sections, which hardly resemble one another."""
    tiles = [np.asarray(Image.open(file)) for file in sorted((SHARED_DATA / "tem-temca2-tiles").rglob("*.jpg"))]
    windows = [
        tile[y : y + 256, x : x + 256] for tile in tiles for y in range(0, 1024, 256) for x in range(0, 1024, 256)
    ]
    return np.stack(windows)


def voronoi(edge: int, spacing: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Fill a cube with cells around jittered points; say of each voxel which cell it is in, and whether at a border."""
    rng = np.random.default_rng(1)
    count = edge // spacing + 2
    points = (np.indices((count,) * 3).transpose(1, 2, 3, 0) - 0.5 + rng.uniform(0, 1, (count,) * 3 + (3,))) * spacing
    ids = rng.permutation(count**3).reshape((count,) * 3) + 1
    position = np.indices((edge,) * 3).transpose(1, 2, 3, 0).astype(np.float32)
    home = (position // spacing).astype(np.int64) + 1
    nearest = np.full((edge,) * 3, np.inf, np.float32)
    second, cell = nearest.copy(), np.zeros((edge,) * 3, np.int64)
    for offset in itertools.product((-1, 0, 1), repeat=3):
        z, y, x = np.clip(home + np.array(offset), 0, count - 1).transpose(3, 0, 1, 2)
        distance = np.linalg.norm(points[z, y, x] - position, axis=-1).astype(np.float32)
        closer = distance < nearest
        second = np.where(closer, nearest, np.minimum(second, np.where(distance > nearest, distance, np.inf)))
        cell = np.where(closer, ids[z, y, x], cell)
        nearest = np.minimum(nearest, distance)
    return cell, second - nearest < 1.5


def drawn_em(cells: NDArray[np.int64], membranes: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Draw dark membranes around grey cells, with the noise of a detector."""
    noise = np.random.default_rng(2).normal(0, 9, cells.shape)
    image: NDArray[np.uint8] = np.clip(np.where(membranes, 70, 140 + cells % 40) + noise, 1, 255).astype(np.uint8)
    return image


def drawn_fluorescence(cells: NDArray[np.int64], membranes: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Draw some cells that glow, with shot noise, over a camera's offset."""
    glow = np.where((cells % 5 == 0) & ~membranes, 900, 12)
    image: NDArray[np.uint16] = (np.random.default_rng(3).poisson(glow) + 100).astype(np.uint16)
    return image


def measure(name: str, sample: ChunkSample, edge: int, levels: Sequence[int], repeats: int) -> list[Row]:
    """Encode and decode every chunk at every level; repeats go round the levels, so that noise hits all alike."""
    shape = Vec3Int(edge, edge, edge)
    stored: dict[int, int] = {}
    encode: dict[int, list[float]] = {level: [] for level in levels}
    decode: dict[int, list[float]] = {level: [] for level in levels}
    for _, level in itertools.product(range(repeats), levels):
        codec = ChunkCodec(
            ArrayLayout(
                layout=ArraySettings().layout,
                channels=1,
                size=shape,
                dtype=sample.chunks[0].dtype,
                chunk_shape=shape,
                shard_shape=shape,
                zstd_level=level,
            )
        )
        codec.decode(codec.encode(sample.chunks[0]), "first chunk")  # opens the contexts
        began = time.thread_time()
        encoded = [codec.encode(chunk) for chunk in sample.chunks]
        between = time.thread_time()
        for one in encoded:
            codec.decode(one, "chunk")
        decode[level].append(sample.raw_bytes / 1e6 / (time.thread_time() - between))
        encode[level].append(sample.raw_bytes / 1e6 / (between - began))
        stored[level] = sum(map(len, encoded))
    chosen = probe_compression(sample, ArraySettings(chunk_shape=shape, shard_shape=shape)).chosen
    fewest = min(stored.values())
    return [
        Row(
            image=name,
            dtype=str(sample.chunks[0].dtype),
            chunk=edge,
            chunks=len(sample.chunks),
            level=level,
            ratio=round(sample.raw_bytes / stored[level], 4),
            excess_percent=round(100 * (stored[level] / fewest - 1), 2),
            encode_mb_per_s=round(median(encode[level]), 1),
            decode_mb_per_s=round(median(decode[level]), 1),
            noise_percent=round(max(100 * abs(speed / median(encode[level]) - 1) for speed in encode[level]), 1),
            chosen_by_auto=level == chosen,
        )
        for level in levels
    ]


def show(rows: Sequence[Row]) -> None:
    first = rows[0]
    print(f"\n{first.image}: {first.dtype}, {first.chunks} chunks of {first.chunk}^3")
    print("  level    ratio  excess %   encode MB/s   decode MB/s  noise %")
    for row in rows:
        mark = (
            f"  <- auto (levels {PROBED_LEVELS[0]} to {PROBED_LEVELS[-1]}, within {TOLERANCE:.0%})"
            if row.chosen_by_auto
            else ""
        )
        print(
            f"  {row.level:5d} {row.ratio:8.3f} {row.excess_percent:9.1f} {row.encode_mb_per_s:13.1f} "
            f"{row.decode_mb_per_s:13.1f} {row.noise_percent:8.1f}{mark}"
        )


if __name__ == "__main__":
    main()
