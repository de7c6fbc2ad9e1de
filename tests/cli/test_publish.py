"""The command that publishes: what it says, what it does a second time, and that the token is said nowhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina

from tests.cli.conftest import CONFIGURATION, Command
from wk_assets.cli.exit_codes import ExitCode
from wk_assets.standin.server import RunningStandin, running_standin


@pytest.fixture
def standin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningStandin]:
    with stamina.set_testing(True, attempts=2, cap=True), running_standin(tmp_path / "standin") as running:
        assert running.seed is not None
        monkeypatch.setenv("WK_TOKEN", running.seed.admin)
        yield running


@pytest.fixture
def published_home(home: Path, acquisition: Path, standin: RunningStandin, command: Command) -> Path:
    settings = f'webknossos: {{url: "{standin.url}"}}\n{CONFIGURATION}    publish: {{tags: [mouse]}}\n'
    (home / "wk_assets.yaml").write_text(settings)
    assert command("ingest", acquisition, "--home", home).code == ExitCode.OK
    return home


def test_a_dataset_is_published_and_a_second_time_nothing_happens(
    published_home: Path, standin: RunningStandin, command: Command
) -> None:
    (file,) = (published_home / "catalogue").glob("*.json")
    name = file.stem
    planned = command("publish", name, "--home", published_home, "--dry-run")
    first = command("publish", name, "--home", published_home, "--json")
    second = command("publish", name, "--home", published_home)
    status = command("status", "--home", published_home, "--json")

    assert (planned.code, first.code, second.code, status.code) == (0, 0, 0, 0), planned.err + first.err + second.err
    assert "to a new dataset" in planned.out
    told = first.document
    assert (told["changed"], told["way"]) == (True, "first")
    assert told["url"] == f"{standin.url}/datasets/{name}-{told['dataset_id']}"
    assert "nothing was sent or changed" in second.out
    assert [row["server_url"] for row in status.document["acquisitions"]] == [told["url"]]
    token = standin.seed.admin if standin.seed else ""
    assert token not in "".join(one.out + one.err for one in (planned, first, second, status))


def test_a_dataset_whose_check_fails_is_not_published(
    published_home: Path, standin: RunningStandin, command: Command
) -> None:
    (dataset,) = (published_home / "datasets").iterdir()
    next(path for path in sorted(dataset.rglob("c/**/*")) if path.is_file()).unlink()

    outcome = command("publish", dataset.name, "--home", published_home)

    assert outcome.code == ExitCode.FINDINGS
    assert "is not published, because checks fail" in outcome.err
    assert standin.world.database.count("SELECT COUNT(*) FROM datasets") == 0


@pytest.mark.parametrize(
    ("change", "name", "said"),
    [
        (("    publish: {tags: [mouse]}\n", ""), None, "Write 'publish: true' at the instrument 'lightsheet'"),
        (("webknossos:", "x_webknossos:"), None, "unknown key 'x_webknossos'"),
        (("", ""), "elsewhere", "there is no dataset 'elsewhere' in the catalogue"),
    ],
)
def test_what_can_not_be_published_says_what_to_do(
    published_home: Path, command: Command, change: tuple[str, str], name: str | None, said: str
) -> None:
    file = published_home / "wk_assets.yaml"
    file.write_text(file.read_text().replace(*change))
    (entry,) = (published_home / "catalogue").glob("*.json")

    outcome = command("publish", name or entry.stem, "--home", published_home)

    assert outcome.code == ExitCode.CONFIGURATION
    assert said in outcome.err


def test_a_missing_token_is_named_by_its_variable(
    published_home: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WK_TOKEN")
    (entry,) = (published_home / "catalogue").glob("*.json")

    outcome = command("publish", entry.stem, "--home", published_home)

    assert outcome.code == ExitCode.SERVER
    assert "set the environment variable WK_TOKEN" in outcome.err
