"""Where the metadata of a dataset lies, and how it is read. Written only by the commit of a dataset."""

import os
from pathlib import Path

from wk_assets.errors import NotADatasetError, PropertiesError
from wk_assets.geometry.mag import Mag
from wk_assets.properties.dataset_properties import FILE_NAME, DatasetProperties
from wk_assets.storage.local_path import local_path


def read_properties(dataset_path: Path) -> DatasetProperties:
    """Read the metadata of the dataset in the directory `dataset_path`.

    Raises NotADatasetError if there is none, PropertiesError with every mistake in it.
    """
    path = dataset_path / FILE_NAME
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        reason = f"it has no {FILE_NAME}" if dataset_path.is_dir() else "there is no such directory"
        raise NotADatasetError(f"{dataset_path} is not a dataset: {reason}") from error
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise PropertiesError(f"{path}: not UTF-8 (byte {error.start})") from error
    return DatasetProperties.parse_text(text, source=str(path))


def array_location(dataset_path: Path, layer_name: str, mag: Mag, path: str | None) -> Path | None:
    """Return the directory of an array that datasource-properties.json names by `path`; None for a URL.

    `path` is relative to the dataset or absolute. Old files have none: then the folder is named after the mag, in
    short (`2`) or else in full (`2-2-2`).
    """
    if path is None:
        short, long = (dataset_path / layer_name / name for name in (mag.to_layer_name(), mag.to_long_layer_name()))
        return long if long.is_dir() and not short.is_dir() else short
    if path.startswith("file://"):
        return local_path(path)
    if "://" in path:
        return None
    return dataset_path / path


def stated_location(dataset_path: Path, location: Path) -> str:
    """Say where an array lies as datasource-properties.json does: `./…` inside of the dataset, else the absolute path."""
    absolute, root = Path(os.path.abspath(location)), Path(os.path.abspath(dataset_path))  # noqa: PTH100 - links stay
    if absolute.is_relative_to(root):
        return f"./{absolute.relative_to(root).as_posix()}"
    return absolute.as_posix()


def relative_location(dataset_path: Path, location: Path) -> str:
    """Say where an array of another dataset lies, seen from this one: `../other/color/1`."""
    return Path(os.path.relpath(location.resolve(), dataset_path.resolve())).as_posix()
