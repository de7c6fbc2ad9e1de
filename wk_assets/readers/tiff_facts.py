"""Ask tifffile what a TIFF says of itself: its axes, which page is which plane, the size of its voxels.

Axes are named by the file (OME-XML, ImageJ, tifffile, LSM, …) or by the setting `axes`; never guessed from a shape. No
pixel is decoded here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np
import tifffile

from wk_assets.errors import AxesError, MissingSliceError, UnreadableSliceError
from wk_assets.readers.tiff_decode import DECODER_ERRORS
from wk_assets.readers.tifffile_warnings import warnings_are_errors
from wk_assets.readers.voxel_size_tags import sizes_of_tiff
from wk_assets.readers.voxel_sizes import FoundSizes

_MISSING_PAGES = ("Missing data are zeroed", "OME series failed to read", "OME series expected")
# Axes beyond space and channel that a file may have: time, and what OME calls modulo axes (angle, emission, phase,
# lifetime, exposure, position, event). Not "Q", "I" (nobody names them), "M", "R" (tiles of a mosaic lie in space).
_ADDITIONAL = frozenset("TAEFHLPV")
_SETTABLE = frozenset("czyxs") | {axis.lower() for axis in _ADDITIONAL}
_CHANNEL_NAME = re.compile(r"<(?:\w+:)?Channel\b[^>]*\bName=\"([^\"]*)\"")
_FILE_NAME = re.compile(r"FileName=\"([^\"]*)\"")


@dataclass(frozen=True, slots=True)
class PlanePlace:
    """Say where one plane lies: a page's header, or the raw bytes `skipped` behind a page's first pixel."""

    path: Path
    ifd_offset: int
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class TiffFacts:
    """Hold what a TIFF says of itself.

    `axes` and `shape` are those of the planes (the page's own y, x, s left out), slowest first; `planes` one per index,
    row-major; None where the file promises a plane that is nowhere.
    """

    name: str
    axes: str
    shape: tuple[int, ...]
    page_axes: str
    planes: tuple[PlanePlace | None, ...]
    pages_used: int
    lookup_is_display: bool
    channel_names: tuple[str, ...]
    sizes: FoundSizes
    is_multifile: bool

    def text(self) -> str:
        """Write the axes with their lengths, for an error."""
        return (
            ", ".join(f"{axis}={length}" for axis, length in zip(self.axes.lower(), self.shape, strict=True)) or "none"
        )

    def renamed(self, axes: str | None) -> "TiffFacts":
        """Name the axes by the setting, if there is one. Raises AxesError where it does not fit the file."""
        if axes is None:
            return self
        names = axes.lower()
        if len(set(names)) != len(names) or not set(names) <= _SETTABLE or not {"y", "x"} <= set(names):
            raise AxesError(
                f"{self.name}: `axes: {axes}` names no axes; write letters out of t, c, z, y, x once, like 'zyx' or 'tczyx'"
            )
        page = self.page_axes.lower()
        endings = [page, page.replace("s", "c"), page.replace("s", "")]  # the samples of a pixel need no name
        ending = next((one for one in endings if names.endswith(one)), None)
        if ending is None:
            raise AxesError(
                f"{self.name}: `axes: {axes}` does not end in '{page}', which is how each of its pages lies; a page can "
                f"not be turned here"
            )
        planes = names.removesuffix(ending)
        longer = [length for length in self.shape if length > 1]
        for shape in (self.shape, tuple(longer)):
            if len(planes) == len(shape):
                return replace(self, axes=planes.upper(), shape=shape)
        raise AxesError(
            f"{self.name}: `axes: {axes}` names {len(planes)} axes besides the page's '{page}', the file has "
            f"{len(longer)} ({self.text()})"
        )

    def slices(self, channel: int | None) -> "Slices":
        """Give one plane per z and position of the additional axes, and whether a channel axis used up `channel`.

        Raises AxesError for axes that nobody names, and for several channels without `channel`.
        """
        lengths = dict(zip(self.axes.upper(), self.shape, strict=True))
        unknown = [axis for axis, length in lengths.items() if axis not in _ADDITIONAL | {"C", "Z"} and length > 1]
        if unknown:
            example = "zyx" if len([length for length in self.shape if length > 1]) == 1 else "czyx"
            raise AxesError(
                f"{self.name}: nobody names its axes ({self.text()}, then {self.page_axes.lower()}). Say with the setting "
                f"`axes` what they are, slowest first, like `axes: {example}`"
            )
        channels = lengths.get("C", 1)
        if channels > 1 and (channel is None or not 0 <= channel < channels):
            names = (
                ", ".join(f"{index} {name!r}" for index, name in enumerate(self.channel_names))
                or f"0 to {channels - 1}"
            )
            asked = "several channels, one is a layer" if channel is None else f"no channel {channel}"
            raise AxesError(f"{self.name}: {asked}; say with `channel` which: {names} ({self.text()})")
        additional = [axis for axis, length in lengths.items() if axis in _ADDITIONAL and length > 1]
        planes = np.arange(prod(self.shape)).reshape(self.shape)
        kept = {*additional, "Z"}
        chosen = planes[tuple(
            slice(None) if axis in kept else (channel or 0) if axis == "C" and channels > 1 else 0
            for axis in self.axes.upper()
        )]  # fmt: skip
        if "Z" in lengths:  # the planes of one position follow one another
            chosen = np.moveaxis(chosen, [axis for axis in self.axes.upper() if axis in kept].index("Z"), -1)
        return Slices(
            planes=tuple(self.planes[index] for index in chosen.reshape(-1)),
            depth=lengths.get("Z", 1),
            additional=tuple((axis.lower(), lengths[axis]) for axis in additional),
            used_channel=channels > 1,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """Hold the planes of one layer: `depth` of them for each position along the `additional` axes, z fastest."""

    planes: tuple[PlanePlace | None, ...]
    depth: int
    additional: tuple[tuple[str, int], ...]
    used_channel: bool

    def position(self, number: int) -> tuple[int, ...]:
        """Give the position along the additional axes of plane `number`."""
        extents = [extent for _, extent in self.additional]
        return tuple(int(index) for index in np.unravel_index(number // self.depth, extents)) if extents else ()


def names_other_files(path: Path) -> bool:
    """Tell whether an OME-TIFF's XML spreads one image over several files."""
    with warnings_are_errors(str(path), expected=_MISSING_PAGES), tifffile.TiffFile(path) as tif:
        return bool(tif.is_ome) and len(set(_FILE_NAME.findall(tif.ome_metadata or ""))) > 1


def read_facts(path: Path, *, as_one_page: bool = False) -> TiffFacts:
    """Open a TIFF with tifffile and note what it says; `as_one_page`: it is a slice, only its first page matters.

    Raises UnreadableSliceError for what tifffile can not understand or merely warns of, AxesError for several images.
    """
    name = str(path)
    try:
        with warnings_are_errors(name, expected=_MISSING_PAGES), tifffile.TiffFile(path) as tif:
            sizes = sizes_of_tiff(tif, path.name)
            display = bool(tif.is_imagej or tif.is_ome or tif.is_sem)  # Zeiss colours the overlay by palette
            channels = tuple(_CHANNEL_NAME.findall(tif.ome_metadata or "")) if tif.is_ome else ()
            if as_one_page:
                page = tif.pages.first
                place = PlanePlace(path, page.offset)
                return TiffFacts(name, "", (), page.axes, (place,), 1, display, channels, sizes, is_multifile=False)
            series = _only_series(tif.series, name)
            # axes of length 1 are left out: tifffile 2026.9 and later gives them in no other way
            axes, shape = series.axes, series.shape
            page_axes = series.keyframe.axes
            count = _plane_axes(axes, shape, page_axes, name)
            planes = _places(series, prod(shape[:count]), name)
            return TiffFacts(
                name, axes[:count], tuple(shape[:count]), page_axes, planes, len(series.pages), display, channels, sizes,
                is_multifile=bool(series.is_multifile),
            )  # fmt: skip
    except (AxesError, MissingSliceError, UnreadableSliceError):
        raise
    except DECODER_ERRORS as error:
        raise UnreadableSliceError(f"{name}: tifffile can not understand it: {error}") from error


def _plane_axes(axes: str, shape: Sequence[int], page_axes: str, name: str) -> int:
    """Count the axes before a page's own."""
    # tifffile adds a sample axis to every image of one sample
    named = "".join(axis for axis, length in zip(axes, shape, strict=True) if axis != "S" or length > 1)
    count = len(named) - len(page_axes)
    if named[count:] not in {page_axes, page_axes.replace("S", "C")}:  # ImageJ names separate samples channels
        raise AxesError(f"{name}: its axes are {axes}, but each page lies as {page_axes}; save it with y and x last")
    return count


def _only_series(series: Sequence[tifffile.TiffPageSeries], name: str) -> tifffile.TiffPageSeries:
    images = [one for one in series if not one.keyframe.is_reduced]
    if len(images) == 1:
        return images[0]
    listed = ", ".join(f"{one.axes} {'x'.join(map(str, one.shape))} {one.dtype}" for one in images) or "none"
    raise AxesError(f"{name}: holds {len(images)} images ({listed}); a layer is one: save each as a file of its own")


def _places(series: tifffile.TiffPageSeries, count: int, name: str) -> tuple[PlanePlace | None, ...]:
    pages = list(series.pages)
    if len(pages) == 1 and count > 1:  # all planes lie raw behind one header (ImageJ beyond 4 GB, tifffile 'truncate')
        page = series.keyframe
        if not page.is_contiguous:
            raise MissingSliceError(f"{name}: its description names {count} planes, but the file has one page")
        return tuple(PlanePlace(_path_of(page), page.offset, index * page.nbytes) for index in range(count))
    if len(pages) != count:
        raise MissingSliceError(f"{name}: its description names {count} planes, but the file has {len(pages)} pages")
    if any(page is not None and not page.offset for page in pages):
        raise UnreadableSliceError(
            f"{name}: its pages have no headers of their own ({series.kind}); save it as plain TIFF"
        )
    return tuple(page and PlanePlace(_path_of(page), page.offset) for page in pages)


def _path_of(page: "tifffile.TiffPage | tifffile.TiffFrame") -> Path:
    return Path(page.parent.filehandle.path)
