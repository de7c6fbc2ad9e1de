"""Let the n-th system call of a process fail, or kill it there, from outside: `strace -e inject`.

The process is a child of the test, forked when everything is imported and compiled, which waits until strace holds it. What
is counted are the real calls of the real process, whoever makes them (Python, numpy, the C library); strace counts
per thread and per call. Where there is no strace, or it may not look at other processes, tests skip and say so.
"""

import ctypes
import os
import re
import select
import shutil
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.operations.crash_lab import _FAILED
from wk_assets.errors import WkAssetsError

# The question mark lets strace pass over what this processor's kernel does not have.
CALLS = ("rename", "renameat", "renameat2", "fsync", "fdatasync", "unlink", "unlinkat")
_PR_SET_PTRACER = 0x59616D61
_PR_SET_PTRACER_ANY = ctypes.c_ulong(-1)
_LINE = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)")
_DESCRIPTOR_OR_NAME = re.compile(r'<(/[^>]*)>|"(/[^"]*)"')
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a child ended. `fired`: the fault happened; `refusal`: what it raised, if it did, as `Type: message`."""

    status: int
    fired: bool
    refusal: str | None

    @property
    def killed(self) -> bool:
        return os.WIFSIGNALED(self.status)


@dataclass(frozen=True, slots=True)
class Point:
    """One call to disturb: the `number`-th `call` of the main thread, or (`paths`) of any thread on one of these files."""

    call: str
    number: int
    paths: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.call} number {self.number}{' of the shards' if self.paths else ''}"


@cache
def why_not() -> str | None:
    """Say what is missing here, None if nothing is."""
    if shutil.which("strace") is None:
        return "there is no strace (Debian: apt-get install strace)"
    outcome = run_traced(lambda: None, ["-e", "trace=fsync"])
    return None if outcome.status == 0 else "strace may not look at other processes here"


def run_traced(work: Callable[[], None], options: Sequence[str], log: Path | None = None) -> Outcome:
    """Run the work in a child under strace."""
    start, go = os.pipe()
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go)
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _PR_SET_PTRACER_ANY, 0, 0, 0)
        os.read(start, 1)
        _run_and_tell(work, tell)
    os.close(start)
    os.close(tell)
    written = log or Path(f"/tmp/strace-{os.getpid()}.log")  # noqa: S108 - removed below; strace wants a name
    # Not "-q": only what strace says tells when it has stopped the child. The kernel names a tracer in /proc a moment earlier,
    # and what a child does in that moment is not seen.
    tracer = subprocess.Popen(
        ["strace", "-o", str(written), *options, "-p", str(child)], stderr=subprocess.PIPE, text=True, bufsize=1
    )
    assert tracer.stderr is not None
    try:
        if not select.select([tracer.stderr], [], [], _PATIENCE_SECONDS)[0]:
            raise TimeoutError("strace did not get hold of the child")
        held = "attached" in tracer.stderr.readline()
    finally:
        os.close(go)
    with os.fdopen(told, encoding="utf-8") as refusals:
        refusal = refusals.read() or None
    _, status = os.waitpid(child, 0)
    tracer.communicate()
    lines = written.read_text(errors="replace") if held and written.exists() else ""
    if log is None:
        written.unlink(missing_ok=True)
    return Outcome(status if held else -1, "(INJECTED)" in lines or os.WIFSIGNALED(status), refusal)


def disturb(work: Callable[[], None], point: Point, fault: str) -> Outcome:
    """Run the work with a `fault` (`signal=SIGKILL`, `error=EIO`) at a point."""
    options = ["-e", f"trace={point.call}", "-e", f"inject={point.call}:{fault}:when={point.number}"]
    if point.paths:  # the threads beside the main one, which shares none of these files with them
        options += ["-f", *(part for path in point.paths for part in ("-P", path))]
    return run_traced(work, options)


def points_of(work: Callable[[], None], log: Path) -> list[Point]:
    """Return every rename, fsync and unlink that the work makes, undisturbed, in the order of calls and numbers."""
    outcome = run_traced(work, ["-f", "-y", "-e", "trace=" + ",".join(f"?{call}" for call in CALLS)], log)
    if outcome.status:
        raise RuntimeError(f"the undisturbed run failed: {outcome.refusal}")
    main = ""
    calls: dict[str, Counter[str]] = defaultdict(Counter)  # by thread
    paths: dict[str, set[str]] = defaultdict(set)
    for line in log.read_text().splitlines():
        found = _LINE.match(line)
        if found is None or "resumed>" in line:
            continue
        thread, call = found.groups()
        main = main or thread
        calls[thread][call] += 1
        paths[thread] |= {a or b for a, b in _DESCRIPTOR_OR_NAME.findall(line)}
    return [
        Point(call, number, () if thread == main else tuple(sorted(paths[thread])))
        for thread in calls
        for call, count in sorted(calls[thread].items())
        for number in range(1, count + 1)
    ]


def _run_and_tell(work: Callable[[], None], tell: int) -> None:
    status = 0
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - the child must end here, whatever happened
        status = _FAILED
        kind = "" if isinstance(error, WkAssetsError) else "unexpected "
        os.write(tell, f"{kind}{type(error).__name__}: {error}"[:4000].encode())
    os._exit(status)
