"""`wk-assets ingest FOLDER`: an acquisition becomes a dataset, here and now, without Dagster."""

from pathlib import Path
from typing import Annotated

import typer

from wk_assets.cli.exit_codes import ExitCode
from wk_assets.cli.options import DryRunOption, HomeOption, InstrumentOption, JsonOption, configuration_of
from wk_assets.cli.screen import complain, headline, say, show_json


def ingest(
    folder: Annotated[Path, typer.Argument(help="The folder of one acquisition.")],
    home: HomeOption = None,
    instrument: InstrumentOption = None,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Import even if the instrument's rule does not call it finished.")
    ] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Import an acquisition: register, plan, run, check, commit. Run again after a crash, it goes on."""
    from wk_assets.cli.acquisition_folder import acquisition_of, require_finished
    from wk_assets.cli.plan import show_plan
    from wk_assets.cli.progress import shown_progress
    from wk_assets.cli.result_report import check_documents, result_documents, show_results
    from wk_assets.facility.ingest import ingest as ingest_acquisition

    configuration = configuration_of(home)
    acquisition = acquisition_of(configuration, folder, instrument)
    if dry_run:
        show_plan(configuration, acquisition, as_json=as_json)
        return
    if not unfinished:
        require_finished(configuration, acquisition)
    with shown_progress(acquisition.name, quiet=as_json) as listener:
        result = ingest_acquisition(configuration, acquisition, configuration.compute(), listener)
    if as_json:
        show_json(
            {
                "dataset": result.entry.dataset,
                "dataset_path": str(result.dataset_path),
                "published": result.published,
                "seconds": round(result.seconds, 3),
                "layers": result_documents(result.layers),
                "checks": check_documents(result.checks),
            }
        )
    else:
        headline(f"{acquisition.name} ({acquisition.instrument}) -> {result.dataset_path}")
        show_results(result.layers, result.checks, result.seconds)
        if result.published:
            say(f"look at it: wk-assets info {result.dataset_path}")
    if not result.published:
        complain("a check of severity error failed: the layers are there, but the dataset is not published")
        raise typer.Exit(ExitCode.FINDINGS)
