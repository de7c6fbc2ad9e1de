"""From an entry to requests: what was registered, cut as configured, from files that are still the same."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from wk_assets.errors import CatalogueError, ConfigurationError, SourceChangedError, WatchFolderError
from wk_assets.facility.acquisitions import scan_acquisition
from wk_assets.facility.catalogue_entry import CatalogueEntry
from wk_assets.facility.configuration import Configuration
from wk_assets.facility.registration import register
from wk_assets.facility.requests import dataset_request, layer_request, source_folder
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.operations.layers.compression import FALLBACK_LEVEL
from wk_assets.readers.volume import SourceSelection

Configured = Callable[..., Configuration]


@pytest.fixture
def run(home: Path) -> Path:
    """Give an acquisition of two layers with three slices each."""
    folder = home / "inbox" / "run1"
    folder.mkdir()
    for z in range(3):
        tifffile.imwrite(folder / f"nuclei_z{z}.tif", np.full((20, 30), z, "uint8"))
        tifffile.imwrite(folder / f"labels_z{z}.tif", np.full((20, 30), z, "uint32"))
    return folder


def registered(configuration: Configuration, folder: Path) -> CatalogueEntry:
    return register(configuration, scan_acquisition(configuration.instrument("lightsheet"), folder))


def test_a_layer_is_requested_as_it_was_registered_and_configured(configured: Configured, run: Path) -> None:
    configuration = configured(array={"chunk": 16, "shard": [64, 64, 32], "compression": "none"})
    entry = registered(configuration, run)

    request = layer_request(configuration, entry, "labels")

    assert request.dataset_path == configuration.storage_root / "run1"
    assert (request.layer_name, request.category, request.mode) == ("labels", "segmentation", "mode")
    assert request.voxel_size == VoxelSize((260, 260, 290))
    assert request.mags == (Mag(1), Mag(2), Mag(4))
    assert request.array.chunk_shape == Vec3Int(16, 16, 16)
    assert request.array.shard_shape == Vec3Int(64, 64, 32)
    assert request.array.zstd_level is None
    assert isinstance(request.source, SourceSelection)
    assert request.source.root == run == source_folder(configuration, entry)
    assert [file.name for file in request.source.files] == ["labels_z0.tif", "labels_z1.tif", "labels_z2.tif"]
    assert request.source.axes == "yx"


@pytest.mark.parametrize(
    ("compression", "level"),
    [("fast", 1), ("webknossos", 5), ({"zstd": 7}, 7), ("zstd:2", 2), ({"auto": 50}, 1), ("none", None)],
)
def test_the_configured_compression_is_taken(
    configured: Configured, run: Path, compression: object, level: int | None
) -> None:
    configuration = configured(array={"compression": compression})

    assert layer_request(configuration, registered(configuration, run), "nuclei").array.zstd_level == level


def test_what_a_sample_decided_is_requested_ever_after(configured: Configured, run: Path) -> None:
    configuration = configured()
    entry = registered(configuration, run)
    decided = entry.layers[0].compression
    assert decided is not None
    other = entry.layers[0].model_copy(update={"compression": decided.model_copy(update={"zstd_level": 4})})
    unsampled = entry.layers[0].model_copy(update={"compression": None})

    levels = [
        layer_request(configuration, entry.model_copy(update={"layers": (layer,)}), "nuclei").array.zstd_level
        for layer in (other, unsampled)
    ]

    assert levels == [4, FALLBACK_LEVEL]


def test_the_dataset_is_requested_with_its_layers_in_order(configured: Configured, run: Path) -> None:
    configuration = configured()
    entry = registered(configuration, run)

    request = dataset_request(configuration, entry)

    assert (request.name, request.layer_names) == ("run1", ("nuclei", "labels"))
    assert request.dataset_path == configuration.storage_root / "run1"
    assert request.voxel_size == VoxelSize((260, 260, 290))


def test_changed_files_are_never_imported_as_the_registered_ones(configured: Configured, run: Path) -> None:
    configuration = configured()
    entry = registered(configuration, run)
    tifffile.imwrite(run / "nuclei_z3.tif", np.zeros((20, 30), "uint8"))

    with pytest.raises(SourceChangedError, match=r"layer 'nuclei' .*4 files now, 3 then"):
        layer_request(configuration, entry, "nuclei")

    assert layer_request(configuration, entry, "labels").source is not None


def test_coarser_mags_need_no_source_any_more(configured: Configured, home: Path, run: Path) -> None:
    configuration = configured()
    entry = registered(configuration, run)
    run.rename(home / "tape")

    assert layer_request(configuration, entry, "nuclei", wanted=[Mag(2)]).source is None
    with pytest.raises(WatchFolderError, match="run1"):
        layer_request(configuration, entry, "nuclei", wanted=[Mag(1), Mag(2)])


def test_what_is_no_longer_configured_is_named(configured: Configured, run: Path) -> None:
    configuration = configured()
    entry = registered(configuration, run)

    with pytest.raises(CatalogueError, match="has no layer 'cells'; it has nuclei, labels"):
        layer_request(configuration, entry, "cells")
    fewer = configured(layers=[{"name": "cells", "files": "*.tif"}])
    with pytest.raises(ConfigurationError, match="no layer 'nuclei' any more"):
        layer_request(fewer, entry, "nuclei")
    with pytest.raises(ConfigurationError, match="no instrument 'lightsheet'"):
        layer_request(configured(name="another"), entry, "nuclei")
