"""Whose damage it is, what nobody can judge, and a dataset that is replaced while it is looked at."""

import json
from pathlib import Path

import pytest

from tests.operations import crash_lab
from wk_assets.geometry.mag import Mag
from wk_assets.operations.checks.verify import verify_dataset
from wk_assets.operations.compute import Compute
from wk_assets.operations.datasets.commit_dataset import DatasetRequest, commit_dataset
from wk_assets.operations.layers.layer_plan import plan_layer
from wk_assets.operations.layers.run_layer import run_layer
from wk_assets.operations.records.layer_request import LayerRequest
from wk_assets.properties.dataset_properties import FILE_NAME

COMPUTE = Compute(threads=2)


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


def test_damage_is_sorted_by_layer_and_mag(made: LayerRequest) -> None:
    for mag in ("1", "4"):
        for shard in (made.dataset_path / "color" / mag / "c").rglob("*"):
            if shard.is_file():
                shard.unlink()
    (made.dataset_path / "color" / "2" / ".manifest.json").write_text("{")

    report = verify_dataset(made.dataset_path, COMPUTE)

    assert set(report.damaged) == {("color", Mag(1)), ("color", Mag(2)), ("color", Mag(4))}
    assert any("color/2: can not be verified" in finding for finding in report.findings)


def test_what_others_wrote_is_named_but_no_damage(made: LayerRequest) -> None:
    file = made.dataset_path / FILE_NAME
    document = json.loads(file.read_text())
    layer = document["dataLayers"][0]
    document["dataLayers"].append({**layer, "name": "foreign", "mags": [{**layer["mags"][0], "path": "./foreign/1"}]})
    file.write_text(json.dumps(document))

    report = verify_dataset(made.dataset_path, COMPUTE)

    assert report.passed
    assert report.foreign == ("foreign/1",)


def test_a_dataset_that_is_replaced_under_the_eyes_is_looked_at_again(made: LayerRequest, tmp_path: Path) -> None:
    """The old version's shards go away with the commit of the new one: that is no damage."""
    crash_lab.write_slices(tmp_path / "inbox", 40, seed=5)
    changed = crash_lab.request_of(tmp_path / "inbox", made.dataset_path)
    looks: list[int] = []

    def replace_meanwhile(done: int, total: int) -> None:
        looks.append(done)
        if len(looks) == 1:
            run_layer(plan_layer(changed, COMPUTE), COMPUTE)
            commit(changed)

    report = verify_dataset(made.dataset_path, Compute(threads=1), listener=replace_meanwhile)

    assert report.passed
