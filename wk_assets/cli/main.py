"""The command `wk-assets`: its commands, and how an error becomes one message and an exit code.

Each command is a module beside this one, which imports what it needs when it runs: `--help` must answer at once.
"""

import gc
import os
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from wk_assets import __version__
from wk_assets.cli.annotations import annotations
from wk_assets.cli.backup import backup, restore
from wk_assets.cli.check import check
from wk_assets.cli.check_equality import check_equality
from wk_assets.cli.convert import convert
from wk_assets.cli.convert_other import convert_knossos, convert_raw, convert_zarr
from wk_assets.cli.demo import demo
from wk_assets.cli.download import download
from wk_assets.cli.downsample import downsample
from wk_assets.cli.exit_codes import ExitCode, exit_code
from wk_assets.cli.export import export, export_as_tiff
from wk_assets.cli.info import info
from wk_assets.cli.ingest import ingest
from wk_assets.cli.init import init
from wk_assets.cli.merge_fallback import merge_fallback
from wk_assets.cli.plan import plan
from wk_assets.cli.projects import projects
from wk_assets.cli.publish import publish
from wk_assets.cli.rewrite import compress, copy_dataset
from wk_assets.cli.screen import complain, remark
from wk_assets.cli.standin import standin
from wk_assets.cli.status import status
from wk_assets.cli.store_copy import pull, push
from wk_assets.cli.tasks import tasks
from wk_assets.cli.ui import ui
from wk_assets.cli.upload import upload
from wk_assets.cli.upsample import upsample
from wk_assets.cli.verify import verify
from wk_assets.errors import WkAssetsError

DEBUG_VARIABLE = "WK_ASSETS_DEBUG"
_SET_UP, _WORK, _PEOPLE, _LOOK = "Set up", "Make datasets", "Work of people", "Look"


class ErrorReportingGroup(TyperGroup):
    """Turn every error of a command into one message on standard error and a documented exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the arguments name."""
        try:
            return super().invoke(ctx)
        except (WkAssetsError, OSError, KeyboardInterrupt) as error:
            # A reader that went away (`wk-assets info … | head`) is no error of ours: typer ends quietly.
            if isinstance(error, BrokenPipeError):
                raise
            report(error, debug=bool(ctx.params.get("debug")))
            raise typer.Exit(exit_code(error)) from error
        except Exception as error:
            # Typer's own errors (usage, exit) know their exit code; anything else is a defect of ours.
            if isinstance(error, typer.Exit | typer.Abort) or hasattr(error, "exit_code"):
                raise
            report(error, debug=bool(ctx.params.get("debug")))
            raise typer.Exit(ExitCode.UNEXPECTED) from error


def report(error: BaseException, *, debug: bool) -> None:
    """Print one message for an error; with `debug` the traceback before it."""
    if debug:
        remark("".join(traceback.format_exception(error)).rstrip())
    if isinstance(error, KeyboardInterrupt):
        complain("interrupted; nothing half-written is visible, and the same command goes on where this one stopped")
    elif isinstance(error, WkAssetsError):
        complain(str(error))
    elif exit_code(error) is ExitCode.STORAGE:
        complain(f"the operating system refuses: {error}")
    else:
        complain(f"unexpected {type(error).__name__}: {error}")
        if not debug:
            remark(
                "This is a defect of wk-assets. `wk-assets --debug …` shows where; please report it with that output."
            )


app = typer.Typer(
    name="wk-assets",
    cls=ErrorReportingGroup,
    help="Turn microscope output into WEBKNOSSOS datasets, as a lineage of assets that you can see, check and rerun.",
    epilog="Exit codes: 0 done, 1 defect, 2 usage, 3 configuration or request, 4 source, 5 storage, 6 locked, "
    "7 findings, 8 server, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"wk-assets {__version__}")
        raise typer.Exit


@app.callback()
def main(
    debug: Annotated[
        bool, typer.Option("--debug", envvar=DEBUG_VARIABLE, help="Show the traceback of an error.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Turn microscope output into WEBKNOSSOS datasets, as a lineage of assets that you can see, check and rerun."""


app.command(rich_help_panel=_SET_UP)(init)
app.command(rich_help_panel=_SET_UP)(check)
app.command(rich_help_panel=_SET_UP)(demo)
app.command(rich_help_panel=_WORK)(plan)
app.command(rich_help_panel=_WORK)(ingest)
app.command(rich_help_panel=_WORK)(convert)
app.command("convert-raw", rich_help_panel=_WORK)(convert_raw)
app.command("convert-zarr", rich_help_panel=_WORK)(convert_zarr)
app.command("convert-knossos", rich_help_panel=_WORK)(convert_knossos)
app.command(rich_help_panel=_WORK)(downsample)
app.command(rich_help_panel=_WORK)(upsample)
app.command(rich_help_panel=_WORK)(compress)
app.command("copy-dataset", rich_help_panel=_WORK)(copy_dataset)
app.command(rich_help_panel=_WORK)(export)
app.command("export-as-tiff", rich_help_panel=_WORK)(export_as_tiff)
app.command(rich_help_panel=_WORK)(upload)
app.command(rich_help_panel=_WORK)(push)
app.command(rich_help_panel=_WORK)(pull)
app.command(rich_help_panel=_WORK)(publish)
app.command("merge-fallback", rich_help_panel=_WORK)(merge_fallback)
app.add_typer(annotations, rich_help_panel=_PEOPLE)
app.command(rich_help_panel=_WORK)(download)
app.add_typer(tasks, rich_help_panel=_PEOPLE)
app.command(rich_help_panel=_PEOPLE)(projects)
app.command(rich_help_panel=_LOOK)(info)
app.command("check-equality", rich_help_panel=_LOOK)(check_equality)
app.command(rich_help_panel=_LOOK)(verify)
app.command(rich_help_panel=_LOOK)(status)
app.command(rich_help_panel=_LOOK)(ui)
app.command(rich_help_panel=_SET_UP)(standin)
app.command(rich_help_panel=_SET_UP)(backup)
app.command(rich_help_panel=_SET_UP)(restore)


def run() -> None:
    """Be the program `wk-assets`."""
    # Every process that a command starts reports to nobody.
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    # What a command imports stays: looking through it for garbage every 700 objects takes a tenth of a short command.
    gc.set_threshold(100_000, 50, 100)
    app()
