from pathlib import Path

import pytest

from tests.cli.conftest import CONFIGURATION, Command
from wk_assets.cli.exit_codes import ExitCode
from wk_assets.facility.configuration import load_configuration


def test_init_writes_a_file_that_loads(command: Command, tmp_path: Path) -> None:
    outcome = command("init", tmp_path / "facility")

    assert outcome.code == ExitCode.OK
    assert load_configuration(tmp_path / "facility").instruments
    assert "wk-assets check --home" in outcome.out


def test_init_overwrites_nothing(command: Command, home: Path) -> None:
    outcome = command("init", home)

    assert outcome.code == ExitCode.CONFIGURATION
    assert "it is there already" in outcome.err
    assert (home / "wk_assets.yaml").read_text() == CONFIGURATION


def test_a_dry_run_of_init_prints_the_file_and_writes_none(command: Command, tmp_path: Path) -> None:
    outcome = command("init", tmp_path / "facility", "--dry-run")

    assert outcome.code == ExitCode.OK
    assert "instruments:" in outcome.out
    assert list(tmp_path.iterdir()) == []


def test_check_of_a_sound_home_finds_nothing_that_stops_the_work(command: Command, home: Path) -> None:
    outcome = command("check", "--home", home, "--json")

    assert outcome.code == ExitCode.OK
    assert outcome.document["ok"] is True
    assert {finding["severity"] for finding in outcome.document["findings"]} <= {"warning"}


def test_check_finds_the_home_through_the_environment(
    command: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WK_ASSETS_CONFIG", str(home / "wk_assets.yaml"))

    assert command("check", "--json").document["home"] == str(home)


def test_check_finds_the_home_in_the_current_folder(
    command: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)

    assert command("check", "--json").document["home"] == str(home)


def test_check_names_every_mistake_of_the_file_at_once(command: Command, home: Path) -> None:
    wrong = CONFIGURATION.replace("rule: marker", "rule: telepathy").replace("category: color", "category: colour")
    (home / "wk_assets.yaml").write_text(wrong)

    outcome = command("check", "--home", home)

    assert outcome.code == ExitCode.CONFIGURATION
    assert "2 mistakes" in outcome.err
    assert "telepathy" in outcome.err
    assert "colour" in outcome.err


def test_check_ends_with_its_own_code_on_a_finding(command: Command, home: Path) -> None:
    (home / "inbox").rmdir()

    outcome = command("check", "--home", home)

    assert outcome.code == ExitCode.FINDINGS
    assert "instruments.0.watch" in outcome.out


def test_a_missing_home_is_told_with_the_remedy(command: Command, tmp_path: Path) -> None:
    outcome = command("check", "--home", tmp_path / "nowhere")

    assert outcome.code == ExitCode.CONFIGURATION
    assert f"wk-assets init {tmp_path / 'nowhere'}" in outcome.err
