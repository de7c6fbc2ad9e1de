"""The OME-Zarr groups of a dataset: three validators of the format agree, on real arrays.

The validators are imported by the tests that ask them: each takes seconds.
"""

import json
from pathlib import Path
from typing import Any, Literal

import pytest
import zarr

from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.properties.ome_zarr import (
    STORAGE_AXES,
    group_metadata,
    group_text,
    layer_group_attributes,
    root_group_attributes,
    series_group_attributes,
)

MAGS = (Mag(1), Mag(2, 2, 1), Mag(4, 4, 2))
VOXEL_SIZE = VoxelSize((11.24, 11.24, 28.0))


def write_layer(
    folder: Path, category: Literal["color", "segmentation"], dtype: str, channels: int, **settings: Any
) -> None:
    folder.mkdir(parents=True)
    attributes = layer_group_attributes(
        name=folder.name,
        category=category,
        voxel_size=VOXEL_SIZE,
        mags=MAGS,
        dtype=dtype,
        channels=channels,
        **settings,
    )
    (folder / "zarr.json").write_text(group_text(attributes))
    for mag in MAGS:
        shape = (channels, 8 // mag.z, 16 // mag.y, 16 // mag.x)
        zarr.create_array(
            folder / str(mag), shape=shape, dtype=dtype, chunks=(channels, 4, 4, 4), dimension_names=STORAGE_AXES
        )


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    root = tmp_path / "dataset.ome.zarr"
    write_layer(root / "color", "color", "uint8", 1, mode="median", window=(3, 200), color=(255, 0, 128))
    write_layer(root / "rgb", "color", "uint8", 3, mode="median")
    write_layer(root / "measured", "color", "float32", 1)
    write_layer(root / "labels", "segmentation", "uint32", 1, mode="mode", source_image="../color")
    (root / "OME").mkdir()
    (root / "zarr.json").write_text(group_text(root_group_attributes()))
    (root / "OME" / "zarr.json").write_text(group_text(series_group_attributes(["color", "rgb", "measured", "labels"])))
    return root


@pytest.mark.oracle
@pytest.mark.parametrize("layer", ["color", "rgb", "measured"])
def test_a_color_layer_is_an_image_for_every_validator(dataset: Path, layer: str) -> None:
    import ngff_zarr
    import ome_zarr_models.v05 as ngff
    import yaozarrs

    image = ngff.Image.from_zarr(zarr.open_group(dataset / layer, mode="r"))

    assert [axis.name for axis in image.attributes.ome.multiscales[0].axes] == list(STORAGE_AXES)
    yaozarrs.validate_zarr_store(str(dataset / layer))
    scales = ngff_zarr.from_ngff_zarr(str(dataset / layer), version="0.5")
    assert len(scales.images) == len(MAGS)
    assert scales.images[1].scale["x"] == 2 * 11.24


@pytest.mark.oracle
def test_a_segmentation_layer_is_a_label_image_for_every_validator(dataset: Path) -> None:
    import ome_zarr_models.v05 as ngff
    import yaozarrs

    ngff.ImageLabel.from_zarr(zarr.open_group(dataset / "labels", mode="r"))
    yaozarrs.validate_zarr_store(str(dataset / "labels"))


@pytest.mark.oracle
@pytest.mark.parametrize("layer", ["color", "rgb", "measured", "labels"])
def test_a_layer_satisfies_the_schema_of_the_format(dataset: Path, layer: str) -> None:
    import ngff_zarr

    pytest.importorskip("jsonschema", reason="ngff-zarr needs jsonschema to validate; its extra 'validate' brings it")

    scales = ngff_zarr.from_ngff_zarr(str(dataset / layer), validate=True, version="0.5")

    assert len(scales.images) == len(MAGS)


@pytest.mark.oracle
def test_a_dataset_is_a_collection_of_images(dataset: Path) -> None:
    import ome_zarr_models.v05 as ngff
    import yaozarrs

    yaozarrs.validate_zarr_store(str(dataset))
    root = ngff.BioFormats2Raw.from_zarr(zarr.open_group(dataset, mode="r"))

    assert root.attributes.ome.bioformats2raw_layout == 3


def test_scales_and_translations_meet_at_the_centres_of_voxels() -> None:
    """A voxel of mag 4 covers mag-1 voxels 0 to 3; its centre lies 1.5 voxels behind that of voxel 0."""
    attributes = layer_group_attributes(name="color", category="color", voxel_size=VOXEL_SIZE, mags=MAGS, dtype="uint8")

    datasets = attributes["ome"]["multiscales"][0]["datasets"]

    assert [entry["path"] for entry in datasets] == ["1", "2-2-1", "4-4-2"]
    transformations = [entry["coordinateTransformations"] for entry in datasets]
    assert [scale["scale"] for scale, _ in transformations] == [
        [1.0, 28.0, 11.24, 11.24],
        [1.0, 28.0, 22.48, 22.48],
        [1.0, 56.0, 44.96, 44.96],
    ]
    assert [translation["translation"] for _, translation in transformations] == [
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 5.62, 5.62],
        [0.0, 14.0, 16.86, 16.86],
    ]


