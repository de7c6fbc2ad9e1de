"""What the watch over annotations remembers between two looks. Pure text <-> value.

Per user the work that is known in full, and a full look that is under way. Bounded: MAX_USERS users, and of the full look one
page of tasks. Losing the cursor costs requests alone: what is home is on disk, what was requested in the event log.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from wk_assets.errors import CursorError

VERSION: Final = 1
MAX_USERS: Final = 2000


class KnownWork(BaseModel):
    """Sum a user's finished work as it was when all of it was looked at.

    `after`: the annotation up to which (in the order of ids) a look that is not at its end has come; None: at its end.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    annotations: int
    millis: float
    after: str | None = None


class FullLook(BaseModel):
    """Say how far a full look is: the campaign, its next page of tasks (None: none), the tasks to ask for before that."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    campaign: str
    page: int | None = 0
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Remember the work by user id, the full look under way, and when (seconds since 1970) the last one ended."""

    users: Mapping[str, KnownWork] = field(default_factory=lambda: MappingProxyType({}))
    full_look: FullLook | None = None
    looked_at: float | None = None


class _StoredCursor(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: int
    users: dict[str, KnownWork]
    full_look: FullLook | None
    looked_at: float | None


def write_cursor(cursor: Cursor) -> str:
    """Write a cursor as one line of JSON, the same for the same cursor; of too many users the first are kept."""
    return _StoredCursor(
        version=VERSION,
        users=dict(list(cursor.users.items())[:MAX_USERS]),
        full_look=cursor.full_look,
        looked_at=cursor.looked_at,
    ).model_dump_json()


def read_cursor(text: str | None) -> Cursor:
    """Read a cursor; None and "" are the empty one. Raises CursorError for text of another version or form."""
    if not text:
        return Cursor()
    try:
        stored = _StoredCursor.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise CursorError(
            f"the cursor can not be read ({first['msg']} at {'.'.join(map(str, first['loc'])) or 'its start'})"
        ) from error
    if stored.version != VERSION:
        raise CursorError(f"the cursor has version {stored.version}; this program writes {VERSION}")
    return Cursor(users=MappingProxyType(stored.users), full_look=stored.full_look, looked_at=stored.looked_at)
