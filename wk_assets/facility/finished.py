"""Is an acquisition finished? The judges of the six rules.

Pure: a rule, what a scan saw, what the scan before saw, and the time go in; a verdict with a reason comes out. The
time is that of the scanning machine and is compared with itself alone: clocks of instruments and shares are never
trusted, their mtimes are compared for equality (in the signature), never for order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from wk_assets.facility.acquisitions import Acquisition
from wk_assets.facility.finish_rules import (
    ExpectedCountRule,
    FinishRule,
    LogRule,
    ManifestRule,
    MarkerRule,
    QuietRule,
    RenameRule,
)
from wk_assets.facility.patterns import matches
from wk_assets.facility.rule_texts import RuleTextError, expected_number, manifest_files, read_log


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
    """Judge one acquisition. `previous` is the sighting stored after the scan before this one (see `sight`).

    An acquisition without files, or with something in it that can not be read, is never finished.
    """
    name = acquisition.name
    if acquisition.unreadable:
        more = len(acquisition.unreadable) - 1
        return Verdict(False, f"{name}: {acquisition.unreadable[0]}" + (f", and {more} more" if more else ""))
    if not acquisition.files:
        waiting = f" (in transfer: {_some(acquisition.in_transfer)})" if acquisition.in_transfer else ""
        return Verdict(False, f"{name} holds no files yet{waiting}")
    match rule:
        case MarkerRule():
            return _marker(rule, acquisition)
        case ManifestRule():
            return _manifest(rule, acquisition, previous, now)
        case ExpectedCountRule():
            return _expected_count(rule, acquisition, previous, now)
        case LogRule():
            return _log(rule, acquisition)
        case QuietRule():
            return _in_place(acquisition) or _at_rest(rule.seconds, acquisition, previous, now, f"{name} is quiet")
        case RenameRule():
            if rule.of == "folder":
                return Verdict(True, f"{name} has its final name")
            settled = f"nothing in {name} has a temporary name"
            return _in_place(acquisition) or _at_rest(rule.settle_seconds, acquisition, previous, now, settled)


def _marker(rule: MarkerRule, acquisition: Acquisition) -> Verdict:
    present = {file.relative_path for file in acquisition.files}
    if not rule.per_image:
        if rule.file not in present:
            return Verdict(False, f"waiting for {rule.file} in {acquisition.name}")
        if present == {rule.file}:
            return Verdict(False, f"{acquisition.name} has its {rule.file}, but no other file")
        return Verdict(True, f"{rule.file} is in {acquisition.name}")
    chosen = [path for path in sorted(present) if matches(rule.images, path)]
    markers = {path: _marker_of(rule.file, path) for path in chosen}
    flags = set(markers.values()) & present
    images = [path for path in chosen if path not in flags]
    missing = [path for path in images if markers[path] not in present]
    if not images:
        return Verdict(False, f"{acquisition.name}: no file matches {rule.images!r} yet")
    if missing:
        return Verdict(
            False,
            f"waiting for {_some([markers[path] for path in missing])} in {acquisition.name}: "
            f"{len(images) - len(missing)} of {len(images)} images are marked",
        )
    return Verdict(True, f"all {len(images)} images of {acquisition.name} are marked")


def _marker_of(template: str, image: str) -> str:
    """Name the marker of an image: placeholders are filled, the marker lies beside it unless it names a folder."""
    path = PurePosixPath(image)
    marker = template.replace("{name}", path.name).replace("{stem}", path.stem)
    return marker if "/" in marker else (path.parent / marker).as_posix()


def _manifest(rule: ManifestRule, acquisition: Acquisition, previous: Sighting | None, now: float) -> Verdict:
    manifest = next((file for file in acquisition.files if matches(rule.file, file.relative_path)), None)
    if manifest is None or acquisition.rule_text is None:
        return Verdict(False, f"waiting for the manifest {rule.file} in {acquisition.name}")
    try:
        expected = manifest_files(acquisition.rule_text, PurePosixPath(manifest.relative_path).suffix, rule.key)
    except RuleTextError as error:
        return Verdict(False, f"{acquisition.name}/{manifest.relative_path}: {error}")
    if not expected:
        return Verdict(False, f"{acquisition.name}/{manifest.relative_path} names no file")
    sizes = {file.relative_path: file.size_bytes for file in acquisition.files}
    missing = [file.relative_path for file in expected if file.relative_path not in sizes]
    if missing:
        there = len(expected) - len(missing)
        return Verdict(
            False, f"{there} of {len(expected)} files of the manifest are there, waiting for {_some(missing)}"
        )
    short = [file for file in expected if file.size_bytes not in (None, sizes[file.relative_path])]
    if short:
        first = short[0]
        return Verdict(
            False, f"{first.relative_path} has {sizes[first.relative_path]} of {first.size_bytes} bytes of the manifest"
        )
    return _at_rest(
        rule.settle_seconds, acquisition, previous, now, f"all {len(expected)} files of the manifest are there"
    )


def _expected_count(
    rule: ExpectedCountRule, acquisition: Acquisition, previous: Sighting | None, now: float
) -> Verdict:
    expected = rule.count
    if rule.count_file is not None and rule.count_key is not None:
        if acquisition.rule_text is None:
            return Verdict(False, f"waiting for {rule.count_file} in {acquisition.name}")
        try:
            expected = expected_number(acquisition.rule_text, rule.count_key)
        except RuleTextError as error:
            return Verdict(False, f"{acquisition.name}/{rule.count_file}: {error}")
    present = {file.relative_path for file in acquisition.files}
    counted = [
        path
        for path in sorted(present)
        if matches(rule.files, path)
        and not any(path.endswith(suffix) for suffix in rule.companions)
        and not (rule.count_file is not None and matches(rule.count_file, path))
    ]
    if expected is None or len(counted) < expected:
        return Verdict(False, f"{len(counted)} of {expected} expected files")
    if len(counted) > expected:
        return Verdict(
            False,
            f"{len(counted)} files, more than the {expected} expected; correct the count or the pattern {rule.files!r}",
        )
    alone = [
        companion
        for path in counted
        for suffix in rule.companions
        if (companion := PurePosixPath(path).with_suffix("").as_posix() + suffix) not in present
    ]
    if alone:
        return Verdict(False, f"all {expected} expected files are there, waiting for their companions {_some(alone)}")
    return _at_rest(rule.settle_seconds, acquisition, previous, now, f"all {expected} expected files are there")


def _log(rule: LogRule, acquisition: Acquisition) -> Verdict:
    if acquisition.rule_text is None:
        return Verdict(False, f"waiting for the log {rule.file} in {acquisition.name}")
    tale = read_log(acquisition.rule_text, rule)
    if rule.count is not None and tale.items < rule.count:
        return Verdict(False, f"{tale.items} of {rule.count} slices are finished in the log of {acquisition.name}")
    if rule.end is not None and not tale.ended:
        return Verdict(
            False, f"the log of {acquisition.name} has no line like {rule.end!r} yet ({tale.items} finished slices)"
        )
    # Logs name files by absolute paths of the instrument's own disk too: the end of the path decides.
    present = {file.relative_path for file in acquisition.files}
    names = {PurePosixPath(path).name for path in present}
    missing = [path for path in tale.files if path not in present and PurePosixPath(path).name not in names]
    if missing:
        return Verdict(
            False, f"the log of {acquisition.name} names {len(missing)} files that are not there: {_some(missing)}"
        )
    return Verdict(True, f"the log of {acquisition.name} says so")


def _in_place(acquisition: Acquisition) -> Verdict | None:
    if acquisition.in_transfer:
        return Verdict(False, f"{acquisition.name}: still in transfer: {_some(acquisition.in_transfer)}")
    return None


def _at_rest(seconds: float, acquisition: Acquisition, previous: Sighting | None, now: float, done: str) -> Verdict:
    """Ask for the settle time and for two equal scans: one scan alone can not tell a pause from an end."""
    if seconds == 0:
        return Verdict(True, done)
    equal = previous is not None and previous.signature == acquisition.signature
    age = max(0.0, now - previous.since) if previous is not None and equal else 0.0
    if not equal or age < seconds:
        return Verdict(False, f"{done}; last change {age:.0f} s ago, waits for {seconds:g} s and two equal scans")
    return Verdict(True, f"{done} for {age:.0f} s")


def _some(names: Sequence[str], shown: int = 3) -> str:
    listing = ", ".join(names[:shown])
    return listing if len(names) <= shown else f"{listing} and {len(names) - shown} more"
