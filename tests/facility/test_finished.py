"""The six rules as tables: what is there, what the verdict is, and what a person reads."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from wk_assets.facility.acquisitions import Acquisition, signature_of
from wk_assets.facility.finish_rules import FinishRule
from wk_assets.facility.finished import Sighting, Verdict, judge, sight
from wk_assets.readers.volume import SourceFile

RULES: TypeAdapter[FinishRule] = TypeAdapter(FinishRule)


def seen(
    files: Sequence[str] | Mapping[str, int],
    text: str | None = None,
    in_transfer: tuple[str, ...] = (),
    unreadable: tuple[str, ...] = (),
) -> Acquisition:
    """Build what a scan would have seen."""
    sizes = files if isinstance(files, Mapping) else dict.fromkeys(files, 1)
    listed = tuple(
        SourceFile(path=Path("/inbox/acq1") / name, relative_path=name, size_bytes=size, mtime_ns=1)
        for name, size in sorted(sizes.items())
    )
    return Acquisition(
        instrument="scope",
        name="acq1",
        folder=Path("/inbox/acq1"),
        files=listed,
        signature=signature_of(listed),
        rule_text=text,
        in_transfer=in_transfer,
        unreadable=unreadable,
    )


def verdict(rule: Mapping[str, Any], acquisition: Acquisition, quiet_for: float | None = None) -> Verdict:
    """Judge; `quiet_for`: the scan before saw the same signature that many seconds ago (None: there was none)."""
    now = 1_700_000_000.0
    previous = None
    if quiet_for is not None:
        previous = Sighting(signature=acquisition.signature, since=now - quiet_for, scans=1)
    return judge(RULES.validate_python(rule), acquisition, previous, now)


MARKER = {"rule": "marker", "file": "DONE"}
KEEP = {"rule": "marker", "file": "{name}.keep", "images": "*.dat*"}
FLAGS = {"rule": "marker", "file": "flags/{stem}.ok", "images": "*.tif"}
JSON_MANIFEST = {"rule": "manifest", "file": "*.json", "key": "run.files", "settle_seconds": 0}
TEXT_MANIFEST = {"rule": "manifest", "file": "manifest.txt", "settle_seconds": 30}
COUNT = {"rule": "expected_count", "count": 3, "files": "*.tif", "settle_seconds": 0}
PAIRS = {"rule": "expected_count", "count": 2, "files": "*.bin", "companions": [".json"], "settle_seconds": 0}
COUNT_FILE = {"rule": "expected_count", "count_file": "run.json", "count_key": "fovs", "settle_seconds": 0}
LOG_END = {"rule": "log", "file": "log.txt", "end": "ACQUISITION COMPLETE", "item": r"^(?P<file>\S+) SLICE"}
LOG_COUNT = {"rule": "log", "file": "log.txt", "item": "SLICE COMPLETE", "count": 2}
QUIET = {"rule": "quiet", "seconds": 60}
RENAMED_FILES = {"rule": "rename", "settle_seconds": 60}
RENAMED_FOLDER = {"rule": "rename", "of": "folder"}


@pytest.mark.parametrize(
    ("rule", "acquisition", "quiet_for", "finished", "reason"),
    [
        (MARKER, seen([]), None, False, "acq1 holds no files yet"),
        (MARKER, seen([], in_transfer=("a.part",)), None, False, "in transfer: a.part"),
        (MARKER, seen(["a.tif"]), None, False, "waiting for DONE in acq1"),
        (MARKER, seen(["sub/DONE"]), None, False, "waiting for DONE in acq1"),
        (MARKER, seen(["DONE"]), None, False, "no other file"),
        (MARKER, seen(["a.tif", "DONE"]), None, True, "DONE is in acq1"),
        (
            MARKER,
            seen(["a.tif", "DONE"], unreadable=("x can not be read", "y")),
            None,
            False,
            "acq1: x can not be read",
        ),
        (KEEP, seen(["1.dat"]), None, False, "waiting for 1.dat.keep in acq1: 0 of 1 images are marked"),
        (KEEP, seen(["1.dat", "1.dat.keep", "2.dat"]), None, False, "1 of 2 images"),
        (KEEP, seen(["1.dat", "1.dat.keep", "2.dat", "2.dat.keep"]), None, True, "all 2 images"),
        (KEEP, seen(["readme.txt"]), None, False, "no file matches '*.dat*' yet"),
        (FLAGS, seen(["1.tif", "flags/1.ok"]), None, True, "all 1 images"),
        (JSON_MANIFEST, seen(["a.tif"]), None, False, "waiting for the manifest *.json in acq1"),
        (JSON_MANIFEST, seen(["m.json"], text='{"run": {"fi'), None, False, "m.json: it can not be parsed (yet)"),
        (JSON_MANIFEST, seen(["m.json"], text='{"run": {}}'), None, False, "it has no key 'run.files'"),
        (JSON_MANIFEST, seen(["m.json"], text='{"run": {"files": []}}'), None, False, "names no file"),
        (
            JSON_MANIFEST,
            seen(["m.json", "a.tif"], text='{"run": {"files": ["a.tif", "./b.tif", "sub\\\\c.tif"]}}'),
            None,
            False,
            "1 of 3 files of the manifest are there, waiting for b.tif, sub/c.tif",
        ),
        (
            JSON_MANIFEST,
            seen({"m.json": 1, "a.tif": 10}, text='{"run": {"files": [{"path": "a.tif", "size": 20}]}}'),
            None,
            False,
            "a.tif has 10 of 20 bytes",
        ),
        (
            JSON_MANIFEST,
            seen({"m.json": 1, "a.tif": 20}, text='{"run": {"files": [{"path": "a.tif", "size": 20}]}}'),
            None,
            True,
            "all 1 files",
        ),
        (TEXT_MANIFEST, seen(["manifest.txt", "a.tif"], text="# list\na.tif\n\n"), None, False, "two equal scans"),
        (TEXT_MANIFEST, seen(["manifest.txt", "a.tif"], text="# list\na.tif\n\n"), 31, True, "for 31 s"),
        (COUNT, seen(["1.tif", "2.tif"]), None, False, "2 of 3 expected files"),
        (COUNT, seen(["1.tif", "2.tif", "x.log"]), None, False, "2 of 3 expected files"),
        (COUNT, seen(["1.tif", "2.tif", "3.tif"]), None, True, "all 3 expected files"),
        (COUNT, seen(["1.tif", "2.tif", "3.tif", "4.tif"]), None, False, "more than the 3 expected"),
        ({**COUNT, "settle_seconds": 30}, seen(["1.tif", "2.tif", "3.tif"]), None, False, "waits for 30 s"),
        (PAIRS, seen(["1.bin", "2.bin", "1.json"]), None, False, "waiting for their companions 2.json"),
        (PAIRS, seen(["1.bin", "2.bin", "1.json", "2.json"]), None, True, "all 2 expected"),
        (COUNT_FILE, seen(["1.tif"]), None, False, "waiting for run.json in acq1"),
        (COUNT_FILE, seen(["1.tif", "run.json"], text='{"fovs": ["a", "b"]}'), None, False, "1 of 2 expected files"),
        (COUNT_FILE, seen(["1.tif", "2.tif", "run.json"], text='{"fovs": 2}'), None, True, "all 2"),
        (COUNT_FILE, seen(["1.tif", "run.json"], text='{"fovs": -2}'), None, False, "neither a number nor a list"),
        (LOG_END, seen(["a.tif"]), None, False, "waiting for the log log.txt in acq1"),
        (LOG_END, seen(["log.txt"], text="a.tif SLICE\n"), None, False, "no line like 'ACQUISITION COMPLETE' yet (1"),
        (LOG_END, seen(["log.txt"], text="a.tif SLICE\nACQUISITION COMPLETE"), None, False, "no line like"),
        (LOG_END, seen(["log.txt"], text="a.tif SLICE\nACQUISITION COMPLETE\n"), None, False, "not there: a.tif"),
        (LOG_END, seen(["log.txt", "a.tif"], text="a.tif SLICE\nACQUISITION COMPLETE\n"), None, True, "says so"),
        (
            LOG_END,
            seen(["log.txt", "t/a.tif"], text="D:\\t\\a.tif SLICE\nACQUISITION COMPLETE\n"),
            None,
            True,
            "says so",
        ),
        (LOG_COUNT, seen(["log.txt", "a.tif"], text="1 SLICE COMPLETE\n"), None, False, "1 of 2 slices are finished"),
        (LOG_COUNT, seen(["log.txt", "a.tif"], text="SLICE COMPLETE\nSLICE COMPLETE\n"), None, True, "says so"),
        (QUIET, seen(["a.tif"]), None, False, "last change 0 s ago, waits for 60 s and two equal scans"),
        (QUIET, seen(["a.tif"]), 12, False, "last change 12 s ago, waits for 60 s and two equal scans"),
        (QUIET, seen(["a.tif"]), 60, True, "acq1 is quiet for 60 s"),
        (QUIET, seen(["a.tif"], in_transfer=("b.tif.part",)), 999, False, "still in transfer: b.tif.part"),
        (RENAMED_FILES, seen(["a.tif"], in_transfer=("b.part", "c.part")), 999, False, "b.part, c.part"),
        (RENAMED_FILES, seen(["a.tif"]), None, False, "nothing in acq1 has a temporary name; last change 0 s ago"),
        (RENAMED_FILES, seen(["a.tif"]), 61, True, "nothing in acq1 has a temporary name for 61 s"),
        (RENAMED_FOLDER, seen(["a.tif"]), None, True, "acq1 has its final name"),
    ],
)
def test_a_rule_judges_and_says_why(
    rule: Mapping[str, Any], acquisition: Acquisition, quiet_for: float | None, finished: bool, reason: str
) -> None:
    found = verdict(rule, acquisition, quiet_for)

    assert found.finished is finished
    assert reason in found.reason


def test_many_missing_files_are_counted_not_listed() -> None:
    names = "\n".join(f"{i}.tif" for i in range(500))

    found = verdict(TEXT_MANIFEST, seen(["manifest.txt"], text=names))

    assert "0.tif, 1.tif, 2.tif and 497 more" in found.reason


def test_a_change_starts_the_waiting_anew() -> None:
    before, after = seen({"a.tif": 1}), seen({"a.tif": 2})
    rule = RULES.validate_python(QUIET)
    long_ago = sight(before, None, now=0.0)

    assert not judge(rule, after, long_ago, now=1000.0).finished
    changed = sight(after, long_ago, now=1000.0)
    assert not judge(rule, after, changed, now=1059.0).finished
    assert judge(rule, after, changed, now=1060.0).finished


def test_a_clock_that_is_set_back_does_not_hold_up_an_acquisition_for_long() -> None:
    acquisition, rule = seen(["a.tif"]), RULES.validate_python(QUIET)
    first = sight(acquisition, None, now=10_000.0)

    second = sight(acquisition, first, now=5_000.0)

    assert "last change 0 s ago" in judge(rule, acquisition, first, now=5_000.0).reason
    assert judge(rule, acquisition, second, now=5_060.0).finished


@given(times=st.lists(st.floats(min_value=0, max_value=1e9), min_size=1, max_size=8), seconds=st.floats(1, 1e4))
def test_nothing_is_quiet_at_first_sight_whatever_the_clock_says(times: list[float], seconds: float) -> None:
    rule = RULES.validate_python({"rule": "quiet", "seconds": seconds})
    previous: Sighting | None = None
    for number, now in enumerate(times):
        acquisition = seen({"a.tif": number})
        assert not judge(rule, acquisition, previous, now).finished
        previous = sight(acquisition, previous, now)


@given(extra=st.sets(st.sampled_from([f"{i}.tif" for i in range(9)])))
def test_more_files_never_turn_a_marked_acquisition_back(extra: set[str]) -> None:
    assert verdict(MARKER, seen(["a.tif", "DONE", *extra])).finished
