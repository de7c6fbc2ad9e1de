"""WEBKNOSSOS' own Python library (the peer) and we read one another's datasets, and make the same pyramids.

The peer runs in an environment of its own (`make peer`); `make oracle` runs these tests with it.
"""

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conformance.datasets import SampleDataset
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.layer import Layer, SegmentationLayer
from wk_assets.dataset.view import View
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.mag_ladder import SamplingMode, default_coarsest_mag, mag_ladder
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.compute import Compute
from wk_assets.operations.datasets.commit_dataset import DatasetRequest, commit_dataset
from wk_assets.operations.layers.layer_plan import plan_layer
from wk_assets.operations.layers.run_layer import run_layer
from wk_assets.operations.records.layer_request import LayerRequest
from wk_assets.readers.open_volume import open_volume
from wk_assets.readers.volume import SourceSelection
from wk_assets.storage.array_layout import Layout

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(900)]

_REPOSITORY = Path(__file__).resolve().parents[2]
# read here: a test's environment has none of a person's own settings
_PEER_PYTHON = Path(os.environ.get("WK_ASSETS_PEER_PYTHON", _REPOSITORY / ".venv-peer" / "bin" / "python"))
_SCRIPT = Path(__file__).with_name("peer_script.py")


def ask_the_peer(question: str, request: Mapping[str, Any]) -> Any:
    """Run the peer's program; skips where there is no peer."""
    if not _PEER_PYTHON.exists():
        pytest.skip(
            f"the peer library is not at {_PEER_PYTHON}; `make peer` installs it, WK_ASSETS_PEER_PYTHON names one"
        )
    finished = subprocess.run(
        [_PEER_PYTHON, _SCRIPT, question], input=json.dumps(request), capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    return json.loads(finished.stdout.rstrip().rsplit("\n", 1)[-1])


def digest(voxels: Any) -> str:
    """Give the SHA-256 of an array (c, x, y, z) as the peer's program does."""
    ordered = np.ascontiguousarray(voxels).astype(voxels.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(ordered.tobytes()).hexdigest()


def box_of(box: BoundingBox) -> list[list[int]]:
    return [list(box.topleft), list(box.size)]


def described_layer(layer: Layer) -> dict[str, Any]:
    """Describe a layer as the peer's program does, but for what only the peer or only we write by default."""
    return {
        "category": layer.category,
        "dtype": layer.dtype.name,
        "channels": layer.num_channels,
        "box": box_of(BoundingBox.from_ndbbox(layer.bounding_box)),
        "largest_segment_id": layer.largest_segment_id if isinstance(layer, SegmentationLayer) else None,
        "mags": {mag.to_layer_name(): described_mag(view) for mag, view in layer.mags.items()},
    }


def described_mag(view: View) -> dict[str, Any]:
    voxels = view.read()
    return {
        "shape": list(voxels.shape),
        "dtype": voxels.dtype.name,
        "box": box_of(BoundingBox.from_ndbbox(view.bounding_box)),
        "sha256": digest(voxels),
    }


def without_window(description: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {**layer, "window": None} for name, layer in description["layers"].items()}


@pytest.fixture(scope="module")
def what_the_peer_sees(datasets: Mapping[str, SampleDataset]) -> dict[str, Any]:
    """Let the peer open our datasets; its description of each."""
    paths = [str(dataset.path) for dataset in datasets.values()]
    answers = ask_the_peer("describe", {"datasets": paths})
    return dict(zip(datasets, answers, strict=True))


@pytest.mark.parametrize("layout", ["ome", "webknossos"])
@pytest.mark.parametrize("kind", ["compressed", "raw", "flat", "remade"])
def test_the_peer_reads_every_voxel_of_what_we_write(
    datasets: Mapping[str, SampleDataset], what_the_peer_sees: dict[str, Any], kind: str, layout: str
) -> None:
    dataset = datasets[f"{kind}_{layout}"]
    seen = what_the_peer_sees[dataset.name]

    assert seen["name"] == dataset.name
    assert seen["voxel_size"] == list(dataset.voxel_size.factor)
    assert seen["unit"] == dataset.voxel_size.unit.value
    assert list(seen["layers"]) == [layer.name for layer in dataset.layers]
    for layer in dataset.layers:
        found = seen["layers"][layer.name]
        mags = dataset.voxels[layer.name]
        lowest, highest = mags["1"].min().item(), mags["1"].max().item()
        segmentation = layer.category == "segmentation"
        assert (found["category"], found["dtype"], found["channels"]) == (layer.category, layer.dtype, layer.channels)
        assert found["box"] == box_of(layer.box)
        assert found["largest_segment_id"] == (highest if segmentation else None)
        assert found["window"] == (None if segmentation else [lowest, highest])
        assert found["mags"] == {
            mag: {
                "shape": list(voxels.shape),
                "dtype": layer.dtype,
                "box": box_of(layer.box.align_with_mag(Mag(mag), ceil=True)),
                "sha256": digest(voxels),
            }
            for mag, voxels in mags.items()
        }


def test_we_read_every_voxel_of_what_the_peer_writes(tmp_path: Path) -> None:
    written = ask_the_peer("write", {"path": str(tmp_path / "written")})

    dataset = Dataset.open(tmp_path / "written")

    assert dataset.voxel_size_with_unit.unit.value == written["unit"]
    assert list(dataset.voxel_size_with_unit.factor) == written["voxel_size"]
    assert {
        name: described_layer(layer) | {"window": None} for name, layer in dataset.layers.items()
    } == without_window(written)


class Pyramid:
    """Import the same images with both: `layers` are (name, category, pattern of files), at `topleft`."""

    def __init__(
        self,
        name: str,
        *,
        voxel_size: tuple[float, float, float],
        folder: str,
        layers: Sequence[tuple[str, str, str]],
        topleft: tuple[int, int, int] = (0, 0, 0),
        coarsest: int | None = None,
        sampling: SamplingMode = SamplingMode.ANISOTROPIC,
    ) -> None:
        self.name = name
        self.voxel_size = VoxelSize(voxel_size)
        self.folder = folder
        self.layers = layers
        self.topleft = topleft
        self.coarsest = coarsest
        self.sampling = sampling

    def job(self, shared_data: Path, target: Path) -> dict[str, Any]:
        return {
            "path": str(target / self.name),
            "voxel_size": list(self.voxel_size.factor),
            "layers": [
                {
                    "name": name,
                    "category": category,
                    "images": str(shared_data / self.folder / pattern),
                    "topleft": self.topleft,
                    "coarsest": self.coarsest,
                    "sampling": self.sampling.value,
                }
                for name, category, pattern in self.layers
            ],
        }

    def make(self, shared_data: Path, target: Path) -> Dataset:
        """Import with our code; the mags are those that our rules give."""
        compute = Compute(threads=2)
        folder = shared_data / self.folder
        for name, category, pattern in self.layers:
            selection = SourceSelection(root=folder, files=tuple(folder.glob(pattern)))
            with open_volume(selection) as reader:
                size = reader.description.size
            coarsest = default_coarsest_mag(size) if self.coarsest is None else Mag(self.coarsest)
            ladder = mag_ladder(self.voxel_size.factor, Mag(1), coarsest, self.sampling, depth=size.z)
            request = LayerRequest(
                dataset_path=target / self.name,
                layer_name=name,
                category="segmentation" if category == "segmentation" else "color",
                source=selection,
                voxel_size=self.voxel_size,
                mags=(Mag(1), *ladder),
                mode=DownsamplingMode.MODE if category == "segmentation" else DownsamplingMode.MEDIAN,
                topleft=Vec3Int(self.topleft),
            )
            run_layer(plan_layer(request, compute), compute)
        commit_dataset(
            DatasetRequest(
                dataset_path=target / self.name,
                name=self.name,
                voxel_size=self.voxel_size,
                layer_names=tuple(name for name, _, _ in self.layers),
                layout=Layout.OME,
            )
        )
        return Dataset.open(target / self.name)


NUCLEI = (
    ("nuclei", "color", "nuclei_40x256x256_uint16.ome.tif"),
    ("labels", "segmentation", "nuclei_label_uint32.tif"),
)
CUBE = (
    ("em", "color", "grayscale/*.png"),
    ("bodies", "segmentation", "groundtruth_bodies_uint32.tif"),
)
PYRAMIDS = [
    Pyramid("nuclei", voxel_size=(260, 260, 290), folder="lightmicroscopy-nuclei", layers=NUCLEI),
    Pyramid(
        "nuclei_flat_voxels",
        voxel_size=(85, 85, 346),
        folder="lightmicroscopy-nuclei",
        layers=NUCLEI,
        topleft=(7, 9, 3),
        coarsest=16,
    ),
    Pyramid(
        "nuclei_constant_z",
        voxel_size=(260, 260, 290),
        folder="lightmicroscopy-nuclei",
        layers=NUCLEI,
        coarsest=8,
        sampling=SamplingMode.CONSTANT_Z,
    ),
    Pyramid("cube", voxel_size=(10, 10, 10), folder="fibsem-fib25", layers=CUBE, coarsest=16),
    Pyramid("cube_flat_voxels", voxel_size=(4, 4, 40), folder="fibsem-fib25", layers=CUBE, coarsest=16),
    Pyramid("cube_tall_voxels", voxel_size=(40, 4, 4), folder="fibsem-fib25", layers=CUBE),
    Pyramid(
        "cube_isotropic",
        voxel_size=(4, 4, 40),
        folder="fibsem-fib25",
        layers=CUBE,
        topleft=(1, 2, 3),
        coarsest=8,
        sampling=SamplingMode.ISOTROPIC,
    ),
]


@pytest.fixture(scope="module")
def pyramids_of_the_peer(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Let the peer import and downsample the shared images; its description of each dataset."""
    target = tmp_path_factory.mktemp("peer")
    jobs = [pyramid.job(shared_data, target) for pyramid in PYRAMIDS]
    answers = ask_the_peer("pyramids", {"jobs": jobs})
    return {pyramid.name: answer for pyramid, answer in zip(PYRAMIDS, answers, strict=True)}


@pytest.mark.parametrize("pyramid", PYRAMIDS, ids=lambda pyramid: pyramid.name)
def test_both_make_the_same_pyramid_of_the_same_images(
    pyramid: Pyramid, shared_data: Path, tmp_path: Path, pyramids_of_the_peer: dict[str, Any]
) -> None:
    theirs = pyramids_of_the_peer[pyramid.name]

    ours = pyramid.make(shared_data, tmp_path)

    assert {name: list(layer["mags"]) for name, layer in theirs["layers"].items()} == {
        name: [mag.to_layer_name() for mag in layer.mags] for name, layer in ours.layers.items()
    }
    assert {name: described_layer(layer) | {"window": None} for name, layer in ours.layers.items()} == without_window(
        theirs
    )
