"""Datasets, layers, mags and views offer every local name of the reference, with its parameters and defaults."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

from wk_assets.dataset.attachments import Attachments
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.layer import Layer, SegmentationLayer
from wk_assets.dataset.layer_to_link import LayerToLink
from wk_assets.dataset.mag_view import MagView
from wk_assets.dataset.remote_access_mode import RemoteAccessMode
from wk_assets.dataset.remote_ai_model import AiModelCategory, RemoteAiModel
from wk_assets.dataset.remote_attachments import RemoteAttachments
from wk_assets.dataset.remote_dataset import RemoteDataset
from wk_assets.dataset.remote_folder import RemoteFolder
from wk_assets.dataset.remote_layer import RemoteLayer, RemoteSegmentationLayer
from wk_assets.dataset.transfer_mode import TransferMode
from wk_assets.dataset.view import View
from wk_assets.geometry.mag_ladder import SamplingMode

KINDS: dict[str, type] = {
    "AiModelCategory": AiModelCategory,
    "Attachments": Attachments,
    "Dataset": Dataset,
    "Layer": Layer,
    "LayerToLink": LayerToLink,
    "MagView": MagView,
    "RemoteAccessMode": RemoteAccessMode,
    "RemoteDataset": RemoteDataset,
    "RemoteFolder": RemoteFolder,
    "RemoteLayer": RemoteLayer,
    "RemoteSegmentationLayer": RemoteSegmentationLayer,
    "RemoteAiModel": RemoteAiModel,
    "RemoteAttachments": RemoteAttachments,
    "SamplingModes": SamplingMode,
    "SegmentationLayer": SegmentationLayer,
    "TransferMode": TransferMode,
    "View": View,
}
# What is not offered, and why.
REASONS: dict[tuple[str, str], str] = {}
# Where the reference's page shows a default that is written in another way there.
SAME_DEFAULT = {"True": True, "False": False, "None": None}


def entry(shared_spec: Path, name: str) -> dict[str, Any]:
    surface = json.loads((shared_spec / "api-surface.json").read_text())
    modules = {"webknossos.dataset", "webknossos.ai_model"}
    (found,) = [one for one in surface if one["module"] in modules and one["class"] == name]
    return dict(found)


def parameters_of(signature: str, name: str) -> dict[str, str | None]:
    """Read names and defaults from a signature's text: `name: type = default`, separated by commas outside of brackets."""
    called = re.match(rf"{name}\(\s*(.*?),?\s*\)(?:\s*->|\s*$)", signature, re.DOTALL)
    if called is None:
        return {}
    parts, depth, part = [], 0, ""
    for mark in called.group(1) + ",":
        depth += (mark in "([") - (mark in ")]")
        if mark == "," and depth == 0:
            parts.append(part.strip())
            part = ""
        else:
            part += mark
    found: dict[str, str | None] = {}
    for text in parts:
        matched = re.match(r"(\w+)\s*:[^=]*(?:=\s*(.*))?$", text, re.DOTALL)
        if matched:
            found[matched.group(1)] = matched.group(2)
    return found


@pytest.mark.parametrize("name", KINDS)
def test_every_local_member_of_the_reference_is_offered(name: str, shared_spec: Path) -> None:
    there = {member["name"] for member in entry(shared_spec, name)["members"] if not member["deprecated"]}

    missing = {member for member in there if not hasattr(KINDS[name], member)}

    assert missing == {member for kind, member in REASONS if kind == name}


@pytest.mark.parametrize("name", KINDS)
def test_every_member_takes_the_parameters_of_the_reference_with_their_defaults(name: str, shared_spec: Path) -> None:
    checked = 0
    for member in entry(shared_spec, name)["members"]:
        wanted = parameters_of(member["signature"], member["name"])
        if member["deprecated"] or (name, member["name"]) in REASONS or not wanted:
            continue
        offered = inspect.signature(getattr(KINDS[name], member["name"])).parameters
        for parameter, default in wanted.items():
            where = f"{name}.{member['name']}({parameter})"
            assert parameter in offered, where
            ours = offered[parameter].default
            if default in SAME_DEFAULT:
                assert ours is SAME_DEFAULT[default], where
            elif default is not None and default.startswith('"'):
                assert str(ours) == default.strip('"'), where
            elif default is not None:
                assert ours is not inspect.Parameter.empty, where
            checked += 1
        positional = [
            one.name for one in offered.values() if one.kind is one.POSITIONAL_OR_KEYWORD and one.name != "self"
        ]
        assert positional == [one for one in wanted if one in positional], f"{name}.{member['name']}: order"
    assert checked or name in {"AiModelCategory", "RemoteAccessMode", "SamplingModes"}


def test_the_constructor_of_a_dataset_is_that_of_the_reference() -> None:
    parameters = inspect.signature(Dataset).parameters

    assert list(parameters) == ["dataset_path", "voxel_size", "name", "exist_ok", "voxel_size_with_unit", "read_only"]
    assert parameters["exist_ok"].default is False
    assert parameters["voxel_size_with_unit"].kind is inspect.Parameter.KEYWORD_ONLY
