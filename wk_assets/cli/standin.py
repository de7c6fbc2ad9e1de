"""`wk-assets standin`: a WEBKNOSSOS stand-in on this machine, to try publishing and tasks without a server."""

from pathlib import Path
from typing import Annotated

import typer

from wk_assets.cli.options import DryRunOption
from wk_assets.cli.screen import headline, remark, say


def standin(
    folder: Annotated[
        Path, typer.Argument(help="Where it keeps what it is given; a folder of its own, made if it is not there.")
    ] = Path(".standin"),
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port to listen on.")] = 9000,
    api_version: Annotated[
        int, typer.Option("--api-version", min=13, max=16, help="The newest version of the API that it speaks.")
    ] = 16,
    dry_run: DryRunOption = False,
) -> None:
    """Run a stand-in for a WEBKNOSSOS server on the loopback address. Ctrl-C ends it; what it was given stays."""
    import os

    from wk_assets.standin.app import open_world
    from wk_assets.standin.seed import seed
    from wk_assets.standin.server import LOOPBACK, require_free_port, serve
    from wk_assets.standin.world import Settings

    url = f"http://{LOOPBACK}:{port}"
    if dry_run:
        say(f"would listen at {url} and keep everything in {folder}")
        return
    require_free_port(port)
    world = open_world(folder, url, Settings(current_version=api_version))
    first = seed(world, admin_token=os.environ.get("WK_TOKEN") or None)
    headline(f"the stand-in listens at {url}")
    if first is None:
        say("it knows its users from before; `GET /_standin/users` shows their tokens")
    elif os.environ.get("WK_TOKEN"):
        say("the administrator's token is the one in WK_TOKEN")
    else:
        # a token of a throw-away server on this machine: showing it is what makes the server usable
        say(f"export WK_URL={url} WK_TOKEN={first.admin}")
    remark("it does not do proofreading or jobs, and asks for no passwords: for demos and tests only")
    try:
        serve(world, port)
    finally:
        world.close()
