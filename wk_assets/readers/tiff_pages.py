"""Check and read single TIFF pages, the same way for a sequence of files and for a stack.

Which page is which slice is decided elsewhere (`tiff`); here a page is held against the volume's first one, and filled
into an array.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from wk_assets.errors import UnreadableSliceError
from wk_assets.readers.slice_reader import check_slice_bytes
from wk_assets.readers.source_files import OpenedSource, digest_of, digest_text
from wk_assets.readers.tiff_decode import Decoders, fill_raw, fill_segments, raw_run
from wk_assets.readers.tiff_ifd import BytesInMemory, HeaderBytes, Ifd, ReadsBytes, read_format, read_ifd, walk_ifds
from wk_assets.readers.tiff_layout import PageLayout, SampleChoice, difference, layout_of, raw_bytes, segments_of
from wk_assets.readers.volume import SourceFile

LARGEST_FILE_IN_MEMORY = 256 << 20  # compressed files up to here are read whole: one read for pixels and digest


@dataclass(frozen=True, slots=True)
class Page:
    """Hold one page's header, understood, and checked to lie whole in its file."""

    ifd: Ifd
    layout: PageLayout
    segments: tuple[tuple[int, int], ...]

    @property
    def raw_offset(self) -> int | None:
        """Give where the pixels lie as one raw run, None if they are compressed or scattered."""
        return raw_run(self.layout, self.segments)


def page_at(source: OpenedSource, data: ReadsBytes, offset: int) -> Page:
    """Understand the page whose header is at `offset`."""
    form = read_format(data, str(source.file.path))
    return _understood(source.file, read_ifd(data, form, offset, 0, str(source.file.path)), form.byteorder)


def _understood(file: SourceFile, ifd: Ifd, byteorder: str) -> Page:
    layout = layout_of(ifd, byteorder, str(file.path))
    dtype = layout.dtype or np.dtype("u1")
    check_slice_bytes(str(file.path), layout.width, layout.height, layout.samples, dtype)
    return Page(ifd, layout, segments_of(ifd, layout, file.size_bytes, str(file.path)))


def pages_of(source: OpenedSource) -> list[Page]:
    """Understand every page of a file, thumbnails and masks left out."""
    if not source.file.size_bytes:
        raise UnreadableSliceError(f"{source.file.path}: the file is empty (0 bytes)")
    data = HeaderBytes(source)
    form = read_format(data, str(source.file.path))
    ifds = walk_ifds(data, form, str(source.file.path))
    return [_understood(source.file, ifd, form.byteorder) for ifd in ifds if not ifd.is_reduced]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFiller:
    """Fill slices from pages that mean the same as the volume's first page. Shared between threads."""

    first_name: str
    first: PageLayout
    choice: SampleChoice
    decoders: Decoders = field(default_factory=Decoders)

    def check_same(self, page: Page, name: str) -> None:
        """Raise UnreadableSliceError if `page` can not be a slice beside the first one."""
        differs = difference(self.first, page.layout)
        if differs:
            raise UnreadableSliceError(f"{name}: page {page.ifd.page}: differs from {self.first_name}: {differs}")

    def fill_file(self, file: SourceFile, page_number: int, pages: int, out: NDArray[Any]) -> str | None:
        """Fill `out` (c, y, x) from a file that is one slice; give its digest if the file was read whole for it."""
        with OpenedSource(file) as source:
            page = self.page_of_slice(source, page_number, pages)
            if page.raw_offset is not None:
                digest = xxhash.xxh3_128()
                source.update_digest(digest, 0, page.raw_offset)
                name = str(file.path)
                end = fill_raw(source, page.raw_offset, page.layout, self.choice, out, name, digest.update)
                source.update_digest(digest, end, file.size_bytes)
                return digest_text(digest)
            if file.size_bytes > LARGEST_FILE_IN_MEMORY:
                self.fill_compressed(file, source, page, out)
                return None
            data = source.read_at(0, file.size_bytes)
            self.fill_compressed(file, BytesInMemory(data, str(file.path)), page, out)
            return digest_of(data)

    def page_of_slice(self, source: OpenedSource, page_number: int, pages: int) -> Page:
        """Understand and check the one page that matters of a file that is one slice."""
        found = pages_of(source)
        name = str(source.file.path)
        if len(found) != pages:
            raise UnreadableSliceError(f"{name}: has {len(found)} pages, {self.first_name} has {pages}")
        self.check_same(found[page_number], name)
        return found[page_number]

    def page_of_stack(self, source: OpenedSource, data: ReadsBytes, ifd_offset: int, skipped: int) -> Page:
        """Understand and check a page of a stack; `skipped`: the plane lies raw so many bytes behind its first pixel."""
        name = str(source.file.path)
        page = page_at(source, data, ifd_offset)
        self.check_same(page, name)
        if skipped:
            end = page.segments[0][0] + skipped + raw_bytes(page.layout)
            if page.raw_offset is None or end > source.file.size_bytes:
                raise UnreadableSliceError(
                    f"{name}: truncated: a plane's pixels end at byte {end}, the file has {source.file.size_bytes} bytes"
                )
        return page

    def fill_plane(self, file: SourceFile, ifd_offset: int, skipped: int, out: NDArray[Any]) -> None:
        """Fill `out` (c, y, x) from one plane of a stack."""
        with OpenedSource(file) as source:
            page = self.page_of_stack(source, HeaderBytes(source), ifd_offset, skipped)
            if page.raw_offset is not None:
                fill_raw(source, page.raw_offset + skipped, page.layout, self.choice, out, str(file.path))
            else:
                self.fill_compressed(file, source, page, out)

    def fill_compressed(
        self, file: SourceFile, data: ReadsBytes, page: Page, out: NDArray[Any], first_row: int = 0
    ) -> None:
        """Fill `out` (c, y, x) with the rows from `first_row` on of a page that is no raw run."""
        name = str(file.path)
        decode = self.decoders.of(page.layout, page.ifd, data, name, file.size_bytes)
        fill_segments(data, page.segments, page.layout, self.choice, decode, page.ifd, out, name, first_row)
