"""Read stacks of PNG or JPEG files, one slice each, with Pillow.

Headers of all files are compared when opening. Pillow decodes; that a file is whole and is what its header says is
checked here (`image_chunks`), because Pillow fills up cut JPEGs and reduces 16-bit colour without a word.
"""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin, PngImagePlugin

from wk_assets.errors import AxesError, UnreadableSliceError
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.readers.image_chunks import ImageHeader, check_whole, read_header
from wk_assets.readers.sequence import Slot, arrange_slices
from wk_assets.readers.slice_reader import SliceReader, check_slice_bytes, describe
from wk_assets.readers.source_files import OpenedSource, digest_file, digest_of
from wk_assets.readers.volume import (
    BadSlicePolicy,
    RowAccess,
    SliceProblem,
    SourceFile,
    SourceSelection,
    VolumeDescription,
)
from wk_assets.readers.voxel_size_tags import sizes_of_dpi
from wk_assets.readers.voxel_sizes import FoundSizes

_HEADER_BYTES = 4096
_HEADER_THREADS = 8  # on a share, checking headers waits for the network, not for a core
_SEQUENCE_AXES = frozenset({"zyx", "yx", "zyxc", "yxc", "zyxs", "yxs"})


@dataclass(frozen=True, slots=True)
class _Choice:
    """Say which components become channels; `alpha`: which must be opaque; `indices`: a palette's numbers are voxels."""

    take: tuple[int, ...]
    dtype: np.dtype[Any]
    alpha: int | None = None
    indices: bool = False


def open_images(selection: SourceSelection, files: Sequence[SourceFile]) -> SliceReader:
    """Open PNG or JPEG `files` (of the selection, in natural order) as one volume."""
    if selection.axes is not None and selection.axes.lower() not in _SEQUENCE_AXES:
        raise AxesError(
            f"{files[0].path}: `axes: {selection.axes}`, but image files are slices: leave it out, or say zyx"
        )
    slots = arrange_slices(
        files, selection.expected_slices, selection.on_bad_slice, in_given_order=selection.in_given_order
    )
    first, header = _first_readable(files, selection.on_bad_slice)
    choice = _choose(header, selection.channel, str(first.path))
    problems = _check_headers(slots, header, first.path.name, selection.on_bad_slice)
    size = Vec3Int(header.width, header.height, len(slots))
    sizes = _stated_size(first, header)
    rows = _row_access(header, files)
    description = describe(selection, "image-sequence", files, size, choice, sizes, problems, rows)
    return ImageSequenceReader(description, selection.on_bad_slice, slots, header, choice)


def _first_readable(files: Sequence[SourceFile], policy: BadSlicePolicy) -> tuple[SourceFile, ImageHeader]:
    failure: UnreadableSliceError | None = None
    for file in files:
        try:
            return file, _header_of(file)
        except UnreadableSliceError as error:
            if policy is BadSlicePolicy.FAIL:
                raise
            failure = failure or error
    raise UnreadableSliceError(f"none of {len(files)} files can be read; the first: {failure}")


def _header_of(file: SourceFile) -> ImageHeader:
    with OpenedSource(file) as source:
        head = bytes(source.read_at(0, min(_HEADER_BYTES, file.size_bytes)))
        header = read_header(head, str(file.path))
        if header is None:  # the frame stands behind long comments
            header = read_header(bytes(source.read_at(0, file.size_bytes)), str(file.path))
    if header is None:
        raise UnreadableSliceError(f"{file.path}: truncated: a JPEG of {file.size_bytes} bytes that ends in its header")
    check_slice_bytes(str(file.path), header.width, header.height, 4, np.dtype(f"u{max(1, header.bits // 8)}"))
    return header


