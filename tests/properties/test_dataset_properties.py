"""Laws of datasource-properties.json: what is read is written again, in the documented order, and mistakes have paths."""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from wk_assets.errors import GeometryError, InvalidPropertiesError, PropertiesError
from wk_assets.geometry.bounding_box import BoundingBox, NDBoundingBox
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.layer_properties import (
    AttachmentDataFormat,
    DataFormat,
    LayerProperties,
    MagViewProperties,
    SegmentationLayerProperties,
    new_layer_properties,
)
from wk_assets.properties.view_configuration import LayerViewConfiguration

# Every key that the format knows, in the order in which it is written.
FULL: dict[str, Any] = {
    "id": {"name": "d1", "team": ""},
    "scale": {"factor": [11.24, 11.24, 25.0], "unit": "nanometer"},
    "dataLayers": [
        {
            "name": "color",
            "category": "color",
            "boundingBox": {"topLeft": [7, 9, 3], "width": 21, "height": 5, "depth": 1},
            "dataFormat": "zarr3",
            "mags": [
                {
                    "mag": [1, 1, 1],
                    "path": "./color/1",
                    "axisOrder": {"c": 1, "x": 4, "y": 3, "z": 2},
                    "channelIndex": 2,
                },
                {"mag": [2, 2, 1], "path": "s3://host/bucket/color/2-2-1", "cubeLength": 1024},
            ],
            "defaultViewConfiguration": {
                "color": [255, 0, 0],
                "alpha": 50,
                "intensityRange": [0.5, 200],
                "min": 0,
                "max": 255,
                "isDisabled": False,
                "isInverted": True,
                "isInEditMode": False,
            },
            "coordinateTransformations": [
                {"type": "affine", "matrix": [[1.0, 0, 0, 10], [0, 1, 0, 20], [0, 0, 1, 30], [0, 0, 0, 1]]},
                {
                    "type": "thin_plate_spline",
                    "correspondences": {"source": [[0.0, 0.0, 0.5]], "target": [[1.0, 1.0, 1.0]]},
                },
            ],
            "additionalAxes": [{"name": "t", "bounds": [0, 4], "index": 0}],
            "numChannels": 3,
            "elementClass": "uint24",
        },
        {
            "name": "segmentation",
            "category": "segmentation",
            "boundingBox": {
                "topLeft": [0, 0, 0],
                "width": 64,
                "height": 64,
                "depth": 64,
                "axisOrder": {"c": 0, "x": 1, "y": 2, "z": 3},
                "channelIndex": 0,
            },
            "dataFormat": "wkw",
            "mags": [],
            "defaultViewConfiguration": {"mapping": {"name": "agglomerate_view_5", "type": "HDF5"}},
            "largestSegmentId": {"customJsonEncoding": "bigint", "value": "1152921504606846976"},
            "mappings": ["astrocytes"],
            "attachments": {
                "meshes": [{"name": "meshfile", "path": "./segmentation/meshes/meshfile.hdf5", "dataFormat": "hdf5"}],
                "agglomerates": [{"name": "a", "path": "./segmentation/agglomerates/a", "dataFormat": "zarr3"}],
                "segmentIndex": {"name": "i", "path": "./segmentation/segmentIndex/i.hdf5", "dataFormat": "hdf5"},
                "segmentStatistics": {"name": "s", "path": "./s", "dataFormat": "zarr3"},
                "cumsum": {"name": "c", "path": "./c.json", "dataFormat": "json"},
                "connectomes": [{"name": "n", "path": "./n", "dataFormat": "neuroglancerPrecomputed"}],
            },
            "numChannels": 1,
            "elementClass": "uint64",
        },
    ],
    "version": 1,
    "defaultViewConfiguration": {
        "fourBit": False,
        "interpolation": True,
        "renderMissingDataBlack": False,
        "loadingStrategy": "PROGRESSIVE_QUALITY",
        "segmentationPatternOpacity": 40,
        "zoom": 0.8,
        "position": [12, 12, 12],
        "rotation": [0, 0, 90],
        "layers": {"color": {"intensityRange": [1, 2], "isDisabled": True}},
        "colorLayerOrder": ["color"],
        "blendMode": "Additive",
        "nativelyRenderedLayerName": "color",
    },
}
# Objects whose keys are data (names of axes and of layers): an unknown key there would be more data.
KEYS_ARE_DATA = {"axisOrder", "layers"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=8,
)


