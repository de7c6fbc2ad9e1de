"""Dagster's default run launcher, with a health check that tells whether the process of a run is still there.

Without it a run whose host rebooted, or whose process was killed together with its code server, stays STARTED for ever
and keeps its pool slot. `run_monitoring` asks this launcher at every poll, fails such runs, and run retries start them
again. Registered in deploy/dagster.yaml.
"""

from typing import Any, Self

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher

from resources.worker_process import worker_of_run


class HealthCheckedRunLauncher(DefaultRunLauncher):
    """Launch runs as the default launcher does, and tell whether a run's process lives.

    The check looks at the process id and start time, not at the code server: a reload replaces the server, and the
    new one knows nothing of the runs of the old. Same host only.
    """

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Self:
        """Build the launcher from dagster.yaml; it has no settings."""
        del config_value
        return cls(inst_data=inst_data)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Tell run monitoring that it may ask."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Look for the run's process. A run whose process has not reported itself yet is left to the start timeout."""
        worker = worker_of_run(self._instance, run.run_id)
        if worker is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its process has not reported itself yet")
        if worker.is_alive():
            return CheckRunHealthResult(WorkerStatus.RUNNING, run_worker_id=str(worker.pid))
        return CheckRunHealthResult(
            WorkerStatus.NOT_FOUND,
            f"process {worker.pid} of the run is gone (reboot, out of memory, or killed)",
            run_worker_id=str(worker.pid),
        )
