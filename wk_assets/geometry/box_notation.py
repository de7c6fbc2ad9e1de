"""The ways in which people write a box of six numbers: x, y, z of its corner, then its size. Text to integers only."""

import json
import re
from collections.abc import Mapping
from typing import Any

from wk_assets.errors import GeometryError

SixIntegers = tuple[int, int, int, int, int, int]

_CHECKPOINT = re.compile(r"(?<![\d-])(-?\d+)_(-?\d+)_(-?\d+)_(\d+)_(\d+)_(\d+)(?!\d)")


def numbers_from_csv(text: str) -> SixIntegers:
    """Parse `x,y,z,width,height,depth`; raises GeometryError."""
    parts = text.split(",")
    if len(parts) != 6 or not all(re.fullmatch(r"\s*[-+]?\d+\s*", part) for part in parts):
        raise GeometryError(f"{text!r} is not a box; write six integers x,y,z,width,height,depth")
    x, y, z, width, height, depth = map(int, parts)
    return x, y, z, width, height, depth


def numbers_from_checkpoint_name(text: str) -> SixIntegers:
    """Find `x_y_z_width_height_depth` in a text, e.g. a file's name; raises GeometryError if it is not there."""
    found = _CHECKPOINT.search(text)
    if found is None:
        raise GeometryError(f"{text!r} names no box; a checkpoint's name contains x_y_z_width_height_depth")
    x, y, z, width, height, depth = map(int, found.groups())
    return x, y, z, width, height, depth


def numbers_from_mapping(box: Mapping[str, Any]) -> SixIntegers:
    """Read {"topleft", "size"} or WEBKNOSSOS' {"topLeft", "width", "height", "depth"}; raises GeometryError."""
    corner: Any = box.get("topleft", box.get("topLeft"))
    size: Any = box.get("size", [box.get("width"), box.get("height"), box.get("depth")])
    try:
        x, y, z = corner
        width, height, depth = size
    except (TypeError, ValueError):
        raise GeometryError(f'{dict(box)!r} is not a box; write {{"topleft": [x, y, z], "size": [x, y, z]}}') from None
    return x, y, z, width, height, depth


def value_from_json(text: str) -> Any:
    """Parse a box written as JSON, an object or a list; raises GeometryError for text that is no JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as problem:
        raise GeometryError(f"{text!r} is not a box: {problem}") from None
