"""Run Dagster's webserver behind the guard of `web_guard`, on the loopback address or a socket of this machine.

`python -m wk_assets.cli.guarded_webserver --workspace workspace.yaml --port 3000 [--host-name wk-assets.lab.org]`; what
`wk-assets ui` and the units in deploy/ start. A password comes from the environment only (WK_ASSETS_WEB_PASSWORD, with the
name in WK_ASSETS_WEB_USER, by default `facility`).
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from resources.webserver import DEFAULT_USER, PASSWORD_VARIABLE, USER_VARIABLE
from wk_assets.cli.web_guard import Login, WebGuard
from wk_assets.errors import InputError

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


def hosts_of(port: int, names: tuple[str, ...]) -> tuple[str, ...]:
    """Give the Host headers that are meant: this machine at the port, and the names of a proxy before it."""
    return (*(f"{name}:{port}" for name in LOOPBACK_NAMES), *names)


def login_of(environment: Mapping[str, str]) -> Login | None:
    """Read the login from the environment; None if no password is set. Raises InputError for an empty one."""
    password = environment.get(PASSWORD_VARIABLE)
    if password is None:
        return None
    if not password.strip():
        raise InputError(f"{PASSWORD_VARIABLE} is set and empty; set a password, or unset it")
    return Login(name=environment.get(USER_VARIABLE, DEFAULT_USER), password=password)


def serve(
    workspace: Annotated[Path, typer.Option("--workspace", exists=True, help="Dagster's list of code locations.")],
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 3000,
    listen: Annotated[str, typer.Option("--listen", help="The address of this machine to listen at.")] = "127.0.0.1",
    socket: Annotated[Path | None, typer.Option("--socket", help="A socket file instead of a port.")] = None,
    host_name: Annotated[
        list[str] | None, typer.Option("--host-name", help="A name under which a proxy reaches it. Repeatable.")
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Show everything, let nobody start anything.")] = False,
) -> None:
    """Serve Dagster's UI to those who may see it."""
    login = login_of(os.environ)
    if listen not in {"127.0.0.1", "::1", "localhost"} and login is None and socket is None:
        raise InputError(
            f"--listen {listen} opens the UI to other machines, and {PASSWORD_VARIABLE} is not set: whoever reaches it "
            "could start and delete runs. Set it, and put a proxy with TLS in front (deploy/README.md)"
        )
    _run(workspace, port, listen, socket, tuple(host_name or ()), login, read_only=read_only)


def _run(
    workspace: Path,
    port: int,
    listen: str,
    socket: Path | None,
    names: tuple[str, ...],
    login: Login | None,
    *,
    read_only: bool,
) -> None:
    # here, not above: Dagster takes seconds to import, and a wrong option should not
    import dagster as dg
    import uvicorn
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget
    from dagster_webserver.app import create_app_from_workspace_process_context

    with (
        dg.DagsterInstance.get() as instance,
        WorkspaceProcessContext(
            instance, workspace_load_target=WorkspaceFileTarget([str(workspace)]), read_only=read_only
        ) as context,
    ):
        app = WebGuard(create_app_from_workspace_process_context(context), hosts_of(port, names), login)
        # The name of another machine's proxy is not needed here: the guard looks at Host and Origin as they are.
        if socket is not None:
            uvicorn.run(app, uds=str(socket), log_level="warning", proxy_headers=False)
        else:
            uvicorn.run(app, host=listen, port=port, log_level="warning", proxy_headers=False)


if __name__ == "__main__":
    typer.run(serve)
