"""The only place that builds and parses asset keys, op names, group names and pools.

    catalogue                                   the list of all datasets
    acquisitions / <dataset>                    what the microscope left (external)
    datasets / <dataset>                        the dataset
    datasets / <dataset> / <layer>              one layer
    datasets / <dataset> / <layer> / <mag>      one mag of a layer
    webknossos / <dataset>                      the dataset on a server
    webknossos / <dataset> / tasks / <campaign>              the tasks of a campaign
    webknossos / <dataset> / annotations / <campaign>        what annotators finished, one partition each
    webknossos / <dataset> / results / <campaign> / <part>   what was made of that
    progress                                    how far all campaigns are

A name is a value (`LayerAsset("brain", "em")`); `build` turns it into a key, `parse` turns the key back. What an
asset does is decided elsewhere (see `layers`, `datasets`, `acquisitions`, `catalogue`).
"""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

import dagster as dg

from wk_assets.errors import GeometryError, InvalidNameError
from wk_assets.facility.campaign import CAMPAIGN_NAME
from wk_assets.geometry.mag import Mag
from wk_assets.properties.names import check_dataset_name, check_layer_name

CATALOGUE = dg.AssetKey(["catalogue"])
CATALOGUE_GROUP = "catalogue"
DATASETS_PREFIX = "datasets"
ACQUISITIONS_PREFIX = "acquisitions"
PUBLISHED_PREFIX = "webknossos"
PROGRESS = dg.AssetKey(["progress"])
PROGRESS_GROUP = "progress"

POOL_IMPORT = "import"  # heavy steps: one layer takes the whole memory budget
POOL_COMMIT = "commit"  # light steps that write metadata
POOL_PUBLISH = "publish"  # sends files to a server
POOL_TASKS = "tasks"  # asks a server for what it does not know twice: one at a time
POOL_ANNOTATIONS = "annotations"  # brings work home
POOL_VERIFY = "verify"  # reads whole datasets: once at a time is enough for any disk
POOL_CATALOGUE = "catalogue"  # one registration at a time: each loads the definitions again

_RESULTS = "results"
_RESULT_PARTS = frozenset({"volume", "skeletons", "training", "agreement"})
_OP_NAME_LENGTH = 80
_DIGEST_LENGTH = 10


@dataclass(frozen=True, slots=True)
class AcquisitionAsset:
    """Name the raw acquisition that a dataset is made from."""

    dataset: str

    def __post_init__(self) -> None:
        check_dataset_name(self.dataset)


@dataclass(frozen=True, slots=True)
class DatasetAsset:
    """Name a dataset."""

    dataset: str

    def __post_init__(self) -> None:
        check_dataset_name(self.dataset)


@dataclass(frozen=True, slots=True)
class LayerAsset:
    """Name a layer of a dataset."""

    dataset: str
    layer: str

    def __post_init__(self) -> None:
        check_dataset_name(self.dataset)
        check_layer_name(self.layer)


@dataclass(frozen=True, slots=True)
class MagAsset:
    """Name a mag of a layer."""

    dataset: str
    layer: str
    mag: Mag

    def __post_init__(self) -> None:
        check_dataset_name(self.dataset)
        check_layer_name(self.layer)


@dataclass(frozen=True, slots=True)
class PublishedAsset:
    """Name a dataset as it is on a server."""

    dataset: str

    def __post_init__(self) -> None:
        check_dataset_name(self.dataset)


class CampaignPart(StrEnum):
    """Tell the assets of a campaign apart."""

    TASKS = "tasks"
    ANNOTATIONS = "annotations"
    VOLUME = "volume"
    SKELETONS = "skeletons"
    TRAINING = "training"
    AGREEMENT = "agreement"


@dataclass(frozen=True, slots=True)
class CampaignAsset:
    """Name an asset of a campaign: its tasks, its annotations, or one of its results."""

    dataset: str
    campaign: str
    part: CampaignPart

    def __post_init__(self) -> None:
        check_dataset_name(self.dataset)
        if not CAMPAIGN_NAME.fullmatch(self.campaign):
            raise InvalidNameError(f"{self.campaign!r} is no name for a campaign: letters, digits, '-', '_' and '.'")


AssetName = AcquisitionAsset | DatasetAsset | LayerAsset | MagAsset | PublishedAsset | CampaignAsset


