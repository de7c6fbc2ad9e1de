"""How far all campaigns are, as an asset: tables of work and people, and a check that speaks up when the work has stopped."""

import time
from collections.abc import Iterator
from typing import Final

import dagster as dg
from pydantic import Field

from resources.facility import FacilityResource
from resources.notification import NotificationResource
from wk_assets.assets.campaign_metadata import frame
from wk_assets.assets.campaigns import kept_annotations
from wk_assets.assets.failures import failures
from wk_assets.assets.keys import POOL_COMMIT, PROGRESS, PROGRESS_GROUP
from wk_assets.facility.configuration import Configuration
from wk_assets.facility.work_report import CampaignWork, campaigns_table, people_table, quiet_campaigns

GOES_ON: Final = "work_goes_on"
QUIET: Final = "quiet_campaigns"


class ProgressConfig(dg.Config):
    """Say how long it may be quiet."""

    quiet_days: float = Field(default=7.0, gt=0, description="After how many days without finished work to speak up.")


@dg.asset(
    key=PROGRESS,
    group_name=PROGRESS_GROUP,
    kinds={"pandas"},
    pool=POOL_COMMIT,
    check_specs=[dg.AssetCheckSpec(GOES_ON, asset=PROGRESS, description="Where work is open, somebody finishes some.")],
    description="Open work and time, per campaign and person.",
)
def progress(
    context: dg.AssetExecutionContext,
    config: ProgressConfig,
    facility: FacilityResource,
    notification: NotificationResource,
) -> Iterator[dg.MaterializeResult[None]]:
    """Report, and tell people once when a campaign has become quiet."""
    with failures(context):
        work = campaign_work(facility.configuration())
        quiet = quiet_campaigns(work, time.time(), config.quiet_days)
        if quiet and _told_last(context) != _names(quiet):
            notification.tell("Work on campaigns has stopped", "\n".join(quiet), context.log.warning)
        yield dg.MaterializeResult(
            metadata={
                "campaigns": frame(campaigns_table(work)),
                "people": frame(people_table(kept for one in work for kept in one.home.values())),
                "open": dg.MetadataValue.int(sum(one.tasks.open_instances for one in work if one.tasks is not None)),
                QUIET: dg.MetadataValue.text(_names(quiet)),
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name=GOES_ON,
                    passed=not quiet,
                    severity=dg.AssetCheckSeverity.WARN,
                    description="\n".join(quiet) or "Wherever work is open, somebody finished some lately.",
                )
            ],
        )


def campaign_work(configuration: Configuration) -> list[CampaignWork]:
    """Read what is known here of every active campaign. Raises CatalogueError."""
    found = []
    for campaign in configuration.campaigns.values():
        if campaign.active:
            kept = kept_annotations(configuration, campaign)
            found.append(CampaignWork(campaign=campaign.name, tasks=kept.tasks(), home=kept.survey().annotations))
    return found


def _names(quiet: tuple[str, ...]) -> str:
    return ", ".join(one.split(":", 1)[0] for one in quiet)


def _told_last(context: dg.AssetExecutionContext) -> str | None:
    """Return which campaigns were quiet in the report before this one."""
    event = context.instance.get_latest_materialization_event(PROGRESS)
    materialization = event.asset_materialization if event is not None else None
    told = materialization.metadata.get(QUIET) if materialization is not None else None
    return str(told.value) if told is not None else None
