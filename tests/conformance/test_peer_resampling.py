"""WEBKNOSSOS' own Python library (the peer) and we make the same mags of the same real layers, coarser and finer.

Where we differ on purpose (nearest, bilinear, finer mags by 4 and more), `tests/operations/test_resample_layer.py` says how.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from tests.conformance.peer_voxels import digest
from wk_assets.dataset.dataset import Dataset
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(900)]

_REPOSITORY = Path(__file__).resolve().parents[2]
# read here: a test's environment has none of a person's own settings
_PEER_PYTHON = Path(os.environ.get("WK_ASSETS_PEER_PYTHON", _REPOSITORY / ".venv-peer" / "bin" / "python"))
_SCRIPT = Path(__file__).with_name("peer_resampling_script.py")
_COARSE = "4-4-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A call of a method of Layer that both understand; mags are {"mag": name}."""

    layer: str
    call: str
    arguments: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        values = [value["mag"] if isinstance(value, dict) else value for value in self.arguments.values()]
        return f"{self.layer} {self.call} {' '.join(map(str, values))}"


def _modes(interpolation_mode: str, sampling_mode: str) -> dict[str, Any]:
    return {"interpolation_mode": interpolation_mode, "sampling_mode": sampling_mode, "shard_shape": 128}


JOBS = [
    Job(layer="nuclei", call="downsample", arguments={"shard_shape": 128}),
    Job(layer="labels", call="downsample", arguments={"shard_shape": 128}),
    Job(layer="nuclei", call="downsample", arguments=_modes("max", "isotropic")),
    Job(layer="odd", call="downsample", arguments=_modes("min", "constant_z")),
    Job(layer="odd", call="downsample", arguments=_modes("median", "isotropic")),
    Job(layer="odd", call="downsample", arguments=_modes("mode", "anisotropic") | {"coarsest_mag": {"mag": "16"}}),
    Job(layer="aligned", call="downsample", arguments={"align_with_other_layers": False, "shard_shape": 128}),
    Job(layer="aligned", call="downsample", arguments={"align_with_other_layers": True, "shard_shape": 128}),
    Job(
        layer="nuclei",
        call="downsample_mag",
        arguments={"from_mag": {"mag": "1"}, "target_mag": {"mag": "2-2-2"}, "shard_shape": 128},
    ),
    Job(
        layer="coarse",
        call="upsample",
        arguments={"from_mag": {"mag": _COARSE}, "finest_mag": {"mag": "2-2-1"}, "shard_shape": 128},
    ),
    Job(layer="coarse", call="upsample", arguments={"from_mag": {"mag": _COARSE}, "shard_shape": 128}),
]


@pytest.fixture(scope="module")
def datasets(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write real images and labels, a part of them at odd coordinates, one layer beside another's mag, one coarse only."""
    folder = shared_data / "lightmicroscopy-nuclei"
    nuclei = np.asarray(tifffile.imread(folder / "nuclei_40x256x256_uint16.ome.tif")).squeeze()
    labels = np.asarray(tifffile.imread(folder / "nuclei_label_uint32.tif")).squeeze()
    path = tmp_path_factory.mktemp("ours")
    for name, category, zyx, corner, mag in (
        ("nuclei", "color", nuclei, (0, 0, 0), "1"),
        ("labels", "segmentation", labels, (0, 0, 0), "1"),
        ("odd", "color", nuclei[3:26, 7:140, 5:112], (5, 7, 3), "1"),
        ("aligned", "segmentation", labels[:, 50:120, 60:140], (0, 0, 0), "1"),
        ("coarse", "segmentation", labels[:, :64, :64], (0, 0, 0), _COARSE),
    ):
        voxels = np.ascontiguousarray(zyx.transpose(2, 1, 0))[np.newaxis]
        size = [int(edge) for edge in np.array(voxels.shape[1:]) * Mag(mag).to_np()]
        made = Dataset(path / name, voxel_size=(260, 260, 1000))
        layer = made.add_layer(name, category, dtype=voxels.dtype.name, bounding_box=BoundingBox(corner, size))
        layer.add_mag(mag, shard_shape=128).write(voxels)
        if name == "aligned":
            made.add_layer_like(layer, "other").add_mag("2-2-2", shard_shape=128)
    return path


@pytest.fixture(scope="module")
def answers(datasets: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Let the peer do all jobs, each in a copy of its dataset: one interpreter, which takes seconds to start."""
    if not _PEER_PYTHON.exists():
        pytest.skip(
            f"the peer library is not at {_PEER_PYTHON}; `make peer` installs it, WK_ASSETS_PEER_PYTHON names one"
        )
    folder = tmp_path_factory.mktemp("theirs")
    jobs = [
        {
            "path": str(shutil.copytree(datasets / job.layer, folder / str(number))),
            "layer": job.layer,
            "call": job.call,
            "arguments": job.arguments,
        }
        for number, job in enumerate(JOBS)
    ]
    finished = subprocess.run(
        [_PEER_PYTHON, _SCRIPT], input=json.dumps({"jobs": jobs}), capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    answer: list[dict[str, str]] = json.loads(finished.stdout.rstrip().rsplit("\n", 1)[-1])
    return answer


@pytest.mark.parametrize("number", range(len(JOBS)), ids=[str(job) for job in JOBS])
def test_the_same_call_makes_the_same_mags(
    number: int, datasets: Path, answers: list[dict[str, str]], tmp_path: Path
) -> None:
    job = JOBS[number]
    layer = Dataset.open(shutil.copytree(datasets / job.layer, tmp_path / "ours")).get_layer(job.layer)
    arguments = {name: Mag(value["mag"]) if isinstance(value, dict) else value for name, value in job.arguments.items()}

    getattr(layer, job.call)(**arguments)

    ours = {mag.to_layer_name(): digest(view.read()) for mag, view in layer.mags.items()}
    assert ours == answers[number]
