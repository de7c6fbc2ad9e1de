"""The whole loop: published -> tasks -> painted -> home -> follow-ups -> merged; and again with crashes at every step."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import stamina
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.instance.ref import InstanceRef
from dagster._core.loader import LoadingContextForTest

from tests.assets.facility_home import fill_inbox, make_home, registered
from tests.assets.runs import EVERYTHING, failure, run
from tests.end_to_end.annotation_loop import CAMPAIGN, KILLED, Annotators, Loop, configure
from wk_assets.assets.keys import CampaignAsset, CampaignPart, annotations_key, build, published_key, tasks_key
from wk_assets.dataset.dataset import Dataset
from wk_assets.definitions import defs
from wk_assets.facility import bring_home, campaign_results, campaign_round
from wk_assets.facility.kept_annotations import KeptAnnotations, Verdict
from wk_assets.standin.server import RunningStandin, running_standin


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def loop(home: Path, instance: dg.DagsterInstance, tmp_path: Path) -> Loop:
    """Give a loop over a facility whose dataset is on the server."""
    assert home.is_dir()
    return Loop(instance, InstanceRef.from_dir(str(tmp_path)))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningStandin]:
    with stamina.set_testing(True, attempts=2, cap=True), running_standin(tmp_path / "standin") as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, server: RunningStandin, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a facility whose dataset is on the server."""
    assert server.seed is not None
    folder = tmp_path / "facility"
    file = make_home(folder)
    monkeypatch.setenv("WK_ASSETS_CONFIG", str(file))
    monkeypatch.setenv("WK_LOOP_TOKEN", server.seed.admin)
    fill_inbox(folder, "brain-7")
    registered(file, "brain-7")
    configure(folder, server)
    result = run(instance, [*EVERYTHING, published_key("brain-7")])
    assert result.success, failure(result)
    return folder


def tasks_on(server: RunningStandin) -> list[str]:
    """List the keys of all tasks, twins too."""
    rows = server.world.database.rows("SELECT doc FROM tasks")
    return sorted(row["doc"]["creationInfo"] for row in rows)


def kept(home: Path) -> KeptAnnotations:
    return KeptAnnotations(home / "datasets", "brain-7", "paint")


def metadata(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, Any]:
    event = instance.get_latest_materialization_event(key)
    assert event is not None
    assert event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def merged_result(home: Path) -> Path:
    (folder,) = [one for one in (kept(home).folder / "results" / "volume").iterdir() if one.is_dir()]
    return folder


def test_the_loop_closes_itself_and_new_raw_data_shows_the_work_as_out_of_date(
    home: Path, server: RunningStandin, instance: dg.DagsterInstance, loop: Loop, tmp_path: Path
) -> None:
    annotators = Annotators(server, tmp_path / "bricks")

    loop.until_quiet()
    first = tasks_on(server)
    assert len(first) == 2
    assert all(one.startswith("paint/") for one in first)

    assert annotators.work() == 2
    loop.until_quiet()
    assert all(loop.runs.values()), loop.runs
    reviews = [one for one in tasks_on(server) if one not in first]
    assert len(reviews) == 2
    assert {one.split("/")[2].split("@")[0] for one in reviews} == set(annotators.painted)

    assert annotators.work() == 2
    loop.until_quiet()
    assert all(loop.runs.values()), loop.runs
    assert tasks_on(server) == sorted([*first, *reviews])

    partitions = instance.get_dynamic_partitions("annotations_brain-7_paint")
    assert sorted(partitions) == sorted(annotators.painted)
    merged = Dataset.open(merged_result(home) / "brain-7-paint").get_layer("merged")
    voxels = merged.get_finest_mag().read()
    assert sorted(set(voxels.reshape(-1).tolist())) == [0, 1, 2]
    assert len(merged.mags) > 1
    told = metadata(instance, build(CampaignAsset("brain-7", "paint", CampaignPart.VOLUME)))
    assert told["dagster/row_count"] == 2
    assert metadata(instance, tasks_key("brain-7", "paint"))["finished"] == 4
    home_again = metadata(instance, annotations_key("brain-7", "paint"))
    assert home_again["minutes"] == 1.5
    assert home_again["preview"].startswith("![xy](data:image/webp;base64,")
    assert home_again["slices"].startswith("| xy | xz | yz |")
    assert stale_work(instance, annotators.painted[0]) == set()

    # The raw data is imported once more, with other voxels: what was drawn on the old ones shows as out of date.
    fill_inbox(home, "brain-7", seed=5)
    registered(home / "wk_assets.yaml", "brain-7")
    again = run(instance, [*EVERYTHING, published_key("brain-7")])
    assert again.success, failure(again)
    assert stale_work(instance, annotators.painted[0]) == {"tasks", "annotations"}


