"""The demo's server: one per home, its token for nobody else to read, served by whoever runs first."""

import stat
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import Command
from wk_assets.cli.demo_server import DEMO_TOKEN_VARIABLE, choose_port, demo_server
from wk_assets.errors import ConfigurationError
from wk_assets.facility.configuration import Configuration, load_configuration
from wk_assets.standin.server import LOOPBACK, free_port, running_standin

INSTRUMENT = "instruments: [{name: a, watch: inbox, finished: {rule: marker, file: D}, layers: [{name: b, files: c}]}]"


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configuration:
    monkeypatch.setenv(DEMO_TOKEN_VARIABLE, "of an earlier demo")  # also so that it is taken back
    file = tmp_path / "wk_assets.yaml"
    server = f'{{url: "http://{LOOPBACK}:{free_port()}", token_variable: {DEMO_TOKEN_VARIABLE}}}'
    file.write_text(f"version: 1\nwebknossos: {server}\n{INSTRUMENT}\n")
    return load_configuration(file)


def _user(url: str | None, token: str) -> httpx.Response:
    return httpx.get(f"{url}/api/user", headers={"X-Auth-Token": token}, trust_env=False)


def test_the_token_is_kept_and_nobody_else_may_read_it(configuration: Configuration) -> None:
    folder = configuration.home / "standin"
    with demo_server(configuration) as url:
        token = (folder / "token").read_text()
        assert _user(url, token).json()["isAdmin"]
        assert configuration.webknossos.token() == token
    with demo_server(configuration) as url:
        assert _user(url, token).is_success

    assert stat.S_IMODE((folder / "token").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in folder.glob(".*")) == []


def test_a_second_one_on_the_same_home_uses_the_first(configuration: Configuration) -> None:
    with demo_server(configuration) as first:
        with demo_server(configuration) as second:
            assert first == second
        token = (configuration.home / "standin" / "token").read_text()
        assert _user(first, token).is_success  # the end of the second is not that of the first


def test_another_server_at_its_port_is_not_taken_for_it(configuration: Configuration, tmp_path: Path) -> None:
    port = int(str(configuration.webknossos.url).rpartition(":")[2])

    with (
        running_standin(tmp_path / "other", port=port),
        pytest.raises(ConfigurationError, match="another program listens"),
        demo_server(configuration),
    ):
        pass


def test_the_check_of_a_demo_misses_no_token(
    configuration: Configuration, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(DEMO_TOKEN_VARIABLE)

    found = command("check", "--home", configuration.home, "--json").document["findings"]

    assert [one["where"] for one in found if "token" in one["what"].lower()] == []


def test_a_home_that_is_no_demos_has_no_server(tmp_path: Path) -> None:
    file = tmp_path / "wk_assets.yaml"
    file.write_text(f"version: 1\nwebknossos: {{url: https://wk.example.org}}\n{INSTRUMENT}\n")

    with demo_server(load_configuration(file)) as url:
        assert url is None
    assert not (tmp_path / "standin").exists()


def test_every_home_has_a_port_of_its_own_that_is_free(tmp_path: Path) -> None:
    first = choose_port(tmp_path / "a")
    assert choose_port(tmp_path / "b") != first
    with running_standin(tmp_path / "standin", port=first):
        assert choose_port(tmp_path / "a") != first
