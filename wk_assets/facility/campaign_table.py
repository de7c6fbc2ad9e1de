"""Places of work that stand in a table: CSV, TSV or XLSX, one row each. Every wrong row is reported, by its number.

Reads the table, and nothing else; whether a place lies inside the layers is judged here too, because it is a row's mistake.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from wk_assets.errors import ConfigurationError, Problem
from wk_assets.facility.campaign_plan import Place
from wk_assets.facility.campaign_work import TableWork
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int

POSITION = ("x", "y", "z")
BOX = ("box_x", "box_y", "box_z", "width", "height", "depth")
LARGEST_TABLE_BYTES = 256 << 20
MOST_ROWS = 1_000_000
_SHOWN = 50


def table_places(work: TableWork, inside: BoundingBox) -> list[Place]:
    """Read the places of a table. `inside`: the box that all of them are in, in voxels of mag 1.

    Columns, in any order, among others that are not looked at: x, y, z, where the work begins (without them: the middle of
    the box); box_x, box_y, box_z, width, height, depth, the box to stay in (without them: `box_size` around the position).
    Empty rows do not count. Raises ConfigurationError with all wrong rows, numbered as a spreadsheet shows them.
    """
    table = _read(work)
    table.columns = pd.Index([str(column).strip().lower() for column in table.columns])
    has_position, has_box = _columns(work, table)
    wanted = [*(POSITION if has_position else ()), *(BOX if has_box else ())]
    problems: list[Problem] = []
    places: list[Place] = []
    for number, row in enumerate(table[wanted].itertuples(index=False, name=None), start=2):
        texts = [str(value).strip() for value in row]
        if not any(texts):
            continue
        found = list(_mistakes(wanted, texts))
        if not found:
            place = _place(dict(zip(wanted, map(_number, texts), strict=True)), work, inside, f"row {number}")
            if isinstance(place, Place):
                places.append(place)
                continue
            found = [place]
        problems.append(Problem(f"row {number}", "; ".join(found), "Correct the row, or remove it"))
    if problems:
        more = [] if len(problems) <= _SHOWN else [_more(len(problems) - _SHOWN)]
        raise ConfigurationError(str(work.file), [*problems[:_SHOWN], *more])
    if not places:
        raise ConfigurationError(str(work.file), [Problem("the table", "it has no rows", "Write one row per place")])
    return places


def _more(count: int) -> Problem:
    return Problem("the rows after them", f"{count} more are wrong", "Correct these first")


def _read(work: TableWork) -> pd.DataFrame:
    file = work.file
    try:
        if file.stat().st_size > LARGEST_TABLE_BYTES:
            raise _refused(file, "it is larger than any table of places", "Is this the right file?")
        if file.suffix.lower() == ".xlsx":
            sheet = 0 if work.sheet is None else work.sheet
            read = pd.read_excel(file, sheet_name=sheet, dtype=str, keep_default_na=False, nrows=MOST_ROWS + 1)
        else:
            with file.open(encoding="utf-8-sig", newline="") as stream:
                head = stream.readline()
                separator = (
                    "\t" if file.suffix.lower() == ".tsv" else (";" if head.count(";") > head.count(",") else ",")
                )
                stream.seek(0)
                read = pd.read_csv(
                    stream,
                    sep=separator,
                    dtype=str,
                    keep_default_na=False,
                    skip_blank_lines=False,
                    nrows=MOST_ROWS + 1,
                    index_col=False,
                )
    except FileNotFoundError as error:
        raise _refused(file, "it does not exist", "Put it there, or correct 'file' of the campaign's work") from error
    except OSError as error:
        raise _refused(file, f"it can not be read ({error.strerror or error})", "Save it again") from error
    except UnicodeDecodeError as error:
        raise _refused(file, f"it is not UTF-8 text (byte {error.start})", "Save it as UTF-8") from error
    except (ValueError, KeyError, pd.errors.ParserError) as error:
        # openpyxl raises KeyError for an archive that is no workbook, pandas ValueError for a sheet that is not there
        raise _refused(
            file, f"it is no table ({error})", "Save it as .csv, .tsv or .xlsx, with column names"
        ) from error
    if len(read) > MOST_ROWS:
        raise _refused(file, f"it has more than {MOST_ROWS} rows", "Divide it among several campaigns")
    return read.fillna("")


def _columns(work: TableWork, table: pd.DataFrame) -> tuple[bool, bool]:
    names = list(table.columns)
    twice = sorted({name for name in (*POSITION, *BOX) if names.count(name) > 1})
    if twice:
        raise _refused(work.file, f"the columns {', '.join(twice)} stand twice", "Keep one of each")
    has_position, has_box = set(POSITION) <= set(names), set(BOX) <= set(names)
    lacking = [name for name in BOX if name not in names]
    if not has_box and len(lacking) < len(BOX):
        raise _refused(
            work.file, f"of a box's columns {', '.join(lacking)} are missing", f"Give all of {', '.join(BOX)}"
        )
    if not has_position and not has_box:
        there = ", ".join(map(repr, names[:20])) or "none"
        raise _refused(
            work.file, f"it says no places; its columns are {there}", f"Name columns x, y, z, or {', '.join(BOX)}"
        )
    if has_box and work.box_size is not None:
        raise _refused(work.file, "the table has boxes, and the campaign a 'box_size'", "Remove one of them")
    return has_position, has_box


def _number(text: str) -> int | None:
    """Read a whole number, also as spreadsheets write it (`12.0`); None for anything else."""
    whole, dot, fraction = text.partition(".")
    if dot and fraction.strip("0"):
        return None
    digits = whole.removeprefix("-")
    return int(whole) if digits.isascii() and digits.isdecimal() and len(digits) < 16 else None


def _mistakes(columns: list[str], texts: list[str]) -> Iterator[str]:
    for column, text in zip(columns, texts, strict=True):
        number = _number(text)
        if number is None:
            shown = "empty" if not text else f"{text[:40]!r}, which is no whole number of voxels"
            yield f"{column} is {shown}"
        elif column in BOX[3:] and number < 1:
            yield f"{column} is {number}; a box is at least one voxel wide"


def _place(row: dict[str, int | None], work: TableWork, inside: BoundingBox, about: str) -> Place | str:
    """Build the place of a row, or say what is wrong with it."""
    values = {name: number for name, number in row.items() if number is not None}
    box = None
    if "width" in values:
        box = BoundingBox([values[name] for name in BOX[:3]], [values[name] for name in BOX[3:]])
    position = Vec3Int([values[name] for name in POSITION]) if "x" in values else middle(box)
    if box is not None and not box.contains(position):
        return f"the position {position.to_tuple()} is not in the box {box.to_csv()}"
    if not inside.contains(position):
        return f"the position {position.to_tuple()} is outside of {inside.to_csv()}"
    if box is None and work.box_size is not None:
        box = box_around(position, work.box_size, inside)
    if box is not None and not inside.contains_bbox(box):
        return f"the box {box.to_csv()} reaches beyond {inside.to_csv()}"
    return Place(position=position, box=box, about=about)


def middle(box: BoundingBox | None) -> Vec3Int:
    """Give the voxel in the middle of a box; of an even number the later one."""
    return Vec3Int(0, 0, 0) if box is None else box.topleft + box.size // 2


def box_around(position: Vec3Int, size: tuple[int, int, int], inside: BoundingBox) -> BoundingBox:
    """Give a box with a voxel in its middle; where it would leave `inside` it is cut."""
    return BoundingBox(position - Vec3Int(size) // 2, size).intersected_with(inside)


def _refused(file: Path, what: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(str(file), [Problem("the table", what, remedy)])
