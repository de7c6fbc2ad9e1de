"""Layers as OME-Zarr 0.5 images: three validators of the format agree, on what the real code committed.

The WEBKNOSSOS layout has its axes in the order c, x, y, z, which one of the three refuses (the format wants z, y, x last):
that is why the OME layout is the default.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import zarr

from tests.conformance.datasets import SampleDataset, SampleLayer, sample_datasets
from wk_assets.geometry.mag import Mag
from wk_assets.storage.array_layout import Layout

LAYERS = [(dataset.name, layer.name) for dataset in sample_datasets(Path()) for layer in dataset.layers]
OME_LAYERS = [case for case in LAYERS if case[0].endswith(Layout.OME.value)]
OME_DATASETS = sorted({name for name, _ in OME_LAYERS})


def by_ome_zarr_models(layer_path: Path, layer: SampleLayer) -> None:
    import ome_zarr_models.v05 as ngff

    group = zarr.open_group(layer_path, mode="r")
    (ngff.ImageLabel if layer.category == "segmentation" else ngff.Image).from_zarr(group)


def by_yaozarrs(layer_path: Path, layer: SampleLayer) -> None:  # noqa: ARG001  # the group says what it is
    import yaozarrs

    yaozarrs.validate_zarr_store(str(layer_path))


def by_ngff_zarr(layer_path: Path, layer: SampleLayer) -> None:  # noqa: ARG001  # as above
    import ngff_zarr

    ngff_zarr.from_ngff_zarr(str(layer_path), validate=True, version="0.5")


@pytest.mark.parametrize("validate", [by_ome_zarr_models, by_yaozarrs, by_ngff_zarr])
@pytest.mark.parametrize(("dataset_name", "layer_name"), OME_LAYERS)
def test_a_layer_is_an_image_for_every_validator(
    datasets: Mapping[str, SampleDataset],
    dataset_name: str,
    layer_name: str,
    validate: Callable[[Path, SampleLayer], None],
) -> None:
    dataset = datasets[dataset_name]

    validate(dataset.path / layer_name, dataset.layer(layer_name))


@pytest.mark.parametrize("validate", [by_ome_zarr_models, by_yaozarrs])
@pytest.mark.parametrize(("dataset_name", "layer_name"), sorted(set(LAYERS) - set(OME_LAYERS)))
def test_a_layer_of_the_webknossos_layout_is_an_image_too(
    datasets: Mapping[str, SampleDataset],
    dataset_name: str,
    layer_name: str,
    validate: Callable[[Path, SampleLayer], None],
) -> None:
    dataset = datasets[dataset_name]

    validate(dataset.path / layer_name, dataset.layer(layer_name))


@pytest.mark.parametrize("validate", [by_ome_zarr_models, by_yaozarrs, by_ngff_zarr])
@pytest.mark.parametrize("damage", ["no axes", "a scale too short", "an array that is not there"])
def test_the_validators_notice_what_is_wrong(
    datasets: Mapping[str, SampleDataset],
    tmp_path: Path,
    validate: Callable[[Path, SampleLayer], None],
    damage: str,
) -> None:
    dataset = datasets["compressed_ome"]
    shutil.copytree(dataset.path / "em", tmp_path / "em")
    group = tmp_path / "em" / "zarr.json"
    document = json.loads(group.read_text())
    (multiscale,) = document["attributes"]["ome"]["multiscales"]
    if damage == "no axes":
        del multiscale["axes"]
    elif damage == "a scale too short":
        multiscale["datasets"][0]["coordinateTransformations"][0]["scale"].pop()
    else:
        shutil.rmtree(tmp_path / "em" / "1")
    group.write_text(json.dumps(document))

    with pytest.raises(Exception):  # noqa: B017, PT011  # each has errors of its own
        validate(tmp_path / "em", dataset.layer("em"))


@pytest.mark.parametrize("dataset_name", OME_DATASETS)
def test_a_dataset_is_a_collection_of_its_layers(datasets: Mapping[str, SampleDataset], dataset_name: str) -> None:
    import ome_zarr_models.v05 as ngff
    import yaozarrs

    dataset = datasets[dataset_name]

    yaozarrs.validate_zarr_store(str(dataset.path))
    root = ngff.BioFormats2Raw.from_zarr(zarr.open_group(dataset.path, mode="r"))

    assert root.attributes.ome.bioformats2raw_layout == 3
    series = json.loads((dataset.path / "OME" / "zarr.json").read_text())["attributes"]["ome"]["series"]
    assert series == [layer.name for layer in dataset.layers]


@pytest.mark.parametrize(("dataset_name", "layer_name"), OME_LAYERS)
def test_a_viewer_lays_every_mag_on_the_same_place(
    datasets: Mapping[str, SampleDataset], dataset_name: str, layer_name: str
) -> None:
    """The far edge of an array, in lengths, is that of mag 1 up to the voxels that were rounded up; the near edge is 0."""
    import ngff_zarr

    dataset = datasets[dataset_name]
    layer = dataset.layer(layer_name)

    scales = ngff_zarr.from_ngff_zarr(str(dataset.path / layer_name), version="0.5")

    assert len(scales.images) == len(dataset.voxels[layer_name])
    for image, name in zip(scales.images, dataset.voxels[layer_name], strict=True):
        for axis, size, mag in zip("xyz", dataset.voxel_size.factor, Mag(name).to_tuple(), strict=True):
            assert image.scale[axis] == pytest.approx(size * mag)
            assert image.translation[axis] - image.scale[axis] / 2 == pytest.approx(-size / 2)
            assert image.axes_units is not None
            assert image.axes_units[axis] == dataset.voxel_size.unit.value
        far = dataset.box_in_mag(layer, name).bottomright
        assert image.data.shape == (layer.channels, far.z, far.y, far.x)
