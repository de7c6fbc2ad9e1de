"""Annotations offer every name of the reference, with its parameters in their order."""

import inspect
import json
import re
from pathlib import Path

import pytest

from wk_assets.annotation.annotation import Annotation
from wk_assets.annotation.remote_annotation import RemoteAnnotation
from wk_assets.annotation.segment_information import SegmentInformation

KINDS: dict[str, type] = {
    "Annotation": Annotation,
    "RemoteAnnotation": RemoteAnnotation,
    "SegmentInformation": SegmentInformation,
}
# Set by the constructor, so that the class alone does not show them.
FIELDS = {
    "annotation_id", "edit_position", "edit_rotation", "metadata", "owner_name", "skeleton", "task_bounding_box", "time",
    "user_bounding_boxes", "zoom_level",
}  # fmt: skip


def members(shared_spec: Path, name: str) -> list[tuple[str, str]]:
    surface = json.loads((shared_spec / "api-surface.json").read_text())
    (found,) = [one for one in surface if (one["module"], one["class"]) == ("webknossos.annotation", name)]
    return [(one["name"], one["signature"]) for one in found["members"] if not one["deprecated"]]


@pytest.mark.parametrize("name", KINDS)
def test_every_member_of_the_reference_is_offered(name: str, shared_spec: Path) -> None:
    new = Annotation("a", dataset_name="b", voxel_size=(1, 1, 1))

    missing = {member for member, _ in members(shared_spec, name) if not hasattr(KINDS[name], member)}

    assert missing == (FIELDS if name != "SegmentInformation" else set())
    assert all(hasattr(new, field) for field in FIELDS)


@pytest.mark.parametrize("name", KINDS)
def test_every_parameter_of_the_reference_is_taken_in_its_order(name: str, shared_spec: Path) -> None:
    checked = 0
    for member, signature in members(shared_spec, name):
        called = re.match(rf"{member}\((.*)\)\s*->", signature, re.DOTALL)
        if called is None:
            continue
        ours = [one for one in inspect.signature(getattr(KINDS[name], member)).parameters if one != "self"]
        theirs = re.findall(r"(?:^|,)\s*(\w+)\s*:", re.sub(r"\[[^\]]*\]", "", called.group(1), flags=re.DOTALL))
        assert [one for one in ours if one in theirs] == theirs, member
        checked += 1

    assert checked >= (0 if name == "SegmentInformation" else 15)


def test_the_constructor_of_a_remote_annotation_is_the_references(shared_spec: Path) -> None:
    text = (shared_spec / "api-reference.md").read_text()
    shown = re.search(r"\nRemoteAnnotation\((.*)\)\n", text)
    assert shown is not None
    theirs = re.findall(r"(?:^|,)\s*(\w+)\s*:", re.sub(r"\[[^\]]*\]", "", shown.group(1)))

    ours = list(inspect.signature(RemoteAnnotation).parameters)

    assert [one for one in ours if one in theirs] == theirs
