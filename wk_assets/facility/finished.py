"""Is an acquisition finished? The judges of the six rules.

Pure: a rule, what a scan saw, what the scan before saw, and the time go in; a verdict with a reason comes out. The
time is that of the scanning machine and is compared with itself alone: clocks of instruments and shares are never
trusted, their mtimes are compared for equality (in the signature), never for order.
"""

from dataclasses import dataclass

from wk_assets.facility.acquisitions import Acquisition
from wk_assets.facility.finish_rules import FinishRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What is remembered of an acquisition between scans: its signature, since when it is that, how many scans saw it."""

    signature: str
    since: float  # seconds since the epoch, on the scanning machine
    scans: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Say whether an acquisition is finished, and why (not)."""

    finished: bool
    reason: str


def sight(acquisition: Acquisition, previous: Sighting | None, now: float) -> Sighting:
    """Take note of a scan: the same signature keeps its time, another one starts anew."""
    if previous is None or previous.signature != acquisition.signature:
        return Sighting(signature=acquisition.signature, since=now, scans=1)
    # A clock that was set back must not make an acquisition wait for the clock to catch up.
    return Sighting(signature=previous.signature, since=min(previous.since, now), scans=previous.scans + 1)


def judge(rule: FinishRule, acquisition: Acquisition, previous: Sighting | None, now: float) -> Verdict:
    """Judge one acquisition. `previous` is the sighting stored after the scan before this one (see `sight`)."""
    raise NotImplementedError
