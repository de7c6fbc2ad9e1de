"""`wk-assets init`: a commented wk_assets.yaml to fill in. Overwrites nothing."""

from pathlib import Path
from typing import Annotated

import typer

from wk_assets.cli.options import DryRunOption
from wk_assets.cli.screen import say


def init(
    folder: Annotated[Path, typer.Argument(help="The folder that becomes the home.")] = Path(),
    dry_run: DryRunOption = False,
) -> None:
    """Write a commented wk_assets.yaml: storage, instruments, publishing."""
    from wk_assets.errors import ConfigurationError, Problem
    from wk_assets.facility.configuration import FILE_NAME
    from wk_assets.facility.template import configuration_template
    from wk_assets.storage.durable import write_atomically

    file = folder / FILE_NAME
    if file.exists():
        raise ConfigurationError(
            str(file), [Problem(FILE_NAME, "it is there already", "Edit it, or choose another folder")]
        )
    text = configuration_template()
    if dry_run:
        say(text.rstrip("\n"))
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(file, text.encode())
    say(f"wrote {file}")
    say(f"next: edit it, then `wk-assets check{'' if folder == Path() else f' --home {folder}'}`")
