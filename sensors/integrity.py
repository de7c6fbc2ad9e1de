"""Every night a seventh of all stored shards is read and compared with what was written: once a week, all of them.

Which seventh follows from the date alone, so a night that was missed is made up for a week later, and nobody has to
remember anything. What is looked at is in `wk_assets.assets.integrity`.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

import dagster as dg

from wk_assets.assets.integrity import IntegrityConfig
from wk_assets.operations.checks.verify import Subset

NIGHTS: Final = 7
AT_NIGHT: Final = "30 3 * * *"  # after the nightly scan, before people come


def subset_of(day: date, nights: int = NIGHTS) -> Subset:
    """Say which part of the shards is read on a day: any `nights` days in a row read all of them."""
    return Subset(day.toordinal() % nights + 1, nights)


def integrity_schedules(checks: Sequence[dg.AssetChecksDefinition]) -> list[dg.ScheduleDefinition]:
    """Build the schedule that verifies a part of every dataset each night; none without a dataset."""
    if not checks:
        return []
    ops = [check.op.name for check in checks]

    @dg.schedule(
        name="nightly_integrity",
        cron_schedule=AT_NIGHT,
        target=dg.AssetSelection.checks(*checks),
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Reads a seventh of all stored shards and compares their checksums: in a week, all of them.",
    )
    def nightly_integrity(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return run_request(context.scheduled_execution_time.date(), ops)

    return [nightly_integrity]


def run_request(day: date, ops: Sequence[str]) -> dg.RunRequest:
    """Ask the steps for the part of a day."""
    subset = subset_of(day)
    config = IntegrityConfig(read_data_subset=f"{subset.n}/{subset.t}")
    return dg.RunRequest(
        run_key=f"{day.isoformat()} {subset.n}/{subset.t}",
        run_config=dg.RunConfig(ops=dict.fromkeys(ops, config)),
    )
