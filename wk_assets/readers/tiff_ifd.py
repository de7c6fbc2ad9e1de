"""Parse TIFF headers: which tags a page has, and where its segments lie. Classic and BigTIFF, both byte orders.

Only what is needed to check ten thousand slices quickly, and to say exactly what a truncated file lacks; names of axes
and metadata are read by tifffile (see `tiff_facts`), pixels are decoded in `tiff_decode`. Source: TIFF 6.0, BigTIFF.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from wk_assets.errors import UnreadableSliceError
from wk_assets.readers.source_files import OpenedSource

SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
FILL_ORDER, STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS_PER_STRIP = 266, 273, 274, 277, 278
STRIP_BYTES, PLANAR, PREDICTOR, COLORMAP = 279, 284, 317, 320
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 322, 323, 324, 325
EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES, SUBSAMPLING, IMAGE_DEPTH, TILE_DEPTH = 338, 339, 347, 530, 32997, 32998

_WANTED = frozenset({
    SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, STRIP_OFFSETS, ORIENTATION, SAMPLES,
    ROWS_PER_STRIP, STRIP_BYTES, PLANAR, PREDICTOR, COLORMAP, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES,
    EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES, SUBSAMPLING, IMAGE_DEPTH, TILE_DEPTH,
})  # fmt: skip
_BYTES_OF_KIND = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_MOST_TAGS = 4096
_BLOCK_BYTES = 4096  # one read usually has the whole header


class ReadsBytes(Protocol):
    """Give `size` bytes at `offset`, or raise UnreadableSliceError."""

    @property
    def size_bytes(self) -> int:
        """Say how many bytes the file has."""
        ...

    def read_at(self, offset: int, size: int) -> memoryview:
        """Read exactly `size` bytes."""
        ...


class BytesInMemory:
    """Read from a file's bytes that are in memory already."""

    def __init__(self, data: memoryview, name: str) -> None:
        self._data = data
        self._name = name
        self.size_bytes = len(data)

    def read_at(self, offset: int, size: int) -> memoryview:
        """Give a view of `size` bytes at `offset`."""
        if offset + size > len(self._data):
            raise UnreadableSliceError(f"{self._name}: truncated: needs {offset + size} bytes, has {len(self._data)}")
        return self._data[offset : offset + size]


class HeaderBytes:
    """Read headers in blocks, and keep the last two blocks: a header is many small neighbours."""

    def __init__(self, source: OpenedSource) -> None:
        self._source = source
        self.size_bytes = source.file.size_bytes
        self._blocks: list[tuple[int, memoryview]] = []

    def read_at(self, offset: int, size: int) -> memoryview:
        """Give `size` bytes at `offset`."""
        for start, block in self._blocks:
            if start <= offset and offset + size <= start + len(block):
                return block[offset - start : offset - start + size]
        have = self.size_bytes
        if offset + size > have:  # before a corrupt count makes us ask for that much memory
            raise UnreadableSliceError(f"{self._source.file.path}: truncated: needs {offset + size} bytes, has {have}")
        length = max(size, min(_BLOCK_BYTES, have - offset))
        block = self._source.read_at(offset, length)
        self._blocks = [(offset, block), *self._blocks[:1]]
        return block[:size]


@dataclass(frozen=True, slots=True)
class TiffFormat:
    """Say how numbers stand in this file, and where its first page's header is."""

    byteorder: str  # "<" or ">"
    big: bool
    first_ifd: int


@dataclass(frozen=True, slots=True)
class Ifd:
    """Hold one page's header: its place and the integer values of the tags that matter for pixels."""

    page: int
    offset: int
    next_offset: int
    values: dict[int, tuple[int, ...]]

    def first(self, tag: int, default: int) -> int:
        """Give a tag's first value."""
        values = self.values.get(tag)
        return values[0] if values else default

    @property
    def is_reduced(self) -> bool:
        """Tell thumbnails and transparency masks from pages. Source: TIFF 6.0, NewSubfileType bits 0 and 2."""
        return bool(self.first(SUBFILE_TYPE, 0) & 0b101)


