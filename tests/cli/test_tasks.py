"""`wk-assets tasks` and `wk-assets projects`, against a stand-in: what a person sees before, while and after tasks are made."""

from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from tests.cli.conftest import CONFIGURATION, Command
from tests.served import Server, no_waiting, server
from wk_assets.administration.tasks import Project
from wk_assets.cli.exit_codes import ExitCode
from wk_assets.dataset.dataset import Dataset
from wk_assets.facility.configuration import load_configuration
from wk_assets.facility.publishing import Publications, Published
from wk_assets.geometry.bounding_box import BoundingBox

__all__ = ["no_waiting", "server"]

CAMPAIGNS = """\
webknossos: {url: "%s"}
campaigns:
  - name: seeds
    dataset: run_1
    layers: nuclei
    project: {name: p, team: annotators}
    task_type: {name: paint, kind: volume}
    experience: {domain: sample, value: 1}
    work: {rule: grid, size: 4}
    then: [{rule: review}]
"""


@pytest.fixture
def facility(home: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Configure a campaign on a dataset of 8 x 8 x 8 voxels, which is on the server too; eight boxes of work."""
    (home / "wk_assets.yaml").write_text(CONFIGURATION + dedent(CAMPAIGNS % server.url))
    monkeypatch.setenv("WK_TOKEN", server.seed.admin)
    dataset = Dataset(home / "datasets" / "run_1", voxel_size=(4, 4, 40))
    layer = dataset.add_layer("nuclei", "color", dtype="uint8", bounding_box=BoundingBox((0, 0, 0), (8, 8, 8)))
    layer.add_mag(1).write(np.ones((8, 8, 8), np.uint8))
    publish(home, server)
    return home


def publish(home: Path, server: Server) -> None:
    record = Published(
        dataset="run_1", dataset_id=server.dataset(), url=server.url, server=server.url, fingerprint="f", layers={}
    )
    Publications(load_configuration(home).publications_folder).put(record)


def test_the_tasks_are_shown_before_they_exist_and_nothing_is_made(facility: Path, command: Command) -> None:
    shown = command("tasks", "plan", "seeds", "--home", facility)
    document = command("tasks", "plan", "seeds", "--home", facility, "--json").document

    assert shown.code == ExitCode.OK, shown.err
    assert "seeds: 8 tasks on run_1, project p" in shown.out
    assert "0,0,0,4,4,4" in shown.out
    assert "0 are on the server, 8 would be made in 1 request" in shown.out
    assert (document["tasks"], document["existing"], document["requests"]) == (8, 0, 1)
    assert document["planned"][0]["position"] == [2, 2, 2]
    assert Project.get_list() == []


def test_tasks_are_made_once_and_then_shown_as_there(facility: Path, server: Server, command: Command) -> None:
    tried = command("tasks", "create", "seeds", "--home", facility, "--dry-run")
    made = command("tasks", "create", "seeds", "--home", facility)
    again = command("tasks", "create", "seeds", "--home", facility, "--json")

    assert "8 would be made" in tried.out
    assert (made.code, again.code) == (ExitCode.OK, ExitCode.OK)
    assert "seeds: 8 made, 0 were there" in made.out
    assert (again.document["created"], again.document["existing"], again.document["complete"]) == ([], 8, True)
    assert "8 are on the server, 0 would be made" in command("tasks", "plan", "seeds", "--home", facility).out
    server.take(0)
    status = command("tasks", "status", "seeds", "--home", facility, "--json").document
    assert status["stages"] == [{"stage": "first", "tasks": 8, "open": 7, "active": 0, "finished": 1}]
    assert "7 instances to do" in command("tasks", "status", "seeds", "--home", facility).out


def test_creation_that_breaks_says_so_and_what_to_do(facility: Path, server: Server, command: Command) -> None:
    server.fault(kind="drop", method="POST", path="/tasks$")
    broken = command("tasks", "create", "seeds", "--home", facility)
    healed = command("tasks", "create", "seeds", "--home", facility)

    assert broken.code == ExitCode.SERVER
    assert "8 tasks may have been made or not" in broken.err
    assert "Run the same command again" in broken.out
    assert healed.code == ExitCode.OK
    assert len(Project.get_by_name("p").get_tasks()) == 8


def test_a_campaign_can_be_planned_before_its_dataset_is_on_the_server(
    facility: Path, server: Server, command: Command
) -> None:
    for record in (facility / "publications").iterdir():
        record.unlink()
    planned = command("tasks", "plan", "seeds", "--home", facility)
    refused = command("tasks", "create", "seeds", "--home", facility)

    assert planned.code == ExitCode.OK
    assert "the server was not asked" in planned.out
    assert "publish it before the tasks are made" in planned.err
    assert refused.code == ExitCode.CONFIGURATION
    assert "dataset 'run_1' is not on the server yet" in refused.err


def test_what_can_not_be_planned_is_said(facility: Path, command: Command) -> None:
    unknown = command("tasks", "plan", "sedes", "--home", facility)
    text = (facility / "wk_assets.yaml").read_text()
    (facility / "wk_assets.yaml").write_text(text.replace("dataset: run_1", "dataset: run_2"))
    gone = command("tasks", "plan", "seeds", "--home", facility)
    (facility / "wk_assets.yaml").write_text(text.replace("team: annotators", "teem: annotators"))
    wrong = command("check", "--home", facility)

    assert unknown.code == gone.code == wrong.code == ExitCode.CONFIGURATION
    assert "there is no campaign 'sedes'. There are: seeds" in unknown.err
    assert "there is no dataset 'run_2'" in gone.err
    assert "campaigns.0.project.team: 'team' is missing" in wrong.err
    assert "Did you mean 'team'?" in wrong.err


def test_the_places_of_a_dataset_on_the_server_are_found_there(
    facility: Path, server: Server, command: Command
) -> None:
    text = (facility / "wk_assets.yaml").read_text()
    (facility / "wk_assets.yaml").write_text(
        text.replace("dataset: run_1", f"dataset: {server.dataset('cortex')}").replace(
            "layers: nuclei", "layers: color"
        )
    )
    document = command("tasks", "plan", "seeds", "--home", facility, "--json").document

    assert (document["tasks"], document["server_asked"]) == (8, True)


def test_the_plan_of_an_import_names_the_campaigns_on_its_dataset(
    facility: Path, acquisition: Path, command: Command
) -> None:
    planned = command("plan", acquisition, "--home", facility)

    assert planned.code == ExitCode.OK, planned.err
    assert "campaign seeds: 'wk-assets tasks plan seeds' shows its tasks" in planned.out
    assert command("plan", acquisition, "--home", facility, "--json").document["campaigns"] == ["seeds"]


def test_projects_are_listed_paused_and_resumed(facility: Path, command: Command) -> None:
    command("tasks", "create", "seeds", "--home", facility)
    listed = command("projects", "--home", facility)
    paused = command("projects", "--home", facility, "--pause", "p", "--json").document
    resumed = command("projects", "--home", facility, "--resume", "p", "--json").document

    assert listed.code == ExitCode.OK
    assert "1 project that this user sees" in listed.out
    expected = {
        "name": "p",
        "team": "annotators",
        "tasks": 8,
        "open": 8,
        "active": 0,
        "finished": 0,
        "campaigns": ["seeds"],
    }
    assert expected.items() <= paused[0].items()
    assert (paused[0]["paused"], resumed[0]["paused"]) == (True, False)


def test_a_wrong_project_changes_nothing(facility: Path, command: Command) -> None:
    command("tasks", "create", "seeds", "--home", facility)
    both = command("projects", "--home", facility, "--pause", "p", "--resume", "p")
    gone = command("projects", "--home", facility, "--pause", "p", "--pause", "q")

    assert (both.code, gone.code) == (ExitCode.CONFIGURATION, ExitCode.SERVER)
    assert not Project.get_by_name("p").paused
