"""An acquisition becomes a dataset, without Dagster: register, plan, run, check, commit.

A table of contents: every step is somebody else's. Used by the command line.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from wk_assets.facility.acquisitions import Acquisition
from wk_assets.facility.catalogue_entry import CatalogueEntry
from wk_assets.facility.configuration import Configuration
from wk_assets.facility.free_disk import require_free_disk
from wk_assets.facility.registration import register
from wk_assets.facility.requests import dataset_path, dataset_request, layer_request
from wk_assets.operations.checks.layer_checks import CheckOutcome, run_layer_checks
from wk_assets.operations.compute import Compute
from wk_assets.operations.datasets.commit_dataset import DatasetResult, commit_dataset
from wk_assets.operations.layers.chunk_sample import ChunkSampler
from wk_assets.operations.layers.estimate_layer import estimated
from wk_assets.operations.layers.layer_plan import LayerPlan, plan_layer
from wk_assets.operations.layers.run_layer import run_layer
from wk_assets.operations.records.layer_record import read_layer_record
from wk_assets.operations.records.layer_request import LayerResult, ProgressListener
from wk_assets.storage.durable import free_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestPlan:
    """What would happen: a plan per layer, the disk that it needs and the disk that there is."""

    entry: CatalogueEntry
    layers: tuple[LayerPlan, ...]
    free_bytes: int

    @property
    def needed_bytes(self) -> int:
        """Bytes that must be free: by an estimate of each layer, without one its raw bytes (an upper bound)."""
        return sum(plan.disk_bytes for plan in self.layers)

    def estimated(self, compute: Compute, sampler: ChunkSampler | None = None) -> "IngestPlan":
        """Estimate what each layer will store and take. Samples the sources; raises SourceError."""
        shared = sampler or ChunkSampler(compute.threads)
        return replace(self, layers=tuple(estimated(plan, compute, shared) for plan in self.layers))

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
        """Give the failed checks that keep the dataset from being published, with their layers."""
        return tuple(pair for pair in self.checks if pair[1].blocks_publication)

    @property
    def published(self) -> bool:
        """Say whether the dataset was committed."""
        return self.dataset is not None


def plan_ingest(configuration: Configuration, entry: CatalogueEntry, compute: Compute) -> IngestPlan:
    """Plan every layer of an entry; nothing is written. Raises what `layer_request` and `plan_layer` raise."""
    plans = tuple(
        plan_layer(layer_request(configuration, entry, layer.name), compute, layer.mag_values) for layer in entry.layers
    )
    return IngestPlan(
        entry=entry,
        layers=plans,
        free_bytes=free_bytes(configuration.storage_root),
    )


def ingest(
    configuration: Configuration, acquisition: Acquisition, compute: Compute, listener: ProgressListener | None = None
) -> IngestResult:
    """Register an acquisition and make its dataset (see `ingest_entry`)."""
    return ingest_entry(configuration, register(configuration, acquisition), compute, listener)


def ingest_entry(
    configuration: Configuration, entry: CatalogueEntry, compute: Compute, listener: ProgressListener | None = None
) -> IngestResult:
    """Make the dataset of an entry: plan, require the free disk, run each layer, check, commit.

    The commit is left out if a check of severity error fails: what was published before stays as it is. Raises
    DiskFullError (needs, has) before anything is written, and what the operations raise.
    """
    begin = monotonic()
    plan = plan_ingest(configuration, entry, compute)
    if plan.needed_bytes + configuration.storage.minimum_free > plan.free_bytes:
        plan = plan.estimated(compute)  # raw bytes do not fit: only now it is worth a look at the voxels
    require_free_disk(configuration.storage_root, plan.needed_bytes, configuration.storage.minimum_free)
    layers = tuple(run_layer(layer, compute, listener) for layer in plan.layers)
    path = dataset_path(configuration, entry)
    checks = tuple((layer.name, outcome) for layer in entry.layers for outcome in _checks(path, layer.name))
    blocked = any(outcome.blocks_publication for _, outcome in checks)
    return IngestResult(
        entry=entry,
        dataset_path=path,
        layers=layers,
        checks=checks,
        dataset=None if blocked else commit_dataset(dataset_request(configuration, entry)),
        seconds=monotonic() - begin,
    )


def _checks(path: Path, layer_name: str) -> tuple[CheckOutcome, ...]:
    record = read_layer_record(path, layer_name)
    return () if record is None else run_layer_checks(record, path)


def failed_checks(configuration: Configuration, entry: CatalogueEntry) -> tuple[tuple[str, CheckOutcome], ...]:
    """Check what is stored of a dataset; give the failures that keep it from being published, with their layers."""
    path = dataset_path(configuration, entry)
    outcomes = ((layer.name, outcome) for layer in entry.layers for outcome in _checks(path, layer.name))
    return tuple(pair for pair in outcomes if pair[1].blocks_publication)
