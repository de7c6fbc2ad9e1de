"""Arrays as other implementations of Zarr v3 read them: every voxel of every mag, and nothing around them."""

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conformance.datasets import SampleDataset, Voxels, sample_datasets
from wk_assets.dataset.dataset import Dataset
from wk_assets.geometry.mag import Mag
from wk_assets.storage.array_layout import Layout

LAYERS = [(dataset.name, layer.name) for dataset in sample_datasets(Path()) for layer in dataset.layers]


def by_zarr_python(path: Path) -> tuple[Any, tuple[str, ...]]:
    import zarr

    array = zarr.open_array(path, mode="r", zarr_format=3)
    return np.asarray(array[...]), tuple(str(name) for name in array.metadata.to_dict()["dimension_names"])  # type: ignore[union-attr]


def by_tensorstore(path: Path) -> tuple[Any, tuple[str, ...]]:
    import tensorstore

    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path)}}
    array = tensorstore.open(spec, open=True, read=True).result()
    return np.asarray(array.read().result()), tuple(array.domain.labels)


def canonical(voxels: Any, axes: tuple[str, ...]) -> Voxels:
    """Turn an array with named axes so that they are c, x, y, z."""
    turned: Voxels = voxels.transpose([axes.index(axis) for axis in "cxyz"])
    return turned


@pytest.mark.parametrize("read", [by_zarr_python, by_tensorstore])
@pytest.mark.parametrize(("dataset_name", "layer_name"), LAYERS)
def test_every_voxel_of_every_mag_is_read_by_others(
    datasets: Mapping[str, SampleDataset], dataset_name: str, layer_name: str, read: Any
) -> None:
    dataset = datasets[dataset_name]
    layer = dataset.layer(layer_name)

    for mag, expected in dataset.voxels[layer_name].items():
        stored, axes = read(dataset.array_path(layer, mag))
        voxels = canonical(stored, axes)

        assert stored.dtype == np.dtype(layer.dtype)
        assert "".join(axes) == ("czyx" if dataset.layout is Layout.OME else "cxyz")
        np.testing.assert_array_equal(voxels, dataset.whole_array(layer, mag, voxels.shape), strict=True)
        far = tuple(dataset.box_in_mag(layer, mag).bottomright)
        if dataset.layout is Layout.OME:
            assert voxels.shape == (layer.channels, *far)
        assert prod(expected.shape) <= voxels.size


@pytest.mark.parametrize(("dataset_name", "layer_name"), LAYERS)
def test_every_voxel_of_every_mag_is_read_by_our_own_handles(
    datasets: Mapping[str, SampleDataset], dataset_name: str, layer_name: str
) -> None:
    dataset = datasets[dataset_name]

    layer = Dataset.open(dataset.path).get_layer(layer_name)

    assert [mag.to_layer_name() for mag in layer.mags] == list(dataset.voxels[layer_name])
    assert layer.bounding_box == dataset.layer(layer_name).box
    for mag, expected in dataset.voxels[layer_name].items():
        np.testing.assert_array_equal(layer.get_mag(Mag(mag)).read(), expected, strict=True)


def test_what_was_imported_again_lies_at_another_place(datasets: Mapping[str, SampleDataset]) -> None:
    """Servers cache by path, so a path is used for one content only; the readers above follow the new one."""
    dataset = datasets["remade_ome"]

    for layer in dataset.layers:
        for mag in dataset.voxels[layer.name]:
            assert dataset.array_path(layer, mag).is_dir()
            assert not (dataset.path / layer.name / mag).exists()
