"""A small home with one instrument, and the command line run inside this process."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from wk_assets.cli.main import app

CONFIGURATION = """\
version: 1
storage: {root: datasets, minimum_free: 1 MiB}
compute: {threads: 2, memory: 512 MiB}
instruments:
  - name: lightsheet
    watch: inbox
    finished: {rule: marker, file: DONE}
    voxel_size: {x: 260, y: 260, z: 290, unit: nanometer}
    layers:
      - {name: nuclei, category: color, files: "nuclei_z*.tif", axes: yx}
      - {name: labels, category: segmentation, files: "labels.tif", axes: zyx}
    array: {chunk: 32, shard: 64, compression: fast}
"""

SHAPE_ZYX = (6, 40, 48)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Parse standard output: with --json it holds one document and nothing else."""
        return json.loads(self.out)


Command = Callable[..., Outcome]


@pytest.fixture
def command() -> Command:
    """Run `wk-assets` with some arguments."""

    def run(*arguments: str | Path) -> Outcome:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a home whose inbox is empty."""
    folder = tmp_path / "home"
    (folder / "inbox").mkdir(parents=True)
    (folder / "wk_assets.yaml").write_text(CONFIGURATION)
    return folder


@pytest.fixture
def acquisition(home: Path) -> Path:
    """Leave a finished acquisition in the inbox: a bright box on a gradient, and its label."""
    folder = home / "inbox" / "run_1"
    folder.mkdir()
    z, y, x = np.indices(SHAPE_ZYX)
    inside = (abs(z - 3) < 2) & (abs(y - 20) < 8) & (abs(x - 24) < 9)
    image = (np.where(inside, 180, 20) + (x + y) % 7).astype(np.uint8)
    for plane in range(SHAPE_ZYX[0]):
        tifffile.imwrite(folder / f"nuclei_z{plane:02d}.tif", image[plane], metadata=None)
    tifffile.imwrite(folder / "labels.tif", np.where(inside, 5, 0).astype(np.uint16), metadata=None)
    (folder / "DONE").touch()
    return folder


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Leave a stack of images that no instrument's configuration knows."""
    folder = tmp_path / "stack"
    folder.mkdir()
    rng = np.random.default_rng(7)
    for plane in range(5):
        tifffile.imwrite(folder / f"slice_{plane}.tif", rng.integers(1, 255, (30, 34), np.uint8), metadata=None)
    return folder