def _choose(header: ImageHeader, channel: int | None, name: str) -> _Choice:
    """Decide what becomes of the components; refuse what a layer does not hold, with the way out."""
    said = f"{name}: a {header.kind} of {header.bits}-bit {header.colour}"
    if header.colour == "palette":
        if channel not in {None, 0}:
            raise AxesError(f"{said} has one channel; leave `channel` out, or say 0")
        if channel is None:
            raise AxesError(
                f"{said}: its numbers name colours. Say `channel: 0` to import the numbers as they are (right for labels), "
                f"or save it as grey or RGB"
            )
        return _Choice((0,), np.dtype("u1"), indices=True)
    if header.bits not in {8, 16} or (header.bits == 16 and header.colour != "grey"):
        raise UnreadableSliceError(f"{said} can not be imported exactly; save it as 8-bit, as 16-bit grey, or as TIFF")
    components = {"grey": 1, "grey with alpha": 2, "RGB": 3, "RGB with alpha": 4}.get(header.colour)
    if components is None:
        raise UnreadableSliceError(f"{said} is no picture that a layer holds; save it as grey or RGB")
    dtype = np.dtype(f"u{header.bits // 8}")
    if channel is not None:
        if not 0 <= channel < components:
            raise AxesError(f"{said} has {components} channels, `channel` is {channel}")
        return _Choice((channel,), dtype)
    colours = 1 if components < 3 else 3
    return _Choice(tuple(range(colours)), dtype, alpha=colours if components > colours else None)


def _check_headers(
    slots: Sequence[Slot], first: ImageHeader, first_name: str, policy: BadSlicePolicy
) -> tuple[SliceProblem, ...]:
    """Check all headers. Raises UnreadableSliceError for the first bad one, unless bad ones are filled."""

    def check(slot: Slot) -> SliceProblem | None:
        if slot.file is None:
            return slot.problem
        try:
            _check_same(_header_of(slot.file), first, str(slot.file.path), first_name)
        except UnreadableSliceError as error:
            if policy is BadSlicePolicy.FAIL:
                raise
            return SliceProblem(z=slot.z, file=slot.name, reason=str(error), filled_with=policy)
        return None

    with ThreadPoolExecutor(min(_HEADER_THREADS, len(slots))) as pool:
        return tuple(problem for problem in pool.map(check, slots) if problem)


def _check_same(header: ImageHeader, first: ImageHeader, name: str, first_name: str) -> None:
    if header != first:
        raise UnreadableSliceError(f"{name}: is {_text(header)}, not {_text(first)} like {first_name}")


def _text(header: ImageHeader) -> str:
    return f"{header.kind} {header.width} x {header.height} {header.bits}-bit {header.colour}"


def _stated_size(file: SourceFile, header: ImageHeader) -> FoundSizes:
    with OpenedSource(file) as source:
        data = bytes(source.read_at(0, file.size_bytes))
    try:
        with _opened(data, header) as image:
            dpi = image.info.get("dpi")
    except (OSError, SyntaxError, ValueError):
        return FoundSizes()  # whether the file can be read is judged when its slice is
    return sizes_of_dpi(float(dpi[0]), float(dpi[1]), file.path.name, f"{header.kind} dpi") if dpi else FoundSizes()


def _opened(data: bytes, header: ImageHeader) -> Image.Image:
    # Not Image.open: its limit for bombs is a global of the process, ours (check_slice_bytes) is not.
    if header.kind == "PNG":
        return PngImagePlugin.PngImageFile(io.BytesIO(data))
    return JpegImagePlugin.JpegImageFile(io.BytesIO(data))


