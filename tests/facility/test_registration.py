"""From a finished acquisition to an entry: mags, voxel size with its source, and the same answer twice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from wk_assets.errors import CatalogueError, MissingSliceError, SourceChangedError, VoxelSizeError
from wk_assets.facility.acquisitions import Acquisition, scan_acquisition
from wk_assets.facility.catalogue import Catalogue
from wk_assets.facility.catalogue_entry import EntryStatus
from wk_assets.facility.configuration import Configuration
from wk_assets.facility.registration import register
from wk_assets.operations.layers.chunk_sample import ChunkSampler

Configured = Callable[..., Configuration]


def write_slices(
    folder: Path, name: str, count: int = 3, shape: tuple[int, int] = (20, 30), dtype: str = "uint8"
) -> None:
    """Write single-page TIFFs, one per slice."""
    folder.mkdir(parents=True, exist_ok=True)
    for z in range(count):
        tifffile.imwrite(folder / f"{name}_z{z:03}.tif", np.full(shape, z + 1, dtype))


@pytest.fixture
def run(home: Path) -> Path:
    """Give a finished acquisition of two layers."""
    folder = home / "inbox" / "run 1"
    write_slices(folder, "nuclei", shape=(500, 900), dtype="uint16")
    write_slices(folder, "labels", shape=(500, 900), dtype="uint32")
    (folder / "DONE").touch()
    return folder


def scanned(configuration: Configuration, folder: Path) -> Acquisition:
    return scan_acquisition(configuration.instrument("lightsheet"), folder)


def test_an_entry_says_what_the_headers_say(configured: Configured, run: Path) -> None:
    configuration = configured()

    entry = register(configuration, scanned(configuration, run))

    assert (entry.dataset, entry.acquisition, entry.folder) == ("run-1", "run 1", "inbox/run 1")
    nuclei, labels = entry.layers
    assert (nuclei.name, nuclei.category, nuclei.dtype, nuclei.channels) == ("nuclei", "color", "uint16", 1)
    assert (labels.name, labels.category, labels.dtype, labels.mode) == ("labels", "segmentation", "uint32", "mode")
    assert nuclei.size == labels.size == (900, 500, 3)
    assert nuclei.mags == labels.mags == ("1", "2", "4", "8", "16")
    assert nuclei.files == 3
    assert nuclei.source_bytes == sum(file.stat().st_size for file in run.glob("nuclei*"))
    assert (entry.voxel_size.x, entry.voxel_size.z, entry.voxel_size.unit) == (260, 290, "nanometer")
    assert entry.voxel_size.source == "instrument setting 'voxel_size'"
    assert Catalogue(configuration.catalogue_folder).get("run-1") == entry


def test_the_same_acquisition_twice_gives_the_same_bytes(configured: Configured, run: Path) -> None:
    configuration = configured()
    register(configuration, scanned(configuration, run))
    file = configuration.catalogue_folder / "run-1.json"
    before, written = file.read_bytes(), file.stat().st_mtime_ns

    register(configuration, scanned(configuration, run))

    assert file.read_bytes() == before
    assert file.stat().st_mtime_ns == written


def test_a_changed_acquisition_keeps_its_name_and_status(configured: Configured, run: Path) -> None:
    configuration = configured()
    first = register(configuration, scanned(configuration, run))
    Catalogue(configuration.catalogue_folder).archive("run-1")
    write_slices(run, "nuclei", count=5, shape=(500, 900), dtype="uint16")
    configuration = configured(dataset="renamed-{acquisition}")

    second = register(configuration, scanned(configuration, run))

    assert second.dataset == first.dataset
    assert second.status is EntryStatus.ARCHIVED
    assert second.signature != first.signature
    assert second.layer("nuclei").size == (900, 500, 5)
    assert second.layer("nuclei").signature != first.layer("nuclei").signature
    assert second.layer("labels") == first.layer("labels")


def test_two_acquisitions_that_claim_one_name_are_told_apart(configured: Configured, home: Path, run: Path) -> None:
    configuration = configured()
    register(configuration, scanned(configuration, run))
    other = run.rename(home / "inbox" / "run+1")

    with pytest.raises(CatalogueError, match=r"dataset name 'run-1': acquisition 'run\+1'.*'run 1'"):
        register(configuration, scanned(configuration, other))


@pytest.mark.parametrize(
    ("voxel_size", "mags"),
    [
        ({"x": 4, "y": 4, "z": 35}, ("1", "2-2-1", "4-4-1", "8-8-1", "16-16-2")),
        ({"x": 11.24, "y": 11.24, "z": 28}, ("1", "2-2-1", "4-4-2", "8-8-4", "16-16-8")),
    ],
)
def test_mags_follow_the_anisotropic_rule(
    voxel_size: dict[str, float], mags: tuple[str, ...], configured: Configured, run: Path
) -> None:
    configuration = configured(voxel_size=voxel_size)

    assert register(configuration, scanned(configuration, run)).layer("nuclei").mags == mags


def test_the_coarsest_mag_and_the_sampling_may_be_set(configured: Configured, run: Path) -> None:
    configuration = configured(pyramid={"coarsest": 4, "sampling": "constant_z", "mode": "max"})

    layer = register(configuration, scanned(configuration, run)).layer("nuclei")

    assert layer.mags == ("1", "2-2-1", "4-4-1")
    assert layer.mode == "max"


def test_a_single_slice_is_never_halved_in_z(configured: Configured, home: Path) -> None:
    folder = home / "inbox" / "flat"
    write_slices(folder, "nuclei", count=1)
    configuration = configured(layers=[{"name": "nuclei", "files": "*.tif", "axes": "yx"}])

    assert register(configuration, scanned(configuration, folder)).layer("nuclei").mags == ("1", "2-2-1", "4-4-1")


def test_no_voxel_size_is_an_error_that_says_how_to_give_one(configured: Configured, run: Path) -> None:
    configuration = configured(voxel_size="from_files")

    with pytest.raises(
        VoxelSizeError, match=r"no file of the layers nuclei, labels says .* 'voxel_size: \{x: \.\.\..*'lightsheet'"
    ):
        register(configuration, scanned(configuration, run))

    assert Catalogue(configuration.catalogue_folder).entries() == ()


def write_ome(file: Path, x: float, unit: str = "µm", shape: tuple[int, ...] = (3, 20, 30)) -> None:
    metadata: dict[str, Any] = {"axes": "ZYX"}
    for axis in "XYZ":
        metadata |= {f"PhysicalSize{axis}": x, f"PhysicalSize{axis}Unit": unit}
    file.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(file, np.zeros(shape, "uint8"), ome=True, metadata=metadata)


TWO_STACKS = [{"name": "a", "files": "a.ome.tif"}, {"name": "b", "files": "b.ome.tif"}]


def test_the_voxel_size_comes_from_the_files_with_its_source(configured: Configured, home: Path) -> None:
    folder = home / "inbox" / "ome"
    write_ome(folder / "a.ome.tif", 0.26)
    write_ome(folder / "b.ome.tif", 260, "nm")
    configuration = configured(voxel_size="from_files", layers=TWO_STACKS)

    entry = register(configuration, scanned(configuration, folder))

    assert entry.voxel_size.value.to_nanometer() == pytest.approx((260, 260, 260))
    assert "a.ome.tif" in entry.voxel_size.source
    assert entry.voxel_size_alternatives == ()


def test_layers_that_contradict_one_another_are_refused(configured: Configured, home: Path) -> None:
    folder = home / "inbox" / "ome"
    write_ome(folder / "a.ome.tif", 0.26)
    write_ome(folder / "b.ome.tif", 0.3)
    configuration = configured(voxel_size="from_files", layers=TWO_STACKS)

    with pytest.raises(VoxelSizeError, match=r"'a' has voxels of .* 'b' of"):
        register(configuration, scanned(configuration, folder))


def test_a_setting_wins_over_the_files_and_the_disagreement_is_kept(configured: Configured, home: Path) -> None:
    folder = home / "inbox" / "ome"
    write_ome(folder / "a.ome.tif", 0.26)
    write_ome(folder / "b.ome.tif", 0.26)
    configuration = configured(voxel_size={"x": 100, "y": 100, "z": 100}, layers=TWO_STACKS)

    entry = register(configuration, scanned(configuration, folder))

    assert entry.voxel_size.source == "instrument setting 'voxel_size'"
    (other,) = entry.voxel_size_alternatives
    assert other.value.to_nanometer() == pytest.approx((260, 260, 260))


def test_a_pattern_without_files_stops_the_registration(configured: Configured, run: Path) -> None:
    configuration = configured(layers=[{"name": "cells", "files": "cells*.tif", "axes": "yx"}])

    with pytest.raises(MissingSliceError, match="layer 'cells'"):
        register(configuration, scanned(configuration, run))


def test_files_that_changed_since_the_scan_stop_the_registration(configured: Configured, run: Path) -> None:
    configuration = configured()
    acquisition = scanned(configuration, run)
    write_slices(run, "labels", shape=(500, 901), dtype="uint32")

    with pytest.raises(SourceChangedError, match="layer 'labels' changed since they were listed"):
        register(configuration, acquisition)


def test_a_folder_outside_of_the_home_keeps_its_whole_path(configured: Configured, home: Path, run: Path) -> None:
    elsewhere = home.parent / f"{home.name}-elsewhere"
    run.rename(elsewhere)
    configuration = configured()

    assert register(configuration, scanned(configuration, elsewhere)).folder == elsewhere.as_posix()


def test_auto_compression_is_decided_by_a_sample_and_recorded(configured: Configured, home: Path) -> None:
    folder = home / "inbox" / "run 1"
    noise = np.random.default_rng(0).integers(1, 255, (3, 64, 64), np.uint8)
    folder.mkdir()
    for z in range(3):
        tifffile.imwrite(folder / f"nuclei_z{z:03}.tif", noise[z])
    write_slices(folder, "labels", shape=(64, 64), dtype="uint32")
    configuration = configured(array={"compression": "auto"})

    nuclei, labels = register(configuration, scanned(configuration, folder)).layers

    assert nuclei.compression is not None
    assert (nuclei.compression.choice, nuclei.compression.chunk) == ("auto", (32, 32, 32))
    assert nuclei.compression.zstd_level == 1
    assert set(nuclei.compression.ratios) == {1, 2, 3, 4, 5}
    assert labels.compression is not None
    assert labels.compression.stored_fraction < nuclei.compression.stored_fraction


def test_what_a_sample_decided_stays_while_the_files_stay(
    configured: Configured, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = configured()
    first = register(configuration, scanned(configuration, run))
    sampled: list[Any] = []
    sample = ChunkSampler.sample

    def counted(sampler: ChunkSampler, *arguments: Any) -> Any:
        sampled.append(arguments)
        return sample(sampler, *arguments)

    monkeypatch.setattr(ChunkSampler, "sample", counted)

    assert register(configuration, scanned(configuration, run)) == first
    assert not sampled

    write_slices(run, "nuclei", count=4, shape=(500, 900), dtype="uint16")
    register(configuration, scanned(configuration, run))
    assert len(sampled) == 1  # the labels are the same files as before


def test_a_given_level_needs_no_sample(configured: Configured, run: Path) -> None:
    configuration = configured(array={"compression": "fast"})

    assert {layer.compression for layer in register(configuration, scanned(configuration, run)).layers} == {None}
