"""How one chunk becomes bytes and comes back: zstd with its checksum, or raw bytes with a crc32c.

Bit rot inside a chunk is therefore always an error, never another voxel. Order of voxels inside the bytes: x fastest,
then y, then z; channels slowest in the OME layout, fastest in the WEBKNOSSOS layout (what its transpose codec means).
"""

import sys
import threading
from typing import Any

import google_crc32c
import numpy as np
import zstandard
from numpy.typing import NDArray

from wk_assets.errors import ShardCorruptError
from wk_assets.storage.array_layout import ArrayLayout, Layout

_CRC_BYTES = 4


class ChunkCodec:
    """Encode and decode chunks of one array. Safe to share between threads: each keeps its own zstd contexts."""

    def __init__(self, layout: ArrayLayout) -> None:
        self._layout = layout
        self._local = threading.local()
        self._stored_dtype = layout.dtype.newbyteorder("<")
        self._swap = sys.byteorder == "big" and layout.dtype.itemsize > 1

    @property
    def largest_encoded_bytes(self) -> int:
        """Bytes that no encoded chunk exceeds. Source: ZSTD_compressBound of zstd.h, rounded up, and its checksum."""
        raw = self._layout.chunk_bytes
        return raw + raw // 256 + 128

    def encode(self, chunk: NDArray[Any]) -> bytes:
        """Return the stored bytes of `chunk`, shape (c, z, y, x), C-contiguous, in the dtype of the array."""
        if self._layout.layout is Layout.WEBKNOSSOS and self._layout.channels > 1:
            chunk = np.ascontiguousarray(np.moveaxis(chunk, 0, -1))
        if self._swap:
            chunk = chunk.astype(self._stored_dtype)
        if self._layout.zstd_level is None:
            raw = chunk.tobytes()
            return bytes(raw) + int(google_crc32c.value(raw)).to_bytes(_CRC_BYTES, "little")
        return bytes(self._compressor().compress(chunk.data))

    def decode(self, stored: bytes, where: str) -> NDArray[Any]:
        """Return the chunk, shape (c, z, y, x), that `stored` holds; read-only when nothing had to be copied.

        Raises ShardCorruptError, naming `where`, if the checksum or the length is not right.
        """
        layout = self._layout
        if layout.zstd_level is None:
            raw, crc = stored[:-_CRC_BYTES], stored[-_CRC_BYTES:]
            if google_crc32c.value(raw).to_bytes(_CRC_BYTES, "little") != crc:
                raise ShardCorruptError(
                    f"{where}: the chunk's crc32c is not the stored one; restore the shard or make it anew"
                )
        else:
            try:
                raw = self._decompressor().decompress(stored, max_output_size=layout.chunk_bytes)
            except zstandard.ZstdError as error:
                raise ShardCorruptError(f"{where}: {error}; restore the shard or make it anew") from error
        if len(raw) != layout.chunk_bytes:
            raise ShardCorruptError(f"{where}: the chunk has {len(raw)} bytes, {layout.chunk_bytes} are due")
        x, y, z = layout.chunk_shape
        values = np.frombuffer(raw, self._stored_dtype).astype(layout.dtype, copy=False)
        if layout.layout is Layout.WEBKNOSSOS:
            return np.moveaxis(values.reshape(z, y, x, layout.channels), -1, 0)
        return values.reshape(layout.channels, z, y, x)

    def _compressor(self) -> zstandard.ZstdCompressor:
        if not hasattr(self._local, "compressor"):
            self._local.compressor = zstandard.ZstdCompressor(
                level=self._layout.zstd_level or 0, write_checksum=True, write_content_size=True
            )
        compressor: zstandard.ZstdCompressor = self._local.compressor
        return compressor

    def _decompressor(self) -> zstandard.ZstdDecompressor:
        if not hasattr(self._local, "decompressor"):
            self._local.decompressor = zstandard.ZstdDecompressor()
        decompressor: zstandard.ZstdDecompressor = self._local.decompressor
        return decompressor
