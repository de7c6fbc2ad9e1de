"""Read TIFF stacks: all planes in one file, or in the several files that an OME-TIFF names.

The header of every plane is checked when opening. Single pages are read in `tiff_pages`, axes are named in `tiff_facts`.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from wk_assets.errors import MissingSliceError, UnreadableSliceError
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.readers.natural_order import ranges_text
from wk_assets.readers.slice_reader import SliceReader, describe
from wk_assets.readers.source_files import OpenedSource, digest_file
from wk_assets.readers.tiff_facts import PlanePlace, Slices, TiffFacts
from wk_assets.readers.tiff_ifd import HeaderBytes
from wk_assets.readers.tiff_layout import choose_samples
from wk_assets.readers.tiff_pages import Page, PageFiller, page_at
from wk_assets.readers.tiff_rows import PageRows, row_access
from wk_assets.readers.volume import (
    BadSlicePolicy,
    RowAccess,
    SliceProblem,
    SourceFile,
    SourceSelection,
    VolumeDescription,
)

_FilePlane = tuple[SourceFile, PlanePlace]


class TiffStackReader(SliceReader):
    """Read a stack of planes in one file, or in the files that an OME-TIFF names."""

    def __init__(
        self,
        description: VolumeDescription,
        policy: BadSlicePolicy,
        planes: Sequence[_FilePlane | None],
        filler: PageFiller,
    ) -> None:
        super().__init__(description, policy)
        self._planes = planes
        self._filler = filler

    def _fill(self, plane: int, out: NDArray[Any]) -> None:
        file, place = self._found(plane)
        self._filler.fill_plane(file, place.ifd_offset, place.skipped, out)

    def _rows(self, plane: int) -> PageRows:
        file, place = self._found(plane)

        def find(source: OpenedSource) -> Page:
            return self._filler.page_of_stack(source, HeaderBytes(source), place.ifd_offset, place.skipped)

        return PageRows(self._filler, file, find, place.skipped)

    def _found(self, plane: int) -> _FilePlane:
        found = self._planes[plane]
        if found is None:
            raise UnreadableSliceError(f"{self._name(plane)}: has no plane {plane}")
        return found

    def _digest(self, plane: int) -> None:
        """Give none: a file holds many planes (see `digests`)."""

    def _name(self, plane: int) -> str:
        found = self._planes[plane]
        return (found[0] if found else self._description.files[0]).relative_path

    def digests(self) -> dict[str, str]:
        """Read every file once more: its slices were read here and there."""
        return {file.relative_path: digest_file(file) for file in self._description.files}


def open_stack(selection: SourceSelection, files: Sequence[SourceFile], facts: TiffFacts) -> SliceReader:
    """Open the stack that `facts` (of the first file, axes named) describe."""
    slices = facts.slices(selection.channel)
    expected = selection.expected_slices
    if expected is not None and slices.depth != expected:
        raise MissingSliceError(f"{facts.name}: holds {slices.depth} slices, but `expected_slices` is {expected}")
    by_path = {os.path.realpath(file.path): file for file in files}
    planes = [(_selected(place, by_path, facts), place) if place else None for place in slices.planes]
    file, place = next(plane for plane in planes if plane is not None)
    with OpenedSource(file) as source:
        layout = page_at(source, HeaderBytes(source), place.ifd_offset).layout
    choice = choose_samples(
        layout, None if slices.used_channel else selection.channel,
        lookup_is_display=facts.lookup_is_display, name=facts.name,
    )  # fmt: skip
    filler = PageFiller(first_name="its first page", first=layout, choice=choice)
    problems, rows = _check_planes(planes, slices, filler, facts, selection.on_bad_slice)
    size = Vec3Int(layout.width, layout.height, slices.depth)
    description = describe(selection, "tiff-stack", files, size, choice, facts.sizes, problems, rows, slices.additional)
    return TiffStackReader(description, selection.on_bad_slice, planes, filler)


def _selected(place: PlanePlace, by_path: Mapping[str, SourceFile], facts: TiffFacts) -> SourceFile:
    file = by_path.get(os.path.realpath(place.path))
    if file is None:
        raise MissingSliceError(
            f"{facts.name}: its OME-XML says that slices lie in {place.path.name}, which is not among the layer's "
            f"`files`: select all files of the image"
        )
    return file


def _check_planes(
    planes: Sequence[_FilePlane | None], slices: Slices, filler: PageFiller, facts: TiffFacts, policy: BadSlicePolicy
) -> tuple[tuple[SliceProblem, ...], RowAccess]:
    """Check every plane's header. Raises for the first bad one, unless bad ones are filled: then they are listed."""
    absent = [number for number, plane in enumerate(planes) if plane is None]
    if absent and policy is BadSlicePolicy.FAIL:
        missing = ranges_text(sorted({number % slices.depth for number in absent}))
        raise MissingSliceError(f"{facts.name}: missing z {missing}: its OME-XML names them, no file has them")

    def problem(number: int, file: str, reason: str) -> SliceProblem:
        at = slices.position(number)
        return SliceProblem(z=number % slices.depth, file=file, reason=reason, filled_with=policy, at=at)

    problems = {number: problem(number, facts.name, "named in the OME-XML, but in no file") for number in absent}
    rows = RowAccess()
    for file in dict.fromkeys(plane[0] for plane in planes if plane):
        with OpenedSource(file) as source:
            data = HeaderBytes(source)
            for number, plane in enumerate(planes):
                if plane is None or plane[0] != file:
                    continue
                try:
                    page = filler.page_of_stack(source, data, plane[1].ifd_offset, plane[1].skipped)
                except UnreadableSliceError as error:
                    if policy is BadSlicePolicy.FAIL:
                        raise
                    problems[number] = problem(number, file.relative_path, str(error))
                else:
                    rows = rows.joined(row_access(page, filler.choice))
    return tuple(problems[number] for number in sorted(problems)), rows
