"""What would go wrong later, found now: folders, free disk, permissions, credentials, patterns, versions.

Looks, and leaves nothing behind (one probe file is written to the storage root and removed again).
"""

from dataclasses import dataclass
from enum import StrEnum

from wk_assets.facility.configuration import Configuration


class Severity(StrEnum):
    """Say whether a finding stops the work (error) or should be known (warning)."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that will go wrong: where (a path of the file, or a place), how bad, what, and the remedy."""

    where: str
    severity: Severity
    what: str
    remedy: str


def examine(configuration: Configuration) -> tuple[Finding, ...]:
    """Look at everything that the configuration relies on. No finding: ready to work."""
    raise NotImplementedError
