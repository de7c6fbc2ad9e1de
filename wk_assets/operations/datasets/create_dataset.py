"""Make an empty dataset: a directory with the metadata and the root group of its Zarr arrays."""

from pathlib import Path

from wk_assets.errors import DatasetExistsError
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.operations.datasets.change_properties import properties_lock, write_properties
from wk_assets.operations.datasets.zarr_groups import write_groups
from wk_assets.operations.records.layer_record import BOOKKEEPING
from wk_assets.properties.dataset_properties import FILE_NAME, DatasetProperties
from wk_assets.storage.durable import make_directory


def create_dataset(path: Path, name: str, voxel_size: VoxelSize) -> None:
    """Make a dataset without layers at `path`, which may be an empty directory.

    Raises DatasetExistsError if there is something, StorageError. Of several processes that try, one makes it.
    """
    if path.exists():
        others = (
            sorted(entry.name for entry in path.iterdir() if entry.name != BOOKKEEPING) if path.is_dir() else ["a file"]
        )
        if others:
            raise DatasetExistsError(
                f"{path} is not empty: there is {', '.join(others[:3])}. Choose another place for a new dataset, or move "
                "what is there away"
            )
    make_directory(path)
    with properties_lock(path, f"making of dataset {name}"):
        if (path / FILE_NAME).exists():
            raise DatasetExistsError(f"somebody else has just made a dataset at {path}; open it with Dataset.open")
        properties = DatasetProperties.new(name=name, voxel_size=voxel_size, layers=[])
        write_groups(path, None, properties)
        write_properties(path, properties)
