"""`wk-assets demo`: real microscopy through the whole house, in one command, without any configuration.

The home is laid out in `demo_home`, the runs are `dagster_runs`; this is the story and its summary.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wk_assets.cli.exit_codes import ExitCode
from wk_assets.cli.options import DryRunOption, JsonOption
from wk_assets.cli.quantities import bytes_text, counted, lengths_text, seconds_text, size_text, voxels_text
from wk_assets.cli.screen import complain, headline, remark, say, show_json, show_table

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from wk_assets.cli.dagster_runs import RunReport
    from wk_assets.cli.demo_campaign import CampaignStory
    from wk_assets.facility.catalogue_entry import CatalogueEntry
    from wk_assets.facility.configuration import Configuration
    from wk_assets.operations.checks.inspect_dataset import DatasetReport

HOME_VARIABLE = "WK_ASSETS_DEMO_HOME"
DEFAULT_HOME = Path(".demo")


def demo(
    home: Annotated[Path, typer.Option("--home", envvar=HOME_VARIABLE, help="Where the demo lives.")] = DEFAULT_HOME,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Import real microscopy through Dagster: 3D nuclei with labels, and a cryo-tomogram. Needs no configuration."""
    from wk_assets.cli.demo_home import lay_out_demo, sample_images

    started = time.monotonic()
    if dry_run:
        say(
            f"would lay out {home} from the pictures in {sample_images()}, then import two acquisitions through Dagster"
        )
        return
    laid_out = lay_out_demo(home.absolute())
    remark(f"{'laid out' if laid_out.created else 'found'} the watch folders of two instruments in {home / 'inbox'}")
    from wk_assets.cli.demo_server import demo_server
    from wk_assets.facility.configuration import FILE_NAME, load_configuration

    configuration = load_configuration(home.absolute() / FILE_NAME)
    with demo_server(configuration):
        entries, reports = _run(configuration)
    failed = [report for report in reports if not report.success]
    for report in failed:
        complain(f"{report.title} failed (run {report.run_id[:8]}): {'; '.join(report.problems) or 'see the UI'}")
    if failed:
        say(f"look at it: {_ui_command(home)}")
        raise typer.Exit(ExitCode.FINDINGS)
    from wk_assets.cli.demo_campaign import campaign_story
    from wk_assets.cli.demo_home import CAMPAIGN
    from wk_assets.operations.checks.inspect_dataset import inspect_dataset

    story = campaign_story(configuration, CAMPAIGN)
    links = _links(configuration, entries)
    datasets = [inspect_dataset(configuration.storage_root / entry.dataset) for entry in entries]
    seconds = time.monotonic() - started
    if as_json:
        show_json(_document(configuration, datasets, reports, links, story, seconds))
    else:
        _show(home, datasets, reports, links, story, seconds)


def _run(configuration: "Configuration") -> "tuple[tuple[CatalogueEntry, ...], list[RunReport]]":
    """Register, make and publish what is not there yet; give what is in the catalogue then, and how the runs went."""
    from wk_assets.cli.dagster_home import dagster_environment, enter, prepare_dagster_home
    from wk_assets.cli.demo_campaign import close_the_loop
    from wk_assets.cli.demo_home import CAMPAIGN
    from wk_assets.facility.catalogue import Catalogue
    from wk_assets.facility.ingest import plan_ingest

    prepare_dagster_home(configuration)
    enter(dagster_environment(configuration))
    remark("starting Dagster in this process")
    # Imported after the environment is set, and late: it takes seconds.
    import dagster as dg

    from wk_assets.cli.dagster_runs import is_made, is_published, make_dataset, publish_dataset, register_finished

    reports: list[RunReport] = []

    def told(report: "RunReport") -> None:
        reports.append(report)
        _tell(report)

    with dg.DagsterInstance.get() as instance:
        for report in register_finished(configuration, instance):
            told(report)
        entries = Catalogue(configuration.catalogue_folder).active()
        for entry in entries:
            planned = plan_ingest(configuration, entry, configuration.compute())
            if not (planned.up_to_date and is_made(entry, instance)):
                told(make_dataset(entry, instance))  # publishes it too, as one group of assets
            elif _lacks(configuration, entry) or (
                _is_wanted(configuration, entry) and not is_published(entry, instance)
            ):
                told(publish_dataset(entry, instance))
        if CAMPAIGN in configuration.campaigns and all(report.success for report in reports):
            close_the_loop(configuration, CAMPAIGN, lambda: _go_on(configuration, instance, told))
    return entries, reports


def _go_on(configuration: "Configuration", instance: "DagsterInstance", told: Callable[["RunReport"], None]) -> bool:
    """Run what the campaign asks for; say whether all went well."""
    from wk_assets.cli.dagster_runs import go_on_with_campaigns

    success = True
    for report in go_on_with_campaigns(configuration, instance):
        told(report)
        success = success and report.success
    return success


