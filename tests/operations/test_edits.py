"""Mags that the engine made and somebody edited afterwards: their bytes, what verify says, what a plan makes of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.operations import crash_lab
from tests.operations.arrays import ArraySource
from wk_assets.geometry.bounding_box import BoundingBox, NormalizedBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.checks.verify import verify_dataset
from wk_assets.operations.compute import Compute
from wk_assets.operations.datasets.commit_dataset import DatasetRequest, commit_dataset
from wk_assets.operations.layers.layer_plan import plan_layer
from wk_assets.operations.layers.run_layer import run_layer
from wk_assets.operations.passes.engine import Engine
from wk_assets.operations.passes.memory_plan import fit_memory
from wk_assets.operations.passes.pyramid_plan import plan_pyramid
from wk_assets.operations.records.layer_request import LayerRequest
from wk_assets.properties.dataset_properties import FILE_NAME
from wk_assets.properties.layer_properties import DataFormat
from wk_assets.storage.array_layout import Layout
from wk_assets.storage.mag_array import ArrayInfo
from wk_assets.storage.manifest import MANIFEST_NAME, Manifest
from wk_assets.storage.sharded_array import ShardedArray

COMPUTE = Compute(threads=2)
CXYZ = ("c", "x", "y", "z")


def shards_of(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in (path / "c").rglob("*") if file.is_file()}


def sparse(shape: tuple[int, ...]) -> NDArray[Any]:
    voxels = np.random.default_rng(3).integers(0, 5, shape).astype("uint16")
    voxels[:, :, 30:, 20:] = 0
    return voxels


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", list(Layout))
def test_an_array_that_was_written_in_pieces_has_the_bytes_of_one_that_the_engine_made(
    tmp_path: Path, layout: Layout, channels: int
) -> None:
    voxels, topleft = sparse((channels, 40, 50, 45)), Vec3Int(3, 5, 7)
    box = BoundingBox(topleft, (45, 50, 40))
    plan = plan_pyramid(
        box=box,
        mags=[Mag(1)],
        stored=[True],
        layout=layout,
        channels=channels,
        dtype=voxels.dtype,
        chunk_shape=Vec3Int(8, 8, 8),
        shard_shape=Vec3Int(32, 16, 32),
        zstd_level=3,
    )
    memory = fit_memory(plan, threads=2, budget_bytes=4 << 30)
    source = ArraySource(voxels, topleft)
    Engine(plan=plan, mode=DownsamplingMode.MEDIAN, source=source, staging=tmp_path / "made", memory=memory).run()
    path = tmp_path / "edited"
    path.mkdir()
    (path / "zarr.json").write_bytes(plan.levels[0].layout.to_zarr_json())
    (path / MANIFEST_NAME).write_bytes(Manifest(content_key="k", shards=()).to_bytes())

    array = ShardedArray.open(path)
    whole = voxels.transpose(0, 3, 2, 1)
    pieces = list(box.chunk(Vec3Int(17, 13, 11)))
    for place in np.random.default_rng(1).permutation(len(pieces)).tolist():
        piece = pieces[place].normalize_axes(channels)
        array.write_box(piece, whole[piece.offset((0, *(-topleft))).to_slices()])

    assert shards_of(path) == shards_of(tmp_path / "made" / "1")


@pytest.fixture
def made(tmp_path: Path) -> LayerRequest:
    """Make and commit a dataset of one layer with three mags."""
    crash_lab.write_slices(tmp_path / "inbox", 40)
    request = crash_lab.request_of(tmp_path / "inbox", tmp_path / "dataset")
    run_layer(plan_layer(request, COMPUTE), COMPUTE)
    commit(request)
    return request


def commit(request: LayerRequest) -> None:
    commit_dataset(
        DatasetRequest(
            dataset_path=request.dataset_path,
            name="dataset",
            voxel_size=request.voxel_size,
            layer_names=(request.layer_name,),
            layout=request.array.layout,
        )
    )


def edit(request: LayerRequest, value: int = 77) -> ShardedArray:
    array = ShardedArray.open(request.dataset_path / "color" / "1")
    box = NormalizedBoundingBox((0, 3, 4, 5), (1, 6, 7, 8), CXYZ)
    array.write_box(box, np.full(tuple(box.size), value, array.info.voxel_type))
    return array


def test_verify_tells_edits_from_damage(made: LayerRequest) -> None:
    array = edit(made)

    report = verify_dataset(made.dataset_path, COMPUTE)
    assert report.passed
    assert report.edited == (("color", Mag(1)),)

    edited = next(shard.key for shard in Manifest.load(array.path).shards)
    whole = (array.path / edited).read_bytes()
    for bit in np.random.default_rng(4).integers(0, 8 * len(whole), 20).tolist():
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        (array.path / edited).write_bytes(damaged)
        report = verify_dataset(made.dataset_path, COMPUTE)
        assert report.damaged == (("color", Mag(1)),)
        assert len(report.findings) == 1
        assert f"color/1/{edited}" in report.findings[0]
    (array.path / edited).unlink()
    assert f"color/1/{edited}: is missing" in verify_dataset(made.dataset_path, COMPUTE).findings


def test_what_is_edited_while_verify_looks_is_no_damage(made: LayerRequest) -> None:
    values = iter(range(1, 1000))

    def edit_meanwhile(_done: int, _total: int) -> None:
        edit(made, next(values))

    report = verify_dataset(made.dataset_path, Compute(threads=1), listener=edit_meanwhile)

    assert report.passed


def test_an_edited_mag_is_replaced_by_a_new_version_only_by_a_run_that_somebody_asks_for(made: LayerRequest) -> None:
    """The run leaves the edited array where it is: servers cache by path, and what a person did is not overwritten."""
    array = edit(made)
    before = shards_of(array.path)

    plan = plan_layer(made, COMPUTE)
    assert not plan.up_to_date
    (finest,) = [mag for mag in plan.mags if mag.mag == Mag(1)]
    assert finest.path != "color/1"
    assert shards_of(array.path) == before

    run_layer(plan, COMPUTE)
    assert shards_of(array.path) == before
    commit(made)
    assert verify_dataset(made.dataset_path, COMPUTE).edited == ()


def test_a_mag_that_a_person_added_survives_the_next_commit(made: LayerRequest) -> None:
    """The ledger does not know it, and it has a manifest like a forgotten version of a mag: a commit removes those."""
    path = made.dataset_path / "color" / "8"
    array = ShardedArray.create(
        path,
        ArrayInfo(
            data_format=DataFormat.Zarr3,
            voxel_type=np.dtype("uint8"),
            box=NormalizedBoundingBox((0, 0, 0, 0), (1, 8, 8, 8), CXYZ),
            chunk_shape=Vec3Int(8, 8, 8),
            shard_shape=Vec3Int(8, 8, 8),
        ),
    )
    array.write_box(array.info.box, np.ones(array.info.shape, "uint8"))
    file = made.dataset_path / FILE_NAME
    document = json.loads(file.read_text())
    layer = document["dataLayers"][0]
    order = {"c": 0, "x": 1, "y": 2, "z": 3}
    layer["mags"].append({"mag": [8, 8, 8], "path": "./color/8", "axisOrder": order})
    layer["mags"].append({"mag": [16, 16, 16], "path": "https://example.org/elsewhere/16", "axisOrder": order})
    file.write_text(json.dumps(document))

    crash_lab.write_slices(made.dataset_path.with_name("inbox"), 40, seed=6)
    changed = crash_lab.request_of(made.dataset_path.with_name("inbox"), made.dataset_path)
    run_layer(plan_layer(changed, COMPUTE), COMPUTE)
    commit(changed)

    mags = json.loads(file.read_text())["dataLayers"][0]["mags"]
    assert [mag["mag"] for mag in mags] == [[edge] * 3 for edge in (1, 2, 4, 8, 16)]
    assert mags[3:] == layer["mags"][3:]
    assert (array.read_box(array.info.box) == 1).all()
    assert not (made.dataset_path / "color" / "1").exists()  # the version that a run made is forgotten and removed
