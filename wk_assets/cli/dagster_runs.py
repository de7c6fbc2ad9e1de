"""Run the code location's assets inside this process, on the home's Dagster instance, so that the UI shows it afterwards.

What the sensor and the automation do in a facility, at once and in order: register what is finished, then make every
active dataset. Nothing is decided here that `sensors.decision` does not decide.
"""

import importlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg

from resources.facility import FacilityResource
from sensors.annotations import active_campaigns, tick
from sensors.cursor import Cursor
from sensors.decision import decide
from sensors.watch import look, run_request
from wk_assets.assets.keys import DatasetAsset, build, campaign_prefixes, group_name, published_key
from wk_assets.errors import InputError
from wk_assets.facility.catalogue_entry import CatalogueEntry
from wk_assets.facility.configuration import FILE_NAME, Configuration
from wk_assets.facility.publishing_request import server_of

CODE_LOCATION = "wk_assets.definitions"  # named as in workspace.yaml: it composes this floor's neighbours
_MOST_TICKS = 20
_QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


@dataclass(frozen=True, slots=True)
class RunReport:
    """Say how one run went. `problems`: what its failed steps and checks said."""

    title: str
    run_id: str
    success: bool
    seconds: float
    problems: tuple[str, ...]


def register_finished(configuration: Configuration, instance: dg.DagsterInstance) -> Iterator[RunReport]:
    """Run the registration of every acquisition that is finished and new, one after the other."""
    facility = FacilityResource(config_path=str(configuration.home / FILE_NAME))
    decision = decide(Cursor(), look(facility, instance))
    for registration in decision.registrations:
        request = run_request(registration)
        yield _run(
            f"register {registration.name}",
            instance,
            run_config=request.run_config,
            selection=list(request.asset_selection or ()),
            tags=dict(request.tags),
        )


def make_dataset(entry: CatalogueEntry, instance: dg.DagsterInstance) -> RunReport:
    """Run everything of one dataset: its mags, layers, checks, the commit, and its publication. No campaign: those go on."""
    campaigns = dg.AssetSelection.key_prefixes(*campaign_prefixes(entry.dataset))
    chosen = dg.AssetSelection.groups(group_name(entry.dataset)).materializable() - campaigns
    return _run(f"make {entry.dataset}", instance, run_config={}, selection=chosen, tags={})


def publish_dataset(entry: CatalogueEntry, instance: dg.DagsterInstance) -> RunReport:
    """Run the publication of one dataset alone."""
    return _run(f"publish {entry.dataset}", instance, run_config={}, selection=[published_key(entry.dataset)], tags={})


def go_on_with_campaigns(configuration: Configuration, instance: dg.DagsterInstance) -> Iterator[RunReport]:
    """Run what the sensor of annotations asks for, one after the other, until it asks for nothing more.

    Ends at a run that failed. Raises InputError if there is no end to it.
    """
    campaigns = {campaign.name: campaign for campaign in active_campaigns(configuration)}
    if not campaigns:
        return
    cursor, log, asked = None, logging.getLogger("wk_assets.annotations"), server_of(configuration)
    for _ in range(_MOST_TICKS):
        result = tick(configuration, campaigns, cursor, asked.client, instance, log)
        for wanted in result.dynamic_partitions_requests or ():
            instance.add_dynamic_partitions(wanted.partitions_def_name, list(wanted.partition_keys))
        for request in result.run_requests or ():
            keys = list(request.asset_selection or ())
            report = _run(
                f"make {'/'.join(keys[0].path[1:])}",
                instance,
                run_config={},
                selection=keys,
                tags=dict(request.tags),
                partition=request.partition_key,
            )
            yield report
            if not report.success:
                return
        if not result.run_requests:
            return
        cursor = result.cursor
    raise InputError(f"campaigns {sorted(campaigns)}: after {_MOST_TICKS} looks there is still something to run")


def is_published(entry: CatalogueEntry, instance: dg.DagsterInstance) -> bool:
    """Say whether Dagster knows of a publication of the dataset."""
    return instance.get_latest_materialization_event(published_key(entry.dataset)) is not None


def is_made(entry: CatalogueEntry, instance: dg.DagsterInstance) -> bool:
    """Say whether Dagster knows of a commit of the dataset."""
    return instance.get_latest_materialization_event(build(DatasetAsset(entry.dataset))) is not None


def _run(
    title: str,
    instance: dg.DagsterInstance,
    *,
    run_config: Any,
    selection: "list[dg.AssetKey] | dg.AssetSelection",
    tags: dict[str, str],
    partition: str | None = None,
) -> RunReport:
    started = time.monotonic()
    # Loaded anew for each run, as a code server does after a registration: the graph has grown.
    load: Callable[[], dg.Definitions] = importlib.import_module(CODE_LOCATION).defs
    definitions = load()
    graph = definitions.resolve_asset_graph()
    keys = sorted(selection.resolve(graph)) if isinstance(selection, dg.AssetSelection) else selection
    job = definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=instance,
        run_config={**dict(run_config), "loggers": _QUIET},
        asset_selection=keys,
        partition_key=partition,
        tags=tags,
        raise_on_error=False,
    )
    return RunReport(title, result.run_id, result.success, time.monotonic() - started, tuple(_problems(result)))


def _problems(result: dg.ExecuteInProcessResult) -> Iterator[str]:
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            described = data.user_failure_data.description if data.user_failure_data else None
            yield described or (str(data.error.message) if data.error else event.message or "a step failed")
    for evaluation in result.get_asset_check_evaluations():
        if not evaluation.passed:
            yield f"check {evaluation.check_name} of {evaluation.asset_key.to_user_string()}: {evaluation.description}"
