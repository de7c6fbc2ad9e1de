"""What is made of a campaign's finished annotations: merged volume, skeletons, training data, agreement. One asset each.

The bodies are in `facility.campaign_results`. The results of a campaign are asked for by `sensors.annotations` when nothing
is open any more, or by a person at any time.
"""

from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg

from resources.facility import FacilityResource
from wk_assets.assets.campaign_metadata import result_metadata
from wk_assets.assets.campaigns import kept_annotations
from wk_assets.assets.failures import failures
from wk_assets.assets.keys import POOL_COMMIT, CampaignAsset, CampaignPart, annotations_key, build, group_name, op_name
from wk_assets.facility.campaign import Campaign
from wk_assets.facility.campaign_results import (
    Result,
    collect_agreement,
    collect_skeletons,
    export_training,
    merge_campaign_volumes,
)
from wk_assets.facility.kept_annotations import KeptAnnotations


@dataclass(frozen=True, slots=True)
class _Kind:
    description: str
    make: Callable[[KeptAnnotations, Campaign], Result]


_KINDS = {
    CampaignPart.VOLUME: _Kind(
        "All painted volumes as one segmentation layer with its pyramid; the table tells whose each segment was.",
        lambda kept, campaign: merge_campaign_volumes(kept, f"{campaign.dataset}-{campaign.name}"),
    ),
    CampaignPart.SKELETONS: _Kind("All nodes in one table.", lambda kept, _: collect_skeletons(kept)),
    CampaignPart.TRAINING: _Kind(
        "What a network is trained with: boxes and labels, one row each.",
        lambda kept, campaign: export_training(kept, campaign.dataset),
    ),
    CampaignPart.AGREEMENT: _Kind(
        "How far annotators of the same place agree, one row per pair.", lambda kept, _: collect_agreement(kept)
    ),
}
_OF_KIND = {
    "skeleton": (CampaignPart.SKELETONS, CampaignPart.TRAINING, CampaignPart.AGREEMENT),
    "volume": (CampaignPart.VOLUME, CampaignPart.TRAINING, CampaignPart.AGREEMENT),
    "hybrid": (CampaignPart.VOLUME, CampaignPart.SKELETONS, CampaignPart.TRAINING, CampaignPart.AGREEMENT),
}


def result_parts(campaign: Campaign) -> tuple[CampaignPart, ...]:
    """List the results that the kind of a campaign's work has."""
    return _OF_KIND[campaign.task_type.kind]


def result_assets(campaign: Campaign) -> list[dg.AssetsDefinition]:
    """Build the results of a campaign."""
    return [_result(campaign, part) for part in result_parts(campaign)]


def _result(campaign: Campaign, part: CampaignPart) -> dg.AssetsDefinition:
    name = CampaignAsset(campaign.dataset, campaign.name, part)
    spec = dg.AssetSpec(
        build(name),
        deps=[annotations_key(campaign.dataset, campaign.name)],
        group_name=group_name(campaign.dataset),
        description=_KINDS[part].description,
    )

    @dg.multi_asset(name=op_name(name), specs=[spec], pool=POOL_COMMIT)
    def make_result(context: dg.AssetExecutionContext, facility: FacilityResource) -> dg.MaterializeResult[None]:
        with failures(context):
            configuration = facility.configuration()
            current = configuration.campaign(campaign.name)
            kept = kept_annotations(configuration, current)
            result = _KINDS[part].make(kept, current)
            return dg.MaterializeResult(
                metadata=result_metadata(result, kept.survey()), data_version=dg.DataVersion(result.version)
            )

    return make_result
