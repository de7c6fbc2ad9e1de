"""The five ways in which a person says where the work of a campaign is.

Models only; the places themselves are found in `campaign_places`. Boxes and positions are in voxels of mag 1, x, y, z.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, InstanceOf, PlainSerializer, field_validator, model_validator

from wk_assets.errors import GeometryError
from wk_assets.facility.section import HomePath, Section, mistake
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.box_notation import numbers_from_csv, numbers_from_mapping
from wk_assets.geometry.mag import Mag

Triple = tuple[int, int, int]
TABLE_ENDINGS = (".csv", ".tsv", ".xlsx")


def _box(value: Any) -> Any:
    if value is None or isinstance(value, BoundingBox):
        return value
    remedy = "Write 'x,y,z,width,height,depth' in voxels of mag 1"
    if not isinstance(value, str | Mapping):
        raise mistake(f"{value!r} is not a box", remedy)
    try:
        six = numbers_from_csv(value) if isinstance(value, str) else numbers_from_mapping(value)
    except GeometryError as error:
        raise mistake(f"{value!r} is not a box", remedy) from error
    if any(isinstance(number, bool) or not isinstance(number, int) for number in six):
        raise mistake(f"{value!r} is not a box of whole numbers", remedy)
    if min(six[3:]) < 1:
        raise mistake(f"the box {value!r} is empty", "Give it a size of at least 1 in x, y and z")
    return BoundingBox(six[:3], six[3:])


def _mag(value: Any) -> Any:
    if value is None or isinstance(value, Mag):
        return value
    try:
        return Mag(value)
    except (GeometryError, TypeError) as error:
        raise mistake(f"{value!r} is not a mag", "Write 1, 2, 4 … or '2-2-1'") from error


def _size(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        value = (value, value, value)
    if isinstance(value, list):
        value = tuple(value)
    if (
        not isinstance(value, tuple)
        or len(value) != 3
        or any(isinstance(edge, bool) or not isinstance(edge, int) or edge < 1 for edge in value)
    ):
        raise mistake(f"{value!r} is not a size", "Write one edge, like 512, or three: [512, 512, 64]")
    return value


def _optional_size(value: Any) -> Any:
    return None if value is None else _size(value)


Box = Annotated[
    InstanceOf[BoundingBox],
    BeforeValidator(_box),
    PlainSerializer(lambda box: box.to_csv(), return_type=str, when_used="json"),
]
"""A box, written as `x,y,z,width,height,depth`."""

WorkMag = Annotated[InstanceOf[Mag], BeforeValidator(_mag), PlainSerializer(str, return_type=str, when_used="json")]
"""A mag, written as `4` or `4-4-1`."""

Size = Annotated[Triple, BeforeValidator(_size)]
"""Edges in voxels of mag 1, written as one number or three."""

OptionalSize = Annotated[Triple | None, BeforeValidator(_optional_size)]

_SIZE = "edges in voxels of mag 1, e.g. [512, 512, 64]"
_AROUND = "a box of this size around each position, edges in voxels of mag 1, e.g. [512, 512, 64]; null: none"
_INSIDE = "the box that all of it is in, e.g. '0,0,0,1024,1024,128'; null: what the campaign's layers have in common"
_SEED = "a whole number; another one gives other places, e.g. 7"


class TableWork(Section):
    """Work where a table says: columns x, y, z, or box_x, box_y, box_z, width, height, depth, or all of them."""

    rule: Literal["table"]
    file: HomePath = Field(description="a table, CSV, TSV or XLSX, e.g. campaigns/seeds.csv")
    sheet: str | None = Field(default=None, description="the sheet of an XLSX file, e.g. seeds; null: the first")
    box_size: OptionalSize = Field(default=None, description=_AROUND)

    @model_validator(mode="after")
    def _known_kind_of_table(self) -> "TableWork":
        ending = self.file.suffix.lower()
        if ending not in TABLE_ENDINGS:
            raise mistake(f"{self.file.name!r} is no table that can be read", "Save it as .csv, .tsv or .xlsx")
        if self.sheet is not None and ending != ".xlsx":
            raise mistake(f"{self.file.name!r} has no sheets", "Remove 'sheet', or give an .xlsx file")
        return self


class GridWork(Section):
    """Work in boxes side by side that fill a box."""

    rule: Literal["grid"]
    size: Size = Field(description=_SIZE)
    overlap: Triple = Field(default=(0, 0, 0), description="what neighbours share, e.g. [32, 32, 4]")
    inside: Box | None = Field(default=None, description=_INSIDE)
    remainder: Literal["cut", "shift", "drop"] = Field(
        default="cut", description="what becomes of the last box where the size does not fit: cut, shift (back) or drop"
    )

    @model_validator(mode="after")
    def _neighbours_move_on(self) -> "GridWork":
        if any(not 0 <= shared < edge for shared, edge in zip(self.overlap, self.size, strict=True)):
            raise mistake(
                f"the overlap {list(self.overlap)} does not fit boxes of {list(self.size)}",
                "Give an overlap of at least 0 and less than the size",
            )
        return self


class RandomWork(Section):
    """Work in boxes at random places, the same ones for the same seed."""

    rule: Literal["random"]
    count: int = Field(ge=1, le=1_000_000, description="how many boxes, e.g. 20")
    size: Size = Field(description=_SIZE)
    seed: int = Field(ge=0, description=_SEED)
    inside: Box | None = Field(default=None, description=_INSIDE)
    mask: str | None = Field(
        default=None, description="a layer of the dataset; the middle of each box is where it is not 0, e.g. tissue"
    )
    mask_mag: WorkMag | None = Field(
        default=None, description="the mag to read the mask at; null: the coarsest, e.g. 8"
    )
    apart: bool = Field(default=True, description="true: no two boxes share a voxel; false: they may")


class NodesWork(Section):
    """Work at the nodes of a skeleton."""

    rule: Literal["nodes"]
    file: HomePath = Field(description="a skeleton, e.g. campaigns/seeds.nml")
    which: Literal["all", "branch_points", "commented"] = Field(
        default="all", description="all, branch_points, or commented"
    )
    trees: tuple[str, ...] = Field(default=(), description="the names of the trees, e.g. [soma]; empty: all")
    box_size: OptionalSize = Field(default=None, description=_AROUND)


class SegmentsWork(Section):
    """Work at segments of a layer; each place is a voxel inside of its segment."""

    rule: Literal["segments"]
    layer: str = Field(min_length=1, description="the segmentation layer, e.g. labels")
    ids: tuple[int, ...] | None = Field(default=None, description="the segments, e.g. [17, 42]; or give 'count'")
    count: int | None = Field(default=None, ge=1, description="how many segments to draw, e.g. 50; or give 'ids'")
    seed: int = Field(default=0, ge=0, description=_SEED)
    inside: Box | None = Field(default=None, description=_INSIDE)
    mag: WorkMag | None = Field(default=None, description="the mag to read the layer at; null: the finest, e.g. 2")
    padding: Triple | None = Field(
        default=None, description="what the task's box has around the segment's own, e.g. [16, 16, 2]; null: no box"
    )

    @field_validator("ids")
    @classmethod
    def _segments(cls, ids: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if ids is not None and (not ids or min(ids) < 1 or len(set(ids)) != len(ids)):
            raise mistake("these are no segments", "List each segment once, by an id of at least 1 (0 is background)")
        return ids

    @field_validator("padding")
    @classmethod
    def _outward(cls, padding: Triple | None) -> Triple | None:
        if padding is not None and min(padding) < 0:
            raise mistake(f"the padding {list(padding)} is negative", "Give at least 0 in x, y and z")
        return padding

    @model_validator(mode="after")
    def _one_way_to_choose(self) -> "SegmentsWork":
        if (self.ids is None) == (self.count is None):
            raise mistake(
                "exactly one of 'ids' and 'count' must be given", "Write 'ids: [17, 42]', or 'count: 50' with a 'seed'"
            )
        return self


Work = Annotated[TableWork | GridWork | RandomWork | NodesWork | SegmentsWork, Field(discriminator="rule")]
"""Where the work is, told apart by its key `rule`."""