class Killed(Exception):  # noqa: N818  # no error of the program's
    """Stand for a process that is gone."""


class Kills:
    """Kill once before and once after each of the steps by which something becomes visible, and between those of a tick."""

    def __init__(self) -> None:
        self.times: dict[str, int] = {}

    def at(self, step: str) -> None:
        self.times[step] = self.times.get(step, 0) + 1
        if self.times[step] == 1:
            raise Killed(f"{KILLED}: {step}")

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            self.at(f"before {name}")
            result = function(*args, **kwargs)
            self.at(f"after {name}")
            return result

        return step

    def inside_of_runs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for owner, name in (
            (KeptAnnotations, "put"),
            (KeptAnnotations, "put_tasks"),
            (campaign_round, "create_planned_tasks"),
            (campaign_round, "run_follow_ups"),
            (bring_home, "write_atomically"),
            (campaign_results, "run_merge"),
            (campaign_results, "move_into_place"),
        ):
            monkeypatch.setattr(owner, name, self.around(name, getattr(owner, name)))


def disturbed(loop: Loop, kills: Kills) -> None:
    """Tick until nothing is asked for, beginning anew after each kill."""
    for _ in range(60):
        try:
            if not loop.tick(stop=kills.at):
                return
        except Killed:
            continue
    raise AssertionError("there is no end to it")


def test_killed_at_every_step_the_same_tasks_exist_none_twice_none_missing(
    home: Path,
    server: RunningStandin,
    loop: Loop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    annotators, kills = Annotators(server, tmp_path / "bricks"), Kills()
    kills.inside_of_runs(monkeypatch)

    disturbed(loop, kills)
    first = tasks_on(server)
    finished = [annotators.work()]
    disturbed(loop, kills)
    finished.append(annotators.work())
    disturbed(loop, kills)

    assert finished == [2, 2]
    assert all(loop.runs.values()), loop.runs
    assert len(first) == 2
    reviews = [one for one in tasks_on(server) if one not in first]
    assert sorted(one.split("/")[2].split("@")[0] for one in reviews) == sorted(annotators.painted[:2])
    assert len(tasks_on(server)) == 4
    assert {one.verdict for one in kept(home).survey().annotations.values()} == {Verdict.ACCEPTED}
    assert len(kept(home).survey().annotations) == 4
    table = (merged_result(home) / "segments.csv").read_text().splitlines()
    assert len(table) == 1 + 2
    assert {one for one in kills.times if one.startswith("after")} >= {
        "after put", "after put_tasks", "after create_planned_tasks", "after run_follow_ups", "after move_into_place",
        "after annotation", "after tasks", "after results", "after the partitions",
    }  # fmt: skip


def stale_work(instance: dg.DagsterInstance, annotation_id: str) -> set[str]:
    """Name what the UI shows as out of date of a campaign's tasks and of one annotation."""
    graph = defs().resolve_asset_graph()
    with partition_loading_context(dynamic_partitions_store=instance):
        resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
        states = {
            "tasks": resolver.get_status(tasks_key("brain-7", "paint")),
            "annotations": resolver.get_status(annotations_key("brain-7", "paint"), annotation_id),
        }
    return {name for name, state in states.items() if state is StaleStatus.STALE}


def test_work_that_fails_a_check_goes_back_to_its_annotator_and_counts_when_it_is_mended(
    home: Path, server: RunningStandin, loop: Loop, tmp_path: Path
) -> None:
    strict = CAMPAIGN.replace("    then: [{rule: review, when: finished}]\n", "    checks: {send_back: true}\n")
    configure(home, server, strict)
    annotators = Annotators(server, tmp_path / "bricks")
    loop.until_quiet()
    annotators.take()
    one, other = annotators.open_work(annotators.tokens[0])

    annotators.paint(one, outside=True)
    annotators.paint(other)
    loop.until_quiet()

    record = kept(home).get(one)
    assert record is not None
    assert record.verdict is Verdict.SENT_BACK
    assert [finding.check for finding in record.findings] == ["inside_box"]
    assert annotators.open_work(annotators.tokens[0]) == [one]
    assert not (kept(home).folder / "results").exists()

    annotators.paint(one)
    loop.until_quiet()

    mended = kept(home).get(one)
    assert mended is not None
    assert (mended.verdict, mended.findings) == (Verdict.ACCEPTED, ())
    assert mended.version > record.version
    assert (merged_result(home) / "brain-7-paint" / "datasource-properties.json").is_file()
