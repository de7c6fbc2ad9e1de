"""Drive a WEBKNOSSOS server with the peer library, flow by flow; runs in the peer's own environment.

    python peer_flows.py URL TOKEN FOLDER [FLOW …]

Prints one JSON object: per flow "ok", or what went wrong. Flows build on one another, in this order.
"""

import json
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import webknossos as wk  # type: ignore[import-not-found, unused-ignore]  # noqa: TID251  # this program runs in the peer's environment

warnings.simplefilter("ignore")
FLOWS: list[tuple[str, Callable[["State"], None]]] = []


class State:
    """Hold what flows hand on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.voxels = (np.arange(64 * 48 * 20) % 251).astype("uint8").reshape(1, 64, 48, 20)
        self.made: dict[str, Any] = {}


def flow(function: Callable[[State], None]) -> Callable[[State], None]:
    FLOWS.append((function.__name__, function))
    return function


def local_dataset(state: State, name: str) -> wk.Dataset:
    dataset = wk.Dataset(state.folder / name, voxel_size=(11, 11, 25))
    layer = dataset.add_layer("color", "color", dtype="uint8", bounding_box=wk.BoundingBox((0, 0, 0), (64, 48, 20)))
    mag = layer.add_mag(1, chunk_shape=(32, 32, 32), shard_shape=(64, 64, 32))
    mag.write(state.voxels, allow_unaligned=True)
    segmentation = dataset.add_layer(
        "segmentation",
        "segmentation",
        dtype="uint32",
        largest_segment_id=250,
        bounding_box=wk.BoundingBox((0, 0, 0), (64, 48, 20)),
    )
    segmentation.add_mag(1, chunk_shape=(32, 32, 32), shard_shape=(64, 64, 32)).write(
        state.voxels.astype("uint32"), allow_unaligned=True
    )
    return dataset


@flow
def upload(state: State) -> None:
    dataset = local_dataset(state, "uploaded")
    remote = dataset.upload(new_dataset_name="uploaded")
    state.made["remote"] = remote
    assert remote.name == "uploaded", remote.name


@flow
def open_streaming(state: State) -> None:
    remote = wk.RemoteDataset.open(
        dataset_id=state.made["remote"].dataset_id, access_mode=wk.RemoteAccessMode.ZARR_STREAMING
    )
    data = remote.get_layer("color").get_mag(1).read()
    np.testing.assert_array_equal(data, state.voxels)
    part = remote.get_layer("segmentation").get_mag(1).read(absolute_offset=(8, 8, 4), size=(16, 8, 8))
    np.testing.assert_array_equal(part, state.voxels[:, 8:24, 8:16, 4:12])


@flow
def open_proxy(state: State) -> None:
    remote = wk.RemoteDataset.open(
        dataset_id=state.made["remote"].dataset_id, access_mode=wk.RemoteAccessMode.PROXY_PATH
    )
    np.testing.assert_array_equal(remote.get_layer("color").get_mag(1).read(), state.voxels)


@flow
def open_direct(state: State) -> None:
    remote = wk.RemoteDataset.open(
        dataset_id=state.made["remote"].dataset_id, access_mode=wk.RemoteAccessMode.DIRECT_PATH
    )
    assert set(remote.layers) == {"color", "segmentation"}


@flow
def meshes(state: State) -> None:
    path = state.made["remote"].download_mesh(
        7, state.folder / "meshes", layer_name="segmentation", mag=1, seed_position=wk.Vec3Int(0, 0, 7)
    )
    assert (path.stat().st_size - 84) % 50 == 0


@flow
def list_and_find(state: State) -> None:
    found = wk.RemoteDataset.list(name="uploaded")
    assert {one.dataset_id for one in found.values()} == {state.made["remote"].dataset_id}
    remote = wk.RemoteDataset.open("uploaded", organization_id="sample_organization")
    assert remote.dataset_id == state.made["remote"].dataset_id


@flow
def update(state: State) -> None:
    remote = state.made["remote"]
    remote.description = "about"
    remote.tags = ["a", "b"]
    remote.metadata = {"key": "value", "number": 7}
    remote.metadata["more"] = ["x", "y"]
    remote.is_public = True
    again = wk.RemoteDataset.open(dataset_id=remote.dataset_id)
    assert again.description == "about"
    assert tuple(again.tags) == ("a", "b")
    assert again.metadata["number"] == 7, dict(again.metadata)
    assert list(again.metadata["more"]) == ["x", "y"]
    assert again.is_public
    assert again.sharing_token
    remote.is_public = False


@flow
def rename(state: State) -> None:
    remote = state.made["remote"]
    remote.name = "renamed"
    assert wk.RemoteDataset.open(dataset_id=remote.dataset_id).name == "renamed"


@flow
def download(state: State) -> None:
    local = state.made["remote"].download(path=state.folder / "downloaded", layers=["color"])
    np.testing.assert_array_equal(local.get_layer("color").get_mag(1).read(), state.voxels)


@flow
def folders(state: State) -> None:
    root = wk.RemoteFolder.get_root()
    child = root.add_subfolder("child")
    grandchild = child.add_subfolder("grandchild")
    grandchild.move_to(root)
    grandchild.name = "moved"
    grandchild.metadata["k"] = "v"
    state.made["remote"].folder = child
    assert [one.name for one in child.get_datasets().values()] == [state.made["remote"].name]
    grandchild.delete()
    assert wk.RemoteFolder.get_by_path("sample_organization/child").id == child.id


@flow
def teams(state: State) -> None:
    team = wk.Team.add("peers")
    assert "peers" in {one.name for one in wk.Team.get_list()}
    state.made["remote"].allowed_teams = [wk.Team.get_by_name("annotators")]
    wk.Team.get_by_name("peers").delete()
    del team


@flow
def users(state: State) -> None:
    me = wk.User.get_current_user()
    assert me.email == "admin@example.org"
    assert len(wk.User.get_all_managed_users()) >= 4
    assert wk.User.get_by_id(me.user_id) == me
    me.get_logged_times()
    state.made["me"] = me


@flow
def projects(state: State) -> None:
    project = wk.Project.create(
        name="campaign", team=wk.Team.get_by_name("annotators"), expected_time=60, owner=state.made["me"]
    )
    project = project.update(priority=7)
    assert wk.Project.get_by_name("campaign").priority == 7
    assert wk.Project.get_by_id(project.project_id).get_owner().user_id == state.made["me"].user_id
    state.made["project"] = project


@flow
def task_types(state: State) -> None:
    kind = wk.TaskType.create(
        name="trace", description="trace it", team=wk.Team.get_by_name("annotators").name, tracing_type="skeleton"
    )
    state.made["task_type"] = kind
    assert kind.task_type_id in {one.task_type_id for one in wk.TaskType.get_list()}
    assert wk.TaskType.get_by_id(kind.task_type_id).name == "trace"


@flow
def tasks(state: State) -> None:
    (task,) = wk.Task.create(
        task_type_id=state.made["task_type"].task_type_id,
        project_name="campaign",
        needed_experience_domain="sample",
        needed_experience_value=1,
        starting_position=(1, 2, 3),
        dataset_id=state.made["remote"].dataset_id,
        instances=2,
        bounding_box=wk.BoundingBox((0, 0, 0), (8, 8, 8)),
    )
    assert task.status.pending_instance_count == 2
    assert wk.Task.get_by_id(task.task_id).bounding_box == wk.BoundingBox((0, 0, 0), (8, 8, 8))
    assert [one.task_id for one in state.made["project"].get_tasks()] == [task.task_id]
    assert task.get_annotation_infos() == []
    assert task.task_id in {one.task_id for one in wk.Task.get_list()}
    state.made["task"] = task


def skeleton(state: State) -> wk.Annotation:
    trees = wk.Skeleton(
        dataset_name=state.made["remote"].name, voxel_size=(11, 11, 25), organization_id="sample_organization"
    )
    tree = trees.add_tree("tree")
    first = tree.add_node(position=(1, 2, 3), comment="begin")
    tree.add_edge(first, tree.add_node(position=(4, 5, 6)))
    return wk.Annotation(name="drawn", skeleton=trees)


@flow
def tasks_from_annotations(state: State) -> None:
    (task,) = wk.Task.create_from_annotations(
        task_type_id=state.made["task_type"].task_type_id,
        project_name="campaign",
        base_annotations=[skeleton(state)],
        needed_experience_domain="sample",
        needed_experience_value=1,
    )
    task.delete()


@flow
def annotations(state: State) -> None:
    url = skeleton(state).upload()
    annotation_id = url.split("/")[-1].split("#")[0].split("?")[0]
    assert annotation_id in {one.id for one in wk.AnnotationInfo.get_remote_annotations(is_finished=False)}
    again = wk.Annotation.download(annotation_id)
    (tree,) = again.skeleton.flattened_trees()
    assert sorted(tuple(node.position) for node in tree.nodes) == [(1, 2, 3), (4, 5, 6)]
    state.made["annotation"] = annotation_id


@flow
def annotation_as_dataset(state: State) -> None:
    dataset = wk.Annotation.open_as_remote_dataset(annotation_id_or_url=state.made["annotation"])
    np.testing.assert_array_equal(dataset.get_layer("color").get_mag(1).read(), state.voxels)


@flow
def remote_annotation(state: State) -> None:
    remote = wk.Annotation.open_remote(state.made["annotation"])
    remote.name = "other"
    assert wk.Annotation.open_remote(state.made["annotation"]).name == "other"


@flow
def compose(state: State) -> None:
    other = wk.Dataset(state.folder / "composed", voxel_size=(11, 11, 25))
    layer = other.add_layer("raw", "color", dtype="uint8", bounding_box=wk.BoundingBox((0, 0, 0), (64, 48, 20)))
    layer.add_mag(1, chunk_shape=(32, 32, 32), shard_shape=(64, 64, 32)).write(state.voxels, allow_unaligned=True)
    remote = other.upload(new_dataset_name="composed")
    remote.add_layer_as_ref(state.made["remote"].get_layer("segmentation"), new_layer_name="linked")
    again = wk.RemoteDataset.open(dataset_id=remote.dataset_id)
    np.testing.assert_array_equal(again.get_layer("linked").get_mag(1).read(), state.voxels)
    state.made["composed"] = again


@flow
def mag_upload(state: State) -> None:
    local = wk.Dataset.open(state.folder / "composed")
    local.get_layer("raw").downsample_mag(wk.Mag(1), wk.Mag(2), executor=wk_executor())
    state.made["composed"].get_layer("raw").add_mag_as_copy(
        local.get_layer("raw").get_mag(2), transfer_mode=wk.dataset.TransferMode.HTTP
    )
    again = wk.RemoteDataset.open(dataset_id=state.made["composed"].dataset_id)
    np.testing.assert_array_equal(again.get_layer("raw").get_mag(2).read(), local.get_layer("raw").get_mag(2).read())


def wk_executor() -> Any:
    from cluster_tools import get_executor  # type: ignore[import-not-found, unused-ignore]

    return get_executor("sequential")


@flow
def link_layers(state: State) -> None:
    local = local_dataset(state, "with_links")
    remote = local.upload(new_dataset_name="with_links", layers_to_link=[
        wk.LayerToLink.from_remote_layer(state.made["remote"].get_layer("color"), new_layer_name="old_color")
    ])  # fmt: skip
    assert set(remote.layers) == {"color", "segmentation", "old_color"}


@flow
def upload_to_paths(state: State) -> None:
    for mode in (wk.dataset.TransferMode.COPY, wk.dataset.TransferMode.SYMLINK):
        local = local_dataset(state, f"to_paths_{mode.value}")
        remote = local.upload(new_dataset_name=f"to_paths_{mode.value}", transfer_mode=mode)
        np.testing.assert_array_equal(remote.get_layer("color").get_mag(1).read(), state.voxels)


@flow
def attachment_upload(state: State) -> None:
    mesh = state.folder / "mesh.hdf5"
    mesh.write_bytes(b"mesh")
    attachment = wk.MeshAttachment.from_path_and_name(mesh, "meshfile", data_format=wk.AttachmentDataFormat.HDF5)
    layer = state.made["composed"].get_layer("linked")
    layer.attachments.upload_attachment(attachment, transfer_mode=wk.dataset.TransferMode.COPY)
    sent = wk.MeshAttachment.from_path_and_name(mesh, "sent", data_format=wk.AttachmentDataFormat.HDF5)
    layer.attachments.upload_attachment(sent, transfer_mode=wk.dataset.TransferMode.HTTP)
    again = wk.RemoteDataset.open(dataset_id=state.made["composed"].dataset_id).get_layer("linked")
    assert [one.name for one in again.attachments.meshes] == ["meshfile", "sent"]
    target = state.made["remote"].get_layer("segmentation")
    target.attachments.add_attachment_as_ref(again.attachments.meshes[0], foreign_layer=again, new_name="referred")


@flow
def mag_to_path(state: State) -> None:
    local = wk.Dataset.open(state.folder / "composed")
    local.get_layer("raw").downsample_mag(wk.Mag(2), wk.Mag(4), executor=wk_executor())
    layer = state.made["composed"].get_layer("raw")
    layer.add_mag_as_copy(local.get_layer("raw").get_mag(4), transfer_mode=wk.dataset.TransferMode.COPY)
    other = state.made["remote"].get_layer("color")
    other.add_mag_as_ref(layer.get_mag(2))


@flow
def delete_dataset(state: State) -> None:
    remote = local_dataset(state, "to_delete").upload(new_dataset_name="to_delete")
    remote.delete()
    assert refusal(lambda: wk.RemoteDataset.open(dataset_id=remote.dataset_id)) != "nothing was refused"


@flow
def explore(state: State) -> None:
    remote = wk.RemoteDataset.explore_and_add_remote((state.folder / "with_links").as_uri(), "explored")
    assert set(remote.layers) >= {"color"}


@flow
def delete(state: State) -> None:
    state.made["task"].delete()
    state.made["project"].delete()
    state.made["task_type"].delete()


@flow
def failures(state: State) -> None:
    for call in (
        lambda: wk.RemoteDataset.open(dataset_id="0" * 24),
        lambda: wk.Project.get_by_name("nowhere"),
        lambda: wk.Task.get_by_id("0" * 24),
    ):
        said = refusal(call)
        assert "404" in said or "could not be found" in said.lower(), said


def refusal(call: Callable[[], Any]) -> str:
    try:
        call()
    except Exception as error:  # noqa: BLE001  # the peer's errors have no common root
        return str(error)
    return "nothing was refused"


def main() -> None:
    url, token, folder, *names = sys.argv[1:]
    state = State(Path(folder))
    told = {}
    with wk.webknossos_context(url=url, token=token):
        for name, function in FLOWS:
            if names and name not in names:
                continue
            try:
                function(state)
                told[name] = "ok"
            except BaseException:  # noqa: BLE001  # the report says which flow failed, and the next ones go on
                told[name] = traceback.format_exc()[-1800:]
    sys.stdout.write("RESULT " + json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
