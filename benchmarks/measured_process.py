"""Run a command and measure it: CPU seconds, wall seconds and peak memory of it and of every process that it starts.

CPU seconds are the figure to trust on a machine that does other things too; wall seconds say little there.
Knows processes, nothing of volumes. Linux: proportional set sizes and resource usage are read from the kernel.
"""

import argparse
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Say what a command cost.

    `cpu_seconds`: user and system time of the whole tree. `peak_tree_bytes`: most proportional set size of the whole
    tree, as sampled (pages that processes share count once). `peak_process_bytes`: the kernel's own most resident
    size of the largest process (exact, but one process alone). `stopped`: why the measurement ended it, None if not.
    """

    cpu_seconds: float
    wall_seconds: float
    peak_tree_bytes: int
    peak_process_bytes: int
    exit_code: int
    stopped: str | None
    output: str
    complaints: str

    @property
    def peak_bytes(self) -> int:
        """The larger of both: short peaks are missed by samples, other processes by the kernel's figure."""
        return max(self.peak_tree_bytes, self.peak_process_bytes)

    @property
    def succeeded(self) -> bool:
        """Whether it ended by itself and well."""
        return self.exit_code == 0 and self.stopped is None

    def document(self) -> Any:
        """Return the JSON document that the command printed as its last line. Raises ValueError if there is none."""
        lines = self.output.strip().splitlines()
        return json.loads(lines[-1] if lines else "")


class _Sampler:
    """Look at a process and its descendants again and again, in a thread of its own."""

    def __init__(self, pid: int, interval_seconds: float, memory_limit_bytes: int | None) -> None:
        self.peak_bytes = 0
        self.stopped: str | None = None
        self._pid = pid
        self._interval = interval_seconds
        self._limit = memory_limit_bytes
        self._cpu: dict[int, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> float:
        """Stop looking; return the CPU seconds that were seen, over all processes that ever were."""
        self._ended.set()
        self._thread.join()
        return sum(self._cpu.values())

    def _watch(self) -> None:
        while not self._ended.wait(self._interval):
            tree = tree_of(self._pid)
            self.peak_bytes = max(self.peak_bytes, sum(self._look_at(process) for process in tree))
            if self._limit is not None and self.peak_bytes > self._limit:
                self.stopped = f"stopped at {self.peak_bytes / 2**30:.1f} GiB"
                end_tree(tree)

    def _look_at(self, process: psutil.Process) -> int:
        try:
            with process.oneshot():
                times = process.cpu_times()
                self._cpu[process.pid] = times.user + times.system
                return int(process.memory_full_info().pss)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return 0


def tree_of(pid: int) -> list[psutil.Process]:
    """Return the process and all its descendants, parents first; nothing if it is gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def end_tree(tree: Sequence[psutil.Process]) -> None:
    """End these processes, children first."""
    for process in reversed(tree):
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def measure(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = 3600,
    memory_limit_bytes: int | None = None,
    interval_seconds: float = 0.05,
) -> Measurement:
    """Run `command` to its end and say what it cost. Raises FileNotFoundError if there is no such program.

    A tree of processes that takes more than the limit or the time is ended, and the measurement says so. The caller
    must be small: what it holds when it starts the command counts as the command's (a habit of the kernel).
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as complaints:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=output, stderr=complaints, env=environment or clean_environment(), start_new_session=True
        )
        sampler = _Sampler(process.pid, interval_seconds, memory_limit_bytes)
        alarm = threading.Timer(timeout_seconds, lambda: end_tree(tree_of(process.pid)))
        alarm.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # a session that we started, and nobody else's
            raise
        finally:
            timed_out = not alarm.is_alive()
            alarm.cancel()
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        sampled_cpu = sampler.end()
        for stream in (output, complaints):
            stream.seek(0)
        return Measurement(
            cpu_seconds=max(usage.ru_utime + usage.ru_stime, sampled_cpu),
            wall_seconds=wall,
            peak_tree_bytes=sampler.peak_bytes,
            peak_process_bytes=usage.ru_maxrss * 1024,
            exit_code=process.returncode,
            stopped=f"stopped after {timeout_seconds:.0f} s" if timed_out else sampler.stopped,
            output=output.read(),
            complaints=complaints.read()[-4000:],
        )


def clean_environment(**more: str) -> dict[str, str]:
    """Return this process's environment with the repository on the path, and nothing that makes Python start slowly.

    Where bytecode may not be written, every start compiles thousands of modules: it would hide what is measured.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return environment | {"PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "ignore"} | more


def main() -> None:
    """Measure one command and print the measurement as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.measured_process", description=measure.__doc__)
    parser.add_argument("--timeout", type=float, default=3600, help="seconds")
    parser.add_argument("--memory-limit", type=float, default=None, help="GiB of the whole tree")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    chosen = parser.parse_args()
    limit = None if chosen.memory_limit is None else int(chosen.memory_limit * 2**30)
    print(
        json.dumps(asdict(measure(chosen.command, timeout_seconds=chosen.timeout, memory_limit_bytes=limit)), indent=2)
    )


if __name__ == "__main__":
    main()