def build(name: AssetName) -> dg.AssetKey:
    """Build the key of an asset."""
    match name:
        case AcquisitionAsset(dataset):
            return dg.AssetKey([ACQUISITIONS_PREFIX, dataset])
        case DatasetAsset(dataset):
            return dg.AssetKey([DATASETS_PREFIX, dataset])
        case LayerAsset(dataset, layer):
            return dg.AssetKey([DATASETS_PREFIX, dataset, layer])
        case MagAsset(dataset, layer, mag):
            return dg.AssetKey([DATASETS_PREFIX, dataset, layer, mag.to_layer_name()])
        case PublishedAsset(dataset):
            return dg.AssetKey([PUBLISHED_PREFIX, dataset])
        case CampaignAsset(dataset, campaign, (CampaignPart.TASKS | CampaignPart.ANNOTATIONS) as part):
            return dg.AssetKey([PUBLISHED_PREFIX, dataset, part.value, campaign])
        case CampaignAsset(dataset, campaign, part):
            return dg.AssetKey([PUBLISHED_PREFIX, dataset, _RESULTS, campaign, part.value])


def published_key(dataset: str) -> dg.AssetKey:
    """Build the key of a dataset on a server."""
    return build(PublishedAsset(dataset))


def tasks_key(dataset: str, campaign: str) -> dg.AssetKey:
    """Build the key of a campaign's tasks."""
    return build(CampaignAsset(dataset, campaign, CampaignPart.TASKS))


def annotations_key(dataset: str, campaign: str) -> dg.AssetKey:
    """Build the key of a campaign's annotations."""
    return build(CampaignAsset(dataset, campaign, CampaignPart.ANNOTATIONS))


def campaign_prefixes(dataset: str) -> list[list[str]]:
    """List what the keys of the assets of a dataset's campaigns begin with."""
    return [
        [PUBLISHED_PREFIX, dataset, first]
        for first in (CampaignPart.TASKS.value, CampaignPart.ANNOTATIONS.value, _RESULTS)
    ]


def annotations_partitions(dataset: str, campaign: str) -> str:
    """Name the set of partitions, one per annotation id."""
    return f"annotations_{dataset}_{campaign}"


def parse(key: dg.AssetKey) -> AssetName:
    """Read a key back. Raises InvalidNameError for a key that `build` does not make."""
    match list(key.path):
        case [prefix, dataset] if prefix == ACQUISITIONS_PREFIX:
            return AcquisitionAsset(dataset)
        case [prefix, dataset] if prefix == DATASETS_PREFIX:
            return DatasetAsset(dataset)
        case [prefix, dataset, layer] if prefix == DATASETS_PREFIX:
            return LayerAsset(dataset, layer)
        case [prefix, dataset, layer, mag] if prefix == DATASETS_PREFIX:
            return MagAsset(dataset, layer, _parse_mag(key, mag))
        case [prefix, dataset] if prefix == PUBLISHED_PREFIX:
            return PublishedAsset(dataset)
        case [prefix, dataset, ("tasks" | "annotations") as part, campaign] if prefix == PUBLISHED_PREFIX:
            return CampaignAsset(dataset, campaign, CampaignPart(part))
        case [prefix, dataset, results, campaign, part] if (
            prefix == PUBLISHED_PREFIX and results == _RESULTS and part in _RESULT_PARTS
        ):
            return CampaignAsset(dataset, campaign, CampaignPart(part))
    raise InvalidNameError(
        f"asset key {key.to_user_string()!r} is none of ours; ours are acquisitions/<dataset>, datasets/<dataset>, "
        "datasets/<dataset>/<layer>, datasets/<dataset>/<layer>/<mag>, webknossos/<dataset>, and below that tasks/<campaign>, "
        "annotations/<campaign> and results/<campaign>/<part>"
    )


def _parse_mag(key: dg.AssetKey, text: str) -> Mag:
    try:
        mag = Mag(text)
    except GeometryError as error:
        raise InvalidNameError(
            f"asset key {key.to_user_string()!r} ends in {text!r}, which is no mag: {error}"
        ) from error
    if mag.to_layer_name() != text:
        raise InvalidNameError(
            f"asset key {key.to_user_string()!r} ends in {text!r}; the mag's name is {mag.to_layer_name()!r}"
        )
    return mag


def op_name(name: AssetName) -> str:
    """Name the op that makes an asset: readable, legal for Dagster, and never shared by two assets.

    Dagster allows letters, digits and '_' in op names; 'a-b', 'a.b' and 'a_b' would become one. So a digest of the
    key follows the readable part.
    """
    path = "/".join(build(name).path)
    readable = re.sub(r"[^A-Za-z0-9_]", "_", "__".join(build(name).path[1:]))
    prefix = {AcquisitionAsset: "acquisition__", PublishedAsset: "publish__"}.get(type(name), "")
    return f"{prefix}{readable}"[:_OP_NAME_LENGTH] + f"__{_digest(path)}"


def group_name(dataset: str) -> str:
    """Name the group in which the UI shows a dataset: the dataset's name, if Dagster takes it.

    Where '-' or '.' had to be replaced a digest follows, so that 'a-b' and 'a_b' are two groups.
    """
    readable = re.sub(r"[^A-Za-z0-9_]", "_", dataset)
    return readable if readable == dataset and dataset != CATALOGUE_GROUP else f"{readable}_{_digest(dataset)[:4]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]
