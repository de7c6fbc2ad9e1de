"""What every part of wk_assets.yaml has in common: a strict, frozen model, and the small types of its values.

Types only. The sections themselves are in `configuration`, `instrument` and `finish_rules`; the sentences that a
person reads about a mistake are made in `mistakes`.
"""

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from wk_assets.facility.patterns import pattern_mistake

_UNITS = {
    "": 1,
    "B": 1,
    **{f"{prefix}B": 1000**power for power, prefix in enumerate(("k", "M", "G", "T", "P"), 1)},
    **{f"{prefix}iB": 1024**power for power, prefix in enumerate(("K", "M", "G", "T", "P"), 1)},
}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


class Section(BaseModel):
    """Be one mapping of the file: unknown keys are mistakes, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, populate_by_name=False)

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_all_defaults(cls, section: Any) -> Any:
        # "storage:" with every line below it commented out is a null in YAML
        return {} if section is None else section


def mistake(what: str, remedy: str) -> PydanticCustomError:
    """Build the error of a validator: what is wrong, and what to do. Neither text may hold a secret."""
    return PydanticCustomError("mistake", "{what}", {"what": what, "remedy": remedy})


def parse_size(text: object) -> int:
    """Read a size in bytes: a whole number, or text like `5 GiB`, `500 MB`, `1.5 TiB`.

    Raises PydanticCustomError (inside a model: a mistake of that key) for anything else.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        size_bytes = text
    else:
        match = _SIZE.fullmatch(text) if isinstance(text, str) else None
        unit = None if match is None else next((u for u in _UNITS if u.lower() == match[2].lower()), None)
        if match is None or unit is None:
            raise mistake(f"{text!r} is not a size", "Write a number and a unit, like '5 GiB' or '500 MB'")
        size_bytes = int(Decimal(match[1]) * _UNITS[unit])
    if size_bytes < 0:
        raise mistake(f"{text!r} is a negative size", "Write a number and a unit, like '5 GiB' or '500 MB'")
    return size_bytes


def format_size(size_bytes: int) -> str:
    """Write a number of bytes for a person: `5.0 GiB`, `812 B`."""
    if size_bytes < 1024:
        return f"{size_bytes} B"
    power = min((size_bytes.bit_length() - 1) // 10, 5)
    return f"{size_bytes / 1024**power:.1f} {'KMGTP'[power - 1]}iB"


def _resolve(path: Path, info: ValidationInfo) -> Path:
    home: Path = (info.context or {}).get("home", Path.cwd())
    return (home / path.expanduser()).absolute()


def _checked_pattern(pattern: str) -> str:
    if reason := pattern_mistake(pattern):
        raise mistake(
            f"{pattern!r} {reason}",
            "Write a glob relative to the acquisition's folder, like 'nuclei_z*.tif' or 'raw/**/*.tif'",
        )
    return pattern


def _text_path(value: Any) -> Any:
    if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
        raise mistake(f"{value!r} is not a path", "Write a folder, relative to the folder of the file or absolute")
    return value


SizeBytes = Annotated[int, BeforeValidator(parse_size), PlainSerializer(format_size, when_used="json")]
"""A size in bytes, written as `5 GiB`."""

HomePath = Annotated[Path, BeforeValidator(_text_path), AfterValidator(_resolve)]
"""An absolute path; in the file it may be relative to the file's folder (the validation context's `home`)."""

Pattern = Annotated[str, AfterValidator(_checked_pattern)]
"""A glob over relative posix paths (see `patterns`)."""
