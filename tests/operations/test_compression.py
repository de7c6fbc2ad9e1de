"""The level is the lowest that costs few bytes; the same images give the same one, whoever asks and how often."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wk_assets.errors import InputError, UnreadableSliceError
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.layers import chunk_sample
from wk_assets.operations.layers.chunk_sample import ChunkSample, ChunkSampler, sample_chunks
from wk_assets.operations.layers.compression import (
    FALLBACK_LEVEL,
    PRESETS,
    PROBED_LEVELS,
    Compression,
    measure_level,
    probe_compression,
)
from wk_assets.operations.records.layer_request import ArraySettings
from wk_assets.readers.volume import SourceSelection, VolumeDescription
from wk_assets.storage.array_layout import Layout

CHUNK = Vec3Int(8, 8, 8)
ARRAY = ArraySettings(chunk_shape=CHUNK, shard_shape=Vec3Int(32, 32, 32))


class MemorySource:
    """Slices of an array (c, z, y, x); remembers which were read."""

    def __init__(self, voxels: NDArray[Any], unreadable: tuple[int, ...] = ()) -> None:
        self.voxels = voxels
        self.unreadable = unreadable
        self.read: list[int] = []
        channels, depth, height, width = voxels.shape
        self.description = VolumeDescription(
            format="memory",
            files=(),
            size=Vec3Int(width, height, depth),
            channels=channels,
            dtype=voxels.dtype,
            voxel_size=None,
        )

    def read_slice(self, z: int, out: NDArray[Any]) -> None:
        self.read.append(z)
        if z in self.unreadable:
            raise UnreadableSliceError(f"slice {z} is broken")
        out[...] = self.voxels[:, z]


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(1, 255, shape, np.uint8)


def labels(*shape: int) -> NDArray[np.uint32]:
    """Blocks of one label each: every level finds something more in them."""
    z, y, x = (np.indices(shape) + np.sin(np.indices(shape)[::-1]).astype(int)) // 3
    numbered: NDArray[np.uint32] = (z * 1000 + y * 30 + x + 1).astype(np.uint32)
    return numbered


# ---------------------------------------------------------------------- sampling


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 200)),
    channels=st.sampled_from([1, 3]),
    threads=st.integers(1, 4),
)
def test_every_sampled_chunk_is_one_of_the_volumes_chunks(
    size: tuple[int, int, int], channels: int, threads: int
) -> None:
    width, height, depth = size
    voxels = noise(channels, depth, height, width)
    padded = np.pad(voxels, [(0, 0), *((0, -length % 8) for length in (depth, height, width))])
    real = {
        padded[:, z : z + 8, y : y + 8, x : x + 8].tobytes()
        for z in range(0, depth, 8)
        for y in range(0, height, 8)
        for x in range(0, width, 8)
    }

    sample = sample_chunks(MemorySource(voxels), CHUNK, threads)

    assert sample.chunks
    assert {chunk.tobytes() for chunk in sample.chunks} <= real
    assert {chunk.shape for chunk in sample.chunks} == {(channels, 8, 8, 8)}
    assert sample.used_fraction == 1


def test_the_sample_does_not_depend_on_threads_or_time() -> None:
    voxels = noise(1, 100, 90, 110)

    first, second = (sample_chunks(MemorySource(voxels), CHUNK, threads) for threads in (1, 4))

    assert [chunk.tobytes() for chunk in first.chunks] == [chunk.tobytes() for chunk in second.chunks]


def test_a_large_volume_is_sampled_all_over_by_a_small_part_of_its_slices() -> None:
    source = MemorySource(noise(1, 800, 128, 128))

    sample = sample_chunks(source, CHUNK)

    assert len(sample.chunks) >= 64
    assert len(set(source.read)) == 24  # three slabs
    assert {z * 3 // 800 for z in source.read} == {0, 1, 2}  # one in each third


def test_chunks_are_spread_over_a_slab() -> None:
    voxels = np.ones((1, 8, 256, 256), np.uint16)
    voxels[0] += np.arange(256, dtype=np.uint16)[:, None] // 64 * 4 + np.arange(256, dtype=np.uint16)[None, :] // 64

    sample = sample_chunks(MemorySource(voxels), CHUNK)

    tiles = [int(chunk[0, 0, 0, 0]) for chunk in sample.chunks]
    assert set(tiles) == set(range(1, 17))
    assert max(tiles.count(tile) for tile in tiles) <= 2 * len(tiles) / 16


def test_empty_chunks_are_not_sampled_but_counted() -> None:
    voxels = np.zeros((1, 8, 128, 128), np.uint8)
    voxels[0, 4, :32, :] = 7

    sample = sample_chunks(MemorySource(voxels), CHUNK)

    assert len(sample.chunks) == 64
    assert sample.used_fraction == 0.25


def test_a_volume_without_a_voxel_set_gives_no_chunk() -> None:
    sample = sample_chunks(MemorySource(np.zeros((1, 20, 20, 20), np.uint8)), CHUNK)

    assert (sample.chunks, sample.used_fraction) == ((), 0)


def test_a_slice_that_can_not_be_read_is_left_to_the_import() -> None:
    voxels = noise(1, 8, 16, 16)

    sample = sample_chunks(MemorySource(voxels, unreadable=(3,)), CHUNK)

    assert all(not chunk[0, 3].any() and chunk[0, 2].any() for chunk in sample.chunks)


def test_little_is_held_however_large_the_chunks_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_sample, "_CHUNK_BYTES", 16 * 512)

    sample = sample_chunks(MemorySource(noise(1, 100, 128, 128)), CHUNK)

    assert 16 <= len(sample.chunks) <= 18


def test_a_sampler_reads_a_source_once(tmp_path: Path) -> None:
    file = tmp_path / "stack.tif"
    tifffile.imwrite(file, noise(8, 16, 16), metadata=None)
    selection = SourceSelection(root=tmp_path, files=(file,), axes="zyx")
    sampler = ChunkSampler()

    first = sampler.sample(selection, CHUNK)
    file.unlink()

    assert sampler.sample(selection, CHUNK) is first


# ---------------------------------------------------------------------- choosing


def sampled(voxels: NDArray[Any], chunk: Vec3Int = CHUNK) -> ChunkSample:
    return sample_chunks(MemorySource(voxels[None]), chunk)


@pytest.mark.parametrize("voxels", [noise(16, 64, 64), labels(16, 64, 64)])
@pytest.mark.parametrize("tolerance", [0, 0.02, 0.2, 1])
def test_the_chosen_level_is_the_lowest_within_the_tolerance(voxels: NDArray[Any], tolerance: float) -> None:
    probe = probe_compression(sampled(voxels), ARRAY, tolerance=tolerance)

    limit = min(one.stored_bytes for one in probe.levels) * (1 + tolerance)
    assert probe.chosen == min(one.level for one in probe.levels if one.level and one.stored_bytes <= limit)
    assert probe.chosen in PROBED_LEVELS


def test_noise_needs_no_effort_and_labels_deserve_some() -> None:
    assert probe_compression(sampled(noise(32, 64, 64)), ARRAY).chosen == 1
    assert probe_compression(sampled(labels(32, 64, 64)), ARRAY).chosen > 1


def test_the_same_source_gives_the_same_choice() -> None:
    probes = [probe_compression(sampled(labels(32, 64, 64)), ARRAY) for _ in range(3)]

    assert len({tuple(one.stored_bytes for one in probe.levels) for probe in probes}) == 1
    assert len({probe.chosen for probe in probes}) == 1


def test_without_a_chunk_the_middle_is_taken() -> None:
    probe = probe_compression(sampled(np.zeros((8, 8, 8), np.uint8)), ARRAY)

    assert (probe.chosen, probe.chunks) == (FALLBACK_LEVEL, 0)


@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize("level", [None, 1, 9])
def test_what_is_measured_is_what_is_stored(layout: Layout, level: int | None) -> None:
    """Colours stand beside one another in the WEBKNOSSOS layout: other bytes, another size."""
    ramp = np.arange(8 * 64 * 64, dtype=np.uint32).reshape(8, 64, 64)
    colours = np.stack(
        [(ramp % 251).astype(np.uint8), (ramp // 64 % 83).astype(np.uint8), np.full_like(ramp, 9, np.uint8)]
    )
    sample = sample_chunks(MemorySource(colours), CHUNK)

    measure = measure_level(sample.chunks, ArraySettings(layout=layout), level)

    assert measure.raw_bytes == sum(chunk.nbytes for chunk in sample.chunks)
    if level is None:
        assert measure.stored_bytes == measure.raw_bytes + 4 * len(sample.chunks)  # a crc32c each
    else:
        assert measure.ratio > 1


# ---------------------------------------------------------------------- words


@pytest.mark.parametrize(
    "text", ["auto", "auto:5", "fast", "compact", "webknossos", "none", "zstd:1", "zstd:22", "zstd:-3"]
)
def test_a_compression_is_written_as_it_is_read(text: str) -> None:
    assert str(Compression.parse(text)) == text


@pytest.mark.parametrize(("preset", "level"), PRESETS.items())
def test_a_preset_is_a_level(preset: str, level: int | None) -> None:
    assert Compression.parse(preset).zstd_level == level
    assert not Compression.parse(preset).automatic


@pytest.mark.parametrize(
    "text",
    ["", "lz4", "zstd", "zstd:", "zstd:0", "zstd:23", "zstd:-8", "zstd:x", "auto:", "auto:-1", "auto:101", "auto:nan"],
)
def test_anything_else_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(InputError, match=r"write auto, fast, compact, webknossos, none, zstd:LEVEL"):
        Compression.parse(text)


def test_auto_says_what_it_may_cost() -> None:
    parse: Callable[[str], Compression] = Compression.parse
    assert (parse("auto").tolerance, parse("auto:10").tolerance, parse("fast").tolerance) == (0.02, 0.1, None)
