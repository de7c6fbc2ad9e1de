"""Checks, pictures and handles on what the engine really writes."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from wk_assets.dataset.dataset import Dataset
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.checks.inspect_dataset import inspect_dataset
from wk_assets.operations.checks.layer_checks import run_layer_checks
from wk_assets.operations.checks.preview import preview_layer
from wk_assets.operations.compute import Compute
from wk_assets.operations.datasets.commit_dataset import DatasetRequest, commit_dataset
from wk_assets.operations.layers.layer_plan import plan_layer
from wk_assets.operations.layers.run_layer import run_layer
from wk_assets.operations.records.layer_record import LayerRecord, read_layer_record
from wk_assets.operations.records.layer_request import ArraySettings, Category, LayerRequest
from wk_assets.readers.volume import BadSlicePolicy, SourceSelection
from wk_assets.storage.array_layout import Layout

RNG = np.random.default_rng(2)
VOXEL_SIZE = VoxelSize((11.24, 11.24, 28))
MAGS = (Mag("1"), Mag("2-2-1"), Mag("8-8-4"))  # a factor of 4: mirrors at borders reach far


def imported(
    folder: Path,
    slices: dict[int, NDArray[np.generic]],
    *,
    category: Category = "color",
    layout: Layout = Layout.OME,
    topleft: Vec3Int = Vec3Int(0, 0, 0),
    on_bad_slice: BadSlicePolicy = BadSlicePolicy.FAIL,
) -> LayerRecord:
    """Import slices (y, x) by number, as a microscope leaves them: one TIFF each."""
    source = folder / "source"
    source.mkdir()
    for number, pixels in slices.items():
        tifffile.imwrite(source / f"z{number:03}.tif", pixels)
    request = LayerRequest(
        dataset_path=folder / "dataset",
        layer_name="layer",
        category=category,
        source=SourceSelection(root=source, files=tuple(source.glob("*.tif")), on_bad_slice=on_bad_slice),
        voxel_size=VOXEL_SIZE,
        mags=MAGS,
        mode=DownsamplingMode.MEDIAN if category == "color" else DownsamplingMode.MODE,
        topleft=topleft,
        array=ArraySettings(layout=layout, chunk_shape=Vec3Int(8, 8, 8), shard_shape=Vec3Int(32, 32, 32)),
    )
    compute = Compute(threads=2)
    run_layer(plan_layer(request, compute), compute)
    record = read_layer_record(request.dataset_path, "layer")
    assert record is not None
    return record


def commit(folder: Path, layout: Layout) -> Path:
    commit_dataset(
        DatasetRequest(
            dataset_path=folder / "dataset",
            name="worm",
            voxel_size=VOXEL_SIZE,
            layer_names=("layer",),
            layout=layout,
        )
    )
    return folder / "dataset"


@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize("topleft", [Vec3Int(0, 0, 0), Vec3Int(13, 3, 6)])
def test_what_the_engine_writes_passes_and_reads_back(tmp_path: Path, layout: Layout, topleft: Vec3Int) -> None:
    volume = RNG.normal(140, 10, (19, 45, 53)).clip(0, 255).astype(np.uint8)

    record = imported(tmp_path, dict(enumerate(volume)), layout=layout, topleft=topleft)
    dataset_path = commit(tmp_path, layout)

    failed = [outcome for outcome in run_layer_checks(record, dataset_path) if not outcome.passed]
    assert failed == []
    layer = Dataset.open(dataset_path).get_layer("layer")
    assert (layer.get_finest_mag().read()[0] == volume.T).all()
    assert list(layer.mags) == list(MAGS)
    assert [mag.problem for mag in inspect_dataset(dataset_path).layers[0].mags] == [None, None, None]
    assert preview_layer(record, dataset_path).xy


def test_the_greatest_label_stays_exact_from_the_file_to_the_handle(tmp_path: Path) -> None:
    volume = RNG.integers(0, 9, (12, 40, 40)).astype(np.uint32)
    volume[5, 6, 7] = 2**32 - 1

    record = imported(tmp_path, dict(enumerate(volume)), category="segmentation")
    dataset_path = commit(tmp_path, Layout.OME)

    outcomes = {outcome.name: outcome for outcome in run_layer_checks(record, dataset_path)}
    assert all(outcome.passed for outcome in outcomes.values()), outcomes
    assert outcomes["largest_segment_id"].sentence == "the largest segment id is 4294967295, read back from slice 5"
    assert Dataset.open(dataset_path).get_segmentation_layer("layer").largest_segment_id == 2**32 - 1


def test_a_gap_that_was_filled_is_named_by_one_check(tmp_path: Path) -> None:
    volume = RNG.normal(140, 10, (19, 45, 53)).clip(0, 255).astype(np.uint8)
    slices = {number: pixels for number, pixels in enumerate(volume) if number != 7}

    record = imported(tmp_path, slices, on_bad_slice=BadSlicePolicy.BLACK)

    failed = [outcome for outcome in run_layer_checks(record, tmp_path / "dataset") if not outcome.passed]
    assert [outcome.name for outcome in failed] == ["missing_slices"]
    assert "filled with black: 7" in failed[0].sentence
    assert not failed[0].blocks_publication


def test_a_half_copied_slice_that_its_reader_accepted_is_found(tmp_path: Path) -> None:
    volume = RNG.normal(140, 10, (19, 45, 53)).clip(0, 255).astype(np.uint8)
    volume[11, 22:] = 0  # an uncompressed TIFF whose second half never arrived reads as zeros

    record = imported(tmp_path, dict(enumerate(volume)))

    failed = [outcome for outcome in run_layer_checks(record, tmp_path / "dataset") if not outcome.passed]
    assert "dark_slices" in [outcome.name for outcome in failed]
    assert "1 slice ends or breaks off in zeros, as half-copied files do: 11" in failed[0].sentence
