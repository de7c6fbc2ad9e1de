"""The code location loads whatever the home looks like, and says what is wrong when it can not."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from tests.assets.facility_home import CONFIGURATION, make_home
from wk_assets.definitions import defs
from wk_assets.errors import ConfigurationError


def keys(definitions: dg.Definitions) -> list[str]:
    return sorted(key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys())


def test_a_home_without_a_catalogue_has_the_catalogue_asset_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WK_ASSETS_CONFIG", str(make_home(tmp_path)))

    assert keys(defs()) == ["catalogue"]
    assert not (tmp_path / "catalogue").exists()


def test_the_configuration_of_the_working_directory_is_taken_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_home(tmp_path)
    monkeypatch.chdir(tmp_path)

    assert keys(defs()) == ["catalogue"]


def test_a_broken_entry_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WK_ASSETS_CONFIG", str(make_home(tmp_path)))
    (tmp_path / "catalogue").mkdir()
    (tmp_path / "catalogue" / "broken.json").write_text("{")

    assert keys(defs()) == ["catalogue"]


def test_a_configuration_with_mistakes_is_one_message_with_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = CONFIGURATION.replace("threads: 2", "threads: many").replace("rule: marker", "rule: guess")
    monkeypatch.setenv("WK_ASSETS_CONFIG", str(make_home(tmp_path, wrong)))

    with pytest.raises(ConfigurationError) as caught:
        defs()

    assert "2 mistakes" in str(caught.value)
    assert "compute.threads" in str(caught.value)
    assert "instruments.0.finished" in str(caught.value)


def test_a_missing_configuration_says_how_to_write_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WK_ASSETS_CONFIG", str(tmp_path / "wk_assets.yaml"))

    with pytest.raises(ConfigurationError, match="wk-assets init"):
        defs()


def test_importing_the_definitions_reads_nothing(tmp_path: Path) -> None:
    """No environment, file or clock at import: a tool must be able to look at the module anywhere."""
    code = "import wk_assets.definitions as d; print(type(d.defs).__name__)"

    shown = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert shown.stdout.strip() == "LazyDefinitions", shown.stderr
    assert list(tmp_path.iterdir()) == []
