"""`wk-assets demo`: real microscopy through the whole house, in one command, without any configuration.

The home is laid out in `demo_home`, the runs are `dagster_runs`; this is the story and its summary.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wk_assets.cli.exit_codes import ExitCode
from wk_assets.cli.options import DryRunOption, JsonOption
from wk_assets.cli.quantities import bytes_text, counted, lengths_text, seconds_text, size_text, voxels_text
from wk_assets.cli.screen import complain, headline, remark, say, show_json, show_table

if TYPE_CHECKING:
    from wk_assets.cli.dagster_runs import RunReport
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
    configuration, entries, reports = _run(home)
    failed = [report for report in reports if not report.success]
    for report in failed:
        complain(f"{report.title} failed (run {report.run_id[:8]}): {'; '.join(report.problems) or 'see the UI'}")
    if failed:
        say(f"look at it: {_ui_command(home)}")
        raise typer.Exit(ExitCode.FINDINGS)
    from wk_assets.operations.checks.inspect_dataset import inspect_dataset

    datasets = [inspect_dataset(configuration.storage_root / entry.dataset) for entry in entries]
    seconds = time.monotonic() - started
    if as_json:
        show_json(_document(configuration, datasets, reports, seconds))
    else:
        _show(home, datasets, reports, seconds)


def _run(home: Path) -> "tuple[Configuration, tuple[CatalogueEntry, ...], list[RunReport]]":
    """Register and make what is not there yet; give what is in the catalogue then, and how the runs went."""
    from wk_assets.cli.dagster_home import dagster_environment, enter, prepare_dagster_home
    from wk_assets.facility.catalogue import Catalogue
    from wk_assets.facility.configuration import FILE_NAME, load_configuration
    from wk_assets.facility.ingest import plan_ingest

    configuration = load_configuration(home.absolute() / FILE_NAME)
    prepare_dagster_home(configuration)
    enter(dagster_environment(configuration))
    remark("starting Dagster in this process")
    # Imported after the environment is set, and late: it takes seconds.
    import dagster as dg

    from wk_assets.cli.dagster_runs import is_made, make_dataset, register_finished

    reports = []
    with dg.DagsterInstance.get() as instance:
        for report in register_finished(configuration, instance):
            reports.append(report)
            _tell(report)
        entries = Catalogue(configuration.catalogue_folder).active()
        for entry in entries:
            planned = plan_ingest(configuration, entry, configuration.compute())
            if not (planned.up_to_date and is_made(entry, instance)):
                report = make_dataset(entry, instance)
                reports.append(report)
                _tell(report)
    return configuration, entries, reports


def _tell(report: "RunReport") -> None:
    outcome = "done" if report.success else "failed"
    remark(f"{report.title}: {outcome} in {seconds_text(report.seconds)} (run {report.run_id[:8]})")


def _show(home: Path, datasets: "list[DatasetReport]", reports: "list[RunReport]", seconds: float) -> None:
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


def _document(
    configuration: "Configuration", datasets: "list[DatasetReport]", reports: "list[RunReport]", seconds: float
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
