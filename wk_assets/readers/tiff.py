"""Open TIFF files as a volume: one file per slice, or a stack in one file (or one OME-TIFF spread over several).

Only the choice between the two is made here (see `tiff_sequence`, `tiff_stack`).
"""

from collections.abc import Sequence

from wk_assets.errors import MissingSliceError, UnreadableSliceError
from wk_assets.readers.slice_reader import SliceReader
from wk_assets.readers.source_files import OpenedSource
from wk_assets.readers.tiff_facts import names_other_files, read_facts
from wk_assets.readers.tiff_layout import difference
from wk_assets.readers.tiff_pages import Page, pages_of
from wk_assets.readers.tiff_sequence import open_sequence
from wk_assets.readers.tiff_stack import open_stack
from wk_assets.readers.volume import BadSlicePolicy, SourceFile, SourceSelection


def open_tiff(selection: SourceSelection, files: Sequence[SourceFile]) -> SliceReader:
    """Open TIFF `files` (of the selection, in natural order) as one volume."""
    if len(files) == 1:
        return _open_one_file(selection, files[0])
    first, pages = _first_readable(files, selection.on_bad_slice)
    if names_other_files(first.path):
        return open_stack(selection, files, read_facts(first.path).renamed(selection.axes))
    return open_sequence(selection, files, (first, pages))


def _first_readable(files: Sequence[SourceFile], policy: BadSlicePolicy) -> tuple[SourceFile, list[Page]]:
    """Give the first file whose headers are sound; unless bad slices are filled, the first file must be."""
    failure: UnreadableSliceError | None = None
    for file in files:
        try:
            with OpenedSource(file) as source:
                return file, pages_of(source)
        except UnreadableSliceError as error:
            if policy is BadSlicePolicy.FAIL:
                raise
            failure = failure or error
    raise UnreadableSliceError(f"none of {len(files)} files can be read; the first: {failure}")


def _open_one_file(selection: SourceSelection, file: SourceFile) -> SliceReader:
    with OpenedSource(file) as source:
        pages = pages_of(source)
    if not pages:
        raise UnreadableSliceError(f"{file.path}: holds thumbnails only, no image")
    for page in pages[1:]:
        differs = difference(pages[0].layout, page.layout)
        if differs:
            raise UnreadableSliceError(f"{file.path}: page {page.ifd.page}: differs from its first page: {differs}")
    facts = read_facts(file.path).renamed(selection.axes)
    if not facts.is_multifile and facts.pages_used != len(pages):
        raise MissingSliceError(f"{file.path}: its description names {facts.pages_used} pages, it has {len(pages)}")
    if len(facts.planes) == 1:
        return open_sequence(selection, [file], (file, pages), "tiff-stack")
    return open_stack(selection, [file], facts)
