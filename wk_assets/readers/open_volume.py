"""Find the reader for a selection of files: the door of this package.

By content, never by suffix alone. No voxel is read here, nothing is written.
"""

from wk_assets.readers.volume import SourceSelection, VolumeReader


def open_volume(selection: SourceSelection) -> VolumeReader:
    """Open one layer's source files and describe them; only headers are read.

    Raises MissingSliceError for no files, gaps or duplicates, UnreadableSliceError for a file that is no image or
    differs from the first, AxesError where nobody names the axes. Each error names the file.
    """
    raise NotImplementedError
