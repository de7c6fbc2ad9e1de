"""Every member that the reference names is there, with its parameters; what is missing, and why, stands here."""

import dataclasses
import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

OURS = {
    "Datastore": "dataset.datastore",
    "Project": "administration.tasks",
    "RemoteFolder": "dataset.remote_folder",
    "Task": "administration.tasks",
    "TaskType": "administration.task_type",
    "Team": "people.members",
    "User": "people.members",
    "AnnotationInfo": "annotation.annotation_info",
    "AnnotationState": "annotation.annotation_info",
    "AnnotationType": "annotation.annotation_info",
}
MISSING: dict[str, str] = {}
MISSING_PARAMETERS = {
    "Task.create.dataset_name": "deprecated by the reference: a name does not tell datasets apart",
}


def _members(shared_spec: Path) -> list[tuple[str, str, str]]:
    surface = json.loads((shared_spec / "api-surface.json").read_text())
    return [
        (entry["class"], member["name"], member["signature"])
        for entry in surface
        if entry["class"] in OURS
        for member in entry["members"]
        if not member["deprecated"]
    ]


def _class(name: str) -> Any:
    return getattr(importlib.import_module(f"wk_assets.{OURS[name]}"), name)


def test_every_member_of_the_reference_is_offered(shared_spec: Path) -> None:
    members = _members(shared_spec)
    missing = set()
    for owner, name, _ in members:
        ours = _class(owner)
        fields = {field.name for field in dataclasses.fields(ours)} if dataclasses.is_dataclass(ours) else set()
        if name not in fields and not hasattr(ours, name):
            missing.add(f"{owner}.{name}")

    assert len(members) > 70
    assert missing == set(MISSING)


def test_every_parameter_of_the_reference_is_taken_in_its_order(shared_spec: Path) -> None:
    missing = set()
    for owner, name, signature in _members(shared_spec):
        called = re.match(rf"{name}\((.*)\)\s*->", signature, re.DOTALL)
        if called is None or f"{owner}.{name}" in MISSING:
            continue
        ours = [one for one in inspect.signature(getattr(_class(owner), name)).parameters if one != "self"]
        theirs = re.findall(
            r"(?:^|,)\s*(\w+)\s*:", re.sub(r"\{.*?\}\}|\{.*\}|\[[^\]]*\]", "", called.group(1), flags=re.DOTALL)
        )
        missing |= {f"{owner}.{name}.{one}" for one in theirs if one not in ours}
        kept = [one for one in theirs if one in ours]
        assert [one for one in ours if one in kept] == kept, f"{owner}.{name}"

    assert missing == set(MISSING_PARAMETERS)


@pytest.mark.parametrize("name", ["Datastore", "Project", "Task", "TaskType", "Team", "User", "AnnotationInfo"])
def test_values_are_frozen(name: str) -> None:
    ours = _class(name)

    value = ours(**{field.name: None for field in dataclasses.fields(ours)})
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, dataclasses.fields(ours)[0].name, "other")
