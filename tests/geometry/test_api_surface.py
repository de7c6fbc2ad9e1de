"""The geometry offers every name of the reference, with its parameters and defaults."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

from wk_assets.geometry.bounding_box import BoundingBox, NDBoundingBox, NormalizedBoundingBox
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int, VecInt
from wk_assets.geometry.voxel_size import VoxelSize

KINDS: dict[tuple[str, str], type] = {
    ("webknossos.geometry", "BoundingBox"): BoundingBox,
    ("webknossos.geometry", "Mag"): Mag,
    ("webknossos.geometry", "NDBoundingBox"): NDBoundingBox,
    ("webknossos.geometry", "NormalizedBoundingBox"): NormalizedBoundingBox,
    ("webknossos.geometry", "Vec3Int"): Vec3Int,
    ("webknossos.geometry", "VecInt"): VecInt,
    ("webknossos.dataset_properties", "LengthUnit"): LengthUnit,
    ("webknossos.dataset_properties", "VoxelSize"): VoxelSize,
}


@pytest.mark.parametrize("key", KINDS, ids=lambda key: key[1])
def test_every_member_of_the_reference_is_offered(key: tuple[str, str], shared_spec: Path) -> None:
    surface = json.loads((shared_spec / "api-surface.json").read_text())
    (entry,) = [entry for entry in surface if (entry["module"], entry["class"]) == key]
    kind: Any = KINDS[key]

    for member in entry["members"]:
        name = member["name"]
        assert hasattr(kind, name), f"{key[1]}.{name}"
        called = re.match(rf"{name}\(\s*(.*?),?\s*\)\s*->", member["signature"], re.DOTALL)
        if called is None:
            continue
        parameters = [
            parameter
            for parameter in inspect.signature(getattr(kind, name)).parameters.values()
            if parameter.name != "self"
        ]
        defaults = [parameter.name for parameter in parameters if parameter.default is not inspect.Parameter.empty]
        for parameter in parameters:
            assert re.search(rf"\b{parameter.name}\b\s*:", called.group(1)), f"{key[1]}.{name}({parameter.name})"
            has_default = re.search(rf"\b{parameter.name}\s*:[^=:]*=", called.group(1)) is not None
            assert has_default == (parameter.name in defaults), f"{key[1]}.{name}({parameter.name})"
        assert len(re.findall(r"\b\w+\s*:", called.group(1))) == len(parameters), f"{key[1]}.{name}"


def test_fields_have_the_defaults_of_the_reference() -> None:
    box = BoundingBox((0, 0, 0), (1, 1, 1))

    assert box.axes == ("x", "y", "z")
    assert box.index == Vec3Int(1, 2, 3)
    assert box.is_visible
    assert box.color is None
    assert NDBoundingBox((0,), (1,), ("t",)).index == (0,)
    assert VoxelSize((1, 1, 1)).unit is LengthUnit.NANOMETER
