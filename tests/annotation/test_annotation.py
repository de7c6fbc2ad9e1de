"""Annotations on disk: nothing that a file says is lost, saving is at once and the same bytes, and edits come back."""

import zipfile
from pathlib import Path

import pytest

from tests.annotation.volumes import annotation_zip, nml_text, volume_zip
from wk_assets.annotation.annotation import Annotation
from wk_assets.annotation.segment_information import SegmentInformation
from wk_assets.errors import AnnotationFileError, InputError, NmlError, StorageError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.skeleton.nml import read_nml

FILES = (
    "bounding-boxes-example.zip", "empty_volume_annotation.zip", "l4_sample__explorational__suser__94b271.zip",
    "l4dense_motta_et_al_demo_v2__explorational__4a6356.zip", "nml_with_volumes.zip",
    "nml/generated_annotation_snapshot.nml", "nml/generated_skeleton_snapshot.nml", "nml/test_a.nml",
)  # fmt: skip
SEGMENTS = (
    '<volume id="0" name="Volume" mood="calm"><segments><segment id="4" name="axon" created="9" groupId="2" shade="3" '
    'anchorPositionX="1.5" anchorPositionY="2" anchorPositionZ="3" additionalCoordinate-t="6"/><segment id="8"/></segments>'
    '<groups><group id="2" name="axons" isExpanded="true"/></groups></volume>'
)


@pytest.mark.parametrize("name", FILES)
def test_a_real_file_says_the_same_after_it_was_saved(tmp_path: Path, shared_data: Path, name: str) -> None:
    path = shared_data / "webknossos-annotations" / name
    annotation = Annotation.load(path)
    target = tmp_path / f"one{path.suffix}"

    annotation.save(target)

    again = Annotation.load(target)
    again.save(tmp_path / f"two{path.suffix}")
    assert again.to_nml()[0] == annotation.to_nml()[0]
    assert again.skeleton == annotation.skeleton
    assert again.get_volume_layer_names() == annotation.get_volume_layer_names()
    assert target.read_bytes() == (tmp_path / f"two{path.suffix}").read_bytes()
    for before, after in zip(annotation.volume_layers, again.volume_layers, strict=True):
        assert (before.data is None) == (after.data is None)
        assert (
            before.data is None or after.data is None or before.data.path.read_bytes() == after.data.path.read_bytes()
        )


def test_a_real_file_is_understood(shared_data: Path) -> None:
    folder = shared_data / "webknossos-annotations"
    drawn = Annotation.load(folder / "l4_sample__explorational__suser__94b271.zip")
    boxes = Annotation.load(folder / "bounding-boxes-example.zip").user_bounding_boxes

    assert drawn.name == "l4_sample__explorational__suser__94b271"
    assert (drawn.owner_name, drawn.annotation_id) == ("Sample User", "65269e70df0100140a94b271")
    assert (drawn.dataset_name, drawn.organization_id) == ("l4_sample", "sample_organization")
    assert (drawn.time, drawn.edit_position, drawn.zoom_level) == (1697029744090, (3867.0, 3579.0, 1024.0), 2.0)
    assert drawn.metadata["writer"] == "NmlWriter.scala"
    assert [node.id for tree in drawn.skeleton.flattened_trees() for node in tree.nodes] == [1, 2, 3]
    assert drawn.get_volume_layer_segments()[1].anchor_position == Vec3Int(3395, 3761, 1024)
    with drawn.temporary_volume_layer_copy() as layer:
        view = layer.get_mag(1)
        assert sum(int((view.array.read_box(box) == 1).sum()) for box in view.array.stored_boxes()) == 64576
    assert [(box.name, box.is_visible, box.topleft.x) for box in boxes] == [
        ("Bounding box 1", True, 2371),
        ("Bounding box 2", False, 371),
    ]


