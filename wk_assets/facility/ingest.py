"""An acquisition becomes a dataset, without Dagster: register, plan, run, check, commit.

A table of contents: every step is somebody else's. Used by the command line.
"""

from dataclasses import dataclass
from pathlib import Path

from wk_assets.facility.acquisitions import Acquisition
from wk_assets.facility.catalogue_entry import CatalogueEntry
from wk_assets.facility.configuration import Configuration
from wk_assets.operations.commit_dataset import DatasetResult
from wk_assets.operations.compute import Compute
from wk_assets.operations.layer_checks import CheckOutcome
from wk_assets.operations.layer_plan import LayerPlan
from wk_assets.operations.layer_request import LayerResult, ProgressListener


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestPlan:
    """What would happen: per layer a plan, and the disk that it needs beside what is free."""

    entry: CatalogueEntry
    layers: tuple[LayerPlan, ...]
    needed_bytes: int  # raw bytes of all mags that are not there yet: an upper bound of what is written
    free_bytes: int

    @property
    def up_to_date(self) -> bool:
        """Say whether nothing is left to do but the commit."""
        return all(plan.up_to_date for plan in self.layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestResult:
    """What was done. `dataset` is None if an error check failed: the layers are there, the dataset is not published."""

    entry: CatalogueEntry
    dataset_path: Path
    layers: tuple[LayerResult, ...]
    checks: tuple[tuple[str, CheckOutcome], ...]  # (layer name, outcome)
    dataset: DatasetResult | None
    seconds: float

    @property
    def failed_checks(self) -> tuple[tuple[str, CheckOutcome], ...]:
        """Give the checks of severity error that failed, with their layers."""
        raise NotImplementedError

    @property
    def published(self) -> bool:
        """Say whether the dataset was committed."""
        return self.dataset is not None


def plan_ingest(configuration: Configuration, entry: CatalogueEntry, compute: Compute) -> IngestPlan:
    """Plan every layer of an entry; nothing is written. Raises what `layer_request` and `plan_layer` raise."""
    raise NotImplementedError


def ingest(
    configuration: Configuration, acquisition: Acquisition, compute: Compute, listener: ProgressListener | None = None
) -> IngestResult:
    """Register an acquisition and make its dataset (see `ingest_entry`)."""
    raise NotImplementedError


def ingest_entry(
    configuration: Configuration, entry: CatalogueEntry, compute: Compute, listener: ProgressListener | None = None
) -> IngestResult:
    """Make the dataset of an entry: plan, require the free disk, run each layer, check, commit.

    Raises DiskFullError (needs, has) before anything is written, and what the operations raise.
    """
    raise NotImplementedError