class ImageSequenceReader(SliceReader):
    """Read a sequence of PNG or JPEG files, each one slice."""

    def __init__(
        self,
        description: VolumeDescription,
        policy: BadSlicePolicy,
        slots: Sequence[Slot],
        header: ImageHeader,
        choice: _Choice,
    ) -> None:
        super().__init__(description, policy)
        self._slots = slots
        self._header = header
        self._choice = choice

    def _fill(self, plane: int, out: NDArray[Any]) -> str:
        file = self._file(plane)
        data = self._checked(file)
        self.place(self._decoded(data, str(file.path)), out, str(file.path))
        return digest_of(data)

    def _rows(self, plane: int) -> "_ImageRows":
        return _ImageRows(self, self._file(plane))

    def _file(self, plane: int) -> SourceFile:
        file = self._slots[plane].file
        if file is None:
            raise UnreadableSliceError(f"{self._slots[plane].name}: there is no such file")
        return file

    def _digest(self, plane: int) -> str:
        return digest_file(self._file(plane))

    def decoded_file(self, file: SourceFile) -> NDArray[Any]:
        """Read and decode a file to (y, x, component)."""
        return self._decoded(self._checked(file), str(file.path))

    def _checked(self, file: SourceFile) -> bytes:
        name = str(file.path)
        with OpenedSource(file) as source:
            data = bytes(source.read_at(0, file.size_bytes))
        header = read_header(data, name)
        if header != self._header:
            raise UnreadableSliceError(f"{name}: is another kind of image than the volume's first one")
        check_whole(data, name)
        return data

    def _decoded(self, data: bytes, name: str) -> NDArray[Any]:
        """Decode to (y, x, component)."""
        try:
            with _opened(data, self._header) as image:
                image.load()
                pixels = np.asarray(image)
        except (OSError, SyntaxError, ValueError, IndexError, EOFError) as error:
            raise UnreadableSliceError(f"{name}: can not be decoded: {error}") from error
        return pixels if pixels.ndim == 3 else pixels[..., None]

    def place(self, pixels: NDArray[Any], out: NDArray[Any], name: str) -> None:
        """Copy the components that are channels from `pixels` (y, x, component) to `out` (c, y, x)."""
        choice = self._choice
        if pixels.dtype != choice.dtype or pixels.shape[:2] != out.shape[1:]:
            raise UnreadableSliceError(f"{name}: decodes to {pixels.shape} {pixels.dtype}, not to what its header says")
        if choice.alpha is not None and pixels[..., choice.alpha].min() != np.iinfo(pixels.dtype).max:
            raise UnreadableSliceError(
                f"{name}: has transparent pixels, which a layer can not hold; save it without alpha, or choose one "
                f"component with `channel`"
            )
        for index, component in enumerate(choice.take):
            out[index] = pixels[..., component]

    def _name(self, plane: int) -> str:
        return self._slots[plane].name

    def digests(self) -> dict[str, str]:
        """Give nothing: every file is digested while its slice is read."""
        return {}


class _ImageRows:
    """Fill windows of one image: it is decoded once and kept, for its format knows no other way."""

    def __init__(self, reader: ImageSequenceReader, file: SourceFile) -> None:
        self._reader = reader
        self._file = file
        self._pixels: NDArray[Any] | None = None

    def fill(self, first_row: int, out: NDArray[Any]) -> None:
        """Fill `out` (c, rows, x) with the rows from `first_row` on. Raises UnreadableSliceError, SourceChangedError."""
        if self._pixels is None:
            pixels = self._reader.decoded_file(self._file)
            size = self._reader.description.size
            if pixels.shape[:2] != (size.y, size.x):
                raise UnreadableSliceError(f"{self._file.path}: decodes to {pixels.shape}, not to what its header says")
            self._pixels = pixels
        self._reader.place(self._pixels[first_row : first_row + out.shape[1]], out, str(self._file.path))


def _row_access(header: ImageHeader, files: Sequence[SourceFile]) -> RowAccess:
    """Say what it takes to read windows: an image is decoded whole, by Pillow, and copied once (4 bytes hold RGB)."""
    components = {"grey": 1, "grey with alpha": 2, "palette": 1, "RGB": 3}.get(header.colour, 4)
    in_pillow = 1 if components == 1 else 4
    pixel_bytes = (components + in_pillow) * max(1, header.bits // 8)
    return RowAccess(
        held_bytes=header.width * header.height * pixel_bytes + 2 * max(file.size_bytes for file in files),
        in_order=True,
        reason=f"a {header.kind} can only be decoded whole; save its slices as TIFF",
    )
