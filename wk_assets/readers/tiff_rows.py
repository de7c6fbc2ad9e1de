"""Fill windows of rows of one TIFF page, for slices that are too large to be held whole.

    raw pixels                 read where they lie
    strips and tiles           those that touch the window are decoded
    long strips of zlib, zstd  decoded as a stream, window after window
    other long segments        the page is decoded once and kept: half of an image can not be decoded

How single segments are decoded is known in `tiff_decode`, what a stream of bytes is in `tiff_stream`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.readers.source_files import OpenedSource
from wk_assets.readers.tiff_decode import fill_raw
from wk_assets.readers.tiff_layout import PageLayout, SampleChoice
from wk_assets.readers.tiff_pages import Page, PageFiller
from wk_assets.readers.tiff_stream import PageStream, can_be_streamed
from wk_assets.readers.volume import RowAccess, SourceFile

LARGEST_SEGMENT_BYTES = 16 << 20  # decoded; a longer one is not decoded once per window
_SCRATCH_BYTES = 4 << 20  # of blocks of raw pixels, read or unpacked from a stream


def row_access(page: Page, choice: SampleChoice) -> RowAccess:
    """Say what it takes to read windows of a page."""
    layout = page.layout
    if page.raw_offset is not None:
        return RowAccess(held_bytes=_SCRATCH_BYTES)
    encoded = max(size for _, size in page.segments)
    rows, decoded = _segment(layout)
    if decoded <= LARGEST_SEGMENT_BYTES:
        return RowAccess(unit=min(rows, layout.height), held_bytes=encoded + 2 * decoded)
    if can_be_streamed(layout):
        return RowAccess(held_bytes=_SCRATCH_BYTES * (layout.samples if layout.planar else 1), in_order=True)
    kept = len(choice.take) * layout.width * layout.height * choice.dtype.itemsize
    return RowAccess(
        held_bytes=kept + encoded + 2 * decoded,
        in_order=True,
        reason=f"its pixels are packed in pieces of {decoded >> 20} MiB that can only be decoded whole; save them in tiles",
    )


def _segment(layout: PageLayout) -> tuple[int, int]:
    """Give the rows of a strip or tile, and its bytes when decoded."""
    width, rows = layout.tile or (layout.width, layout.rows_per_strip)
    itemsize = max(1, layout.bits // 8)
    return rows, width * rows * itemsize * (1 if layout.planar else layout.samples)


class PageRows:
    """Fill windows of one page. For one thread; keeps its header, no file, and what `row_access` says."""

    def __init__(
        self, filler: PageFiller, file: SourceFile, find: Callable[[OpenedSource], Page], skipped: int = 0
    ) -> None:
        self._filler = filler
        self._file = file
        self._find = find
        self._skipped = skipped  # the plane lies raw so many bytes behind the page's first pixel
        self._page: Page | None = None
        self._stream: PageStream | None = None
        self._kept: NDArray[Any] | None = None

    def fill(self, first_row: int, out: NDArray[Any]) -> None:
        """Fill `out` (c, rows, x) with the rows from `first_row` on. Raises UnreadableSliceError, SourceChangedError."""
        name, filler = str(self._file.path), self._filler
        with OpenedSource(self._file) as source:
            page = self._page = self._page or self._find(source)
            if page.raw_offset is not None:
                offset = page.raw_offset + self._skipped
                fill_raw(source, offset, page.layout, filler.choice, out, name, first_row=first_row)
            elif _segment(page.layout)[1] <= LARGEST_SEGMENT_BYTES:
                filler.fill_compressed(self._file, source, page, out, first_row)
            elif can_be_streamed(page.layout):
                if self._stream is None or self._stream.next_row > first_row:
                    self._stream = PageStream(page.segments, page.layout, filler.choice, name)
                self._stream.fill(source, first_row, out)
            else:
                if self._kept is None:
                    self._kept = np.empty((out.shape[0], page.layout.height, page.layout.width), out.dtype)
                    filler.fill_compressed(self._file, source, page, self._kept)
                out[...] = self._kept[:, first_row : first_row + out.shape[1]]
