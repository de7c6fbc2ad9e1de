"""Small facilities for the tests: a home with an inbox, settings as a program would give them, folders as files."""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from wk_assets.facility.configuration import Configuration, parse_configuration
from wk_assets.facility.instrument import Instrument

Settings = dict[str, Any]

_SETTINGS: Settings = {
    "version": 1,
    "storage": {"minimum_free": "1 MB"},
    "compute": {"threads": 2, "memory": "512 MiB"},
    "instruments": [
        {
            "name": "lightsheet",
            "watch": "inbox",
            "finished": {"rule": "marker", "file": "DONE"},
            "voxel_size": {"x": 260, "y": 260, "z": 290, "unit": "nanometer"},
            "layers": [
                {"name": "nuclei", "category": "color", "files": "nuclei_z*.tif", "axes": "yx"},
                {"name": "labels", "category": "segmentation", "files": "labels_z*.tif", "axes": "yx"},
            ],
        }
    ],
}


@pytest.fixture
def settings() -> Settings:
    """Give legal settings of one instrument with two layers, free to be changed."""
    return copy.deepcopy(_SETTINGS)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give a folder with an empty inbox."""
    (tmp_path / "inbox").mkdir()
    return tmp_path


@pytest.fixture
def configured(home: Path, settings: Settings) -> Callable[..., Configuration]:
    """Build a configuration; keywords replace keys of the one instrument."""

    def build(**changes: Any) -> Configuration:
        settings["instruments"][0].update(changes)
        return parse_configuration(settings, home)

    return build


@pytest.fixture
def instrument(configured: Callable[..., Configuration]) -> Callable[..., Instrument]:
    """Build the one instrument; keywords replace its keys."""

    def build(**changes: Any) -> Instrument:
        return configured(**changes).instrument("lightsheet")

    return build


@pytest.fixture
def fill(home: Path) -> Callable[[str, Mapping[str, bytes | str]], Path]:
    """Write files into a folder of the inbox, as an instrument would."""

    def write(name: str, files: Mapping[str, bytes | str]) -> Path:
        folder = home / "inbox" / name
        folder.mkdir(parents=True, exist_ok=True)
        for relative, content in files.items():
            (folder / relative).parent.mkdir(parents=True, exist_ok=True)
            (folder / relative).write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    return write
