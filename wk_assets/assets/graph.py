"""The whole graph: the catalogue, and for every active entry its acquisition, layers and dataset."""

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

import dagster as dg

from wk_assets.assets.acquisitions import acquisition_spec
from wk_assets.assets.campaigns import campaign_assets
from wk_assets.assets.catalogue import catalogue
from wk_assets.assets.datasets import dataset_asset
from wk_assets.assets.layers import layer_assets
from wk_assets.assets.published import published_asset
from wk_assets.assets.results import result_assets
from wk_assets.assets.work_progress import progress
from wk_assets.facility.campaign import Campaign
from wk_assets.facility.catalogue_entry import CatalogueEntry
from wk_assets.facility.publishing_settings import PublishSettings

GraphNode = dg.AssetsDefinition | dg.AssetSpec


def asset_graph(
    entries: Iterable[CatalogueEntry], publishing: Mapping[str, PublishSettings] = MappingProxyType({})
) -> list[GraphNode]:
    """Build the assets of all entries. Archived ones have none: their history stays in the event log.

    `publishing`: how datasets are published, by name; those that are not named are not.
    """
    nodes: list[GraphNode] = [catalogue]
    for entry in entries:
        if entry.active:
            nodes.append(acquisition_spec(entry))
            nodes.extend(layer_assets(entry, layer) for layer in entry.layers)
            nodes.append(dataset_asset(entry))
            if entry.dataset in publishing:
                nodes.append(published_asset(entry, publishing[entry.dataset]))
    return nodes


def campaign_graph(campaigns: Iterable[Campaign], published: Collection[str]) -> list[GraphNode]:
    """Build tasks, annotations and results of all campaigns, and the report about them; nothing without a campaign.

    `published`: the datasets that have an asset on the server.
    """
    nodes: list[GraphNode] = []
    for campaign in campaigns:
        nodes.extend(campaign_assets(campaign, published))
        nodes.extend(result_assets(campaign))
    return [*nodes, progress] if nodes else []
