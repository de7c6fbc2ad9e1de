"""Attachments of a segmentation layer: registered, copied, linked, renamed, forgotten, found; hostile input refused."""

import json
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from wk_assets.dataset.agglomerate_attachment import AgglomerateAttachment
from wk_assets.dataset.attachment import (
    Attachment,
    ConnectomeAttachment,
    CumsumAttachment,
    MeshAttachment,
    SegmentIndexAttachment,
)
from wk_assets.dataset.attachments import KINDS, Attachments
from wk_assets.dataset.dataset import Dataset
from wk_assets.errors import (
    AlreadyThereError,
    InputError,
    InvalidNameError,
    NotADatasetError,
    NotInDatasetError,
    PropertiesError,
    ReadOnlyError,
    RemoteLocationError,
)
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.operations.arrays.agglomerate_graph import AgglomerateGraph
from wk_assets.properties.layer_properties import AttachmentDataFormat

HDF5, JSON, ZARR3 = AttachmentDataFormat.HDF5, AttachmentDataFormat.JSON, AttachmentDataFormat.Zarr3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Make a dataset with a segmentation layer, and files outside of it to attach."""
    dataset = Dataset(tmp_path / "dataset", voxel_size=(10, 10, 10))
    dataset.add_layer("seg", "segmentation", dtype_per_channel="uint32", bounding_box=BoundingBox((0, 0, 0), (8, 8, 8)))
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "mesh.hdf5").write_bytes(b"mesh")
    (tmp_path / "outside" / "sums.json").write_text("{}")
    (tmp_path / "outside" / "folder" / "c").mkdir(parents=True)
    (tmp_path / "outside" / "folder" / "zarr.json").write_text("{}")
    (tmp_path / "outside" / "folder" / "c" / "0").write_bytes(b"shard")
    return tmp_path / "dataset"


def attachments_of(path: Path) -> Attachments:
    return Dataset.open(path).get_segmentation_layer("seg").attachments


def entries(path: Path) -> dict[str, Any]:
    document = json.loads((path / "datasource-properties.json").read_text())
    found: dict[str, Any] = document["dataLayers"][0].get("attachments", {})
    return found


def mesh(path: Path, name: str = "mesh") -> MeshAttachment:
    return MeshAttachment.from_path_and_name(path.parent / "outside" / "mesh.hdf5", name, data_format=HDF5)


def folder(path: Path, name: str = "folder") -> AgglomerateAttachment:
    return AgglomerateAttachment.from_path_and_name(path.parent / "outside" / "folder", name, data_format=ZARR3)


# ---------------------------------------------------------------------- registering


def test_a_new_layer_has_no_attachments(path: Path) -> None:
    attachments = attachments_of(path)

    assert attachments.is_empty
    assert attachments.meshes == attachments.agglomerates == attachments.connectomes == ()
    assert attachments.segment_index is None
    assert attachments.cumsum is None
    assert list(attachments) == []


def test_every_kind_is_registered_where_it_is(path: Path) -> None:
    attachments, outside = attachments_of(path), path.parent / "outside"

    added = [
        attachments.add_mesh(outside / "mesh.hdf5", name="m", data_format=HDF5),
        attachments.add_agglomerate(outside / "folder", name="a", data_format=ZARR3),
        attachments.add_connectome(outside / "mesh.hdf5", name="c", data_format=HDF5),
        attachments.set_segment_index(outside / "mesh.hdf5", name="i", data_format=HDF5),
        attachments.set_cumsum(outside / "sums.json", name="s", data_format=JSON),
    ]

    again = attachments_of(path)
    assert [*again.meshes, *again.agglomerates, *again.connectomes, again.segment_index, again.cumsum] == added
    assert [type(one).__name__ for one in added] == [
        "MeshAttachment",
        "AgglomerateAttachment",
        "ConnectomeAttachment",
        "SegmentIndexAttachment",
        "CumsumAttachment",
    ]
    assert entries(path) == {
        "meshes": [{"name": "m", "path": str(outside / "mesh.hdf5"), "dataFormat": "hdf5"}],
        "agglomerates": [{"name": "a", "path": str(outside / "folder"), "dataFormat": "zarr3"}],
        "segmentIndex": {"name": "i", "path": str(outside / "mesh.hdf5"), "dataFormat": "hdf5"},
        "cumsum": {"name": "s", "path": str(outside / "sums.json"), "dataFormat": "json"},
        "connectomes": [{"name": "c", "path": str(outside / "mesh.hdf5"), "dataFormat": "hdf5"}],
    }
    assert not again.is_empty


def test_a_place_in_the_dataset_is_named_relative_to_it(path: Path) -> None:
    attachments = attachments_of(path)

    relative = attachments.add_mesh("seg/meshes/m.hdf5", name="relative", data_format=HDF5)
    absolute = attachments.add_mesh(path / "seg" / "meshes" / "m.hdf5", name="absolute", data_format=HDF5)

    assert relative.path == absolute.path == path / "seg" / "meshes" / "m.hdf5"
    assert [entry["path"] for entry in entries(path)["meshes"]] == ["./seg/meshes/m.hdf5"] * 2


def test_a_url_is_kept_as_it_is_and_never_opened_as_a_file(path: Path) -> None:
    attachments = attachments_of(path)
    added = attachments.add_agglomerate("s3://bucket/agglomerates", name="remote", data_format=ZARR3)

    assert entries(path)["agglomerates"][0]["path"] == "s3://bucket/agglomerates"
    assert str(attachments_of(path).agglomerates[0].path) == str(added.path) == "s3://bucket/agglomerates"
    with pytest.raises(RemoteLocationError, match="s3://bucket/agglomerates"):
        attachments_of(path).agglomerates[0].to_graph()


def test_a_second_index_takes_the_place_of_the_first(path: Path) -> None:
    attachments, outside = attachments_of(path), path.parent / "outside"
    attachments.set_cumsum(outside / "sums.json", name="first", data_format=JSON)

    attachments.set_cumsum(outside / "sums.json", name="second", data_format=JSON)

    assert attachments.cumsum is not None
    assert attachments.cumsum.name == "second"
    assert entries(path)["cumsum"]["name"] == "second"


def test_a_reference_may_have_another_name(path: Path) -> None:
    attachments = attachments_of(path)
    added = attachments.add_attachment_as_ref(mesh(path), new_name="another")
    assert (added.name, added.path) == ("another", mesh(path).path)
    assert attachments.meshes == (added,)


def test_several_are_registered_together_or_not_at_all(path: Path) -> None:
    attachments = attachments_of(path)
    assert attachments.add_attachments(mesh(path, "a"), folder(path, "b")) == [mesh(path, "a"), folder(path, "b")]

    with pytest.raises(AlreadyThereError, match="mesh 'a'"):
        attachments.add_attachments(mesh(path, "new"), mesh(path, "a"))

    assert [one.name for one in attachments] == ["a", "b"]


def test_what_others_registered_meanwhile_is_seen_and_kept(path: Path) -> None:
    one, other = attachments_of(path), attachments_of(path)
    one.add_attachments(mesh(path, "one"))
    other.add_attachments(mesh(path, "other"))
    assert [each.name for each in one.meshes] == ["one", "other"]


def add_one(path: Path, number: int) -> None:
    attachments_of(path).add_attachments(mesh(path, f"mesh{number}"))


def test_processes_that_register_at_the_same_time_lose_nothing(path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        for done in [pool.submit(add_one, path, number) for number in range(8)]:
            done.result()
    assert {one.name for one in attachments_of(path).meshes} == {f"mesh{number}" for number in range(8)}


def test_statistics_that_we_do_not_offer_stay_registered(path: Path) -> None:
    document = json.loads((path / "datasource-properties.json").read_text())
    kept = {"name": "stats", "path": "./seg/segmentStatistics/stats", "dataFormat": "zarr3"}
    document["dataLayers"][0]["attachments"] = {"segmentStatistics": kept}
    (path / "datasource-properties.json").write_text(json.dumps(document))

    attachments_of(path).add_attachments(mesh(path))

    assert entries(path)["segmentStatistics"] == kept


# ---------------------------------------------------------------------- copies and links


def test_a_copy_lies_in_the_folder_of_its_kind_under_its_name(path: Path) -> None:
    attachments, outside = attachments_of(path), path.parent / "outside"
    given = [
        mesh(path, "m"),
        folder(path, "a"),
        ConnectomeAttachment.from_path_and_name(outside / "mesh.hdf5", "c", data_format=HDF5),
        SegmentIndexAttachment.from_path_and_name(outside / "mesh.hdf5", "i", data_format=HDF5),
        CumsumAttachment.from_path_and_name(outside / "sums.json", "s", data_format=JSON),
    ]

    added = attachments.add_copy_attachments(*given)

    assert [Path(one.path.path).relative_to(path / "seg").as_posix() for one in added] == [
        "meshes/m.hdf5",
        "agglomerates/a",
        "connectomes/c.hdf5",
        "segmentIndex/i.hdf5",
        "cumsum/s.json",
    ]
    assert entries(path)["segmentIndex"]["path"] == "./seg/segmentIndex/i.hdf5"
    assert (path / "seg" / "meshes" / "m.hdf5").read_bytes() == b"mesh"
    assert (path / "seg" / "agglomerates" / "a" / "c" / "0").read_bytes() == b"shard"
    assert set(attachments_of(path)) == set(added)


@pytest.mark.parametrize("relative", [False, True])
def test_a_link_leads_to_the_file_and_moves_with_it_if_it_is_relative(path: Path, relative: bool) -> None:
    attachments = attachments_of(path)

    (added,) = attachments.add_symlink_attachments(mesh(path), make_relative=relative)

    link = path / "seg" / "meshes" / "mesh.hdf5"
    assert link.is_symlink()
    assert link.readlink().is_absolute() is not relative
    assert attachments_of(path).meshes == (added,)
    moved = path.parent.rename(path.parent.with_name(f"{path.parent.name}-moved"))
    assert (moved / "dataset" / "seg" / "meshes" / "mesh.hdf5").exists() is relative


def test_nothing_is_left_of_copies_when_one_of_them_fails(path: Path) -> None:
    attachments = attachments_of(path)
    missing = MeshAttachment.from_path_and_name(path.parent / "outside" / "missing.hdf5", "b", data_format=HDF5)

    with pytest.raises(NotADatasetError, match=r"missing\.hdf5"):
        attachments.add_copy_attachments(mesh(path, "a"), missing)

    assert attachments.is_empty
    assert list((path / "seg" / "meshes").iterdir()) == []


def test_a_copy_does_not_replace_a_file_that_nothing_names(path: Path) -> None:
    (path / "seg" / "meshes").mkdir(parents=True)
    (path / "seg" / "meshes" / "mesh.hdf5").write_bytes(b"precious")

    with pytest.raises(InputError, match="something at"):
        attachments_of(path).add_attachment_as_copy(mesh(path))

    assert (path / "seg" / "meshes" / "mesh.hdf5").read_bytes() == b"precious"
    assert attachments_of(path).is_empty


def test_what_a_killed_copy_left_behind_is_removed_by_the_next(path: Path) -> None:
    (path / "seg" / "meshes").mkdir(parents=True)
    (path / "seg" / "meshes" / ".mesh.hdf5.123.partial").write_bytes(b"half")

    attachments_of(path).add_attachment_as_copy(mesh(path))

    assert [one.name for one in (path / "seg" / "meshes").iterdir()] == ["mesh.hdf5"]


# ---------------------------------------------------------------------- changing and forgetting


def test_another_name_leaves_the_file_where_it_is(path: Path) -> None:
    attachments = attachments_of(path)
    added = attachments.add_attachment_as_copy(mesh(path))

    renamed = attachments.rename_attachment(added, new_name="other")

    assert (renamed.name, renamed.path) == ("other", added.path)
    assert attachments_of(path).meshes == (renamed,)
    assert attachments.rename_attachment(renamed, new_name="other") == renamed
    attachments.add_attachments(mesh(path, "third"))
    with pytest.raises(AlreadyThereError, match="third"):
        attachments.rename_attachment(renamed, new_name="third")


def test_a_forgotten_attachment_leaves_the_file_where_it_is(path: Path) -> None:
    attachments = attachments_of(path)
    added = attachments.add_attachment_as_copy(mesh(path))
    attachments.set_cumsum(path.parent / "outside" / "sums.json", name="s", data_format=JSON)

    attachments.delete_attachment(added)

    assert attachments.meshes == ()
    assert added.path.read_bytes() == b"mesh"
    assert attachments.cumsum is not None
    attachments.delete_attachment(attachments.cumsum)
    assert attachments_of(path).is_empty
    assert not entries(path)


@pytest.mark.parametrize("change", ["rename", "delete"])
def test_only_what_the_layer_has_can_be_changed(path: Path, change: str) -> None:
    attachments = attachments_of(path)
    attachments.add_attachments(mesh(path))
    foreign = MeshAttachment.from_path_and_name(path.parent / "outside" / "other.hdf5", "mesh", data_format=HDF5)

    changes: dict[str, Callable[[], object]] = {
        "rename": partial(attachments.rename_attachment, foreign, new_name="x"),
        "delete": partial(attachments.delete_attachment, foreign),
    }
    with pytest.raises(NotInDatasetError, match=r"has no MeshAttachment.*other\.hdf5.*its meshes are: mesh"):
        changes[change]()


def test_a_dataset_opened_for_reading_keeps_its_attachments(path: Path) -> None:
    attachments_of(path).add_attachments(mesh(path))
    attachments = Dataset.open(path, read_only=True).get_segmentation_layer("seg").attachments
    (there,) = attachments.meshes
    changes: list[Callable[[], object]] = [
        lambda: attachments.add_mesh("x.hdf5", name="x", data_format=HDF5),
        lambda: attachments.add_attachments(mesh(path, "x")),
        lambda: attachments.add_copy_attachments(mesh(path, "x")),
        lambda: attachments.add_symlink_attachments(mesh(path, "x")),
        lambda: attachments.create_agglomerate("x", AgglomerateGraph()),
        lambda: attachments.rename_attachment(there, new_name="x"),
        lambda: attachments.delete_attachment(there),
        attachments.detect_legacy_attachments,
    ]
    for change in changes:
        with pytest.raises(ReadOnlyError, match="seg"):
            change()
    assert attachments_of(path).meshes == (there,)


def test_files_of_old_datasets_are_found(path: Path) -> None:
    for name in (
        "meshes/b.hdf5",
        "meshes/a.hdf5",
        "meshes/notes.txt",
        "meshes/no name.hdf5",
        "agglomerates/v1.hdf5",
        "agglomerates/cumsum.json",
        "segmentIndex/z.hdf5",
        "segmentIndex/index.hdf5",
        "connectomes/c.hdf5",
    ):
        file = path / "seg" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    (path / "seg" / "meshes" / "link.hdf5").symlink_to(path.parent / "outside" / "mesh.hdf5")
    (path / "seg" / "meshes" / "dangling.hdf5").symlink_to(path / "nowhere")
    attachments = attachments_of(path)

    attachments.detect_legacy_attachments()
    before = entries(path)
    attachments.detect_legacy_attachments()

    assert before == entries(path)
    assert before == {
        "meshes": [
            {"name": "a", "path": "./seg/meshes/a.hdf5", "dataFormat": "hdf5"},
            {"name": "b", "path": "./seg/meshes/b.hdf5", "dataFormat": "hdf5"},
            {"name": "link", "path": str(path.parent / "outside" / "mesh.hdf5"), "dataFormat": "hdf5"},
        ],
        "agglomerates": [{"name": "v1", "path": "./seg/agglomerates/v1.hdf5", "dataFormat": "hdf5"}],
        "segmentIndex": {"name": "index", "path": "./seg/segmentIndex/index.hdf5", "dataFormat": "hdf5"},
        "cumsum": {"name": "cumsum", "path": "./seg/agglomerates/cumsum.json", "dataFormat": "json"},
        "connectomes": [{"name": "c", "path": "./seg/connectomes/c.hdf5", "dataFormat": "hdf5"}],
    }


# ---------------------------------------------------------------------- hostile input


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../../x", "a b", ".hidden", "x\0y", "ü", "x" * 300])
def test_a_name_that_can_not_be_a_file_is_refused(path: Path, name: str) -> None:
    attachments = attachments_of(path)
    with pytest.raises(InvalidNameError, match="allowed are"):
        attachments.add_mesh("x.hdf5", name=name, data_format=HDF5)
    with pytest.raises(InvalidNameError, match="allowed are"):
        attachments.add_attachment_as_ref(mesh(path), new_name=name)
    there = attachments.add_attachment_as_ref(mesh(path))
    with pytest.raises(InvalidNameError, match="allowed are"):
        attachments.rename_attachment(there, new_name=name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("data_format", AttachmentDataFormat)
def test_a_kind_comes_in_its_formats_only(kind: type[Attachment], data_format: AttachmentDataFormat) -> None:
    allowed = {
        "meshes": {"zarr3", "hdf5", "neuroglancerPrecomputed"},
        "cumsum": {"zarr3", "json"},
    }.get(kind.container_name, {"zarr3", "hdf5"})
    if data_format.value in allowed:
        assert kind.from_path_and_name("/x", "x", data_format=data_format).data_format is data_format
    else:
        with pytest.raises(PropertiesError, match=rf"'x'.*{data_format.value}.*it comes as"):
            kind.from_path_and_name("/x", "x", data_format=data_format)


@pytest.mark.parametrize("hostile", ["../outside/mesh.hdf5", "./seg/../../outside/mesh.hdf5", "..", "a/../../b"])
def test_a_relative_path_that_leaves_the_dataset_is_refused(path: Path, hostile: str) -> None:
    with pytest.raises(PropertiesError, match=r"'m'.*leaves the dataset.*absolutely"):
        attachments_of(path).add_mesh(hostile, name="m", data_format=HDF5)

    document = json.loads((path / "datasource-properties.json").read_text())
    document["dataLayers"][0]["attachments"] = {"meshes": [{"name": "m", "path": hostile, "dataFormat": "hdf5"}]}
    (path / "datasource-properties.json").write_text(json.dumps(document))
    with pytest.raises(PropertiesError, match=r"'m'.*leaves the dataset"):
        _ = attachments_of(path).meshes


def test_a_link_in_a_folder_that_leads_out_of_it_is_not_copied(path: Path) -> None:
    secret = path.parent / "secret"
    secret.write_text("password")
    outside = path.parent / "outside" / "folder"
    (outside / "c" / "inner").symlink_to(outside / "zarr.json")
    attachments = attachments_of(path)
    copied = attachments.add_attachment_as_copy(folder(path, "harmless"))
    assert (copied.path / "c" / "inner").read_text() == "{}"

    (outside / "c" / "1").symlink_to(secret)
    with pytest.raises(InputError, match="leads out of"):
        attachments.add_attachment_as_copy(folder(path, "hostile"))

    assert [one.name for one in attachments.agglomerates] == ["harmless"]
    assert [one.name for one in (path / "seg" / "agglomerates").iterdir()] == ["harmless"]


def test_a_folder_is_not_copied_into_itself(path: Path) -> None:
    whole = AgglomerateAttachment.from_path_and_name(path, "whole", data_format=ZARR3)
    with pytest.raises(InputError, match="into itself"):
        attachments_of(path).add_attachment_as_copy(whole)


def test_what_is_no_file_is_not_copied(path: Path) -> None:
    os.mkfifo(path.parent / "outside" / "folder" / "pipe")
    with pytest.raises(InputError, match=r"pipe is neither a file nor a folder"):
        attachments_of(path).add_attachment_as_copy(folder(path))


def test_what_lies_behind_a_url_is_not_linked_to(path: Path) -> None:
    remote = MeshAttachment.from_path_and_name("https://example.org/m.hdf5", "m", data_format=HDF5)
    with pytest.raises(RemoteLocationError, match=r"example\.org"):
        attachments_of(path).add_symlink_attachments(remote)
    assert attachments_of(path).is_empty


# ---------------------------------------------------------------------- the reference


@pytest.mark.parametrize("kind", [Attachments, Attachment, *KINDS], ids=lambda kind: kind.__name__)
def test_every_member_of_the_reference_is_offered(kind: type, shared_spec: Path) -> None:
    surface = json.loads((shared_spec / "api-surface.json").read_text())
    (entry,) = [one for one in surface if (one["module"], one["class"]) == ("webknossos.dataset", kind.__name__)]
    own = {"name", "path", "data_format"}  # set by the constructor
    own |= {"container_name", "type_name"} if kind is Attachment else set()  # each kind has its own
    missing = {member["name"] for member in entry["members"] if not member["deprecated"]} - own
    assert {name for name in missing if not hasattr(kind, name)} == set()
