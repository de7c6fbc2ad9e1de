"""Decode long TIFF strips as streams, a few rows at a time: what one strip holds may be larger than the memory.

For strips packed by zlib (Deflate) or zstd; what else packs pixels can not be taken up in the middle. Source: TIFF 6.0
(strips, predictor 2), Adobe Photoshop TIFF technical notes (Deflate), libtiff (compression 50000, zstd).
"""

import zlib
from typing import IO, Any, cast

import numpy as np
import zstandard
from numpy.typing import NDArray

from wk_assets.errors import UnreadableSliceError
from wk_assets.readers.tiff_decode import place_samples
from wk_assets.readers.tiff_ifd import ReadsBytes
from wk_assets.readers.tiff_layout import PageLayout, SampleChoice

_DEFLATE, _ZSTD = frozenset({8, 32946}), frozenset({50000, 34926})
_INPUT_BYTES = 1 << 16
_BLOCK_BYTES = 1 << 20  # of decoded pixels that pass through the cache at a time


def can_be_streamed(layout: PageLayout) -> bool:
    """Tell whether the strips of a page can be decoded row by row."""
    dtype = layout.dtype
    return (
        layout.tile is None
        and layout.compression in _DEFLATE | _ZSTD
        and layout.fill_order == 1
        and dtype is not None
        and layout.bits == 8 * dtype.itemsize
        and (layout.predictor == 1 or (layout.predictor == 2 and dtype.kind in "ui"))
    )


class _Feed:
    """Give the encoded bytes of one strip, in order, from a source that is another object each time."""

    def __init__(self, offset: int, size: int) -> None:
        self.source: ReadsBytes | None = None
        self._offset, self._end = offset, offset + size

    def read(self, size: int = -1, /) -> bytes:
        count = min(size if 0 < size < _INPUT_BYTES else _INPUT_BYTES, self._end - self._offset)
        if not count or self.source is None:
            return b""
        data = bytes(self.source.read_at(self._offset, count))
        self._offset += count
        return data


class _Inflated:
    """Read what a zlib stream holds."""

    def __init__(self, feed: _Feed) -> None:
        self._feed = feed
        self._inflate = zlib.decompressobj()

    def read(self, size: int) -> bytes:
        """Give up to `size` bytes, none at the end. Raises zlib.error; also for a wrong checksum, which ends a stream."""
        while not self._inflate.eof:
            encoded = self._inflate.unconsumed_tail or self._feed.read()
            data = self._inflate.decompress(encoded, size)
            if data or not encoded:
                return data
        return b""


class _PlaneStream:
    """Give the decoded rows of one plane of samples, strip after strip."""

    def __init__(self, segments: tuple[tuple[int, int], ...], layout: PageLayout, name: str) -> None:
        self._segments = segments
        self._layout = layout
        self._name = name
        self._strip = -1
        self._left = 0  # rows of the strip that are still to come
        self._feed = _Feed(0, 0)
        self._decoded: Any = None

    def read(self, source: ReadsBytes, target: memoryview, rows: int, row_bytes: int) -> None:
        """Fill `target` with the next `rows` rows."""
        while rows:
            if not self._left:
                self._next_strip()
            count = min(rows, self._left)
            self._feed.source = source
            try:
                self._read_into(target[: count * row_bytes])
                self._left -= count
                if not self._left and self._decoded.read(1):
                    raise self._error("holds more rows than its header says")
            except (zlib.error, zstandard.ZstdError) as error:
                raise self._error(f"can not be decoded: {error}") from error
            finally:
                self._feed.source = None
            target = target[count * row_bytes :]
            rows -= count

    def _next_strip(self) -> None:
        self._strip += 1
        self._left = min(self._layout.rows_per_strip, self._layout.height - self._strip * self._layout.rows_per_strip)
        self._feed = _Feed(*self._segments[self._strip])
        if self._layout.compression in _DEFLATE:
            self._decoded = _Inflated(self._feed)
        else:
            self._decoded = zstandard.ZstdDecompressor().stream_reader(
                cast("IO[bytes]", self._feed)
            )  # read() is all it calls

    def _read_into(self, target: memoryview) -> None:
        while target:
            data = self._decoded.read(len(target))
            if not data:
                raise self._error(f"ends {len(target)} bytes too early: truncated")
            target[: len(data)] = data
            target = target[len(data) :]

    def _error(self, what: str) -> UnreadableSliceError:
        return UnreadableSliceError(f"{self._name}: segment {self._strip} {what}")


class PageStream:
    """Fill windows of a page, each at or behind the end of the one before it. For one thread."""

    def __init__(
        self, segments: tuple[tuple[int, int], ...], layout: PageLayout, choice: SampleChoice, name: str
    ) -> None:
        wanted = {*choice.take, choice.alpha}
        per_plane = len(segments) // layout.samples if layout.planar else len(segments)
        self._layout = layout
        self._choice = choice
        self._name = name
        self._planes = {
            (plane,) if layout.planar else tuple(range(layout.samples)): _PlaneStream(
                segments[plane * per_plane : (plane + 1) * per_plane], layout, name
            )
            for plane in range(layout.samples if layout.planar else 1)
            if not layout.planar or plane in wanted
        }
        self.next_row = 0

    def fill(self, source: ReadsBytes, first_row: int, out: NDArray[Any]) -> None:
        """Fill `out` (c, y, x) with the rows from `first_row` on. Raises UnreadableSliceError."""
        layout = self._layout
        per_pixel = 1 if layout.planar else layout.samples
        stored = np.dtype(layout.dtype).newbyteorder("<" if layout.byteorder == "<" else ">")
        row_bytes = layout.width * per_pixel * stored.itemsize
        step = max(1, _BLOCK_BYTES // row_bytes)
        scratch = np.empty((step, layout.width, per_pixel), stored)
        last_row = first_row + out.shape[1]
        while self.next_row < last_row:
            until = first_row if self.next_row < first_row else last_row
            block = scratch[: min(step, until - self.next_row)]
            for samples, plane in self._planes.items():
                plane.read(source, block.reshape(-1).view(np.uint8).data, len(block), row_bytes)
                if self.next_row >= first_row:
                    corner = (self.next_row - first_row, 0)
                    place_samples(self._numbers(block), samples, self._choice, out, corner, self._name)
            self.next_row += len(block)

    def _numbers(self, block: NDArray[Any]) -> NDArray[Any]:
        """Add up the differences that predictor 2 stores."""
        if self._layout.predictor == 1:
            return block
        native = block.dtype.newbyteorder("=")
        return np.cumsum(block.astype(native), axis=1, dtype=native)
