"""The sensor that notices what annotators did, and the schedule that reports how far everything is.

All it decides is in `annotation_decision`, all it asks in `annotation_watch`; it changes nothing on the server. There is no such
sensor without a campaign.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from logging import Logger
from typing import Final

import dagster as dg

from resources.facility import FacilityResource
from resources.webknossos import WebknossosResource
from sensors.annotation_cursor import Cursor, read_cursor, write_cursor
from sensors.annotation_decision import (
    BringHome,
    Decision,
    GoOn,
    Observation,
    WatchedCampaign,
    annotation_key,
    decide,
    step_key,
)
from sensors.annotation_watch import AsksAboutWork, look
from sensors.run_states import run_states
from wk_assets.assets.campaigns import kept_annotations, partitions_of
from wk_assets.assets.keys import PROGRESS, CampaignAsset, annotations_key, build, tasks_key
from wk_assets.assets.results import result_parts
from wk_assets.errors import CatalogueError, CursorError, ServerError
from wk_assets.facility.campaign import Campaign
from wk_assets.facility.campaign_round import published_content
from wk_assets.facility.configuration import Configuration
from wk_assets.facility.kept_annotations import made_from

SECONDS_BETWEEN_LOOKS: Final = 30
REQUEST_TAG: Final = "wk_assets/annotation_request"
NAME: Final = "annotations"


def active_campaigns(configuration: Configuration) -> tuple[Campaign, ...]:
    """List the campaigns that are worked on; none without a server."""
    if configuration.webknossos.url is None:
        return ()
    return tuple(campaign for campaign in configuration.campaigns.values() if campaign.active)


def watched_campaigns(configuration: Configuration) -> dict[str, WatchedCampaign]:
    """Read what is known here of every active campaign; what can not be read is part of it."""
    found = {}
    for campaign in active_campaigns(configuration):
        kept = kept_annotations(configuration, campaign)
        survey = kept.survey()
        problem = str(survey.problems[0]) if survey.problems else None
        content, tasks = None, None
        try:
            content, tasks = published_content(configuration, campaign), kept.tasks()
        except CatalogueError as error:
            problem = str(error)
        if content is None and problem is None:
            problem = f"dataset {campaign.dataset!r} is not published yet; its tasks follow when it is"
        found[campaign.name] = WatchedCampaign(
            name=campaign.name,
            dataset=campaign.dataset,
            home=survey.annotations,
            tasks=tasks,
            made_from=made_from(campaign, content or "", survey.annotations.values()),
            problem=problem,
        )
    return found


def observe(
    campaigns: Mapping[str, WatchedCampaign],
    client: Callable[[], AsksAboutWork],
    cursor: Cursor,
    requested: Callable[[Iterable[str]], Mapping[str, str]],
    now: float,
) -> Observation:
    """Look at the server, and at what was requested before. A server that can not be asked is part of the observation."""
    try:
        seen = look(campaigns, client(), cursor, now)
    except ServerError as error:
        # What is known without the server still counts; the cursor stays as it is.
        seen = Observation(now=now, campaigns=campaigns, full_look=cursor.full_look, problem=str(error))
    keys = [annotation_key(one, campaigns[one.campaign].home.get(one.annotation_id)) for one in seen.seen]
    keys += [step[1] for one in campaigns.values() if one.problem is None and (step := step_key(one)) is not None]
    return Observation(
        now=seen.now,
        campaigns=seen.campaigns,
        seen=seen.seen,
        looked_through=seen.looked_through,
        full_look=seen.full_look,
        full_look_ended=seen.full_look_ended,
        requested=requested([key for key in keys if key is not None]),
        problem=seen.problem,
    )


def annotation_sensor(campaigns: Sequence[Campaign]) -> dg.SensorDefinition:
    """Build the sensor over some campaigns. Its target is narrow: their own assets."""
    by_name = {campaign.name: campaign for campaign in campaigns}
    keys = [key for campaign in campaigns for key in _keys(campaign)]

    @dg.sensor(
        name=NAME,
        target=dg.AssetSelection.assets(*keys),
        minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Notices finished, reopened and cancelled annotations, brings them home, and lets campaigns go on.",
    )
    def annotations(
        context: dg.SensorEvaluationContext, facility: FacilityResource, webknossos: WebknossosResource
    ) -> dg.SensorResult:
        return tick(
            facility.configuration(), by_name, context.cursor, webknossos.server().client, context.instance, context.log
        )

    return annotations


def tick(
    configuration: Configuration,
    campaigns: Mapping[str, Campaign],
    remembered: str | None,
    client: Callable[[], AsksAboutWork],
    instance: dg.DagsterInstance,
    log: Logger,
) -> dg.SensorResult:
    """Look once, and say what is to be run. `campaigns`: those that count, by name. `remembered`: the cursor before."""
    cursor = _remembered(remembered, log)
    watched = {name: one for name, one in watched_campaigns(configuration).items() if name in campaigns}
    observation = observe(
        watched, client, cursor, lambda wanted: run_states(instance, REQUEST_TAG, wanted), time.time()
    )
    decision = decide(cursor, observation)
    for sentence in decision.sentences:
        log.info(sentence)
    return _result(decision, campaigns)


def _keys(campaign: Campaign) -> list[dg.AssetKey]:
    return [
        tasks_key(campaign.dataset, campaign.name),
        annotations_key(campaign.dataset, campaign.name),
        *_results(campaign),
    ]


def _results(campaign: Campaign) -> list[dg.AssetKey]:
    return [build(CampaignAsset(campaign.dataset, campaign.name, part)) for part in result_parts(campaign)]


def _remembered(text: str | None, log: Logger) -> Cursor:
    """Read a cursor; one that can not be read is dropped with a warning: it costs requests alone."""
    try:
        return read_cursor(text)
    except CursorError as error:
        log.warning("%s; it is started anew", error)
        return Cursor()


def _result(decision: Decision, campaigns: Mapping[str, Campaign]) -> dg.SensorResult:
    requests = [*map(_annotation_request, decision.annotations), *(_step_request(s, campaigns) for s in decision.steps)]
    by_campaign: dict[str, list[str]] = {}
    for one in decision.annotations:
        by_campaign.setdefault(one.campaign, []).append(one.annotation_id)
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else dg.SkipReason(decision.reason or "Nothing changed."),
        dynamic_partitions_requests=[
            partitions_of(campaigns[name]).build_add_request(sorted(ids)) for name, ids in by_campaign.items()
        ],
        cursor=write_cursor(decision.cursor),
    )


def _annotation_request(one: BringHome) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=one.run_key,
        partition_key=one.annotation_id,
        asset_selection=[annotations_key(one.dataset, one.campaign)],
        tags={REQUEST_TAG: one.run_key},
    )


def _step_request(step: GoOn, campaigns: Mapping[str, Campaign]) -> dg.RunRequest:
    campaign = campaigns[step.campaign]
    keys = _results(campaign) if step.results else [tasks_key(step.dataset, step.campaign)]
    return dg.RunRequest(run_key=step.run_key, asset_selection=keys, tags={REQUEST_TAG: step.run_key})


hourly_progress = dg.ScheduleDefinition(
    name="hourly_progress",
    cron_schedule="7 * * * *",  # not at the full hour, when everything else begins
    target=dg.AssetSelection.assets(PROGRESS),
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Reports open work and time per project and person, and speaks up when nobody finishes anything.",
)