def objects(value: Any, key: str = "") -> Iterator[dict[str, Any]]:
    """Walk over all objects of the file that have keys of the format."""
    if isinstance(value, dict):
        if key not in KEYS_ARE_DATA:
            yield value
        for name, item in value.items():
            yield from objects(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from objects(item)


KNOWN_KEYS = {key for known in objects(FULL) for key in known}


def shuffled(value: Any, chance: random.Random) -> Any:
    """Give the same JSON with the keys of every object in another order."""
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: shuffled(value[key], chance) for key in keys}
    return [shuffled(item, chance) for item in value] if isinstance(value, list) else value


def parse(content: Any) -> DatasetProperties:
    return DatasetProperties.parse_text(json.dumps(content))


def problems(content: Any) -> dict[str, str]:
    with pytest.raises(InvalidPropertiesError) as raised:
        parse(content)
    return {problem.where: problem.what for problem in raised.value.problems}


def test_every_key_of_the_format_is_written_as_it_was_read() -> None:
    assert parse(FULL).to_text() == json.dumps(FULL, indent=4)


@given(st.randoms(use_true_random=False))
def test_keys_are_written_in_the_documented_order(chance: random.Random) -> None:
    mixed = shuffled(FULL, chance)
    for layer in mixed["dataLayers"]:  # the names of axes keep the order of the file
        for place in (*layer["mags"], layer["boundingBox"]):
            if "axisOrder" in place:
                place["axisOrder"] = dict(sorted(place["axisOrder"].items()))
    mixed["id"] = FULL["id"]
    mixed["dataLayers"][1]["defaultViewConfiguration"]["mapping"] = {"name": "agglomerate_view_5", "type": "HDF5"}

    assert parse(mixed).to_text() == json.dumps(FULL, indent=4)


@given(st.dictionaries(st.text().filter(lambda key: key not in KNOWN_KEYS), json_values, min_size=1, max_size=3))
def test_unknown_keys_survive_at_every_level(unknown: dict[str, Any]) -> None:
    content = copy.deepcopy(FULL)
    for place in list(objects(content)):
        if "customJsonEncoding" not in place:
            place.update(unknown)

    properties = parse(content)

    assert properties.to_json() == content
    assert parse(properties.to_json()) == properties


@pytest.mark.parametrize(
    "key", ["box_properties", "data_layers", "scale_properties", "dtype", "box", "name2", "model_config"]
)
def test_an_unknown_key_that_is_called_like_something_in_the_code_survives(key: str) -> None:
    content = copy.deepcopy(FULL)
    for place in (content, content["dataLayers"][0], content["dataLayers"][1]["boundingBox"]):
        place[key] = {"deep": [1, None]}

    assert parse(content).to_json() == content
    assert parse(content).data_layers[0].box == BoundingBox((7, 9, 3), (21, 5, 1))


def test_every_real_file_reads_back(shared_data: Path) -> None:
    files = sorted(shared_data.rglob("datasource-properties.json"))

    assert len(files) >= 6
    for file in files:
        raw = json.loads(file.read_text())
        properties = DatasetProperties.parse_text(file.read_text(), source=str(file))
        written = properties.to_json()

        assert DatasetProperties.parse_text(properties.to_text()) == properties
        assert json.loads(properties.to_text()) == written
        scale = written["scale"]
        assert raw["scale"] in (scale, scale["factor"])
        assert {key: raw[key] for key in raw if key != "dataLayers"} == {
            key: raw["scale"] if key == "scale" else written[key] for key in raw if key != "dataLayers"
        }
        for before, after in zip(raw["dataLayers"], written["dataLayers"], strict=True):
            kept = {key: value for key, value in before.items() if key != "wkwResolutions"}
            assert {key: after[key] for key in kept} == kept
            assert set(after) - set(before) <= {"numChannels", "mags"}


def test_old_forms_are_understood_and_written_as_new_ones() -> None:
    old = {
        "id": {"name": "old", "team": "lab"},
        "scale": [1, 2, 3],
        "dataLayers": [
            {
                "name": "color",
                "category": "color",
                "boundingBox": {"topLeft": [0, 0, 0], "width": 24, "height": 24, "depth": 24},
                "dataFormat": "wkw",
                "wkwResolutions": [
                    {"resolution": 1, "cubeLength": 32},
                    {"resolution": [2, 2, 1], "cubeLength": 64, "extra": 1},
                ],
                "elementClass": "uint24",
            }
        ],
    }

    written = parse(old).to_json()

    assert written["scale"] == {"factor": [1, 2, 3], "unit": "nanometer"}
    assert written["version"] == 1
    (layer,) = written["dataLayers"]
    assert "wkwResolutions" not in layer
    assert layer["mags"] == [{"mag": [1, 1, 1], "cubeLength": 32}, {"mag": [2, 2, 1], "cubeLength": 64, "extra": 1}]
    assert layer["numChannels"] == 3
    assert parse(old).data_layers[0].dtype == "uint8"


