"""Runs with workers, as Dagster's default launcher leaves them in the event log."""

import os
import sys
import time
from pathlib import Path

import dagster as dg
from dagster._core.events import EngineEventData

from resources.worker_process import follow_worker


@dg.job
def nothing() -> None:
    """Do nothing."""


def started_run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    return instance.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED)


def report_worker(instance: dg.DagsterInstance, run: dg.DagsterRun, pid: int) -> None:
    instance.report_engine_event(f"Started process for run (pid: {pid}).", run, EngineEventData.in_process(pid))


def step_of_run(home: str, run_id: str, sign: str) -> None:
    """Be the process of a step: follow the worker, show that it is so, and work for ever."""
    with dg.DagsterInstance.local_temp(home) as instance:
        follow_worker(instance, run_id)
    Path(sign).write_text(str(os.getpid()))
    time.sleep(600)


if __name__ == "__main__":
    # Be the worker of a run: start a step's process, as the multiprocess executor does, and wait for it.
    import multiprocessing

    home, run_id, sign = sys.argv[1:]
    with dg.DagsterInstance.local_temp(home) as instance:
        run = instance.get_run_by_id(run_id)
        if run is not None:
            report_worker(instance, run, os.getpid())
    process = multiprocessing.get_context("spawn").Process(target=step_of_run, args=(home, run_id, sign))
    process.start()
    process.join()
