"""`wk-assets check-equality SOURCE TARGET`: whether two datasets hold the same voxels, whatever they are stored in."""

import time
from pathlib import Path
from typing import Annotated

import typer

from wk_assets.cli.exit_codes import ExitCode
from wk_assets.cli.options import JsonOption
from wk_assets.cli.screen import complain, say, show_json


def check_equality(
    source: Annotated[Path, typer.Argument(help="The directory of a dataset.")],
    target: Annotated[Path, typer.Argument(help="The directory of the other.")],
    layer_name: Annotated[
        list[str] | None,
        typer.Option("--layer-name", help="Compare this layer alone; may be given several times. Default: all."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two datasets: layers, boxes, mags and every voxel. Formats, chunks and compression may differ."""
    from wk_assets.cli.progress import shown_count
    from wk_assets.cli.quantities import counted, seconds_text
    from wk_assets.operations.checks.compare_datasets import compare_datasets

    started = time.monotonic()
    with shown_count("comparing", "voxel", quiet=as_json) as listener:
        differences = compare_datasets(source, target, layer_name or None, listener)
    if as_json:
        show_json(
            {
                "equal": not differences,
                "differences": [{"layer": one.layer, "mag": one.mag, "what": one.what} for one in differences],
            }
        )
    elif not differences:
        say(f"{source} and {target} hold the same ({seconds_text(time.monotonic() - started)})")
    else:
        for one in differences:
            say(str(one))
        complain(f"{source} and {target} are not the same: {counted(len(differences), 'difference')}, see above")
    if differences:
        raise typer.Exit(ExitCode.FINDINGS)
