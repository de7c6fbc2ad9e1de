"""A small dataset with every kind of layer, and the same one on a stand-in."""

from pathlib import Path

import numpy as np

from wk_assets.client.context import current_context
from wk_assets.dataset.dataset import Dataset
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.mag_ladder import SamplingMode
from wk_assets.operations.transfer.upload_dataset import UploadSettings, run_upload
from wk_assets.operations.transfer.upload_plan import plan_upload

BOX = BoundingBox((8, 4, 2), (72, 50, 40))
LARGEST = 2**63 + 7
GRAY = np.random.default_rng(3).integers(1, 255, (1, 72, 50, 40), dtype=np.uint8)
COLORS = np.random.default_rng(4).integers(0, 255, (3, 72, 50, 40), dtype=np.uint8)
LABELS = np.random.default_rng(5).integers(0, 2**63, (1, 72, 50, 40), dtype=np.uint64)


def local_dataset(path: Path, *, data_format: str = "zarr3") -> Dataset:
    """Make `gray` (uint8, mags 1 and 2), `colors` (three channels) and `labels` (uint64), not beginning at the origin."""
    made = Dataset(path, voxel_size=(11.0, 11.0, 25.0), name="sent")
    gray = made.add_layer("gray", "color", dtype="uint8", bounding_box=BOX, data_format=data_format)
    gray.add_mag(1).write(GRAY, absolute_offset=BOX.topleft, allow_unaligned=True)
    gray.downsample(coarsest_mag=Mag(2), sampling_mode=SamplingMode.ISOTROPIC)
    colors = made.add_layer("colors", "color", dtype="uint8", num_channels=3, bounding_box=BOX, data_format=data_format)
    colors.add_mag(1, compress=False).write(COLORS, absolute_offset=BOX.topleft, allow_unaligned=True)
    labels = made.add_layer(
        "labels", "segmentation", dtype="uint64", bounding_box=BOX, data_format=data_format, largest_segment_id=LARGEST
    )
    labels.add_mag(1).write(LABELS, absolute_offset=BOX.topleft, allow_unaligned=True)
    return made


def send(dataset: Dataset) -> str:
    """Upload a dataset to the present context's server; returns its id there."""
    return run_upload(plan_upload(Path(dataset.path)), current_context(), UploadSettings(threads=2)).dataset_id
