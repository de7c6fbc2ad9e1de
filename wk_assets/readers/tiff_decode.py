"""Fill an array with the pixels of one TIFF page: as few copies as the page allows.

Raw pixels that lie in one run go straight to the target, everything else segment by segment through tifffile's
decoders (imagecodecs). Headers are understood elsewhere (`tiff_ifd`, `tiff_layout`).
"""

import io
import struct
import threading
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import tifffile
from numpy.typing import NDArray

from wk_assets.errors import UnreadableSliceError
from wk_assets.readers import tiff_ifd as tags
from wk_assets.readers.tiff_ifd import Ifd, ReadsBytes
from wk_assets.readers.tiff_layout import JPEG_COMPRESSIONS, PageLayout, SampleChoice
from wk_assets.readers.tifffile_warnings import warnings_are_errors

_BLOCK_BYTES = 1 << 20  # of raw pixels that pass through the cache at a time
_END_OF_JPEG = b"\xff\xd9"

# What decoders raise for data that they can not decode; imagecodecs' errors are RuntimeErrors.
DECODER_ERRORS = (ValueError, RuntimeError, OSError, LookupError, TypeError, ImportError, ArithmeticError, struct.error)

Segment = tuple[NDArray[Any] | None, tuple[int, int, int, int, int], tuple[int, int, int, int]]
Decoder = Callable[..., Segment]
HashUpdate = Callable[[memoryview], None]


class ReadsInto(Protocol):
    """Fill a buffer with the bytes at an offset, or raise UnreadableSliceError."""

    def read_into(self, target: memoryview, offset: int) -> None:
        """Fill `target`."""
        ...


class Decoders:
    """Hold one decoding function per page layout: they are costly to make and equal pages share them."""

    def __init__(self) -> None:
        self._known: dict[PageLayout, Decoder] = {}
        self._lock = threading.Lock()

    def of(self, layout: PageLayout, ifd: Ifd, data: ReadsBytes, name: str, size_bytes: int) -> Decoder:
        """Give the function for `layout`, made by tifffile from the header `ifd` of the file behind `data`."""
        with self._lock:
            if layout not in self._known:
                self._known[layout] = _make_decoder(ifd, data, name, size_bytes)
            return self._known[layout]


class _Window(io.RawIOBase):
    """Show a file to tifffile without giving it a descriptor that it might keep."""

    def __init__(self, data: ReadsBytes, size_bytes: int) -> None:
        self._data, self._size, self._position = data, size_bytes, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._position = offset + (0, self._position, self._size)[whence]
        return self._position

    def readinto(self, target: Any, /) -> int:
        size = max(0, min(len(target), self._size - self._position))
        target[:size] = self._data.read_at(self._position, size)
        self._position += size
        return size


def _make_decoder(ifd: Ifd, data: ReadsBytes, name: str, size_bytes: int) -> Decoder:
    window = io.BufferedReader(_Window(data, size_bytes))
    try:
        with warnings_are_errors(name), tifffile.TiffFile(window, name=name) as tif:
            tif.filehandle.seek(ifd.offset)
            return tifffile.TiffPage(tif, ifd.page).decode
    except UnreadableSliceError:
        raise
    except DECODER_ERRORS as error:
        raise UnreadableSliceError(f"{name}: page {ifd.page}: tifffile can not decode it: {error}") from error


