import socket
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.cli.ports import free_port
from wk_assets.cli.dagster_home import dagster_environment, deployment_file, prepare_dagster_home
from wk_assets.cli.exit_codes import ExitCode
from wk_assets.cli.ui_processes import preview_port
from wk_assets.facility.configuration import load_configuration


@pytest.mark.parametrize(
    ("url", "port"),
    [
        (None, None),
        ("http://127.0.0.1:3071", 3071),
        ("http://localhost:8000", 8000),
        ("https://pictures.example.org", None),
        ("http://pictures.example.org:3071", None),
    ],
)
def test_only_pictures_of_this_machine_are_served_here(url: str | None, port: int | None) -> None:
    assert preview_port(url) == port


def test_everything_listens_on_the_loopback_address(command: Command, home: Path) -> None:
    outcome = command("ui", "--home", home, "--dry-run")

    assert outcome.code == ExitCode.OK
    assert "--listen 127.0.0.1" in outcome.out
    assert "--socket" in outcome.out
    assert not (home / "dagster").exists()


def test_a_port_that_is_taken_is_told_before_anything_starts(command: Command, home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        outcome = command("ui", "--home", home, "--port", str(port), "--no-browser")

    assert outcome.code == ExitCode.CONFIGURATION
    assert f"port {port}" in outcome.err
    assert "--port" in outcome.err


def test_a_home_without_configuration_starts_nothing(command: Command, tmp_path: Path) -> None:
    outcome = command("ui", "--home", tmp_path, "--port", str(free_port()))

    assert outcome.code == ExitCode.CONFIGURATION
    assert not (tmp_path / "dagster").exists()


def test_dagster_gets_its_settings_once_and_a_persons_own_are_kept(home: Path) -> None:
    configuration = load_configuration(home)
    folder = prepare_dagster_home(configuration)
    shipped = (folder / "dagster.yaml").read_text()
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")

    prepare_dagster_home(configuration)

    assert shipped == deployment_file("dagster.yaml").read_text()
    assert (folder / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"


def test_dagsters_processes_find_the_home_and_the_webserver(home: Path) -> None:
    variables = dagster_environment(load_configuration(home), "127.0.0.1:3000")

    assert variables["DAGSTER_HOME"] == str(home / "dagster")
    assert variables["WK_ASSETS_CONFIG"] == str(home / "wk_assets.yaml")
    assert variables["WK_ASSETS_WEBSERVER"] == "127.0.0.1:3000"
    assert variables["DAGSTER_DISABLE_TELEMETRY"] == "yes"
