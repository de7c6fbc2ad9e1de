"""Real microscopy, laid out as an instrument would leave it, becomes a dataset."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile

from wk_assets.facility.acquisitions import scan_instrument
from wk_assets.facility.configuration import Configuration
from wk_assets.facility.finished import judge
from wk_assets.facility.ingest import ingest
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.storage.stored_array import StoredArray


def test_nuclei_with_labels_become_a_dataset(
    configured: Callable[..., Configuration], home: Path, shared_data: Path
) -> None:
    source = shared_data / "lightmicroscopy-nuclei"
    folder = home / "inbox" / "2026-11-21 nuclei"
    folder.mkdir()
    for image in source.glob("*.tif"):
        shutil.copy(image, folder)
    (folder / "DONE").touch()
    layers = [
        {"name": "nuclei", "files": "nuclei_*.ome.tif"},
        {"name": "labels", "category": "segmentation", "files": "nuclei_label_*.tif", "axes": "zyx"},
    ]
    configuration = configured(layers=layers)
    instrument = configuration.instrument("lightsheet")
    (acquisition,) = scan_instrument(instrument)
    assert judge(instrument.finished, acquisition, None, now=0.0).finished

    result = ingest(configuration, acquisition, configuration.compute())

    assert result.published
    assert result.entry.dataset == "2026-11-21-nuclei"
    for layer, name in zip(result.layers, ("nuclei_40x256x256_uint16.ome.tif", "nuclei_label_uint32.tif"), strict=True):
        voxels = tifffile.imread(source / name)
        stored = StoredArray.open(layer.mags[0].path)
        assert stored.dtype == voxels.dtype
        np.testing.assert_array_equal(stored.read(BoundingBox((0, 0, 0), voxels.shape[::-1]))[0], voxels.T)
