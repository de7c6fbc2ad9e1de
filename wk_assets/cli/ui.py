"""`wk-assets ui`: the Dagster UI and its daemon on a home, and the server of its preview pictures; all on loopback."""

from pathlib import Path
from typing import Annotated

import typer

from wk_assets.cli.options import DryRunOption, HomeOption, configuration_of
from wk_assets.cli.screen import headline, remark, say


def ui(
    home: HomeOption = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port of the UI.")] = 3000,
    browser: Annotated[
        bool | None, typer.Option("--browser/--no-browser", help="Open a browser. Default: if there is a screen.")
    ] = None,
    dry_run: DryRunOption = False,
) -> None:
    """Open the Dagster UI on a home: lineage, previews, checks; sensors watch the instruments. Ctrl-C ends it."""
    from wk_assets.cli.dagster_home import prepare_dagster_home
    from wk_assets.cli.demo_server import demo_server
    from wk_assets.cli.ui_processes import UiProcesses, preview_port

    configuration = configuration_of(home)
    processes = UiProcesses(configuration, port, preview_port(configuration.previews.url))
    if dry_run:
        for name, command in processes.commands(Path("DIRECTORY")).items():
            say(f"would start the {name}: {' '.join(command)}")
        return
    processes.require_free_ports()
    prepare_dagster_home(configuration)
    remark(f"starting Dagster on {configuration.home}; the first start takes about half a minute")

    def ready() -> None:
        headline(f"the UI is open at {processes.address}")
        say(f"lineage: {processes.address}/asset-groups   Ctrl-C ends it")
        if _opens_browser(browser):
            import webbrowser

            webbrowser.open(f"{processes.address}/asset-groups")

    with demo_server(configuration) as server:
        if server is not None:
            remark(f"the demo's stand-in for WEBKNOSSOS listens at {server}")
        code = processes.run(ready)
    if code:
        raise typer.Exit(1)


def _opens_browser(wanted: bool | None) -> bool:
    import os
    import sys

    if wanted is not None:
        return wanted
    screen = sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(screen) and sys.stdout.isatty() and not os.environ.get("CI")