def test_old_forms_are_checked_like_new_ones() -> None:
    content = copy.deepcopy(FULL)
    content["dataLayers"][0]["wkwResolutions"] = [3, {"resolution": [1, 1]}]
    del content["dataLayers"][0]["mags"]

    assert problems(content).keys() == {"dataLayers.0.mags.0", "dataLayers.0.mags.1.mag"}


def test_a_whole_number_may_be_written_as_a_float() -> None:
    content = copy.deepcopy(FULL)
    content["dataLayers"][0]["boundingBox"]["width"] = 21.0
    content["dataLayers"][0]["mags"][0]["mag"] = [1.0, 1.0, 1.0]

    assert parse(content).to_json() == FULL


def test_a_part_of_the_file_is_read_alone() -> None:
    view = LayerViewConfiguration.parse_text('{"alpha": 20, "new": 1}', source="view")

    assert view.alpha == 20
    assert view.unknown == {"new": 1}


def test_a_view_that_was_written_in_snake_case_is_written_as_webknossos_reads_it() -> None:
    content = copy.deepcopy(FULL)
    content["defaultViewConfiguration"]["layers"] = {
        "color": {"intensity_range": [1, 2], "is_disabled": True, "is_inverted": None, "alpha": None}
    }

    assert parse(content).to_json() == FULL


@given(st.integers(0, 2**64 - 1))
def test_a_segment_id_of_any_size_survives(segment_id: int) -> None:
    content = copy.deepcopy(FULL)
    envelope = {"customJsonEncoding": "bigint", "value": str(segment_id)}
    for written_as in (segment_id, envelope):
        content["dataLayers"][1]["largestSegmentId"] = written_as
        layer = parse(content).data_layers[1]

        assert isinstance(layer, SegmentationLayerProperties)
        assert layer.largest_segment_id == segment_id
        expected = segment_id if segment_id <= 2**53 - 1 else envelope
        assert layer.to_json()["largestSegmentId"] == expected


def test_an_unknown_largest_segment_id_is_not_zero() -> None:
    content = copy.deepcopy(FULL)
    content["dataLayers"][1]["largestSegmentId"] = None

    layer = parse(content).data_layers[1]

    assert isinstance(layer, SegmentationLayerProperties)
    assert layer.largest_segment_id is None
    assert "largestSegmentId" not in layer.to_json()


def test_defaults_are_not_written() -> None:
    content = copy.deepcopy(FULL)
    content["dataLayers"][1] |= {"mappings": [], "attachments": {}, "defaultViewConfiguration": None}

    layer = parse(content).to_json()["dataLayers"][1]

    assert {"mappings", "attachments", "defaultViewConfiguration"}.isdisjoint(layer)


def test_every_mistake_is_named_at_once_with_its_path() -> None:
    content = copy.deepcopy(FULL)
    content["scale"] = {"factor": [1, 0, 1], "unit": "pixel"}
    content["version"] = 2
    color, segmentation = content["dataLayers"]
    color |= {"name": "a b", "category": "colour", "elementClass": "uint16", "dataFormat": "tiff"}
    color["boundingBox"] = {"topLeft": [0, 0], "width": "24", "height": -1}
    color["mags"][1]["mag"] = [3, 1, 1]
    color["numChannels"] = 0
    color["defaultViewConfiguration"] = "bright"
    color["coordinateTransformations"][0]["matrix"][0] = [1, 2]
    segmentation["largestSegmentId"] = {"customJsonEncoding": "bigint", "value": "x"}
    segmentation["attachments"]["cumsum"]["dataFormat"] = "zip"
    del segmentation["elementClass"]
    content["dataLayers"].append(7)

    found = problems(content)

    assert found.keys() == {
        "scale.factor",
        "scale.unit",
        "version",
        "dataLayers.0.name",
        "dataLayers.0.category",
        "dataLayers.0.numChannels",
        "dataLayers.0.defaultViewConfiguration",
        "dataLayers.0.dataFormat",
        "dataLayers.0.boundingBox.topLeft.2",
        "dataLayers.0.boundingBox.width",
        "dataLayers.0.boundingBox.height",
        "dataLayers.0.boundingBox.depth",
        "dataLayers.0.mags.1.mag",
        "dataLayers.0.coordinateTransformations.0.matrix",
        "dataLayers.1.largestSegmentId",
        "dataLayers.1.attachments.cumsum.dataFormat",
        "dataLayers.1.elementClass",
        "dataLayers.2",
    }
    assert found["dataLayers.0.mags.1.mag"].startswith("mag 3-1-1: 3 is not a power of two")
    assert found["dataLayers.1.elementClass"] == "is missing"


