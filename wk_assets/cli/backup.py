"""`wk-assets backup` and `wk-assets restore`: what a home knows, kept and brought back."""

from pathlib import Path
from typing import Annotated

import typer

from wk_assets.cli.options import HomeOption, configuration_of
from wk_assets.cli.screen import headline, say


def backup(
    folder: Annotated[Path, typer.Argument(help="Where backups are kept; another disk than the home's.")],
    home: HomeOption = None,
) -> None:
    """Keep configuration, catalogue, publications and Dagster's history in a new folder; everything may run meanwhile."""
    from wk_assets.cli.quantities import bytes_text, counted
    from wk_assets.facility.backup import write_backup

    written = write_backup(configuration_of(home), folder)
    headline(f"{written.path}")
    say(
        f"{counted(len(written.files), 'file')}, {bytes_text(written.size_bytes)}; verified. Voxels are not in it: see copy-dataset"
    )


def restore(
    backup_folder: Annotated[Path, typer.Argument(metavar="BACKUP", help="The folder that `backup` printed.")],
    home: Annotated[Path, typer.Argument(help="The home to make; it must not exist, or be empty.")],
) -> None:
    """Verify a backup, and make a home of it."""
    from wk_assets.facility.backup import read_backup, restore_backup

    found = read_backup(backup_folder)
    restore_backup(found, home)
    headline(f"{home} is as it was")
    say(f"{len(found.files)} files of wk-assets {found.version}. Next: `wk-assets check --home {home}`")