def test_what_a_file_says_beyond_what_we_know_stays(tmp_path: Path) -> None:
    text = nml_text(
        SEGMENTS,
        extra='<meta name="m" content="1" by="x"/><meta name="m" content="2nd"/><future kind="a">text<b/></future>',
    )
    annotation = Annotation.load(annotation_zip(tmp_path / "a.zip", {"a.nml": text}))

    annotation.get_volume_layer_segments()[4].name = "dendrite"
    annotation.save(tmp_path / "b.zip")

    written = zipfile.ZipFile(tmp_path / "b.zip").read("a.nml").decode()
    for kept in (
        'by="x"', 'content="2nd"', '<future kind="a">text<b', 'mood="calm"', 'shade="3"', 'anchorPositionX="1.5"',
        'additionalCoordinate-t="6"', 'isExpanded="true"', 'groupId="2"', 'name="dendrite"', 'content="Ada"',
    ):  # fmt: skip
        assert kept in written


def test_segments_can_be_changed_added_and_removed(tmp_path: Path) -> None:
    annotation = Annotation.load(annotation_zip(tmp_path / "a.zip", {"a.nml": nml_text(SEGMENTS)}))
    segments = annotation.get_volume_layer_segments("Volume")
    del segments[8]
    segments[4].anchor_position = (5, 6, 7)
    segments[2**53 + 1] = SegmentInformation(
        name="soma", color=(0.5, 0.25, 0.0, 1.0), metadata={"sure": 0.5, "of": ["a", "b"], "by": "Ada"}
    )

    annotation.save(tmp_path / "b.zip")

    found = Annotation.load(tmp_path / "b.zip").get_volume_layer_segments()
    assert list(found) == [4, 2**53 + 1]
    assert (found[4].anchor_position, found[4].group_id) == (Vec3Int(5, 6, 7), 2)
    assert found[2**53 + 1] == segments[2**53 + 1]


def test_every_field_comes_back(tmp_path: Path) -> None:
    annotation = Annotation(
        "cells of Ada", dataset_name="brain", voxel_size_with_unit=VoxelSize((0.5, 0.5, 2), "micrometer"),
        organization_id="lab", description="A & B", dataset_id="a" * 24, annotation_id="b" * 24, owner_name="Ada",
        time=123, edit_position=(1.5, 2.0, 3.0), edit_rotation=(10.0, 0.0, 5.0), zoom_level=2.5, metadata={"key": "value"},
        task_bounding_box=BoundingBox((1, 2, 3), (4, 5, 6), name="task"),
        user_bounding_boxes=[BoundingBox((0, 0, 0), (9, 9, 9), name="one", is_visible=False, color=(1, 0, 0, 1))],
    )  # fmt: skip
    annotation.skeleton.add_tree("axon").add_node(position=(1, 2, 3))

    annotation.save(tmp_path / "cells of Ada.nml")

    found = Annotation.load(tmp_path / "cells of Ada.nml")
    for field in (
        "name", "dataset_name", "voxel_size", "voxel_size_with_unit", "organization_id", "description", "dataset_id",
        "annotation_id", "owner_name", "time", "edit_position", "edit_rotation", "zoom_level", "metadata",
        "user_bounding_boxes", "skeleton",
    ):  # fmt: skip
        assert getattr(found, field) == getattr(annotation, field), field
    assert found.voxel_size == (500.0, 500.0, 2000.0)
    assert isinstance(found.task_bounding_box, BoundingBox)
    assert found.task_bounding_box.to_tuple6() == (1, 2, 3, 4, 5, 6)


def test_boxes_keep_their_ids_and_new_ones_get_others(tmp_path: Path, shared_data: Path) -> None:
    annotation = Annotation.load(shared_data / "webknossos-annotations/bounding-boxes-example.zip")
    del annotation.user_bounding_boxes[0]
    annotation.user_bounding_boxes.insert(0, BoundingBox((0, 0, 0), (1, 1, 1), name="new"))
    annotation.user_bounding_boxes[1] = annotation.user_bounding_boxes[1].with_name("renamed")

    boxes = annotation.to_nml()[0].parameters.userBoundingBoxes

    assert [(one.id, one.box.name) for one in boxes] == [(3, "new"), (2, "renamed")]


