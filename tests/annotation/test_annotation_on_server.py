"""Annotations to and from a server: uploaded, downloaded, pinned to a version, opened where they are."""

import base64
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.annotation.volumes import BOX, VOXEL_SIZE, drawn
from tests.served import Server
from wk_assets.annotation.annotation import Annotation
from wk_assets.annotation.annotation_info import AnnotationInfo
from wk_assets.annotation.remote_annotation import RemoteAnnotation
from wk_assets.client.context import webknossos_context
from wk_assets.errors import InputError, NotOnServerError, ReadOnlyError, ServerError, UnexpectedStatusError


def annotation_on(dataset_id: str, name: str = "cells_of_Ada", *, volume: bool = True) -> Annotation:
    annotation = Annotation(name, dataset_name="brain", dataset_id=dataset_id, voxel_size=VOXEL_SIZE, description="d")
    first = annotation.skeleton.add_tree("axon").add_node(position=(1, 2, 3))
    first.comment = "begins here"
    if volume:
        with annotation.add_volume_layer("Volume", "uint32").edit() as layer:
            layer.bounding_box = BOX
            layer.add_mag(1).write(drawn(), absolute_offset=BOX.topleft, allow_unaligned=True)
    return annotation


def test_what_is_uploaded_comes_back(server: Server) -> None:
    sent = annotation_on(server.dataset())

    url = sent.upload()
    got = Annotation.download(url)

    assert url == f"{server.url}/annotations/{got.annotation_id}"
    assert (got.name, got.dataset_name, got.dataset_id) == (sent.name, "brain", sent.dataset_id)
    assert got.skeleton.get_total_node_count() == 1
    with got.temporary_volume_layer_copy() as layer:
        assert np.array_equal(layer.get_mag(1).read(absolute_bounding_box=BOX)[0], drawn())
    assert Annotation.download(str(got.annotation_id)).to_nml()[0] == got.to_nml()[0]


def test_voxels_can_be_left_there(server: Server) -> None:
    url = annotation_on(server.dataset()).upload()

    got = Annotation.download(url, skip_volume_data=True)

    assert got.get_volume_layer_names() == ["Volume"]
    assert not got.get_volume_layer().has_data


def test_a_version_pins_what_was_drawn_then(server: Server) -> None:
    dataset = server.dataset()
    url = annotation_on(dataset, volume=False).upload()
    first = Annotation.newest_version(url)
    later = annotation_on(dataset, volume=False)
    later.skeleton.add_tree("dendrite").add_node(position=(4, 5, 6))
    name, body = later.to_file()
    drawing = {"name": name, "body": base64.b64encode(body).decode(), "finish": False}
    server.ask("POST", f"/_standin/annotations/{url.rpartition('/')[2]}/work", json=drawing)

    second = Annotation.newest_version(url)
    pinned, newest = Annotation.download(url, version=first), Annotation.download(url)

    assert second > first
    assert [tree.name for tree in pinned.skeleton.flattened_trees()] == ["axon"]
    assert [tree.name for tree in newest.skeleton.flattened_trees()] == ["axon", "dendrite"]
    assert Annotation.download(url, version=second).to_nml()[0] == newest.to_nml()[0]


def test_an_annotation_of_another_server_is_put_on_the_dataset_of_that_name(server: Server) -> None:
    server.dataset()
    elsewhere = annotation_on("f" * 24, volume=False)
    nml, _ = elsewhere.to_nml()
    parameters = replace(nml.parameters, wk_url="https://elsewhere.example")
    foreign = Annotation.of_nml(replace(nml, parameters=parameters), "from elsewhere", {}, "test")

    got = Annotation.download(foreign.upload())

    assert got.dataset_id != "f" * 24
    assert got.dataset_name == "brain"


def test_a_token_is_not_sent_to_another_server(server: Server) -> None:
    url = annotation_on(server.dataset()).upload()

    elsewhere = webknossos_context(url="https://elsewhere.example", token=server.seed.admin)
    with elsewhere, pytest.raises(ServerError, match=url.rpartition("/")[2]) as caught:
        Annotation.download(url)

    assert server.seed.admin not in f"{caught.value} {caught.value.__notes__}"
    assert "was asked without a token" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    "text",
    ["https://webknossos.org/datasets/brain-0123456789abcdef01234567/view", "https://webknossos.org/annotations/x"],
)
def test_an_address_of_something_else_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"webknossos\.org"):
        Annotation.download(text)


