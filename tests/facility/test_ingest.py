"""An acquisition becomes a dataset without Dagster: voxels, metadata, checks, and no work twice."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from wk_assets.errors import DiskFullError, SourceChangedError, UnreadableSliceError
from wk_assets.facility.acquisitions import Acquisition, scan_acquisition
from wk_assets.facility.catalogue import Catalogue
from wk_assets.facility.configuration import Configuration, parse_configuration
from wk_assets.facility.ingest import ingest, ingest_entry, plan_ingest
from wk_assets.facility.registration import register
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.operations.records.layer_request import Progress
from wk_assets.storage.stored_array import StoredArray

Configured = Callable[..., Configuration]
RANDOM = np.random.default_rng(7)
NUCLEI = RANDOM.integers(1, 60000, (9, 70, 90), "uint16")  # z, y, x
LABELS = np.repeat(np.repeat(RANDOM.integers(0, 9, (9, 35, 45), "uint32"), 2, axis=1), 2, axis=2)


@pytest.fixture
def run(home: Path) -> Path:
    """Give a finished acquisition of real voxels."""
    folder = home / "inbox" / "run1"
    folder.mkdir()
    for z in range(len(NUCLEI)):
        tifffile.imwrite(folder / f"nuclei_z{z}.tif", NUCLEI[z])
        tifffile.imwrite(folder / f"labels_z{z}.tif", LABELS[z], compression="zlib")
    (folder / "DONE").touch()
    return folder


def scanned(configuration: Configuration, folder: Path) -> Acquisition:
    return scan_acquisition(configuration.instrument("lightsheet"), folder)


def digests(folder: Path) -> dict[str, str]:
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture
def small(configured: Configured) -> Configuration:
    """Give a configuration whose shards are small enough for several of them."""
    return configured(array={"chunk": 16, "shard": 32})


def test_a_folder_becomes_a_dataset_voxel_by_voxel(small: Configuration, run: Path) -> None:
    before = digests(run)
    seen: list[Progress] = []

    result = ingest(small, scanned(small, run), small.compute(), seen.append)

    assert result.published
    assert result.failed_checks == ()
    assert result.dataset_path == small.storage_root / "run1"
    nuclei = StoredArray.open(result.layers[0].mags[0].path)
    labels = StoredArray.open(result.layers[1].mags[0].path)
    box = BoundingBox((0, 0, 0), (90, 70, 9))
    np.testing.assert_array_equal(nuclei.read(box)[0], NUCLEI.T)
    np.testing.assert_array_equal(labels.read(box)[0], LABELS.T)
    assert [mag.mag for mag in result.layers[0].mags] == [Mag(1), Mag(2), Mag(4)]
    properties = json.loads((result.dataset_path / "datasource-properties.json").read_text())
    assert [layer["name"] for layer in properties["dataLayers"]] == ["nuclei", "labels"]
    assert properties["scale"] == {"factor": [260.0, 260.0, 290.0], "unit": "nanometer"}
    assert {name for name, _ in result.checks} == {"nuclei", "labels"}
    assert seen
    assert seen[-1].done_voxels == seen[-1].total_voxels
    assert digests(run) == before


def test_a_second_time_nothing_is_written(small: Configuration, run: Path) -> None:
    ingest(small, scanned(small, run), small.compute())
    before = digests(small.home)

    second = ingest(small, scanned(small, run), small.compute())

    assert digests(small.home) == before
    assert all(mag.reused for layer in second.layers for mag in layer.mags)
    assert second.dataset is not None
    assert not second.dataset.changed


def test_a_plan_moves_nothing(small: Configuration, run: Path) -> None:
    entry = register(small, scanned(small, run))
    before = digests(small.home)

    plan = plan_ingest(small, entry, small.compute())

    assert digests(small.home) == before
    assert not plan.up_to_date
    assert plan.needed_bytes >= NUCLEI.nbytes + LABELS.nbytes
    assert plan.free_bytes > 0
    ingest_entry(small, entry, small.compute())
    assert plan_ingest(small, entry, small.compute()).up_to_date


def test_a_disk_that_would_be_too_full_stops_everything_before_the_first_byte(
    settings: dict[str, Any], home: Path, run: Path
) -> None:
    settings["storage"]["minimum_free"] = "900 PiB"
    configuration = parse_configuration(settings, home)

    with pytest.raises(DiskFullError, match=r"must stay free"):
        ingest(configuration, scanned(configuration, run), configuration.compute())

    assert not configuration.storage_root.exists()


def test_a_changed_acquisition_is_made_anew(small: Configuration, run: Path) -> None:
    ingest(small, scanned(small, run), small.compute())
    tifffile.imwrite(run / "nuclei_z3.tif", NUCLEI[0])

    with pytest.raises(SourceChangedError):
        ingest_entry(small, Catalogue(small.catalogue_folder).entries()[0], small.compute())
    result = ingest(small, scanned(small, run), small.compute())

    nuclei, labels = result.layers
    assert not any(mag.reused for mag in nuclei.mags)
    assert all(mag.reused for mag in labels.mags)
    slice_box = BoundingBox((0, 0, 3), (90, 70, 1))
    np.testing.assert_array_equal(StoredArray.open(nuclei.mags[0].path).read(slice_box)[0, :, :, 0], NUCLEI[0].T)


def test_a_corrupt_slice_stops_the_import_with_its_name_and_publishes_nothing(small: Configuration, run: Path) -> None:
    file = run / "labels_z4.tif"
    file.write_bytes(file.read_bytes()[:-40])

    with pytest.raises(UnreadableSliceError, match=r"labels_z4\.tif"):
        ingest(small, scanned(small, run), small.compute())

    assert not (small.storage_root / "run1" / "datasource-properties.json").exists()


def test_a_failing_check_of_severity_error_keeps_the_dataset_from_being_published(
    small: Configuration, run: Path
) -> None:
    first = ingest(small, scanned(small, run), small.compute())
    properties = first.dataset_path / "datasource-properties.json"
    published = properties.read_bytes()
    shard = max(
        (first.layers[0].mags[1].path / "c").rglob("*"), key=lambda file: file.is_file() and file.stat().st_size
    )
    rotten = bytearray(shard.read_bytes())
    rotten[len(rotten) // 3] ^= 0xFF
    shard.write_bytes(rotten)

    second = ingest(small, scanned(small, run), small.compute())

    assert not second.published
    assert {layer for layer, _ in second.failed_checks} == {"nuclei"}
    assert "mags_agree" in {outcome.name for _, outcome in second.failed_checks}
    assert properties.read_bytes() == published