def test_mags_are_listed_finest_first_wherever_they_lie() -> None:
    attributes = layer_group_attributes(
        name="color",
        category="color",
        voxel_size=VoxelSize((1, 1, 2), LengthUnit.MICROMETER),
        mags=[Mag(4), Mag(1), Mag(2, 2, 1)],
        dtype="uint8",
        axes=("t", "c", "x", "y", "z"),
        paths={Mag(4): "4.v2"},
    )

    (multiscale,) = attributes["ome"]["multiscales"]

    assert [entry["path"] for entry in multiscale["datasets"]] == ["1", "2-2-1", "4.v2"]
    assert multiscale["axes"] == [
        {"name": "t", "type": "time"},
        {"name": "c", "type": "channel"},
        {"name": "x", "type": "space", "unit": "micrometer"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "z", "type": "space", "unit": "micrometer"},
    ]
    assert multiscale["datasets"][2]["coordinateTransformations"][0]["scale"] == [1.0, 1.0, 4.0, 4.0, 8.0]
    assert "type" not in multiscale


def test_channels_are_shown_in_their_colors() -> None:
    def channels(**settings: Any) -> list[dict[str, Any]]:
        attributes = layer_group_attributes(
            name="a", category="color", voxel_size=VOXEL_SIZE, mags=MAGS, **({"dtype": "uint8"} | settings)
        )
        return list(attributes["ome"]["omero"]["channels"])

    assert channels(window=(3, 200), color=(255, 0, 128)) == [
        {"label": "a", "color": "FF0080", "window": {"min": 0, "max": 255, "start": 3, "end": 200}, "active": True}
    ]
    assert [(channel["label"], channel["color"]) for channel in channels(channels=3)] == [
        ("a red", "FF0000"),
        ("a green", "00FF00"),
        ("a blue", "0000FF"),
    ]
    assert [channel["label"] for channel in channels(channels=2)] == ["a 0", "a 1"]
    assert channels(dtype="int16")[0]["window"] == {"min": -32768, "max": 32767, "start": -32768, "end": 32767}
    assert channels(dtype="float32", window=(-1.5, 2.5))[0]["window"] == {
        "min": -1.5,
        "max": 2.5,
        "start": -1.5,
        "end": 2.5,
    }


def test_a_segmentation_says_what_was_segmented() -> None:
    attributes = layer_group_attributes(
        name="labels",
        category="segmentation",
        voxel_size=VOXEL_SIZE,
        mags=MAGS,
        dtype="uint32",
        source_image="../color",
    )

    assert attributes["ome"]["image-label"] == {"source": {"image": "../color"}}
    assert "omero" not in attributes["ome"]


def test_the_text_of_a_group_is_the_same_for_the_same_attributes() -> None:
    text = group_text({"ome": {"version": "0.5"}})

    assert json.loads(text) == group_metadata({"ome": {"version": "0.5"}})
    assert text == group_text({"ome": {"version": "0.5"}})
    assert group_metadata() == {"zarr_format": 3, "node_type": "group", "attributes": {}}
    with pytest.raises(ValueError, match="not JSON compliant"):
        group_text({"nan": float("nan")})