def _is_wanted(configuration: "Configuration", entry: "CatalogueEntry") -> bool:
    from wk_assets.facility.publishing_request import publishing_of

    return publishing_of(configuration, entry) is not None


def _lacks(configuration: "Configuration", entry: "CatalogueEntry") -> bool:
    """Ask the server whether it lacks something of a dataset that is to be there."""
    from wk_assets.facility.publishing_request import publish_request, server_of
    from wk_assets.operations.transfer.publish_dataset import plan_publish
    from wk_assets.operations.transfer.publish_plan import Way

    if not _is_wanted(configuration, entry):
        return False
    return plan_publish(publish_request(configuration, entry), server_of(configuration)).way is not Way.NOTHING


def _tell(report: "RunReport") -> None:
    outcome = "done" if report.success else "failed"
    remark(f"{report.title}: {outcome} in {seconds_text(report.seconds)} (run {report.run_id[:8]})")


def _links(configuration: "Configuration", entries: "tuple[CatalogueEntry, ...]") -> dict[str, str]:
    """Give the address of each published dataset."""
    from wk_assets.facility.publishing import Publications

    publications = Publications(configuration.publications_folder)
    found = ((entry.dataset, publications.get(entry.dataset)) for entry in entries)
    return {dataset: record.url for dataset, record in found if record is not None}


def _show(
    home: Path,
    datasets: "list[DatasetReport]",
    reports: "list[RunReport]",
    links: Mapping[str, str],
    story: "CampaignStory | None",
    seconds: float,
) -> None:
    from wk_assets.cli.demo_campaign import tell_story

    show_table(
        ("dataset", "layer", "type", "voxels x, y, z", "mags", "stored", "raw"),
        [
            (
                report.name if index == 0 else "",
                f"{layer.name} ({layer.category})",
                layer.dtype,
                size_text(layer.size),
                ", ".join(mag.mag for mag in layer.mags),
                bytes_text(sum(mag.stored_bytes or 0 for mag in layer.mags)),
                bytes_text(sum(mag.raw_bytes for mag in layer.mags)),
            )
            for report in datasets
            for index, layer in enumerate(report.layers)
        ],
        numbers=("stored", "raw"),
    )
    for report in datasets:
        source = f" ({report.voxel_size_source})" if report.voxel_size_source else ""
        say(f"{report.name}: voxel size {lengths_text(report.voxel_size, report.unit)}{source}")
        say(f"  lies in {report.path}")
    layers = sum(len(report.layers) for report in datasets)
    total = (
        f"{counted(len(datasets), 'dataset')}, {counted(layers, 'layer')}, {voxels_text(_voxels(datasets))} "
        f"in {counted(_mags(datasets), 'mag')}, {bytes_text(_stored(datasets))} on disk"
    )
    if reports:
        headline(f"made {total}, in {seconds_text(seconds)} with {counted(len(reports), 'run')}")
    else:
        headline(f"nothing to do: everything is up to date, no voxel was read or written ({seconds_text(seconds)})")
        say(f"there are {total}")
    say("the size of the tomogram's voxels is assumed for the demo: its source names no unit")
    say(f"see the lineage, previews and checks: {_ui_command(home)}")
    for dataset, url in links.items():
        say(f"published {dataset}: {url} (while `{_ui_command(home)}` runs, on a stand-in for WEBKNOSSOS)")
    if story is not None:
        tell_story(story)


def _document(
    configuration: "Configuration",
    datasets: "list[DatasetReport]",
    reports: "list[RunReport]",
    links: Mapping[str, str],
    story: "CampaignStory | None",
    seconds: float,
) -> dict[str, Any]:
    return {
        "home": str(configuration.home),
        "seconds": round(seconds, 3),
        "worked": bool(reports),
        "runs": [
            {"title": one.title, "run_id": one.run_id, "success": one.success, "seconds": round(one.seconds, 3)}
            for one in reports
        ],
        "voxels": _voxels(datasets),
        "mags": _mags(datasets),
        "stored_bytes": _stored(datasets),
        "datasets": [report.to_json() for report in datasets],
        "links": dict(links),
        "campaign": None if story is None else story.to_json(),
    }


def _voxels(datasets: "list[DatasetReport]") -> int:
    from math import prod

    return sum(prod(mag.shape) for report in datasets for layer in report.layers for mag in layer.mags)


def _mags(datasets: "list[DatasetReport]") -> int:
    return sum(len(layer.mags) for report in datasets for layer in report.layers)


def _stored(datasets: "list[DatasetReport]") -> int:
    return sum(mag.stored_bytes or 0 for report in datasets for layer in report.layers for mag in layer.mags)


def _ui_command(home: Path) -> str:
    return "make ui" if home == DEFAULT_HOME and Path("Makefile").exists() else f"wk-assets ui --home {home}"