def read_format(data: ReadsBytes, name: str) -> TiffFormat:
    """Read the first bytes of a file. Raises UnreadableSliceError for what is not a TIFF."""
    head = bytes(data.read_at(0, 8))
    byteorder = {b"II": "<", b"MM": ">"}.get(head[:2])
    version = struct.unpack(f"{byteorder}H", head[2:4])[0] if byteorder else 0
    if byteorder is None or version not in {42, 43}:
        raise UnreadableSliceError(f"{name}: is not a TIFF: it begins with {head[:4]!r}")
    if version == 42:
        return TiffFormat(byteorder, big=False, first_ifd=struct.unpack(f"{byteorder}I", head[4:])[0])
    if struct.unpack(f"{byteorder}HH", head[4:]) != (8, 0):
        raise UnreadableSliceError(f"{name}: a BigTIFF whose offsets have {head[4:]!r} bytes; the header is corrupt")
    offset = struct.unpack(f"{byteorder}Q", data.read_at(8, 8))[0]
    return TiffFormat(byteorder, big=True, first_ifd=offset)


def read_ifd(data: ReadsBytes, form: TiffFormat, offset: int, page: int, name: str) -> Ifd:
    """Parse the page header at `offset`. Raises UnreadableSliceError naming the file, the page and what is missing."""
    try:
        values, next_offset = _parse_tags(data, form, offset)
    except UnreadableSliceError as error:
        raise UnreadableSliceError(f"{name}: page {page}: {str(error).removeprefix(f'{name}: ')}") from error
    return Ifd(page, offset, next_offset, values)


def _parse_tags(data: ReadsBytes, form: TiffFormat, offset: int) -> tuple[dict[int, tuple[int, ...]], int]:
    """Give the wanted tags' values, and the offset of the next header (0: none)."""
    order = form.byteorder
    count_code, entry_size, pointer = ("Q", 20, "Q") if form.big else ("H", 12, "I")
    count_size, value_size = struct.calcsize(count_code), struct.calcsize(pointer)
    count = struct.unpack(order + count_code, data.read_at(offset, count_size))[0]
    if not 0 < count <= _MOST_TAGS:
        raise UnreadableSliceError(f"its header at byte {offset} has {count} tags: corrupt")
    entries = data.read_at(offset + count_size, count * entry_size + value_size)
    values: dict[int, tuple[int, ...]] = {}
    for start in range(0, count * entry_size, entry_size):
        tag, kind, items = struct.unpack_from(f"{order}HH{pointer}", entries, start)
        size = items * (_BYTES_OF_KIND[kind] if kind < len(_BYTES_OF_KIND) else 0)
        raw = entries[start + 4 + value_size : start + entry_size]
        where = struct.unpack(order + pointer, raw)[0] if size > value_size else 0
        if where + size > data.size_bytes:  # also of tags that do not matter for pixels: the file is cut
            raise UnreadableSliceError(f"truncated: tag {tag} needs {where + size} bytes, has {data.size_bytes}")
        if tag not in _WANTED or kind not in _INTEGERS:
            continue
        if size > value_size:
            raw = data.read_at(where, size)
        values[tag] = struct.unpack_from(f"{order}{items}{_INTEGERS[kind]}", raw)
    return values, struct.unpack_from(order + pointer, entries, count * entry_size)[0]


def walk_ifds(data: ReadsBytes, form: TiffFormat, name: str) -> Iterator[Ifd]:
    """Give the headers of all pages. Raises UnreadableSliceError for a chain that leaves the file or bites its tail."""
    offset, page, seen = form.first_ifd, 0, set[int]()
    if not offset:
        raise UnreadableSliceError(f"{name}: a TIFF without any page")
    while offset:
        if offset in seen:
            raise UnreadableSliceError(f"{name}: page {page}: its header points back to byte {offset}: corrupt")
        seen.add(offset)
        ifd = read_ifd(data, form, offset, page, name)
        yield ifd
        offset, page = ifd.next_offset, page + 1
