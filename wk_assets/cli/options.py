"""Options that several commands share, and how the home that they name is found.

The *home* is the folder of wk_assets.yaml.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from wk_assets.facility.configuration import Configuration

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        help="Folder with wk_assets.yaml. Default: the file that WK_ASSETS_CONFIG names, else the current folder.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and do nothing.")]
InstrumentOption = Annotated[
    str | None,
    typer.Option("--instrument", help="Which instrument of the configuration wrote the folder, if that is not clear."),
]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", min=1, max=1024, help="How many threads to use. Default: every core.")
]
MemoryOption = Annotated[
    str | None, typer.Option("--memory", help="Peak memory of the whole process, e.g. '512 MiB'. Default: 1 GiB.")
]


def configuration_of(home: Path | None) -> "Configuration":
    """Load the configuration of a home. Raises ConfigurationError, which says what `wk-assets init` is for."""
    from wk_assets.facility.configuration import FILE_NAME, configuration_path, load_configuration

    if home is None:
        return load_configuration(configuration_path())
    return load_configuration(home if home.is_file() else home / FILE_NAME)
