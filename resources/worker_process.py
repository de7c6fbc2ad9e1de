"""The operating system's process that executes a run: which it is, whether it lives, and how a step's process follows it.

Dagster's default launcher starts one worker process per run and writes its process id into the event log. That entry
is read here, for the launcher (is the run still alive?) and for a step's process (is my run still alive?). Same host
only. Dagster's internals are used, so the minor version is pinned in pyproject.toml.
"""

import ctypes
import os
import signal
import sys
from dataclasses import dataclass

import dagster as dg
import psutil
from dagster import DagsterEventType

# A process can not have started later than it reported itself, but the two clocks are rounded differently.
_CLOCK_TOLERANCE_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """Identify a run's worker: its process id, and when it reported itself (seconds since the epoch)."""

    pid: int
    reported_at: float

    def is_alive(self) -> bool:
        """Say whether this very process still runs. A zombie, or a later process with the same id, does not count."""
        try:
            process = psutil.Process(self.pid)
            started_before_report = process.create_time() <= self.reported_at + _CLOCK_TOLERANCE_SECONDS
            return started_before_report and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def worker_of_run(instance: dg.DagsterInstance, run_id: str) -> WorkerProcess | None:
    """Find the process that executes a run, None while none has reported itself."""
    for entry in instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        message = (event.message if event else None) or entry.user_message
        if event is None or not message.startswith("Started process for run"):
            continue
        pid = event.engine_event_data.metadata.get("pid")
        if pid is not None:
            return WorkerProcess(pid=int(str(pid.value)), reported_at=entry.timestamp)
    return None


def follow_worker(instance: dg.DagsterInstance, run_id: str) -> None:
    """Let this process die with the run's worker, if it is one that the worker started for a step.

    A step whose worker was killed would go on writing while the run's retry starts. In the worker itself, and where
    a run has no worker (`dg.materialize`), nothing is done: the worker outlives a restart of the code server.
    Raises ProcessLookupError if the worker is gone already.
    """
    worker = worker_of_run(instance, run_id)
    if worker is None or worker.pid == os.getpid():
        return
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"prctl(PR_SET_PDEATHSIG) was refused: {os.strerror(number)}")
    # Asked after the signal is armed: a worker that died in between sends none.
    if not worker.is_alive():
        raise ProcessLookupError(f"the worker of run {run_id}, process {worker.pid}, is gone: this step stops")