def test_what_is_not_there_says_so(server: Server) -> None:
    with pytest.raises(NotOnServerError):
        Annotation.download("0" * 24)
    with pytest.raises(InputError, match="has no annotation_id"):
        annotation_on(server.dataset()).get_remote_annotation_dataset()


def test_annotations_are_listed_and_downloaded(server: Server) -> None:
    url = annotation_on(server.dataset(), "mine").upload()
    other = server.seed.annotators[0]
    with webknossos_context(url=server.url, token=other):
        theirs = AnnotationInfo.get_remote_annotations()

    mine = AnnotationInfo.get_remote_annotations()

    assert theirs == []
    assert [(one.id, one.name) for one in mine] == [(url.rpartition("/")[2], "mine")]
    assert AnnotationInfo.get_remote_annotations(is_finished=True) == []
    assert AnnotationInfo.get_remote_annotations(is_finished=None, owner=mine[0].owner_id) == mine
    assert mine[0].download_annotation(skip_volume_data=True).name == "mine"


def test_name_and_description_are_live(server: Server) -> None:
    url = annotation_on(server.dataset()).upload()
    remote = Annotation.open_remote(url)

    Annotation.open_remote(url).name = "renamed"
    remote.description = "drawn with care"

    assert isinstance(remote, RemoteAnnotation)
    assert (remote.name, remote.description, remote.url) == ("renamed", "drawn with care", url)
    assert remote.dataset_name == "brain"
    assert [tree.name for tree in remote.skeleton.flattened_trees()] == ["axon"]


def test_an_annotation_that_stays_there_gives_its_voxels_and_takes_no_changes(server: Server, tmp_path: Path) -> None:
    remote = Annotation.open_remote(annotation_on(server.dataset()).upload())

    with remote.temporary_volume_layer_copy() as layer:
        assert np.array_equal(layer.get_mag(1).read(absolute_bounding_box=BOX)[0], drawn())
    remote.save(tmp_path / "saved.zip")
    assert Annotation.load(tmp_path / "saved.zip").get_volume_layer().has_data
    assert remote.upload() != remote.url
    for change in (
        lambda: remote.add_volume_layer("more", "uint32"),
        remote.delete_volume_layer,
        lambda: remote.temporary_volume_layer_copy(read_only=False).__enter__(),
    ):
        with pytest.raises(ReadOnlyError, match="download it"):
            change()


def test_the_dataset_of_an_annotation_can_be_opened(server: Server) -> None:
    dataset = server.dataset()
    url = annotation_on(dataset).upload()
    by_name = annotation_on(dataset)
    by_name.dataset_id = None

    assert Annotation.open_remote(url).get_remote_base_dataset().dataset_id == dataset
    assert Annotation.download(url).get_remote_base_dataset().dataset_id == dataset
    assert by_name.get_remote_base_dataset().dataset_id == dataset
    shown = Annotation.open_as_remote_dataset(url)
    assert (shown.dataset_id, shown.annotation_id) == (dataset, url.rpartition("/")[2])
    assert Annotation.open_remote(url).get_remote_annotation_dataset().annotation_id == shown.annotation_id
    assert Annotation.download(url).get_remote_annotation_dataset().annotation_id == shown.annotation_id


def test_proofreading_and_meshes_say_what_they_need(server: Server, tmp_path: Path) -> None:
    skeleton = Annotation.open_remote(annotation_on(server.dataset(), volume=False).upload())
    volume = Annotation.open_remote(annotation_on(server.dataset()).upload())

    with pytest.raises(InputError, match="ids begin with 1"):
        volume.get_agglomerate_graph_data(0)
    with pytest.raises(InputError, match="has 0 volume layers"):
        skeleton.get_agglomerate_graph_data(4)
    with pytest.raises(UnexpectedStatusError):
        volume.get_agglomerate_graph(4)
    with pytest.raises(InputError, match="give mag and seed_position"):
        volume.download_mesh(4, tmp_path, "tracing")
    with pytest.raises(UnexpectedStatusError):
        volume.download_mesh(4, tmp_path, "tracing", mesh_file_name="meshes")
    assert list(tmp_path.glob("*.stl")) == []


def test_a_server_that_is_busy_is_asked_again(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    url = annotation_on(server.dataset()).upload()
    server.fault(kind="status", status=503, method="GET", path="download", times=1)

    assert Annotation.download(url).name == "cells_of_Ada"
    assert "retry_scheduled" in caplog.text
