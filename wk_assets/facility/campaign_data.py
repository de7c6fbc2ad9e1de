"""Where the data of a campaign is: its dataset's id on the server, and the layers that its work is found in.

A dataset of the catalogue is read where it lies, and its id is what publishing noted; one that is named by its id on the
server is read from there.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from wk_assets.dataset.dataset import Dataset
from wk_assets.errors import InputError, NotADatasetError
from wk_assets.facility.campaign import Campaign
from wk_assets.facility.campaign_places import WorkLayer, find_places
from wk_assets.facility.campaign_plan import CampaignPlan, plan_campaign
from wk_assets.facility.configuration import Configuration
from wk_assets.facility.publishing import Publications


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignData:
    """Hold what a campaign's tasks are planned from. `dataset_id` None: the dataset is not published yet."""

    dataset_id: str | None
    layers: Mapping[str, WorkLayer]


def campaign_data(configuration: Configuration, campaign: Campaign) -> CampaignData:
    """Open the data of a campaign. Raises InputError for a dataset that is not there yet, ServerError for one on the server."""
    if campaign.on_server:
        return CampaignData(dataset_id=campaign.dataset, layers=Dataset.open_remote(campaign.dataset).layers)
    folder = configuration.storage_root / campaign.dataset
    try:
        dataset = Dataset.open(folder, read_only=True)
    except NotADatasetError as error:
        raise InputError(
            f"campaign {campaign.name!r}: there is no dataset {campaign.dataset!r} in {configuration.storage_root}; import it "
            "first, correct 'dataset', or give the id of a dataset on the server"
        ) from error
    published = Publications(configuration.publications_folder).get(campaign.dataset)
    return CampaignData(dataset_id=None if published is None else published.dataset_id, layers=dataset.layers)


def planned_campaign(configuration: Configuration, campaign: Campaign) -> CampaignPlan:
    """Plan all of a campaign's own tasks, whether they are on the server or not. Sends nothing to the server.

    Raises what `campaign_data` and `find_places` raise.
    """
    data = campaign_data(configuration, campaign)
    return plan_campaign(campaign, data.dataset_id, find_places(campaign, data.layers))