def raw_run(layout: PageLayout, segments: tuple[tuple[int, int], ...]) -> int | None:
    """Give the offset at which all pixels lie in one run as numpy would hold them; None if they do not."""
    dtype = layout.dtype
    if (
        layout.compression != 1
        or layout.predictor != 1
        or layout.fill_order != 1
        or layout.tile is not None
        or dtype is None
        or layout.bits != 8 * dtype.itemsize
    ):
        return None
    strips = -(-layout.height // layout.rows_per_strip)
    row = layout.width * dtype.itemsize * (1 if layout.planar else layout.samples)
    expected = segments[0][0]
    for index, (offset, size) in enumerate(segments):
        rows = min(layout.rows_per_strip, layout.height - index % strips * layout.rows_per_strip)
        if offset != expected or size != rows * row:
            return None
        expected += size
    return segments[0][0]


def fill_raw(
    source: ReadsInto,
    offset: int,
    layout: PageLayout,
    choice: SampleChoice,
    out: NDArray[Any],
    name: str,
    update: HashUpdate | None = None,
    first_row: int = 0,
) -> int:
    """Fill `out` (c, y, x) with the rows from `first_row` on of a raw run at `offset`; give the offset behind the run.

    `update` is fed every byte of the run, in order (of whole pages only). Planes whose samples are asked for by nobody are
    skipped unless `update` wants their bytes.
    """
    stored = np.dtype(layout.dtype).newbyteorder("<" if layout.byteorder == "<" else ">")
    planes = range(layout.samples) if layout.planar else range(1)
    per_pixel = 1 if layout.planar else layout.samples
    row_bytes = layout.width * per_pixel * stored.itemsize
    height = out.shape[1]
    rows = max(1, _BLOCK_BYTES // row_bytes)
    scratch = np.empty((min(rows, height), layout.width, per_pixel), stored)
    for plane in planes:
        samples = (plane,) if layout.planar else tuple(range(layout.samples))
        if update is None and not {*choice.take, choice.alpha} & set(samples):
            offset += layout.height * row_bytes
            continue
        position = offset + first_row * row_bytes
        offset += layout.height * row_bytes
        for y in range(0, height, rows):
            block = scratch[: min(rows, height - y)]
            direct = per_pixel == 1 and plane in choice.take and out.dtype == stored.newbyteorder("=")
            if direct:
                target = out[choice.take.index(plane), y : y + len(block)]
                block = target.view(stored)[..., None] if target.flags.c_contiguous else block
            buffer = block.reshape(-1).view(np.uint8).data
            source.read_into(buffer, position)
            if update is not None:
                update(buffer)
            position += len(buffer)
            place_samples(block, samples, choice, out, (y, 0), name)
    return offset


def place_samples(
    block: NDArray[Any],
    samples: tuple[int, ...],
    choice: SampleChoice,
    out: NDArray[Any],
    corner: tuple[int, int],
    name: str,
) -> None:
    """Copy the wanted samples of `block` (y, x, sample) to `out` at `corner` (y, x); samples say which ones they are."""
    y, x = corner
    height, width = block.shape[:2]
    for index, sample in enumerate(samples):
        if sample in choice.take:
            target = out[choice.take.index(sample), y : y + height, x : x + width]
            if not np.may_share_memory(target, block):
                np.copyto(target, block[..., index], casting="safe")
            elif not block.dtype.isnative:
                target.byteswap(inplace=True)  # the bytes were read where they belong, in the other order
        if sample == choice.alpha and block.size:
            opaque = np.iinfo(block.dtype).max
            if block[..., index].min() != opaque:
                raise UnreadableSliceError(
                    f"{name}: has transparent pixels, which a layer can not hold; save it without alpha, or choose one "
                    f"sample with `channel`"
                )


def fill_segments(
    data: ReadsBytes,
    segments: tuple[tuple[int, int], ...],
    layout: PageLayout,
    choice: SampleChoice,
    decode: Decoder,
    ifd: Ifd,
    out: NDArray[Any],
    name: str,
    first_row: int = 0,
) -> None:
    """Fill `out` (c, y, x) with the rows from `first_row` on; strips or tiles that touch them are decoded, each once."""
    options: dict[str, Any] = {}
    is_jpeg = layout.compression in JPEG_COMPRESSIONS
    if is_jpeg:
        tables = ifd.values.get(tags.JPEG_TABLES)
        options["jpegtables"] = bytes(tables) if tables else None
    wanted = {*choice.take, choice.alpha}
    per_plane = len(segments) // layout.samples if layout.planar else len(segments)
    across, rows = (
        (1, layout.rows_per_strip) if layout.tile is None else (-(-layout.width // layout.tile[0]), layout.tile[1])
    )
    last_row = first_row + out.shape[1]
    for index, (offset, size) in enumerate(segments):
        plane = index // per_plane
        if layout.planar and plane not in wanted:
            continue
        top = index % per_plane // across * rows
        if top >= last_row or top + rows <= first_row:
            continue
        encoded = bytes(data.read_at(offset, size))
        if is_jpeg and _END_OF_JPEG not in encoded:  # decoders fill up what is missing, without a word
            raise UnreadableSliceError(
                f"{name}: page {ifd.page}: the JPEG data of segment {index} has no end: truncated"
            )
        try:
            pixels, (_, _, y, x, _), _ = decode(encoded, index, **options)
        except DECODER_ERRORS as error:
            raise UnreadableSliceError(
                f"{name}: page {ifd.page}: segment {index} can not be decoded: {error}"
            ) from error
        if pixels is None:
            raise UnreadableSliceError(f"{name}: page {ifd.page}: segment {index} decodes to nothing")
        if not np.can_cast(pixels.dtype, out.dtype, "safe"):
            raise UnreadableSliceError(
                f"{name}: page {ifd.page}: segment {index} decodes to {pixels.dtype}, its header says {out.dtype}"
            )
        block = pixels[0, max(first_row - y, 0) : min(layout.height, last_row) - y, : layout.width - x]
        samples = (plane,) if layout.planar else tuple(range(block.shape[-1]))
        place_samples(block, samples, choice, out, (max(y - first_row, 0), x), name)
