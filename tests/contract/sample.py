"""The small dataset that the contract's operations send."""

import shutil
from pathlib import Path

import numpy as np

from tests.contract.contract import Sample
from wk_assets.dataset.dataset import Dataset
from wk_assets.geometry.bounding_box import BoundingBox

BOX = BoundingBox((0, 0, 0), (64, 48, 20))


def make_sample(folder: Path) -> Sample:
    """Write the dataset, and beside it the files of one more mag."""
    voxels = (np.arange(64 * 48 * 20) % 251).astype(np.uint8).reshape(1, 64, 48, 20)
    made = Dataset(folder / "sample", voxel_size=(11.0, 11.0, 25.0), name="sample")
    color = made.add_layer("color", "color", dtype="uint8", bounding_box=BOX)
    color.add_mag(1, chunk_shape=(32, 32, 32), shard_shape=(64, 64, 32)).write(voxels, allow_unaligned=True)
    labels = made.add_layer("labels", "segmentation", dtype="uint32", bounding_box=BOX, largest_segment_id=250)
    labels.add_mag(1, chunk_shape=(32, 32, 32), shard_shape=(64, 64, 32)).write(
        voxels.astype(np.uint32), allow_unaligned=True
    )
    other = Dataset(folder / "other", voxel_size=(11.0, 11.0, 25.0), name="other")
    layer = other.add_layer("color", "color", dtype="uint8", bounding_box=BOX)
    layer.add_mag(2, chunk_shape=(32, 32, 32), shard_shape=(32, 32, 32)).write(
        np.ascontiguousarray(voxels[:, ::2, ::2, ::2]), allow_unaligned=True
    )
    shutil.copytree(folder / "other" / "color" / "2", folder / "mag")
    return Sample(folder=folder / "sample", mag_folder=folder / "mag", voxels=voxels)
