"""Runs of the real code location in this process, and what is to be asked about them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from wk_assets.assets.keys import CATALOGUE, MagAsset, build
from wk_assets.definitions import defs
from wk_assets.geometry.mag import Mag

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

DATASET = dg.AssetKey(["datasets", "brain-7"])
NUCLEI = dg.AssetKey(["datasets", "brain-7", "nuclei"])
LABELS = dg.AssetKey(["datasets", "brain-7", "labels"])


def mag(name: str, layer: str = "nuclei", dataset: str = "brain-7") -> dg.AssetKey:
    return build(MagAsset(dataset, layer, Mag(name)))


def layer_keys(layer: dg.AssetKey) -> list[dg.AssetKey]:
    return [*(dg.AssetKey([*layer.path, name]) for name in ("1", "2-2-1", "4-4-2")), layer]


EVERYTHING = [*layer_keys(NUCLEI), *layer_keys(LABELS), DATASET]


def run(
    instance: dg.DagsterInstance, keys: Iterable[dg.AssetKey], run_config: dict[str, Any] | None = None
) -> dg.ExecuteInProcessResult:
    """Materialize exactly these assets, with the definitions as they are now."""
    job = defs().resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        instance=instance, asset_selection=list(keys), run_config={**QUIET, **(run_config or {})}, raise_on_error=False
    )


def register(instance: dg.DagsterInstance, acquisition: str, **config: str) -> dg.ExecuteInProcessResult:
    """Run the registration of an acquisition."""
    settings = {"instrument": "lightsheet", "acquisition": acquisition, **config}
    return run(instance, [CATALOGUE], {"ops": {"catalogue": {"config": settings}}})


def made(result: dg.ExecuteInProcessResult) -> list[str]:
    return [event.materialization.asset_key.to_user_string() for event in result.get_asset_materialization_events()]


def metadata(result: dg.ExecuteInProcessResult, key: dg.AssetKey) -> dict[str, Any]:
    (event,) = [event for event in result.get_asset_materialization_events() if event.materialization.asset_key == key]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def failure(result: dg.ExecuteInProcessResult) -> str:
    """Return what the failed step told."""
    (event, *_) = [event for event in result.all_events if event.is_step_failure]
    data = event.step_failure_data
    told = data.user_failure_data.description if data.user_failure_data else None
    return told or (data.error.message if data.error else "")


def stale(instance: dg.DagsterInstance) -> set[str]:
    """Name the assets that the UI shows as out of date."""
    graph = defs().resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    return {
        key.to_user_string()
        for key in graph.materializable_asset_keys
        if key.path[0] == "datasets" and resolver.get_status(key) is StaleStatus.STALE
    }


def tree(folder: Path) -> dict[str, bytes]:
    """Read every file of a dataset but the bookkeeping."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".wk-assets" not in path.parts
    }