def test_an_error_names_the_file_and_the_remedy() -> None:
    content = copy.deepcopy(FULL)
    content["dataLayers"][0]["category"] = "colour"

    with pytest.raises(PropertiesError) as raised:
        DatasetProperties.parse_text(json.dumps(content), source="/data/d1/datasource-properties.json")

    assert str(raised.value) == (
        "/data/d1/datasource-properties.json: 1 mistake\n"
        "  - dataLayers.0.category: input should be 'color' or 'segmentation' (found 'colour'). Write color or segmentation"
    )


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "line 1 column 1"),
        ('{"scale": [1, 1, 1],\n "dataLayers": [}', "line 2 column 17"),
        ("[]", "(root)"),
        ("3", "(root)"),
        ('{"scale": [1, 1, 1], "dataLayers": [], "scale": [2, 2, 2]}', "scale"),
        ('{"scale": [1, 1, NaN], "dataLayers": []}', "scale.2"),
        ('{"scale": [1, 1, 1], "dataLayers": [], "extra": {"deep": [1e999]}}', "extra.deep.0"),
        ('{"scale": [1, 1, 1], "dataLayers": {}}', "dataLayers"),
        ('{"dataLayers": []}', "scale"),
        ('{"scale": "1,1,1", "dataLayers": []}', "scale"),
        ('{"scale": [1, 1, true], "dataLayers": []}', "scale.factor.2"),
        ('{"scale": [1, 1, 1], "dataLayers": [], "version": true}', "version"),
        ('{"scale": {"factor": [1, 1, 1], "unit": 3}, "dataLayers": []}', "scale.unit"),
        ("[" * 100_000, "(root)"),
    ],
)
def test_text_that_is_no_such_file_is_refused(text: str, where: str) -> None:
    with pytest.raises(InvalidPropertiesError) as raised:
        DatasetProperties.parse_text(text)

    assert where in {problem.where for problem in raised.value.problems}


def test_names_and_mags_that_stand_twice_are_mistakes() -> None:
    content = copy.deepcopy(FULL)
    content["dataLayers"][1]["name"] = "color"
    content["dataLayers"][0]["mags"].append(content["dataLayers"][0]["mags"][0])

    assert problems(content).keys() == {"dataLayers.1.name", "dataLayers.0.mags"}


@given(json_values | st.dictionaries(st.sampled_from(list(FULL)), json_values))
def test_any_json_is_either_read_or_refused_with_its_problems(value: Any) -> None:
    try:
        parse(value)
    except InvalidPropertiesError as error:
        assert error.problems  # noqa: PT017  # either outcome is right


@given(st.data())
def test_a_file_with_one_wrong_value_is_either_read_or_refused_with_its_problems(data: st.DataObject) -> None:
    content = copy.deepcopy(FULL)
    place = data.draw(st.sampled_from(list(objects(content))))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(json_values)
    try:
        properties = parse(content)
    except InvalidPropertiesError as error:
        assert error.problems  # noqa: PT017  # either outcome is right
    else:
        assert parse(properties.to_json()) == properties


def test_values_of_a_file_are_reached_by_the_names_of_the_reference() -> None:
    properties = parse(FULL)
    color, segmentation = properties.data_layers

    assert properties.scale == VoxelSize((11.24, 11.24, 25.0), LengthUnit.NANOMETER)
    assert properties.name == "d1"
    assert color.bounding_box == NDBoundingBox((0, 7, 9, 3), (4, 21, 5, 1), axes=("t", "x", "y", "z")).normalize_axes(3)
    assert color.box == BoundingBox((7, 9, 3), (21, 5, 1))
    assert (color.dtype, color.dtype_np.itemsize) == ("uint8", 1)
    assert color.data_format is DataFormat.Zarr3
    assert color.mags[1].mag == Mag(2, 2, 1)
    assert isinstance(segmentation, SegmentationLayerProperties)
    assert segmentation.largest_segment_id == 2**60
    assert segmentation.attachments.cumsum is not None
    assert segmentation.attachments.cumsum.data_format is AttachmentDataFormat.JSON
    assert properties.layer("segmentation") is segmentation
    assert properties.default_view_configuration is not None
    assert properties.default_view_configuration.zoom == 0.8
    with pytest.raises(PropertiesError, match="no layer 'raw' in dataset 'd1'; it has color, segmentation"):
        properties.layer("raw")


