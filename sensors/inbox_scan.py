"""The same look and the same decision as the sensor's, by the clock: for facilities that do not want to poll all day.

A schedule has no cursor, so what it saw lies in Dagster's own key-value storage, written after the decision. Losing
it, or writing it twice, changes nothing but waiting time.
"""

from typing import Final

import dagster as dg

from resources.facility import FacilityResource
from sensors.cursor import write_cursor
from sensors.decision import decide
from sensors.watch import look, remembered, run_request
from wk_assets.assets.catalogue import catalogue

HOURLY: Final = "7 * * * *"  # not at the full hour, when everybody's jobs start
NIGHTLY: Final = "30 2 * * *"


def inbox_scan(name: str, cron: str, status: dg.DefaultScheduleStatus) -> dg.ScheduleDefinition:
    """Build a schedule that looks into every instrument's folder at the times of `cron`."""
    key = f"wk_assets/{name}/cursor"

    @dg.schedule(
        name=name,
        cron_schedule=cron,
        target=[catalogue],
        default_status=status,
        description="Looks into every instrument's folder once, and registers each acquisition that is finished.",
    )
    def scan(context: dg.ScheduleEvaluationContext, facility: FacilityResource) -> list[dg.RunRequest] | dg.SkipReason:
        storage = context.instance.daemon_cursor_storage
        cursor = remembered(storage.get_cursor_values({key}).get(key), context.log)
        decision = decide(cursor, look(facility, context.instance))
        storage.set_cursor_values({key: write_cursor(decision.cursor)})
        return [run_request(one) for one in decision.registrations] or dg.SkipReason(decision.reason)

    return scan


# By night as a safety net beside the sensor; by the hour in its place, once somebody switches it on.
hourly_inbox_scan = inbox_scan("hourly_inbox_scan", HOURLY, dg.DefaultScheduleStatus.STOPPED)
nightly_inbox_scan = inbox_scan("nightly_inbox_scan", NIGHTLY, dg.DefaultScheduleStatus.RUNNING)
