"""Find the reader for a selection of files: the door of this package.

By content, never by suffix alone. No voxel is read here, nothing is written.
"""

from collections.abc import Sequence

from wk_assets.errors import UnreadableSliceError
from wk_assets.readers.image_chunks import JPEG_SIGNATURE, PNG_SIGNATURE
from wk_assets.readers.source_files import OpenedSource, list_source_files
from wk_assets.readers.volume import BadSlicePolicy, SourceFile, SourceSelection, VolumeReader, VolumeSource

_TIFF_BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_volume(source: VolumeSource) -> VolumeReader:
    """Open one layer's source files and describe them; only headers are read. Sources that open themselves do so.

    Raises MissingSliceError for no files, gaps or duplicates, UnreadableSliceError for a file that is no image or
    differs from the first, AxesError where nobody names the axes. Each error names the file.
    """
    if not isinstance(source, SourceSelection):
        return source.open()
    files = list_source_files(source)
    # each brings a library that takes longer to import than a small layer to read
    if _is_tiff(files, source.on_bad_slice):
        from wk_assets.readers.tiff import open_tiff

        return open_tiff(source, files)
    from wk_assets.readers.image_files import open_images

    return open_images(source, files)


def _is_tiff(files: Sequence[SourceFile], policy: BadSlicePolicy) -> bool:
    """Look at the first file that is an image; unless bad slices are filled, the first file must be one."""
    beginning = b""
    for file in files:
        with OpenedSource(file) as source:
            beginning = bytes(source.read_at(0, min(8, file.size_bytes)))
        if beginning.startswith(_TIFF_BEGINNINGS):
            return True
        if beginning.startswith((PNG_SIGNATURE, JPEG_SIGNATURE)):
            return False
        if policy is BadSlicePolicy.FAIL:
            break
    what = f"begins with {beginning!r}" if beginning else "is empty (0 bytes)"
    raise UnreadableSliceError(f"{file.path}: is no TIFF, PNG or JPEG: it {what}")