def new_layer(name: str = "color", **changes: Any) -> LayerProperties:
    settings: dict[str, Any] = {
        "category": "color",
        "box": BoundingBox((0, 0, 0), (40, 30, 10)),
        "dtype": "uint8",
        "mags": [MagViewProperties.of_array(Mag(1), "./color/1", ("c", "z", "y", "x"))],
    }
    return new_layer_properties(name=name, **(settings | changes))


def test_a_new_dataset_is_written_as_documented() -> None:
    layer = new_layer(default_view_configuration=LayerViewConfiguration(color=(255, 255, 0), intensity_range=(3, 200)))
    properties = DatasetProperties.new(name="d1", voxel_size=VoxelSize((11.24, 11.24, 25)), layers=[layer])

    assert json.loads(properties.to_text()) == {
        "id": {"name": "d1", "team": ""},
        "scale": {"factor": [11.24, 11.24, 25.0], "unit": "nanometer"},
        "dataLayers": [
            {
                "name": "color",
                "category": "color",
                "boundingBox": {"topLeft": [0, 0, 0], "width": 40, "height": 30, "depth": 10},
                "dataFormat": "zarr3",
                "mags": [{"mag": [1, 1, 1], "path": "./color/1", "axisOrder": {"c": 0, "x": 3, "y": 2, "z": 1}}],
                "defaultViewConfiguration": {"color": [255, 255, 0], "intensityRange": [3, 200]},
                "numChannels": 1,
                "elementClass": "uint8",
            }
        ],
        "version": 1,
    }
    assert DatasetProperties.parse_text(properties.to_text()) == properties


def test_a_new_layer_of_any_kind_reads_back() -> None:
    timed = NDBoundingBox((0, 0, 0, 0), (4, 40, 30, 10), axes=("t", "x", "y", "z"))
    layers = [
        new_layer("rgb", channels=3),
        new_layer("timed", box=timed),
        new_layer("labels", category="segmentation", dtype="uint64", largest_segment_id=2**60),
        new_layer("empty", mags=[]),
    ]
    properties = DatasetProperties.new(name="d1", voxel_size=VoxelSize((1, 1, 1)), layers=layers)

    written = properties.to_json()["dataLayers"]

    assert DatasetProperties.parse_text(properties.to_text()) == properties
    assert written[0]["elementClass"] == "uint24"
    assert written[1]["additionalAxes"] == [{"name": "t", "bounds": [0, 4], "index": 0}]
    assert properties.data_layers[1].bounding_box == timed.normalize_axes(1)
    assert written[2]["largestSegmentId"]["value"] == str(2**60)
    assert written[3]["boundingBox"]["axisOrder"] == {"c": 0, "x": 1, "y": 2, "z": 3}


def test_a_voxel_size_is_taken_as_it_is() -> None:
    voxel_size = VoxelSize((1, 2, 3), LengthUnit.MICROMETER)

    assert DatasetProperties.model_validate({"scale": voxel_size, "dataLayers": []}).scale == voxel_size


def test_a_layers_box_may_bring_its_channels() -> None:
    layer = new_layer(box=BoundingBox((0, 0, 0), (4, 4, 4)).normalize_axes(3))

    assert (layer.num_channels, layer.element_class) == (3, "uint24")
    with pytest.raises(GeometryError, match="has 3 channels already, not 2"):
        new_layer(box=BoundingBox((0, 0, 0), (4, 4, 4)).normalize_axes(3), channels=2)


def test_layers_are_put_replaced_and_taken_away() -> None:
    properties = parse(FULL)

    replaced = properties.with_layer(new_layer("color"))
    added = replaced.with_layer(new_layer("raw"))

    assert [layer.name for layer in replaced.data_layers] == ["color", "segmentation"]
    assert [layer.name for layer in added.data_layers] == ["color", "segmentation", "raw"]
    assert [layer.name for layer in added.without_layer("color").data_layers] == ["segmentation", "raw"]
    assert [layer.name for layer in properties.data_layers] == ["color", "segmentation"]
    with pytest.raises(PropertiesError, match="no layer 'none'"):
        properties.without_layer("none")


def test_what_no_reader_would_understand_is_not_written() -> None:
    with pytest.raises(PropertiesError, match="does not have"):
        new_layer(dtype="uint16", channels=3)
    with pytest.raises(ValidationError, match="is not a layer's name"):
        new_layer("a b")
    with pytest.raises(ValueError, match="not JSON compliant"):
        parse(FULL).model_copy(update={"id": {"name": float("nan")}}).to_text()
