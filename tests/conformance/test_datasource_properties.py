"""`datasource-properties.json` as WEBKNOSSOS reads it: the whole text, written out here by hand."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tests.conformance.datasets import SampleDataset
from wk_assets.properties.dataset_properties import FILE_NAME

# The name of a voxel's type, all channels together (elementClass).
ELEMENT_CLASSES = {
    ("uint8", 1): "uint8",
    ("uint8", 3): "uint24",
    ("uint16", 1): "uint16",
    ("int8", 1): "int8",
    ("uint32", 1): "uint32",
    ("uint64", 1): "uint64",
    ("float32", 1): "float",
}
MAGS = {
    "compressed": ["1", "2-2-1", "4-4-2"],
    "raw": ["1", "2-2-1", "4-4-1"],
    "flat": ["1", "2-2-1", "4-4-1"],
}
OME_AXES = {"c": 0, "x": 3, "y": 2, "z": 1}
WEBKNOSSOS_AXES = {"c": 0, "x": 1, "y": 2, "z": 3}

BEGINNING = """{
    "id": {
        "name": "raw_webknossos",
        "team": ""
    },
    "scale": {
        "factor": [
            0.26,
            0.26,
            0.78
        ],
        "unit": "micrometer"
    },
    "dataLayers": [
        {
            "name": "em",
            "category": "color",
            "boundingBox": {
                "topLeft": [
                    0,
                    5,
                    0
                ],
                "width": 45,
                "height": 37,
                "depth": 21
            },
            "dataFormat": "zarr3",
            "mags": [
                {
                    "mag": [
                        1,
                        1,
                        1
                    ],
                    "path": "./em/1",
                    "axisOrder": {
                        "c": 0,
                        "x": 1,
                        "y": 2,
                        "z": 3
                    }
                },
"""


def expected_layer(dataset: SampleDataset, name: str, mags: list[str], axes: dict[str, int]) -> dict[str, Any]:
    """Write one layer in the order of keys of the format."""
    layer = dataset.layer(name)
    voxels = dataset.voxels[name]["1"]
    written: dict[str, Any] = {
        "name": name,
        "category": layer.category,
        "boundingBox": {
            "topLeft": list(layer.topleft),
            "width": layer.size[0],
            "height": layer.size[1],
            "depth": layer.size[2],
        },
        "dataFormat": "zarr3",
        "mags": [
            {"mag": [int(part) for part in (mag.split("-") * 3)[:3]], "path": f"./{name}/{mag}", "axisOrder": axes}
            for mag in mags
        ],
    }
    lowest, highest = voxels.min().item(), voxels.max().item()
    if layer.category == "color":
        written["defaultViewConfiguration"] = {"intensityRange": [lowest, highest], "min": lowest, "max": highest}
    else:
        beyond = highest > 2**53 - 1
        written["largestSegmentId"] = {"customJsonEncoding": "bigint", "value": str(highest)} if beyond else highest
    return {
        **written,
        "numChannels": layer.channels,
        "elementClass": ELEMENT_CLASSES[layer.dtype, layer.channels],
    }


@pytest.mark.parametrize("layout", ["ome", "webknossos"])
@pytest.mark.parametrize("kind", ["compressed", "raw", "flat"])
def test_the_file_holds_these_keys_in_this_order_and_nothing_else(
    datasets: Mapping[str, SampleDataset], kind: str, layout: str
) -> None:
    dataset = datasets[f"{kind}_{layout}"]
    axes = OME_AXES if layout == "ome" else WEBKNOSSOS_AXES
    expected = {
        "id": {"name": dataset.name, "team": ""},
        "scale": {"factor": list(dataset.voxel_size.factor), "unit": dataset.voxel_size.unit.value},
        "dataLayers": [expected_layer(dataset, layer.name, MAGS[kind], axes) for layer in dataset.layers],
        "version": 1,
    }

    text = (dataset.path / FILE_NAME).read_text(encoding="utf-8")

    assert text == json.dumps(expected, indent=4)


def test_the_text_is_indented_like_that_of_other_tools(datasets: Mapping[str, SampleDataset]) -> None:
    text = (datasets["raw_webknossos"].path / FILE_NAME).read_text(encoding="utf-8")

    assert text.startswith(BEGINNING)
    assert text.endswith('\n    ],\n    "version": 1\n}')


def test_an_id_that_javascript_can_not_hold_is_in_an_envelope(datasets: Mapping[str, SampleDataset]) -> None:
    dataset = datasets["compressed_ome"]
    layers = {layer["name"]: layer for layer in json.loads((dataset.path / FILE_NAME).read_text())["dataLayers"]}

    assert layers["cells"]["largestSegmentId"] == {"customJsonEncoding": "bigint", "value": str(2**60 + 2**10 + 1)}
    assert int(layers["cells"]["largestSegmentId"]["value"]) == int(np.max(dataset.voxels["cells"]["1"]))
    assert layers["bodies"]["largestSegmentId"] == 65_535
