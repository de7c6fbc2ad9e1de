"""Where Dagster keeps its state for a home, and the environment that makes its processes find the configuration.

Starts nothing and imports no dagster. The settings come from deploy/dagster.yaml; a person's own file is left alone.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import wk_assets

if TYPE_CHECKING:
    from wk_assets.facility.configuration import Configuration

SETTINGS_NAME = "dagster.yaml"
WORKSPACE_NAME = "workspace.yaml"


def prepare_dagster_home(configuration: "Configuration") -> Path:
    """Make `<home>/dagster` with its settings, if it is not there; give the folder."""
    folder = configuration.dagster_home
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / SETTINGS_NAME).exists():
        shutil.copyfile(deployment_file(SETTINGS_NAME), folder / SETTINGS_NAME)
    return folder


def dagster_environment(configuration: "Configuration", webserver: str | None = None) -> Mapping[str, str]:
    """Give the variables that Dagster's processes need. `webserver`: host:port of the UI that is told of new datasets."""
    from wk_assets.facility.configuration import CONFIG_VARIABLE, FILE_NAME

    variables = {
        "DAGSTER_HOME": str(configuration.dagster_home),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        CONFIG_VARIABLE: str(configuration.home / FILE_NAME),
    }
    return variables if webserver is None else {**variables, "WK_ASSETS_WEBSERVER": webserver}


def deployment_file(name: str) -> Path:
    """Find a file of the deployment: inside the installed package, or beside it in a checkout.

    Raises FileNotFoundError if the installation lacks it.
    """
    package = Path(wk_assets.__file__).parent
    for candidate in (package / "deploy" / name, package.parent / "deploy" / name, package.parent / name):
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(f"this installation of wk-assets lacks {name}; install it again")


def enter(variables: Mapping[str, str]) -> None:
    """Set the variables for this process, as a command does that runs Dagster inside of itself."""
    os.environ.update(variables)