def test_an_interrupted_save_leaves_the_old_file(tmp_path: Path) -> None:
    annotation = Annotation("a", dataset_name="brain", voxel_size=(1, 1, 1))
    annotation.save(tmp_path / "a.nml")
    before = (tmp_path / "a.nml").read_bytes()

    annotation.description = "a text with a \0 in it"
    with pytest.raises(NmlError):
        annotation.save(tmp_path / "a.nml")

    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("a.nml", before)]


def test_a_file_can_be_saved_over_the_one_that_it_came_from(tmp_path: Path) -> None:
    made = {"a.nml": nml_text('<volume id="0" location="d.zip"/>'), "d.zip": volume_zip(tmp_path / "made", "wkw")}
    path = annotation_zip(tmp_path / "a.zip", made)
    annotation = Annotation.load(path)

    annotation.save(path)
    first = path.read_bytes()
    annotation.save(path)

    assert path.read_bytes() == first
    with Annotation.load(path).temporary_volume_layer_copy() as layer:
        assert list(layer.mags)


def test_voxels_do_not_fit_into_an_nml(tmp_path: Path) -> None:
    made = {"a.nml": nml_text('<volume id="0" location="d.zip"/>'), "d.zip": volume_zip(tmp_path / "made", "wkw")}
    annotation = Annotation.load(annotation_zip(tmp_path / "a.zip", made))

    with pytest.raises(AnnotationFileError, match=r"can not hold the voxels .* save it as \.zip"):
        annotation.save(tmp_path / "a.nml")

    assert not (tmp_path / "a.nml").exists()


def test_an_nml_whose_voxels_lie_elsewhere_is_loaded_without(tmp_path: Path) -> None:
    (tmp_path / "a.nml").write_bytes(nml_text('<volume id="0" location="/etc/passwd"/>'))

    annotation = Annotation.load(tmp_path / "a.nml")
    annotation.save(tmp_path / "b.nml")

    assert not annotation.get_volume_layer().has_data
    assert read_nml(tmp_path / "b.nml").volumes[0].location is None


def test_what_is_no_annotation_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.nml").write_bytes(b"<things>")
    (tmp_path / "twice.nml").write_bytes(
        nml_text('<volume id="0"><segments><segment id="4"/><segment id="4"/></segments></volume>')
    )

    with pytest.raises(AnnotationFileError, match=r"files that end in \.nml or \.zip"):
        Annotation.load(tmp_path / "a.txt")
    with pytest.raises(FileNotFoundError):
        Annotation.load(tmp_path / "missing.nml")
    with pytest.raises(NmlError, match=r"a\.nml"):
        Annotation.load(tmp_path / "a.nml")
    with pytest.raises((AnnotationFileError, NmlError), match="4"):
        Annotation.load(tmp_path / "twice.nml")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "give a skeleton, or dataset_name and voxel_size"),
        ({"dataset_name": "brain"}, "give its voxel size"),
        (
            {"dataset_name": "b", "voxel_size": (1, 1, 1), "voxel_size_with_unit": VoxelSize((1, 1, 1))},
            "either voxel_size",
        ),
        ({"dataset_name": "brain", "voxel_size": (0, 1, 1)}, "greater than zero"),
    ],
)
def test_an_annotation_is_of_a_dataset_with_a_voxel_size(given: dict[str, object], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Annotation("a", **given)  # type: ignore[arg-type]  # of any kind, on purpose


def test_a_skeleton_says_already_which_dataset_it_is_of() -> None:
    skeleton = Annotation("a", dataset_name="brain", voxel_size=(1, 1, 1)).skeleton

    assert Annotation("b", skeleton).dataset_name == "brain"
    with pytest.raises(InputError, match="a skeleton is given"):
        Annotation("b", skeleton, dataset_name="other")


def test_a_place_that_can_not_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises((StorageError, NotADirectoryError, FileExistsError)):
        Annotation("a", dataset_name="brain", voxel_size=(1, 1, 1)).save(tmp_path / "file" / "a.nml")
