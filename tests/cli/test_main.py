import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from tests.cli.conftest import Command
from wk_assets import __version__
from wk_assets.cli.exit_codes import ExitCode
from wk_assets.cli.main import app


def _commands(group: typer.Typer) -> tuple[str, ...]:
    own = [str(one.name or (one.callback and one.callback.__name__)) for one in group.registered_commands]
    within = [
        f"{one.typer_instance.info.name} {name}"
        for one in group.registered_groups
        if one.typer_instance is not None
        for name in _commands(one.typer_instance)
    ]
    return (*own, *within)


COMMANDS = _commands(app)
PROGRAM = (sys.executable, "-c", "from wk_assets.cli.main import run; run()")


def test_the_help_lists_every_command(command: Command) -> None:
    outcome = command("--help")

    assert outcome.code == ExitCode.OK
    assert all(f" {name.split()[0]} " in outcome.out for name in COMMANDS)


def test_the_readme_tells_every_command_and_what_it_can(command: Command, repository: Path) -> None:
    table = (repository / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| `wk-assets ([a-z-]+(?: [a-z-]+)*).*\| (yes|) ?\| (yes|) ?\|$", table, re.MULTILINE)

    assert sorted(name for name, _, _ in rows) == sorted(COMMANDS)
    for name, speaks_json, has_dry_run in rows:
        explained = command(*name.split(), "--help").out
        assert ("--json" in explained, "--dry-run" in explained) == (bool(speaks_json), bool(has_dry_run)), name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(command: Command, name: str) -> None:
    outcome = command(*name.split(), "--help")

    assert outcome.code == ExitCode.OK
    assert "Usage" in outcome.out


@pytest.mark.parametrize("name", ["check", "demo", "plan", "ingest", "convert", "downsample", "info", "status"])
def test_every_command_that_reports_speaks_json(command: Command, name: str) -> None:
    assert "--json" in command(name, "--help").out


@pytest.mark.parametrize("name", ["init", "demo", "ingest", "convert", "downsample", "ui"])
def test_every_command_that_acts_can_be_asked_what_it_would_do(command: Command, name: str) -> None:
    assert "--dry-run" in command(name, "--help").out


def test_the_version_is_the_packages(command: Command) -> None:
    assert command("--version").out == f"wk-assets {__version__}\n"


@pytest.mark.parametrize("arguments", [["bogus"], ["plan"], ["check", "--bogus"], ["ui", "--port", "0"]])
def test_a_wrong_use_ends_with_the_code_for_usage(command: Command, arguments: list[str]) -> None:
    outcome = command(*arguments)

    assert outcome.code == ExitCode.USAGE
    assert outcome.out == ""


def test_an_error_is_one_message_on_standard_error(command: Command, tmp_path: Path) -> None:
    outcome = command("info", tmp_path)

    assert outcome.code == ExitCode.STORAGE
    assert outcome.out == ""
    assert outcome.err.startswith("error: ")
    assert str(tmp_path) in outcome.err
    assert "Traceback" not in outcome.err


def test_debug_shows_where_an_error_came_from(command: Command, tmp_path: Path) -> None:
    outcome = command("--debug", "info", tmp_path)

    assert outcome.code == ExitCode.STORAGE
    assert "Traceback" in outcome.err
    assert outcome.err.rstrip().splitlines()[-1].startswith("error: ")


def test_a_defect_is_called_one(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(path: Path) -> None:
        raise ZeroDivisionError("by chance")

    monkeypatch.setattr("wk_assets.operations.checks.inspect_dataset.inspect_dataset", broken)

    outcome = command("info", tmp_path)

    assert outcome.code == ExitCode.UNEXPECTED
    assert "unexpected ZeroDivisionError: by chance" in outcome.err
    assert "--debug" in outcome.err


def test_the_program_ends_with_the_exit_code(tmp_path: Path) -> None:
    finished = subprocess.run([*PROGRAM, "check", "--home", str(tmp_path)], capture_output=True, text=True, check=False)

    assert finished.returncode == ExitCode.CONFIGURATION
    assert "wk-assets init" in finished.stderr


def test_a_reader_that_goes_away_is_no_defect(home: Path) -> None:
    """`wk-assets status | head` must not end with a traceback."""
    reading, writing = os.pipe()
    os.close(reading)

    finished = subprocess.run(
        [*PROGRAM, "status", "--json", "--home", str(home)],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)

    assert "Traceback" not in finished.stderr
    assert "unexpected" not in finished.stderr


def test_no_color_is_respected_even_on_a_terminal(home: Path) -> None:
    environment = {**os.environ, "FORCE_COLOR": "1", "NO_COLOR": "1"}

    finished = subprocess.run(
        [*PROGRAM, "status", "--home", str(home)], capture_output=True, text=True, check=True, env=environment
    )

    assert "\x1b[3" not in finished.stdout


def _listen_to_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
def test_ctrl_c_ends_with_its_own_code_and_leaves_nothing_running(home: Path) -> None:
    """The UI is the one command that a person ends with Ctrl-C: it takes its servers with it."""
    from tests.cli.ports import free_port

    port = free_port()
    with subprocess.Popen(
        [*PROGRAM, "ui", "--home", str(home), "--port", str(port), "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # started in the background of a shell, the tests ignore Ctrl-C, and so would everything that they start
        preexec_fn=_listen_to_ctrl_c,  # noqa: PLW1509 -- the child only sets a signal's handler
    ) as process:
        time.sleep(8)
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=60)
        finally:
            process.kill()

    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert process.returncode == ExitCode.OK
    assert [line for line in listed.splitlines() if f"--port {port}" in line or f"-p {port}" in line] == []
