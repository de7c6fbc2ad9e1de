"""Check that a PNG or JPEG file is whole, and read its header, without decoding: decoders keep silent about much.

Source: PNG specification (chunks, CRC), ITU T.81 (JPEG markers).
"""

import struct
import zlib
from dataclasses import dataclass

from wk_assets.errors import UnreadableSliceError

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8\xff"
_PNG_COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, b"\xff\xd9"
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHeader:
    """Hold what a file says of its pixels; equal headers may be slices of one volume."""

    kind: str  # "PNG", "JPEG"
    width: int
    height: int
    bits: int
    colour: str


def read_header(head: bytes, name: str) -> ImageHeader | None:
    """Read the header from a file's first bytes; None if they are too few for it (JPEG with long comments).

    Raises UnreadableSliceError for what is neither PNG nor JPEG.
    """
    if head[:8] == PNG_SIGNATURE:
        return _png_header(head, name)
    if head[:3] == JPEG_SIGNATURE:
        return _jpeg_header(head, name)
    what = "the file is empty (0 bytes)" if not head else f"is neither PNG nor JPEG: it begins with {head[:8]!r}"
    raise UnreadableSliceError(f"{name}: {what}")


def _png_header(head: bytes, name: str) -> ImageHeader:
    if len(head) < 33 or head[12:16] != b"IHDR":
        raise UnreadableSliceError(f"{name}: truncated: a PNG's header has 33 bytes, the file has {len(head)}")
    width, height, bits, colour = struct.unpack(">IIBB", head[16:26])
    return ImageHeader(
        kind="PNG", width=width, height=height, bits=bits, colour=_PNG_COLOURS.get(colour, f"colour type {colour}")
    )


def _jpeg_segments(data: bytes) -> "list[tuple[int, int, int]]":
    """Give (marker, start, length) of the segments before the first scan, as far as `data` goes."""
    segments, position = [], 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        segments.append((marker, position + 4, length - 2))
        if marker == _START_OF_SCAN:
            break
        position += 2 + length
    return segments


def _jpeg_header(head: bytes, name: str) -> ImageHeader | None:
    for marker, start, length in _jpeg_segments(head):
        if marker in _FRAME_MARKERS and start + 6 <= len(head):
            bits, height, width, components = struct.unpack(">BHHB", head[start : start + 6])
            colour = {1: "grey", 3: "RGB", 4: "CMYK"}.get(components, f"{components} components")
            return ImageHeader(kind="JPEG", width=width, height=height, bits=bits, colour=colour)
        if marker == _START_OF_SCAN or length < 0:
            raise UnreadableSliceError(f"{name}: a JPEG without a frame header: corrupt")
    return None


def check_whole(data: bytes, name: str) -> None:
    """Raise UnreadableSliceError if a PNG or JPEG file is cut, or (PNG) if a checksum is another one."""
    if data[:8] == PNG_SIGNATURE:
        _check_png(data, name)
        return
    scans = [start for marker, start, _ in _jpeg_segments(data) if marker == _START_OF_SCAN]
    # inside of a scan every 0xff is followed by 0x00, so the end can not be met by accident
    if not scans or data.find(_END_OF_IMAGE, scans[0]) < 0:
        raise UnreadableSliceError(f"{name}: truncated: a JPEG that does not end ({len(data)} bytes)")


def _check_png(data: bytes, name: str) -> None:
    position = len(PNG_SIGNATURE)
    kind = b""
    view = memoryview(data)
    while kind != b"IEND":
        if position + 12 > len(data):
            raise UnreadableSliceError(f"{name}: truncated: a PNG that does not end ({len(data)} bytes)")
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        end = position + 12 + length
        if end > len(data):
            raise UnreadableSliceError(
                f"{name}: truncated: its part at byte {position} ends at {end}, the file has {len(data)} bytes"
            )
        if zlib.crc32(view[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise UnreadableSliceError(f"{name}: corrupt: wrong checksum of its part at byte {position}")
        if kind == b"tRNS":
            raise UnreadableSliceError(
                f"{name}: one of its colours is transparent (tRNS), which a layer can not hold; save it without"
            )
        position = end
