"""A published dataset is an asset like the others: made with the dataset, refreshed with it, blocked by its checks."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
import stamina

from tests.assets.facility_home import CONFIGURATION, fill_inbox, registered
from tests.assets.runs import EVERYTHING, NUCLEI, failure, layer_keys, made, metadata, run
from tests.assets.test_automation import Watch
from wk_assets.assets.keys import published_key
from wk_assets.definitions import defs
from wk_assets.facility.publishing import Publications
from wk_assets.standin.server import RunningStandin, running_standin
from wk_assets.storage.manifest import MANIFEST_NAME

PUBLISHED = published_key("brain-7")
NAME = "webknossos/brain-7"


@pytest.fixture
def standin(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningStandin]:
    """Let the facility publish the datasets of its microscope on a stand-in."""
    with stamina.set_testing(True, attempts=2, cap=True), running_standin(tmp_path / "standin") as running:
        assert running.seed is not None
        monkeypatch.setenv("WK_PUBLISHING_TOKEN", running.seed.admin)
        server = f'webknossos: {{url: "{running.url}", token_variable: WK_PUBLISHING_TOKEN, lineage_url: "http://127.0.0.1:3000"}}\n'
        how = "    publish: {folder: raw/em, teams: [annotators], tags: [mouse], view: {zoom: 2}}\n"
        (home / "wk_assets.yaml").write_text(f"{server}{CONFIGURATION}{how}")
        yield running


def on_server(standin: RunningStandin) -> list[dict[str, Any]]:
    return [row["doc"] for row in standin.world.database.rows("SELECT doc FROM datasets WHERE deleted = 0")]


def writing_requests(standin: RunningStandin) -> list[str]:
    told = httpx.get(f"{standin.url}/_standin/requests").json()
    return [one["path"] for one in told if one["method"] not in {"GET", "HEAD"}]


def _event_log(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> str:
    return "\n".join(str(entry) for entry in instance.all_logs(result.run_id))


def test_a_dataset_is_published_once_and_follows_what_changes(
    home: Path, instance: dg.DagsterInstance, standin: RunningStandin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    first = run(instance, [*EVERYTHING, PUBLISHED])
    assert first.success, failure(first)
    told = metadata(first, PUBLISHED)
    (stored,) = on_server(standin)
    assert told["link"] == f"{standin.url}/datasets/brain-7-{stored['id']}"
    assert (told["dataset_id"], told["folder"], told["teams"]) == (stored["id"], "raw/em", "annotators")
    assert told["bytes_sent"] > 0
    assert "(http://127.0.0.1:3000/assets/datasets/brain-7)" in stored["description"]
    assert {entry["key"] for entry in stored["metadata"]} >= {
        "wk-assets/key",
        "wk-assets/source",
        "wk-assets/provenance",
    }
    record = Publications(home / "publications").get("brain-7")
    assert record is not None
    assert (record.dataset_id, record.url) == (stored["id"], told["link"])

    httpx.delete(f"{standin.url}/_standin/requests")
    again = run(instance, [PUBLISHED])
    assert again.success
    assert writing_requests(standin) == []
    assert (metadata(again, PUBLISHED)["changed"], metadata(again, PUBLISHED)["bytes_sent"]) == (False, 0)
    versions = [
        event.asset_materialization.tags["dagster/data_version"]
        for event in (instance.get_latest_materialization_event(PUBLISHED),)
        if event is not None and event.asset_materialization is not None and event.asset_materialization.tags
    ]
    assert versions == [record.fingerprint]

    fill_inbox(home, "brain-7", seed=3)
    registered(home / "wk_assets.yaml", "brain-7")
    changed = run(instance, [*EVERYTHING, PUBLISHED])
    assert changed.success, failure(changed)
    assert [one["id"] for one in on_server(standin)] == [record.dataset_id]
    assert metadata(changed, PUBLISHED)["way"] == "in place"

    token = standin.seed.admin if standin.seed else ""
    everything = "".join(_event_log(instance, one) for one in (first, again, changed)) + caplog.text
    everything += "".join(file.read_text() for file in (home / "publications").glob("*.json"))
    everything += json.dumps(stored) + "".join(str(run.run_config) + str(run.tags) for run in instance.get_runs())
    assert "brain-7" in everything
    assert token not in everything


def test_a_dataset_whose_check_fails_is_not_published_by_a_click_either(
    home: Path, instance: dg.DagsterInstance, standin: RunningStandin
) -> None:
    assert run(instance, EVERYTHING).success
    manifest = next((home / "datasets" / "brain-7" / "nuclei").glob(f"*/{MANIFEST_NAME}"))
    next(path for path in (manifest.parent / "c").rglob("*") if path.is_file()).unlink()

    together = run(instance, [*layer_keys(NUCLEI)[-1:], PUBLISHED])
    alone = run(instance, [PUBLISHED])

    assert NAME not in made(together)
    assert not alone.success
    assert failure(alone).startswith("Not published, because checks fail:\nnuclei: ")
    assert on_server(standin) == []


def test_a_token_that_the_server_does_not_know_fails_the_step_and_is_never_repeated(
    home: Path, instance: dg.DagsterInstance, standin: RunningStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(instance, EVERYTHING).success
    monkeypatch.setenv("WK_PUBLISHING_TOKEN", "wrong-but-secret")

    refused = run(instance, [PUBLISHED])

    assert not refused.success
    assert "401" in failure(refused)
    assert "wrong-but-secret" not in _event_log(instance, refused)
    assert not (home / "publications").exists()


def test_a_new_dataset_is_published_without_anybody_asking(
    home: Path, instance: dg.DagsterInstance, standin: RunningStandin
) -> None:
    assert Watch(instance).tick() == {*EVERYTHING, PUBLISHED}


def test_nothing_is_published_where_nothing_says_so(home: Path) -> None:
    keys = {key.to_user_string() for key in defs().resolve_asset_graph().get_all_asset_keys()}

    assert NAME not in keys
    assert "webknossos" not in (defs().resources or {})


def test_an_exception_for_some_datasets_leaves_them_out(home: Path, standin: RunningStandin) -> None:
    file = home / "wk_assets.yaml"
    assert PUBLISHED in defs().resolve_asset_graph().get_all_asset_keys()
    file.write_text(
        file.read_text().replace("{zoom: 2}}", '{zoom: 2}, datasets: [{match: "brain-*", enabled: false}]}')
    )

    assert PUBLISHED not in defs().resolve_asset_graph().get_all_asset_keys()
