"""What a TIFF page's voxels are: shape, dtype, which samples mean what, where the segments lie.

Values and rules over a parsed header (see `tiff_ifd`); nothing is read here. What a stored number means is never
guessed: palettes, inverted greys, transparency and unusual numbers are refused with the setting or the conversion that
makes them clear.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from wk_assets.errors import AxesError, UnreadableSliceError
from wk_assets.readers import tiff_ifd as tags
from wk_assets.readers.tiff_ifd import Ifd

MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6
JPEG_COMPRESSIONS = frozenset({6, 7, 33007, 34892})
_PHOTOMETRIC_NAMES = {
    0: "grey, 0 is white", 1: "grey", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "CIELab",
    32803: "colour filter array", 34892: "linear raw",
}  # fmt: skip
_UNSIGNED, _SIGNED, _FLOAT, _COMPLEX = 1, 2, 3, frozenset({5, 6})
_ALPHA_KINDS = frozenset({1, 2})
_LARGE_TILE = 1 << 24  # pixels; a tile is decoded whole, however small the image


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLayout:
    """Hold what decides how a page is decoded. Equal layouts are decoded by the same function."""

    byteorder: str
    width: int
    height: int
    samples: int
    bits: int
    sample_format: int
    photometric: int
    compression: int
    predictor: int
    fill_order: int
    planar: bool  # samples lie in separate planes
    tile: tuple[int, int] | None  # width, height
    rows_per_strip: int
    extra_samples: tuple[int, ...]
    orientation: int
    subsampling: tuple[int, ...]
    palette: str | None  # "grey": entry i is grey level i; "coloured": anything else

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """Give the numpy dtype of a stored sample, packed integers widened; None where there is none."""
        kind = self.sample_format
        if kind == _UNSIGNED and 1 < self.bits <= 64:
            return np.dtype(f"u{max(8, 1 << (self.bits - 1).bit_length()) // 8}")
        if kind == _SIGNED and self.bits in {8, 16, 32, 64}:
            return np.dtype(f"i{self.bits // 8}")
        if kind == _FLOAT and self.bits in {16, 24, 32, 64}:
            return np.dtype("f4" if self.bits == 24 else f"f{self.bits // 8}")
        return None

    @property
    def number_name(self) -> str:
        """Name the stored numbers for a person."""
        kinds = {_UNSIGNED: "unsigned integer", _SIGNED: "integer", _FLOAT: "float", 5: "complex", 6: "complex"}
        return "bool (1 bit)" if self.bits == 1 else f"{self.bits}-bit {kinds.get(self.sample_format, 'undefined')}"

    @property
    def meaning(self) -> dict[str, object]:
        """Give what must be the same for all slices of a volume, by its name for a person."""
        return {
            "width x height": f"{self.width} x {self.height}",
            "dtype": self.number_name,
            "photometric": _PHOTOMETRIC_NAMES.get(self.photometric, str(self.photometric)),
            "samples per pixel": self.samples,
            "extra samples": self.extra_samples,
            "palette": self.palette,
            "orientation": self.orientation,
        }


def layout_of(ifd: Ifd, byteorder: str, name: str) -> PageLayout:
    """Understand a header. Raises UnreadableSliceError where it contradicts itself."""
    samples = ifd.first(tags.SAMPLES, 1)
    bits = set(ifd.values.get(tags.BITS, (1,))[:samples])
    formats = set(ifd.values.get(tags.SAMPLE_FORMAT, (1,))[:samples])
    if len(bits) != 1 or len(formats) != 1:
        raise UnreadableSliceError(f"{name}: page {ifd.page}: its samples are of different types ({bits} bits)")
    if ifd.first(tags.IMAGE_DEPTH, 1) > 1 or ifd.first(tags.TILE_DEPTH, 1) > 1:
        raise UnreadableSliceError(f"{name}: page {ifd.page}: holds a volume in one page (ImageDepth); save slices")
    tile = (ifd.first(tags.TILE_WIDTH, 0), ifd.first(tags.TILE_HEIGHT, 0)) if tags.TILE_OFFSETS in ifd.values else None
    height = ifd.first(tags.HEIGHT, 0)
    compression = ifd.first(tags.COMPRESSION, 1)
    return PageLayout(
        byteorder=byteorder,
        width=ifd.first(tags.WIDTH, 0),
        height=height,
        samples=samples,
        bits=bits.pop(),
        sample_format=formats.pop(),
        photometric=ifd.first(tags.PHOTOMETRIC, MIN_IS_BLACK),
        compression=compression,
        predictor=ifd.first(tags.PREDICTOR, 1),
        fill_order=ifd.first(tags.FILL_ORDER, 1),
        planar=ifd.first(tags.PLANAR, 1) == 2,
        tile=tile,
        rows_per_strip=min(ifd.first(tags.ROWS_PER_STRIP, height), height) or height,
        extra_samples=ifd.values.get(tags.EXTRA_SAMPLES, ()),
        orientation=ifd.first(tags.ORIENTATION, 1),
        subsampling=ifd.values.get(tags.SUBSAMPLING, ()) if compression in JPEG_COMPRESSIONS else (),
        palette=_palette_kind(ifd),
    )


def _palette_kind(ifd: Ifd) -> str | None:
    if ifd.first(tags.PHOTOMETRIC, MIN_IS_BLACK) != PALETTE:
        return None
    entries = np.array(ifd.values.get(tags.COLORMAP, ()), dtype=np.int64)
    length = 1 << ifd.first(tags.BITS, 1)
    if entries.size != 3 * length or length > 1 << 16:
        return "coloured"
    levels = np.arange(length) * 65535 // (length - 1)
    # writers fill 16-bit entries with i*257 or i*256
    return "grey" if np.all(np.abs(entries.reshape(3, length) - levels) < 65536 // length) else "coloured"


def difference(first: PageLayout, other: PageLayout) -> str | None:
    """Say in what `other` can not be a slice of the same volume as `first`, or None."""
    found = [
        f"{what} is {value}, not {first.meaning[what]}"
        for what, value in other.meaning.items()
        if value != first.meaning[what]
    ]
    return ", ".join(found) or None


def segments_of(ifd: Ifd, layout: PageLayout, size_bytes: int, name: str) -> tuple[tuple[int, int], ...]:
    """Give (offset, bytes) of each strip or tile, in the order of the format.

    Raises UnreadableSliceError for segments that are missing or lie beyond the file's end.
    """
    tiled = layout.tile is not None
    offsets = ifd.values.get(tags.TILE_OFFSETS if tiled else tags.STRIP_OFFSETS, ())
    sizes = ifd.values.get(tags.TILE_BYTES if tiled else tags.STRIP_BYTES, ())
    needed = _segment_count(layout)
    if layout.tile is not None and layout.tile[0] * layout.tile[1] > max(_LARGE_TILE, 4 * layout.width * layout.height):
        raise UnreadableSliceError(
            f"{name}: page {ifd.page}: its tiles of {layout.tile[0]} x {layout.tile[1]} pixels are far larger than the "
            f"image of {layout.width} x {layout.height}: corrupt"
        )
    if not sizes and layout.compression == 1 and len(offsets) == needed == 1:
        sizes = (raw_bytes(layout),)  # old writers leave the byte count of a single raw strip out
    if len(offsets) < needed or len(sizes) < needed:
        raise UnreadableSliceError(
            f"{name}: page {ifd.page}: its header names {min(len(offsets), len(sizes))} of {needed} segments: corrupt"
        )
    segments = tuple(zip(offsets[:needed], sizes[:needed], strict=True))
    end = max(offset + size for offset, size in segments)
    if end > size_bytes:
        raise UnreadableSliceError(
            f"{name}: page {ifd.page}: truncated: its pixels end at byte {end}, the file has {size_bytes} bytes"
        )
    for index, (offset, size) in enumerate(segments):
        if not offset or not size:
            raise UnreadableSliceError(f"{name}: page {ifd.page}: segment {index} was never written ({size} bytes)")
    return segments


def _segment_count(layout: PageLayout) -> int:
    if layout.tile is None:
        count = -(-layout.height // max(layout.rows_per_strip, 1))
    else:
        count = -(-layout.width // max(layout.tile[0], 1)) * -(-layout.height // max(layout.tile[1], 1))
    return count * (layout.samples if layout.planar else 1)


def raw_bytes(layout: PageLayout) -> int:
    """Give the bytes of a page's pixels when not compressed."""
    return layout.height * (-(-layout.width * layout.samples * layout.bits // 8))


@dataclass(frozen=True, slots=True)
class SampleChoice:
    """Say which stored samples become channels, of which dtype, and which sample must be opaque."""

    take: tuple[int, ...]
    dtype: np.dtype[Any]
    alpha: int | None = None


def choose_samples(layout: PageLayout, channel: int | None, *, lookup_is_display: bool, name: str) -> SampleChoice:
    """Decide which samples of a pixel are the layer's channels.

    `lookup_is_display`: the file's writer (ImageJ, OME, Zeiss) keeps palettes for display only: numbers are intensities.
    Raises AxesError where a channel must be chosen or does not exist, UnreadableSliceError for numbers no layer holds.
    """
    dtype = _layer_dtype(layout, name)
    if layout.samples == 1:
        if channel not in {None, 0}:
            raise AxesError(f"{name}: channel {channel} is asked for, but there is one channel; leave `channel` out")
        plain = layout.photometric == MIN_IS_BLACK or layout.palette == "grey"
        if not plain and not (lookup_is_display and layout.photometric in {MIN_IS_WHITE, PALETTE}) and channel is None:
            what = _PHOTOMETRIC_NAMES.get(layout.photometric, f"photometric {layout.photometric}")
            raise AxesError(
                f"{name}: its numbers are not plain brightness ({what}). Say `channel: 0` to import the stored numbers "
                f"as they are (right for labels), or save the image as grey or RGB"
            )
        return SampleChoice((0,), dtype)
    alphas = [kind in _ALPHA_KINDS for kind in layout.extra_samples]
    colours = layout.samples - len(layout.extra_samples)
    if channel is not None:
        if not 0 <= channel < layout.samples:
            raise AxesError(f"{name}: channel {channel} is asked for, but there are {layout.samples} (0 to "
                            f"{layout.samples - 1})")  # fmt: skip
        return SampleChoice((channel,), dtype)
    is_rgb = layout.photometric == RGB or (layout.photometric == YCBCR and layout.compression in JPEG_COMPRESSIONS)
    alpha = colours if alphas == [True] else None
    if alphas in ([], [True]) and is_rgb and colours == 3 and dtype == np.uint8:
        return SampleChoice((0, 1, 2), dtype, alpha)
    if alphas == [True] and layout.photometric == MIN_IS_BLACK and colours == 1 and dtype.kind == "u":
        return SampleChoice((0,), dtype, alpha)
    what = _PHOTOMETRIC_NAMES.get(layout.photometric, f"photometric {layout.photometric}")
    raise AxesError(
        f"{name}: each pixel has {layout.samples} samples ({what}, {dtype}); a layer has one channel, or three of RGB "
        f"uint8. Say with `channel` (0 to {layout.samples - 1}) which one, one layer each"
    )


def _layer_dtype(layout: PageLayout, name: str) -> np.dtype[Any]:
    dtype = layout.dtype
    if layout.sample_format in _COMPLEX:
        raise UnreadableSliceError(f"{name}: its numbers are complex; save magnitude or phase as float32")
    if layout.bits == 1:
        raise UnreadableSliceError(f"{name}: its numbers are bool (1 bit); save the mask as uint8, with labels 0 and 1")
    if dtype == np.float64:
        raise UnreadableSliceError(
            f"{name}: its numbers are float64, which no layer holds; save it as float32, or as integers if it is labels"
        )
    if dtype is None:
        raise UnreadableSliceError(f"{name}: its numbers are {layout.number_name}; save it as uint8, uint16 or float32")
    return np.dtype("f4") if dtype == np.float16 else dtype  # every float16 is exactly a float32
