"""How a chunk of a Zarr v2 array becomes bytes and comes back. Opens no file.

zstd and raw bytes are ours, with a checksum in each zstd frame; other compressors, and filters, are those of numcodecs.
"""

import threading
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from wk_assets.errors import PropertiesError, ShardCorruptError
from wk_assets.storage.blosc_buffer import check_blosc
from wk_assets.storage.zarr2_metadata import ZSTD_LEVEL, Zarr2Metadata


class Zarr2ChunkCodec:
    """Encode and decode chunks of one array. Safe to share between threads."""

    def __init__(self, metadata: Zarr2Metadata, source: str) -> None:
        self._metadata = metadata
        self._local = threading.local()
        compressor = metadata.compressor
        self._zstd_level = (
            int(compressor.get("level", ZSTD_LEVEL)) if compressor and compressor["id"] == "zstd" else None
        )
        # in the order of encoding
        self._others = [_numcodec(config, source) for config in metadata.filters]
        if compressor is not None and self._zstd_level is None:
            self._others.append(_numcodec(compressor, source))

    def encode(self, chunk: NDArray[Any]) -> bytes:
        """Return the stored bytes of `chunk`, shape `chunks`, of any byte order."""
        metadata = self._metadata
        flat = np.asarray(chunk, metadata.dtype).reshape(-1, order=metadata.order)
        encoded: Any = flat
        for codec in self._others:
            encoded = codec.encode(encoded)
        data = encoded.tobytes() if isinstance(encoded, np.ndarray) else bytes(encoded)
        if self._zstd_level is None:
            return data
        if not hasattr(self._local, "compressor"):
            self._local.compressor = zstandard.ZstdCompressor(level=self._zstd_level, write_checksum=True)
        compressed: bytes = self._local.compressor.compress(data)
        return compressed

    def decode(self, stored: bytes, where: str) -> NDArray[Any]:
        """Return the chunk, shape `chunks`, that `stored` holds. Raises ShardCorruptError, naming `where`."""
        metadata = self._metadata
        data: Any = stored
        try:
            if self._zstd_level is not None:
                data = zstandard.ZstdDecompressor().decompress(data, max_output_size=metadata.chunk_bytes)
            for codec in reversed(self._others):
                if codec.codec_id == "blosc":
                    check_blosc(bytes(memoryview(data)))
                data = codec.decode(data)
            raw = data.tobytes() if isinstance(data, np.ndarray) else data
            flat = np.frombuffer(raw, metadata.dtype)
            return flat.reshape(metadata.chunks, order=metadata.order)
        except (zstandard.ZstdError, zlib.error, ValueError, TypeError, RuntimeError, EOFError, OSError) as error:
            raise ShardCorruptError(
                f"{where}: no chunk of shape {list(metadata.chunks)} and type {metadata.dtype.name} ({error}); restore the "
                "file from a copy, or write its voxels anew"
            ) from error


def _numcodec(configuration: Mapping[str, Any], source: str) -> Any:
    # here, not above: zarr takes half a second to import, and arrays with zstd do not need it
    from zarr.registry import get_numcodec

    try:
        return get_numcodec(dict(configuration))  # type: ignore[arg-type]  # the id is checked at run time
    except (ValueError, TypeError, KeyError, ImportError) as error:
        raise PropertiesError(f"{source}: the codec {dict(configuration)} is not known here ({error})") from error
