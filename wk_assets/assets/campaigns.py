"""The tasks of a campaign, and what annotators made of them: two assets per campaign, the second in one partition each.

    webknossos/<dataset> -> webknossos/<dataset>/tasks/<campaign> -> webknossos/<dataset>/annotations/<campaign>

Both also name the published dataset: when it is made anew from other raw data, tasks and annotations show as out of date. The
work itself is in `facility.campaign_round` and `facility.bring_home`; results are in `results`.
"""

import hashlib
from collections.abc import Collection, Iterator

import dagster as dg

from resources.facility import FacilityResource
from resources.webknossos import WebknossosResource
from wk_assets.assets.campaign_metadata import annotation_metadata, round_metadata
from wk_assets.assets.failures import failures
from wk_assets.assets.keys import (
    POOL_ANNOTATIONS,
    POOL_TASKS,
    CampaignAsset,
    CampaignPart,
    annotations_partitions,
    build,
    group_name,
    op_name,
    published_key,
)
from wk_assets.client.context import server_context
from wk_assets.facility.bring_home import bring_home
from wk_assets.facility.campaign import Campaign
from wk_assets.facility.campaign_round import published_content, run_round
from wk_assets.facility.configuration import Configuration
from wk_assets.facility.kept_annotations import KeptAnnotation, KeptAnnotations, Verdict, settings_text
from wk_assets.facility.kept_preview import preview_annotation

SOUND: str = "work_is_sound"


def kept_annotations(configuration: Configuration, campaign: Campaign) -> KeptAnnotations:
    """Open the folder of what is home of a campaign."""
    return KeptAnnotations(configuration.storage_root, campaign.dataset, campaign.name)


def partitions_of(campaign: Campaign) -> dg.DynamicPartitionsDefinition:
    """Define the partitions of a campaign's annotations: one per annotation id, added when it is finished."""
    return dg.DynamicPartitionsDefinition(name=annotations_partitions(campaign.dataset, campaign.name))


def campaign_assets(campaign: Campaign, published: Collection[str]) -> list[dg.AssetsDefinition]:
    """Build tasks and annotations of a campaign. `published`: the datasets that have an asset of their own on the server."""
    above = [published_key(campaign.dataset)] if campaign.dataset in published else []
    return [_tasks(campaign, above), _annotations(campaign, above)]


def _tasks(campaign: Campaign, above: list[dg.AssetKey]) -> dg.AssetsDefinition:
    name = CampaignAsset(campaign.dataset, campaign.name, CampaignPart.TASKS)
    spec = dg.AssetSpec(
        build(name),
        deps=above,
        group_name=group_name(campaign.dataset),
        description=f"The tasks of campaign `{campaign.name}`, in project `{campaign.project.name}`. Made once each, whatever repeats.",
        kinds={"webknossos", campaign.task_type.kind},
    )

    @dg.multi_asset(name=op_name(name), specs=[spec], pool=POOL_TASKS)
    def make_tasks(
        context: dg.AssetExecutionContext, facility: FacilityResource, webknossos: WebknossosResource
    ) -> dg.MaterializeResult[None]:
        with failures(context), server_context(webknossos.server()):
            configuration = facility.configuration()
            current = configuration.campaign(campaign.name)
            done = run_round(configuration, current, kept_annotations(configuration, current))
            content = published_content(configuration, current) or ""
            version = hashlib.sha256(f"{settings_text(current)}\n{content}".encode()).hexdigest()[:16]
            return dg.MaterializeResult(metadata=round_metadata(done), data_version=dg.DataVersion(version))

    return make_tasks


def _annotations(campaign: Campaign, above: list[dg.AssetKey]) -> dg.AssetsDefinition:
    name = CampaignAsset(campaign.dataset, campaign.name, CampaignPart.ANNOTATIONS)
    tasks = build(CampaignAsset(campaign.dataset, campaign.name, CampaignPart.TASKS))
    spec = dg.AssetSpec(
        build(name),
        deps=[tasks, *above],
        group_name=group_name(campaign.dataset),
        description=f"Finished work of campaign `{campaign.name}`: one partition per annotation, pinned to its version.",
        kinds={"webknossos", campaign.task_type.kind},
        partitions_def=partitions_of(campaign),
        skippable=True,
    )
    check = dg.AssetCheckSpec(SOUND, asset=build(name), description="The work is as the campaign's checks ask for.")

    @dg.multi_asset(name=op_name(name), specs=[spec], check_specs=[check], pool=POOL_ANNOTATIONS)
    def bring_annotation_home(
        context: dg.AssetExecutionContext, facility: FacilityResource, webknossos: WebknossosResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        with failures(context), server_context(webknossos.server()):
            configuration = facility.configuration()
            current = configuration.campaign(campaign.name)
            kept = kept_annotations(configuration, current)
            record = bring_home(current, kept, context.partition_key)
            if record is None:
                context.log.info(
                    "annotation %s is worked on again; it comes home when it is finished", context.partition_key
                )
                return
            yield dg.MaterializeResult(
                asset_key=build(name),
                metadata=annotation_metadata(kept, record, webknossos.url, preview_annotation(kept, record)),
                data_version=dg.DataVersion(
                    f"{record.version}" if record.verdict is not Verdict.WITHDRAWN else "cancelled"
                ),
                check_results=[_sound(build(name), record)],
            )

    return bring_annotation_home


def _sound(key: dg.AssetKey, record: KeptAnnotation) -> dg.AssetCheckResult:
    told = "; ".join(f"{one.check}: {one.what}" for one in record.findings)
    back = " It was given back to its annotator." if record.verdict is Verdict.SENT_BACK else ""
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=SOUND,
        passed=not record.findings,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{told}.{back}" if record.findings else "Every check is passed.",
        metadata={"annotation": record.annotation_id, "author": record.author},
    )
