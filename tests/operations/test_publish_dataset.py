"""Publishing brings a server up to a dataset, sends what changed and nothing else, and keeps what people set there."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import stamina

from wk_assets.client.context import ServerContext
from wk_assets.client.transport import ServerAddress
from wk_assets.dataset.dataset import Dataset
from wk_assets.errors import PlanError, ServerError, UnknownNameError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.operations.transfer.publish_dataset import PublishResult, PublishSettings, plan_publish, run_publish
from wk_assets.operations.transfer.publish_plan import KEY_ENTRY, SUPERSEDED_ENTRY, LayerChange, PublishRequest, Way
from wk_assets.properties.view_configuration import DatasetViewConfiguration
from wk_assets.standin.server import RunningStandin, running_standin
from wk_assets.standin.world import Settings

SMALL = PublishSettings(piece_bytes=1 << 18, threads=2, patience_seconds=0.0)
BOX = BoundingBox((0, 0, 0), (40, 32, 24))
VOXELS = np.random.default_rng(7).integers(0, 255, (1, 40, 32, 24), dtype=np.uint8)


@pytest.fixture
def standin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningStandin]:
    settings = Settings(current_version=getattr(request, "param", 16))
    with (
        stamina.set_testing(True, attempts=2, cap=True),
        running_standin(tmp_path / "standin", settings=settings) as running,
    ):
        yield running


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    made = Dataset(tmp_path / "local", voxel_size=(11.0, 11.0, 25.0), name="brain")
    color = made.add_layer("color", "color", dtype="uint8", bounding_box=BOX)
    color.add_mag(1).write(VOXELS, allow_unaligned=True)
    color.add_mag(2).write(VOXELS[:, ::2, ::2, ::2], allow_unaligned=True)
    labels = made.add_layer("labels", "segmentation", dtype="uint64", bounding_box=BOX, largest_segment_id=2**40)
    labels.add_mag(1).write(VOXELS.astype(np.uint64), allow_unaligned=True)
    return made


def _ask(dataset: Dataset, **more: Any) -> PublishRequest:
    return PublishRequest(
        dataset_path=Path(dataset.path),
        name="brain",
        key="webknossos/brain",
        **{"facts": {"wk-assets/source": "inbox/brain"}, **more},
    )


def _context(standin: RunningStandin) -> ServerContext:
    assert standin.seed is not None
    return ServerContext(ServerAddress(url=standin.url, token=standin.seed.admin, timeout_seconds=60))


def _publish(dataset: Dataset, standin: RunningStandin, **more: Any) -> PublishResult:
    return run_publish(_ask(dataset, **more), _context(standin), SMALL)


def _on_server(standin: RunningStandin) -> list[dict[str, Any]]:
    return [row["doc"] for row in standin.world.database.rows("SELECT doc FROM datasets WHERE deleted = 0")]


def _entries(stored: dict[str, Any]) -> dict[str, Any]:
    return {entry["key"]: entry["value"] for entry in stored["metadata"]}


def _writing_requests(standin: RunningStandin) -> list[str]:
    told = httpx.get(f"{standin.url}/_standin/requests").json()
    return [f"{one['method']} {one['path']}" for one in told if one["method"] not in {"GET", "HEAD"}]


def _forget_requests(standin: RunningStandin) -> None:
    httpx.delete(f"{standin.url}/_standin/requests")


def _fault(standin: RunningStandin, **fault: Any) -> None:
    httpx.post(f"{standin.url}/_standin/faults", json=fault)


def _forget_faults(standin: RunningStandin) -> None:
    httpx.delete(f"{standin.url}/_standin/faults")


def _voxels(standin: RunningStandin, dataset_id: str, layer: str = "color") -> Any:
    store = _context(standin).datastore_client(standin.url)
    dtype = np.dtype("uint8" if layer == "color" else "uint64")
    return store.read_box(dataset_id=dataset_id, layer_name=layer, mag=Mag(1), box=BOX, channels=1, dtype=dtype)


def _change_color(dataset: Dataset) -> None:
    dataset.get_layer("color").get_mag(1).write(VOXELS[:, ::-1], allow_unaligned=True)


@pytest.mark.parametrize("standin", [13, 16], indirect=True)
def test_the_same_content_again_makes_no_writing_request(dataset: Dataset, standin: RunningStandin) -> None:
    more: dict[str, Any] = {
        "folder": "raw/em",
        "teams": ("annotators",),
        "tags": ("mouse",),
        "public": True,
        "description": "From the microscope.",
        "view": DatasetViewConfiguration(zoom=2.0, position=(10, 10, 5)),
    }
    first = _publish(dataset, standin, **more)
    _forget_requests(standin)

    again = _publish(dataset, standin, **more, known_id=first.dataset_id)
    found_by_key = _publish(dataset, standin, **more)

    assert _writing_requests(standin) == []
    assert first.changed
    assert not again.changed
    assert not found_by_key.changed
    assert {one.dataset_id for one in (first, again, found_by_key)} == {_on_server(standin)[0]["id"]}
    assert (again.sent_bytes, again.linked_bytes) == (0, first.plan.sent_bytes)


def test_what_is_asked_for_beside_the_voxels_is_set(dataset: Dataset, standin: RunningStandin) -> None:
    result = _publish(
        dataset,
        standin,
        folder="sample_organization/raw/em",
        teams=("annotators",),
        tags=("mouse", "em"),
        public=True,
        description="From the microscope.",
        view=DatasetViewConfiguration(zoom=2.0, position=(10, 10, 5)),
    )

    (stored,) = _on_server(standin)
    folders = {one.id: one for one in _context(standin).client().folder_tree()}
    path = [folders[stored["folderId"]].name, folders[str(folders[stored["folderId"]].parent)].name]
    assert path == ["em", "raw"]
    assert (stored["tags"], stored["isPublic"], stored["description"]) == (
        ["mouse", "em"],
        True,
        "From the microscope.",
    )
    assert result.team_names == ("annotators",)
    entries = _entries(stored)
    assert (entries[KEY_ENTRY], entries["wk-assets/source"]) == ("webknossos/brain", "inbox/brain")
    assert stored["source"]["defaultViewConfiguration"] == {"zoom": 2.0, "position": [10, 10, 5]}
    assert result.url == f"{standin.url}/datasets/brain-{result.dataset_id}"
    assert httpx.get(result.url).status_code == 200


@pytest.mark.parametrize("standin", [14], indirect=True)
def test_one_changed_layer_is_sent_alone_and_the_dataset_keeps_its_id(
    dataset: Dataset, standin: RunningStandin
) -> None:
    first = _publish(dataset, standin)
    _change_color(dataset)
    _forget_requests(standin)

    second = _publish(dataset, standin, known_id=first.dataset_id)

    (stored,) = _on_server(standin)
    assert second.dataset_id == first.dataset_id == stored["id"]
    assert second.plan.way is Way.IN_PLACE
    assert second.plan.names(LayerChange.CHANGED) == ("color",)
    assert 0 < second.sent_bytes < first.sent_bytes
    np.testing.assert_array_equal(_voxels(standin, stored["id"]), VOXELS[:, ::-1])
    np.testing.assert_array_equal(_voxels(standin, stored["id"], "labels"), VOXELS.astype(np.uint64))
    assert sorted(layer["name"] for layer in stored["source"]["dataLayers"]) == ["color", "labels"]
    assert not _publish(dataset, standin, known_id=first.dataset_id).changed


@pytest.mark.parametrize("standin", [13], indirect=True)
def test_an_older_server_gets_a_new_dataset_that_links_the_unchanged_layers(
    dataset: Dataset, standin: RunningStandin
) -> None:
    first = _publish(dataset, standin)
    _change_color(dataset)

    second = _publish(dataset, standin, known_id=first.dataset_id)
    third = _publish(dataset, standin, known_id=second.dataset_id)

    assert second.plan.way is Way.LINKED
    assert second.dataset_id != first.dataset_id
    assert second.linked_bytes > 0
    np.testing.assert_array_equal(_voxels(standin, second.dataset_id), VOXELS[:, ::-1])
    np.testing.assert_array_equal(_voxels(standin, second.dataset_id, "labels"), VOXELS.astype(np.uint64))
    np.testing.assert_array_equal(_voxels(standin, first.dataset_id), VOXELS)  # what was annotated stays as it was
    entries = {stored["id"]: _entries(stored) for stored in _on_server(standin)}
    assert entries[first.dataset_id][SUPERSEDED_ENTRY] == second.dataset_id
    assert KEY_ENTRY not in entries[first.dataset_id]
    assert (third.changed, third.dataset_id) == (False, second.dataset_id)


@pytest.mark.parametrize("transfer", ["copy", "symlink"])
def test_files_are_put_where_the_server_keeps_them(dataset: Dataset, standin: RunningStandin, transfer: str) -> None:
    paths: dict[str, Any] = {"mode": "paths", "transfer": transfer, "tags": ("mouse",)}
    first = _publish(dataset, standin, **paths)
    again = _publish(dataset, standin, **paths, known_id=first.dataset_id)
    _change_color(dataset)
    second = _publish(dataset, standin, **paths, known_id=first.dataset_id)

    np.testing.assert_array_equal(_voxels(standin, second.dataset_id), VOXELS[:, ::-1])
    np.testing.assert_array_equal(_voxels(standin, second.dataset_id, "labels"), VOXELS.astype(np.uint64))
    assert not again.changed
    assert second.plan.way is (Way.LINKED if transfer == "symlink" else Way.IN_PLACE)
    assert not any("upload/" in one for one in _writing_requests(standin))


def test_a_layer_that_is_new_or_gone_is_put_there_or_taken_away(dataset: Dataset, standin: RunningStandin) -> None:
    first = _publish(dataset, standin)
    dataset.delete_layer("labels")
    added = dataset.add_layer("more", "color", dtype="uint8", bounding_box=BOX)
    added.add_mag(1).write(VOXELS, allow_unaligned=True)

    plan = plan_publish(_ask(dataset, known_id=first.dataset_id), _context(standin))
    second = _publish(dataset, standin, known_id=first.dataset_id)

    assert (plan.names(LayerChange.NEW), plan.names(LayerChange.GONE)) == (("more",), ("labels",))
    (stored,) = _on_server(standin)
    assert [layer["name"] for layer in stored["source"]["dataLayers"]] == ["color", "more"]
    assert second.dataset_id == first.dataset_id


def test_what_people_set_on_the_server_stays(dataset: Dataset, standin: RunningStandin) -> None:
    first = _publish(dataset, standin, tags=("mouse", "old"), description="Ours.")
    client = _context(standin).client()
    described = client.dataset_info(dataset_id=first.dataset_id)
    foreign = {"key": "species", "type": "string", "value": "mouse"}
    client.dataset_update(
        dataset_id=first.dataset_id,
        dataset_updates={
            "tags": ["mouse", "old", "of a person"],
            "description": "A person wrote this.",
            "metadata": [foreign, *(entry.to_body() for entry in described.metadata or ())],
        },
    )
    _change_color(dataset)

    _publish(dataset, standin, tags=("mouse", "new"), description="Ours, changed.", known_id=first.dataset_id)

    (stored,) = _on_server(standin)
    assert stored["tags"] == ["mouse", "of a person", "new"]
    assert stored["description"] == "A person wrote this."
    assert stored["metadata"][0] == foreign


def test_a_dataset_with_annotations_keeps_them_when_a_layer_changes(dataset: Dataset, standin: RunningStandin) -> None:
    first = _publish(dataset, standin)
    assert standin.seed is not None
    annotations = f"{standin.url}/api/v16/datasets/{first.dataset_id}/createExplorational"
    body = [{"typ": "Volume", "fallbackLayerName": "labels", "name": "Volume"}]
    made = httpx.post(annotations, json=body, headers={"X-Auth-Token": standin.seed.admin})
    dataset.get_layer("labels").get_mag(1).write(VOXELS[:, ::-1].astype(np.uint64), allow_unaligned=True)

    second = _publish(dataset, standin, known_id=first.dataset_id)

    assert second.dataset_id == first.dataset_id
    headers = {"X-Auth-Token": standin.seed.admin}
    info = httpx.get(f"{standin.url}/api/v16/annotations/{made.json()['id']}/info", headers=headers)
    assert info.json()["datasetId"] == first.dataset_id
    source = _on_server(standin)[0]["source"]
    assert "labels" in [layer["name"] for layer in source["dataLayers"]]  # what the annotation falls back to


# ---------------------------------------------------------------------- whatever breaks


BREAKS = [
    ("POST", "reserveUpload", "status"),
    ("POST", "upload/(dataset|mag)$", "drop"),
    ("POST", "finishUpload", "lost"),
    ("POST", "finishUpload", "drop"),
    ("PATCH", "updatePartial", "drop"),
    ("PATCH", "updatePartial", "lost"),
    ("PATCH", "teams", "drop"),
]


def _breaks() -> Iterator[Any]:
    """Yield every way to break; a quarter of them runs by default, so that each request breaks at least once."""
    for number, broken in enumerate(BREAKS):
        for turn, (skip, remembered) in enumerate(product((0, 1), (True, False))):
            marks = () if turn == number % 4 else (pytest.mark.exhaustive,)
            yield pytest.param(*broken, skip, remembered, marks=marks)


@pytest.mark.parametrize(("method", "path", "kind", "skip", "remembered"), list(_breaks()))
def test_a_run_that_breaks_anywhere_is_gone_on_from_and_never_makes_two(
    dataset: Dataset, standin: RunningStandin, method: str, path: str, kind: str, skip: int, remembered: bool
) -> None:
    more: dict[str, Any] = {"teams": ("annotators",), "tags": ("mouse",)}
    fault = {"method": method, "path": path, "kind": kind, "status": 503, "skip": skip, "times": 2}
    for change in (False, True):
        if change:
            _change_color(dataset)
        known = _on_server(standin)[0]["id"] if change and remembered else None
        _fault(standin, **fault)
        with suppress(ServerError, PlanError):
            _publish(dataset, standin, **more, known_id=known)
        _forget_faults(standin)
        result = _publish(dataset, standin, **more, known_id=known)

        usable = [stored for stored in _on_server(standin) if stored["status"] is None]
        assert [stored["id"] for stored in usable] == [result.dataset_id]
        np.testing.assert_array_equal(_voxels(standin, result.dataset_id), VOXELS[:, ::-1] if change else VOXELS)
        names = sorted(layer["name"] for layer in usable[0]["source"]["dataLayers"])
        assert names == ["color", "labels"]
    _forget_requests(standin)
    assert not _publish(dataset, standin, **more).changed
    assert _writing_requests(standin) == []


def _publish_in_a_process(request: PublishRequest, url: str, token: str, arrived: Any) -> None:
    context = ServerContext(ServerAddress(url=url, token=token, timeout_seconds=60))
    settings = PublishSettings(piece_bytes=1024, threads=1, patience_seconds=0.0)
    run_publish(request, context, settings, lambda _done, _total: arrived.set())


@pytest.mark.exhaustive
@pytest.mark.parametrize("delay", [0.0, 0.05, 0.2, 0.4])
def test_a_killed_publication_is_gone_on_from(dataset: Dataset, standin: RunningStandin, delay: float) -> None:
    """The process dies without a word, when the dataset is sent first and when a layer of it is replaced."""
    assert standin.seed is not None
    spawn = multiprocessing.get_context("spawn")
    for change in (False, True):
        if change:
            _change_color(dataset)
        arrived = spawn.Event()
        process = spawn.Process(
            target=_publish_in_a_process, args=(_ask(dataset), standin.url, standin.seed.admin, arrived)
        )
        process.start()
        assert arrived.wait(60)
        time.sleep(delay)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()

        result = _publish(dataset, standin)

        usable = [stored for stored in _on_server(standin) if stored["status"] is None]
        assert [stored["id"] for stored in usable] == [result.dataset_id]
        assert sorted(layer["name"] for layer in usable[0]["source"]["dataLayers"]) == ["color", "labels"]
        np.testing.assert_array_equal(_voxels(standin, result.dataset_id), VOXELS[:, ::-1] if change else VOXELS)


@pytest.mark.parametrize("standin", [13], indirect=True)
@pytest.mark.parametrize("skip", [0, 1])
def test_an_older_server_never_has_two_that_carry_the_key(dataset: Dataset, standin: RunningStandin, skip: int) -> None:
    first = _publish(dataset, standin)
    _change_color(dataset)
    _fault(standin, method="PATCH", path="updatePartial", kind="drop", skip=skip, times=2)
    with pytest.raises(ServerError):
        _publish(dataset, standin, known_id=first.dataset_id)
    _forget_faults(standin)

    second = _publish(dataset, standin)

    carrying = [stored["id"] for stored in _on_server(standin) if KEY_ENTRY in _entries(stored)]
    assert carrying == [second.dataset_id]
    np.testing.assert_array_equal(_voxels(standin, second.dataset_id), VOXELS[:, ::-1])


def test_content_that_changes_while_a_layer_arrives_leaves_nothing_of_the_old_one(
    dataset: Dataset, standin: RunningStandin
) -> None:
    first = _publish(dataset, standin)
    _change_color(dataset)
    _fault(standin, method="POST", path="mag/finishUpload", kind="drop", skip=1, times=5)
    with pytest.raises(ServerError):
        _publish(dataset, standin, known_id=first.dataset_id)
    _forget_faults(standin)
    assert any("color." in layer["name"] for layer in _on_server(standin)[0]["source"]["dataLayers"])
    dataset.get_layer("color").get_mag(1).write(VOXELS[:, :, ::-1], allow_unaligned=True)

    _publish(dataset, standin, known_id=first.dataset_id)

    (stored,) = _on_server(standin)
    assert sorted(layer["name"] for layer in stored["source"]["dataLayers"]) == ["color", "labels"]
    np.testing.assert_array_equal(_voxels(standin, stored["id"]), VOXELS[:, :, ::-1])


def test_a_dataset_that_somebody_deleted_is_published_anew(dataset: Dataset, standin: RunningStandin) -> None:
    first = _publish(dataset, standin)
    _context(standin).client().dataset_delete(dataset_id=first.dataset_id)

    second = _publish(dataset, standin, known_id=first.dataset_id)

    assert second.dataset_id != first.dataset_id
    assert second.plan.way is Way.FIRST


def test_a_dataset_of_another_key_and_the_same_name_is_left_alone(dataset: Dataset, standin: RunningStandin) -> None:
    other = _publish(dataset, standin)
    (Path(dataset.path) / ".wk-assets" / "uploads").rename(Path(dataset.path) / ".wk-assets" / "elsewhere")

    ours = run_publish(replace(_ask(dataset), key="webknossos/other"), _context(standin), SMALL)

    assert ours.dataset_id != other.dataset_id
    assert {_entries(stored)[KEY_ENTRY] for stored in _on_server(standin)} == {"webknossos/brain", "webknossos/other"}


def test_a_team_that_there_is_not_is_named_before_anything_is_sent(dataset: Dataset, standin: RunningStandin) -> None:
    with pytest.raises(UnknownNameError, match=r"no team 'nobody'.*annotators"):
        _publish(dataset, standin, teams=("nobody",))
    assert _on_server(standin) == []
