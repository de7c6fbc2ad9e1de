"""What the watch remembers between two looks: which unregistered acquisitions it saw, and since when they are at rest.

Pure text <-> value. Only acquisitions that still wait are in it, and never more than MAX_SIGHTINGS: what is
registered is the catalogue's to know, and what was requested the event log's. Losing the cursor costs waiting time alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from wk_assets.errors import CursorError
from wk_assets.facility.finished import Sighting

VERSION: Final = 1
MAX_SIGHTINGS: Final = 500


@dataclass(frozen=True, slots=True, order=True)
class AcquisitionId:
    """Name an acquisition by its instrument and its folder."""

    instrument: str
    acquisition: str

    def __str__(self) -> str:
        return f"{self.instrument}/{self.acquisition}"


@dataclass(frozen=True, slots=True)
class Cursor:
    """Remember the sightings of acquisitions that wait."""

    sightings: Mapping[AcquisitionId, Sighting] = field(default_factory=lambda: MappingProxyType({}))


class _StoredSighting(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    instrument: str
    acquisition: str
    signature: str
    since: float
    scans: int


class _StoredCursor(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    version: int
    sightings: list[_StoredSighting]


def write_cursor(cursor: Cursor) -> str:
    """Write a cursor as one line of JSON, the same for the same cursor; of too many sightings the first are kept."""
    stored: list[dict[str, Any]] = [
        {
            "instrument": name.instrument,
            "acquisition": name.acquisition,
            "signature": sighting.signature,
            "since": sighting.since,
            "scans": sighting.scans,
        }
        for name, sighting in list(cursor.sightings.items())[:MAX_SIGHTINGS]
    ]
    return json.dumps({"version": VERSION, "sightings": stored}, separators=(",", ":"), allow_nan=False)


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
    return Cursor(
        MappingProxyType(
            {
                AcquisitionId(s.instrument, s.acquisition): Sighting(
                    signature=s.signature, since=s.since, scans=s.scans
                )
                for s in stored.sightings
            }
        )
    )
