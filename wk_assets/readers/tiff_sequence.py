"""Read TIFF files that are one slice each.

The headers of all files are checked when opening (about a tenth of a millisecond each), so that a slice of another
shape or dtype is found before any voxel is written. Single pages are read in `tiff_pages`.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from typing import Any

from numpy.typing import NDArray

from wk_assets.errors import AxesError, UnreadableSliceError
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.readers.sequence import Slot, arrange_slices
from wk_assets.readers.slice_reader import SliceReader, describe
from wk_assets.readers.source_files import OpenedSource, digest_file
from wk_assets.readers.tiff_facts import TiffFacts, read_facts
from wk_assets.readers.tiff_layout import choose_samples
from wk_assets.readers.tiff_pages import LARGEST_FILE_IN_MEMORY, Page, PageFiller
from wk_assets.readers.tiff_rows import PageRows, row_access
from wk_assets.readers.volume import (
    BadSlicePolicy,
    RowAccess,
    SliceProblem,
    SourceFile,
    SourceSelection,
    VolumeDescription,
)

_HEADER_THREADS = 8  # on a share, checking headers waits for the network, not for a core


class TiffSequenceReader(SliceReader):
    """Read a sequence of files, each one slice."""

    def __init__(
        self,
        description: VolumeDescription,
        policy: BadSlicePolicy,
        slots: Sequence[Slot],
        filler: PageFiller,
        page: tuple[int, int],
        undigested: frozenset[str],
    ) -> None:
        super().__init__(description, policy)
        self._slots = slots
        self._filler = filler
        self._page_number, self._pages = page
        self._undigested = undigested

    def _fill(self, plane: int, out: NDArray[Any]) -> str | None:
        return self._filler.fill_file(self._file(plane), self._page_number, self._pages, out)

    def _rows(self, plane: int) -> PageRows:
        def find(source: OpenedSource) -> Page:
            return self._filler.page_of_slice(source, self._page_number, self._pages)

        return PageRows(self._filler, self._file(plane), find)

    def _file(self, plane: int) -> SourceFile:
        file = self._slots[plane].file
        if file is None:
            raise UnreadableSliceError(f"{self._slots[plane].name}: there is no such file")
        return file

    def _digest(self, plane: int) -> str | None:
        file = self._file(plane)
        return None if file.relative_path in self._undigested else digest_file(file)

    def _name(self, plane: int) -> str:
        return self._slots[plane].name

    def digests(self) -> dict[str, str]:
        """Read the few files that are too large to be digested while reading their slice."""
        files = [slot.file for slot in self._slots if slot.file and slot.file.relative_path in self._undigested]
        return {file.relative_path: digest_file(file) for file in files}


@dataclass(frozen=True, slots=True)
class _Checks:
    """Hold what the check of all headers found."""

    problems: tuple[SliceProblem, ...]
    undigested: frozenset[str]  # relative paths
    rows: RowAccess


def open_sequence(
    selection: SourceSelection,
    files: Sequence[SourceFile],
    first: tuple[SourceFile, list[Page]],
    form: str = "tiff-sequence",
) -> SliceReader:
    """Open `files`, each one slice; `first` is the first readable one and its pages."""
    slots = arrange_slices(
        files, selection.expected_slices, selection.on_bad_slice, in_given_order=selection.in_given_order
    )
    first_file, pages = first
    facts, page_number, used_channel = _slice_facts(selection, first_file, len(pages))
    layout = pages[page_number].layout
    choice = choose_samples(
        layout, None if used_channel else selection.channel,
        lookup_is_display=facts.lookup_is_display, name=str(first_file.path),
    )  # fmt: skip
    filler = PageFiller(first_name=first_file.path.name, first=layout, choice=choice)
    checks = _check_slots(slots, filler, (page_number, len(pages)), selection.on_bad_slice)
    description = describe(
        selection,
        form,
        files,
        Vec3Int(layout.width, layout.height, len(slots)),
        choice,
        facts.sizes,
        checks.problems,
        checks.rows,
    )
    return TiffSequenceReader(
        description, selection.on_bad_slice, slots, filler, (page_number, len(pages)), checks.undigested
    )


def _slice_facts(selection: SourceSelection, file: SourceFile, pages: int) -> tuple[TiffFacts, int, bool]:
    """Give what the first slice says, the page that is the layer's, and whether `channel` chose it."""
    facts = read_facts(file.path, as_one_page=pages == 1)
    axes = selection.axes
    in_file = (axes or "").lower().removeprefix("z")  # of a sequence, 'zyx' says what its files say anyway
    if in_file.endswith(("yx", "yxc", "yxs")):
        axes = in_file
    facts = facts.renamed(axes)
    slices = facts.slices(selection.channel)
    if len(slices.planes) != 1 or slices.planes[0] is None:
        raise AxesError(
            f"{file.path}: one of several files, but it holds {len(slices.planes)} slices itself ({facts.text()}); a layer is "
            f"either one stack or one slice per file: narrow `files`"
        )
    return facts, facts.planes.index(slices.planes[0]), slices.used_channel


def _check_slots(slots: Sequence[Slot], filler: PageFiller, page: tuple[int, int], policy: BadSlicePolicy) -> _Checks:
    """Check the headers of all slices. Raises UnreadableSliceError for the first bad one, unless bad ones are filled."""

    def check(slot: Slot) -> SliceProblem | tuple[str | None, RowAccess] | None:
        if slot.file is None:
            return slot.problem
        try:
            with OpenedSource(slot.file) as source:
                found = filler.page_of_slice(source, *page)
        except UnreadableSliceError as error:
            if policy is BadSlicePolicy.FAIL:
                raise
            return SliceProblem(z=slot.z, file=slot.name, reason=str(error), filled_with=policy)
        is_large = slot.file.size_bytes > LARGEST_FILE_IN_MEMORY and found.raw_offset is None
        return slot.file.relative_path if is_large else None, row_access(found, filler.choice)

    with ThreadPoolExecutor(min(_HEADER_THREADS, len(slots))) as pool:
        results = list(pool.map(check, slots))
    sound = [result for result in results if isinstance(result, tuple)]
    return _Checks(
        tuple(result for result in results if isinstance(result, SliceProblem)),
        frozenset(large for large, _ in sound if large is not None),
        reduce(RowAccess.joined, (rows for _, rows in sound), RowAccess()),
    )
