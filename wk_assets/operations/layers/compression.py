"""How strongly chunks are compressed: as a person chooses it, or as a sample of the source decides it.

`auto` encodes a sample at zstd levels 1 to 5 and takes the lowest level whose bytes are within a tolerance of the
fewest. Sizes decide, never seconds: the same source gives the same level on every machine, and a rerun the same
bytes. The choice is made once, where a layer is registered or converted, and stands in the catalogue and in
`zarr.json`. How samples are taken is in `chunk_sample`; what a run will cost is in `estimate_layer`.

No level is right for all (benchmarks/codecs.py, 32^3 chunks): noise of an electron microscope is as small at level 1
as at 9, and ten times faster; JPEG tiles and fluorescence need level 4 for what level 1 leaves out (8 to 20 %).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from numpy.typing import NDArray

from wk_assets.errors import InputError
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.layers.chunk_sample import ChunkSample
from wk_assets.operations.records.layer_request import ArraySettings
from wk_assets.storage.array_layout import ArrayLayout
from wk_assets.storage.chunk_codec import ChunkCodec

AUTO: Final = "auto"
PRESETS: Final[Mapping[str, int | None]] = MappingProxyType({"fast": 1, "webknossos": 5, "compact": 9, "none": None})
LOWEST_LEVEL: Final = -7
HIGHEST_LEVEL: Final = 22
PROBED_LEVELS: Final = (1, 2, 3, 4, 5)  # above, zstd takes twice the time for little, but for labels: `compact`
TOLERANCE: Final = 0.02
FALLBACK_LEVEL: Final = 3  # where a source is empty, or nobody probed it: near the knee for every kind of image
_FORMS = "auto, fast, compact, webknossos, none, zstd:LEVEL (1 to 22), or auto:PERCENT of bytes that speed may cost"


@dataclass(frozen=True, slots=True)
class Compression:
    """Name a way to compress: `auto`, a preset, or one zstd level.

    `zstd_level` None: none, or not decided yet. `tolerance`: how much more than the fewest bytes `auto` accepts for a
    lower level; 0.02 is 2 %.
    """

    name: str
    zstd_level: int | None = None
    tolerance: float | None = None

    @property
    def automatic(self) -> bool:
        """Say whether a sample of the source is to decide."""
        return self.tolerance is not None

    @classmethod
    def parse(cls, text: str) -> "Compression":
        """Read `auto`, `auto:PERCENT`, `fast`, `compact`, `webknossos`, `none` or `zstd:LEVEL`. Raises InputError."""
        kind, _, number = text.partition(":")
        try:
            if text == AUTO:
                return cls(AUTO, tolerance=TOLERANCE)
            if text in PRESETS:
                return cls(text, PRESETS[text])
            if kind == "zstd":
                return cls.of_level(int(number))
            if kind == AUTO and 0 <= float(number) <= 100:
                return cls(f"{AUTO}:{float(number):g}", tolerance=float(number) / 100)
        except ValueError as error:
            if isinstance(error, InputError):
                raise
        raise InputError(f"compression {text!r}: write {_FORMS}")

    @classmethod
    def of_level(cls, level: int) -> "Compression":
        """Take one zstd level; negative ones are faster and leave noise as it is. Raises InputError."""
        if not LOWEST_LEVEL <= level <= HIGHEST_LEVEL or level == 0:
            raise InputError(f"compression zstd:{level}: write {_FORMS}")
        return cls(f"zstd:{level}", level)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelMeasure:
    """What chunks become at one level. `encode_seconds`: CPU time of one thread of this machine."""

    level: int | None
    raw_bytes: int
    stored_bytes: int
    encode_seconds: float

    @property
    def ratio(self) -> float:
        """Raw bytes per stored byte; 1 if there was no chunk."""
        return self.raw_bytes / self.stored_bytes if self.stored_bytes else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionProbe:
    """What a sample showed, by level in ascending order, and the level that was chosen."""

    chunks: int
    levels: tuple[LevelMeasure, ...]
    chosen: int


def probe_compression(
    sample: ChunkSample,
    array: ArraySettings,
    levels: Sequence[int] = PROBED_LEVELS,
    tolerance: float = TOLERANCE,
) -> CompressionProbe:
    """Encode a sample at some levels and choose the lowest that stays within `tolerance` of the fewest bytes.

    `tolerance`: 0.02 allows 2 % more bytes than the best level needs. Without any chunk FALLBACK_LEVEL is chosen.
    """
    measures = {level: measure_level(sample.chunks, array, level) for level in sorted(levels)}
    fewest = min(measure.stored_bytes for measure in measures.values())
    chosen = next(level for level, one in measures.items() if one.stored_bytes <= fewest * (1 + tolerance))
    return CompressionProbe(
        chunks=len(sample.chunks),
        levels=tuple(measures.values()),
        chosen=chosen if sample.chunks else FALLBACK_LEVEL,
    )


def measure_level(chunks: Sequence[NDArray[Any]], array: ArraySettings, level: int | None) -> LevelMeasure:
    """Encode chunks of one shape, (c, z, y, x), as they will be stored, at one level."""
    raw_bytes = sum(chunk.nbytes for chunk in chunks)
    if not chunks:
        return LevelMeasure(level=level, raw_bytes=0, stored_bytes=0, encode_seconds=0.0)
    channels, z, y, x = chunks[0].shape
    layout = ArrayLayout(
        layout=array.layout,
        channels=channels,
        size=Vec3Int(x, y, z),
        dtype=chunks[0].dtype,
        chunk_shape=Vec3Int(x, y, z),
        shard_shape=Vec3Int(x, y, z),
        zstd_level=level,
    )
    codec = ChunkCodec(layout)
    codec.encode(chunks[0])  # opens the compressor: its tables are made once per thread, not per chunk
    began = time.thread_time()
    stored_bytes = sum(len(codec.encode(chunk)) for chunk in chunks)
    seconds = time.thread_time() - began
    return LevelMeasure(level=level, raw_bytes=raw_bytes, stored_bytes=stored_bytes, encode_seconds=seconds)
