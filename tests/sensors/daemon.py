"""A daemon that can be restarted: it ticks the real sensor and schedules, and keeps Dagster's rule about run keys."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from resources.facility import FacilityResource
from sensors.acquisitions import acquisitions
from tests.assets.runs import QUIET
from wk_assets.definitions import defs

RUN_KEY = "dagster/run_key"


class Daemon:
    """One daemon process's worth of memory: what it knows of the cursor, beside the instance's storage."""

    def __init__(self, instance: dg.DagsterInstance, config: Path, cursor: str | None = None) -> None:
        self.instance = instance
        self.facility = FacilityResource(config_path=str(config))
        self.cursor = cursor
        self.reasons: list[str] = []

    def tick(self) -> list[str]:
        """Tick the sensor once; return the run keys of the runs that were started."""
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"facility": self.facility}
        )
        with context:  # it opens the instance a second time, which must be closed again
            result = acquisitions(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        if result.skip_reason is not None:
            self.reasons.append(result.skip_reason.skip_message or "")
        return self.start(result.run_requests or [])

    def scan(self, schedule: dg.ScheduleDefinition) -> list[str]:
        """Tick a schedule once; return the run keys of the runs that were started."""
        context = dg.build_schedule_context(instance=self.instance, resources={"facility": self.facility})
        with context:
            result = schedule(context)
        if isinstance(result, dg.SkipReason):
            self.reasons.append(result.skip_message or "")
            return []
        assert isinstance(result, list)
        return self.start(result)

    def start(self, requests: Sequence[dg.RunRequest]) -> list[str]:
        """Run what was requested, unless a run has the run key already."""
        started = []
        for request in requests:
            key = str(request.run_key)
            if self.instance.get_runs(dg.RunsFilter(tags={RUN_KEY: key})):
                continue
            defs().resolve_implicit_global_asset_job_def().execute_in_process(
                instance=self.instance,
                asset_selection=list(request.asset_selection or ()),
                run_config={**request.run_config, **QUIET},
                tags={**request.tags, RUN_KEY: key},
                raise_on_error=False,
            )
            started.append(key)
        return started
