"""Skeletons, groups, trees and nodes offer every name of the reference, with its parameters and defaults; so does the NML model."""

import inspect
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from wk_assets.skeleton import nml_columns, nml_model
from wk_assets.skeleton.group import Group
from wk_assets.skeleton.node import Node
from wk_assets.skeleton.skeleton import Skeleton
from wk_assets.skeleton.tree import Tree

KINDS: dict[str, type] = {"Group": Group, "Node": Node, "Skeleton": Skeleton, "Tree": Tree}
MODELS: dict[str, type] = {
    "Branchpoint": nml_model.Branchpoint,
    "Comment": nml_model.Comment,
    "Edge": nml_columns.Edge,
    "Group": nml_model.Group,
    "Meta": nml_model.Meta,
    "MetadataEntry": nml_model.MetadataEntry,
    "Nml": nml_model.Nml,
    "Node": nml_columns.Node,
    "Parameters": nml_model.Parameters,
    "Segment": nml_model.Segment,
    "Tree": nml_model.Tree,
    "Volume": nml_model.Volume,
}
ELSEWHERE = {("Nml", "parse"): "nml.read_nml", ("Nml", "write"): "nml.write_nml"}


def members(shared_spec: Path, module: str, name: str) -> list[dict[str, Any]]:
    surface = json.loads((shared_spec / "api-surface.json").read_text())
    (found,) = [one for one in surface if (one["module"], one["class"]) == (module, name)]
    return [member for member in found["members"] if not member["deprecated"]]


@pytest.fixture
def examples() -> dict[str, object]:
    """Give one of each: attributes that a constructor sets are no attributes of the class."""
    skeleton = Skeleton((1, 1, 1), "d")
    tree = skeleton.add_group("g").add_tree("t")
    return {"Skeleton": skeleton, "Group": next(skeleton.groups), "Tree": tree, "Node": tree.add_node((0, 0, 0))}


@pytest.mark.parametrize("name", KINDS)
def test_every_member_of_the_reference_is_offered(name: str, shared_spec: Path, examples: dict[str, object]) -> None:
    wanted = {member["name"] for member in members(shared_spec, "webknossos.skeleton", name)}

    assert wanted
    assert {member for member in wanted if not hasattr(examples[name], member)} == set()


@pytest.mark.parametrize("name", KINDS)
def test_every_method_takes_the_parameters_of_the_reference_in_their_order(name: str, shared_spec: Path) -> None:
    for member in members(shared_spec, "webknossos.skeleton", name):
        if "(" not in member["signature"].partition("->")[0].partition("=")[0]:
            continue
        offered = list(inspect.signature(getattr(KINDS[name], member["name"])).parameters)
        text = member["signature"]
        places = [text.find(f"{parameter}:") for parameter in offered if parameter not in {"self", "cls"}]
        assert -1 not in places, f"{name}.{member['name']}: {offered} against {text}"
        assert places == sorted(places), f"{name}.{member['name']}: order"


def test_the_constructors_are_those_of_the_reference() -> None:
    assert list(inspect.signature(Tree).parameters) == [
        "name",
        "group",
        "skeleton",
        "color",
        "enforced_id",
        "metadata",
        "is_visible",
    ]
    assert list(inspect.signature(Skeleton).parameters) == [
        "voxel_size",
        "dataset_name",
        "dataset_id",
        "organization_id",
        "description",
        "enforced_id",
    ]


@pytest.mark.parametrize("name", MODELS)
def test_the_nml_model_has_the_fields_of_the_reference(name: str, shared_spec: Path) -> None:
    offered = {field.name for field in fields(MODELS[name])} | set(vars(MODELS[name]))

    wanted = {member["name"] for member in members(shared_spec, "webknossos._nml", name)}

    assert wanted - offered == {member for kind, member in ELSEWHERE if kind == name}
