"""Layers exported and read back by other programs: every voxel, the voxel size, the names; again, and after a crash."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray

from wk_assets.dataset.dataset import Dataset
from wk_assets.errors import GeometryError, InputError, LockedError, NotInDatasetError, TargetNotWritableError
from wk_assets.geometry.bounding_box import BoundingBox, NDBoundingBox
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.operations.compute import Compute
from wk_assets.operations.exports import export_planes, export_tiff_stack
from wk_assets.operations.exports.export_layer import plan_export, run_export
from wk_assets.operations.exports.export_request import ExportFormat, ExportRequest, SliceNames
from wk_assets.operations.records.export_stage import ExportStage
from wk_assets.storage.locks import exclusive

SIZE = VoxelSize((11.0, 12.0, 30.0), LengthUnit.NANOMETER)
TOPLEFT = (5, 6, 7)
THREADS = Compute(threads=2)


@pytest.fixture(scope="module")
def voxels() -> dict[str, NDArray[Any]]:
    """Give the voxels of each layer: c, x, y, z, of time series t, c, x, y, z."""
    rng = np.random.default_rng(11)
    return {
        "em": rng.integers(1, 60000, (1, 70, 50, 40), np.uint16),
        "rgb": rng.integers(0, 256, (3, 40, 30, 5), np.uint8),
        "ids": rng.integers(0, 2**60, (1, 40, 36, 6), np.uint64),
        "time": rng.integers(0, 999, (3, 1, 20, 22, 4), np.uint16),
        "wkw": rng.integers(0, 200, (1, 64, 40, 33), np.uint8),
    }


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, voxels: dict[str, NDArray[Any]]) -> Path:
    path = tmp_path_factory.mktemp("export") / "dataset"
    made = Dataset(path, voxel_size_with_unit=SIZE)
    em = made.write_layer("em", "color", voxels["em"], absolute_offset=TOPLEFT, downsample=False)
    em.downsample_mag_list(Mag(1), [Mag("2-2-1")])
    made.write_layer("rgb", "color", voxels["rgb"], downsample=False)
    made.write_layer("ids", "segmentation", voxels["ids"], downsample=False)
    made.write_layer("time", "color", voxels["time"], axes=("t", "c", "x", "y", "z"), downsample=False)
    made.write_layer("wkw", "color", voxels["wkw"], data_format="wkw", downsample=False)
    return path


def export(dataset: Path, layer: str, target: Path, form: ExportFormat, **more: Any) -> Path:
    request = ExportRequest(dataset_path=dataset, layer_name=layer, target=target, format=form, **more)
    run_export(plan_export(request, THREADS))
    return target


def zyx(voxels: NDArray[Any]) -> NDArray[Any]:
    return np.moveaxis(voxels, (-3, -1), (-1, -3))


# ---------------------------------------------------------------------- TIFF stacks


def test_slices_are_files_named_by_their_z(dataset: Path, voxels: dict[str, NDArray[Any]], tmp_path: Path) -> None:
    folder = export(dataset, "em", tmp_path / "out", ExportFormat.TIFF, names=SliceNames(prefix="em_"))

    files = sorted(folder.glob("*.tiff"))
    assert [file.name for file in files] == [f"em_{z:02d}.tiff" for z in range(7, 47)]
    np.testing.assert_array_equal(tifffile.imread(files), zyx(voxels["em"])[0])


def test_a_slice_says_how_large_its_pixels_are(dataset: Path, tmp_path: Path) -> None:
    folder = export(dataset, "em", tmp_path / "out", ExportFormat.TIFF, mag=Mag("2-2-1"))

    with tifffile.TiffFile(next(folder.glob("*.tiff"))) as tif:
        numerator, denominator = tif.pages.first.tags["XResolution"].value
        assert tif.pages.first.tags["ResolutionUnit"].value == tifffile.RESUNIT.CENTIMETER
    assert numerator / denominator == pytest.approx(1e7 / 22)


def test_colours_are_samples_of_a_pixel(dataset: Path, voxels: dict[str, NDArray[Any]], tmp_path: Path) -> None:
    folder = export(dataset, "rgb", tmp_path / "out", ExportFormat.TIFF)

    files = sorted(folder.glob("*.tiff"))
    with tifffile.TiffFile(files[0]) as tif:
        assert tif.pages.first.photometric == tifffile.PHOTOMETRIC.RGB
    np.testing.assert_array_equal(tifffile.imread(files), np.moveaxis(zyx(voxels["rgb"]), 0, -1))


def test_positions_on_further_axes_stand_in_the_names(
    dataset: Path, voxels: dict[str, NDArray[Any]], tmp_path: Path
) -> None:
    folder = export(dataset, "time", tmp_path / "out", ExportFormat.TIFF)

    read = [[tifffile.imread(folder / f"t{t}_{z}.tiff") for z in range(4)] for t in range(3)]
    np.testing.assert_array_equal(read, zyx(voxels["time"])[:, 0])


def test_tiles_put_together_are_the_slice(dataset: Path, voxels: dict[str, NDArray[Any]], tmp_path: Path) -> None:
    folder = export(dataset, "em", tmp_path / "out", ExportFormat.TIFF, tile_size=(32, 20), names=SliceNames(digits=1))

    rows = [[tifffile.imread(folder / "3" / str(y) / f"{x}.tiff") for x in (1, 2, 3)] for y in (1, 2, 3)]
    np.testing.assert_array_equal(np.block(rows), zyx(voxels["em"])[0, 3])


def test_a_number_of_tiles_cuts_a_slice_evenly(dataset: Path, tmp_path: Path) -> None:
    folder = export(
        dataset, "em", tmp_path / "out", ExportFormat.TIFF, tiles_per_dimension=(2, 3), names=SliceNames(digits=1)
    )

    shapes = [tifffile.imread(folder / "0" / str(y) / f"{x}.tiff").shape for y in (1, 2, 3) for x in (1, 2)]
    assert shapes == [(17, 35), (17, 35), (17, 35), (17, 35), (16, 35), (16, 35)]


def test_smaller_images_are_medians_of_blocks_counted_from_the_corner(
    dataset: Path, voxels: dict[str, NDArray[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layer begins at an odd place and is read in small bands: blocks must not depend on either."""
    monkeypatch.setattr(export_tiff_stack, "EXPORT_BYTES", 4096)
    folder = export(dataset, "em", tmp_path / "out", ExportFormat.TIFF, downsample=4)

    first = zyx(voxels["em"])[0, 0]
    padded = np.pad(first, [(0, 2), (0, 2)], mode="symmetric").astype(np.int64)
    blocks = padded.reshape(13, 4, 18, 4).swapaxes(1, 2).reshape(13, 18, 16)
    ordered = np.sort(blocks, axis=-1)
    np.testing.assert_array_equal(tifffile.imread(folder / "07.tiff"), (ordered[..., 7] + ordered[..., 8]) // 2)


@pytest.mark.parametrize("limit", [1, 3000, 40_000])
def test_memory_does_not_change_what_is_written(
    dataset: Path, voxels: dict[str, NDArray[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(export_tiff_stack, "EXPORT_BYTES", limit)
    monkeypatch.setattr(export_planes, "EXPORT_BYTES", limit)

    folder = export(dataset, "em", tmp_path / "out", ExportFormat.TIFF)
    raw = export(dataset, "em", tmp_path / "out.raw", ExportFormat.RAW)

    expected = zyx(voxels["em"])[0]
    np.testing.assert_array_equal(tifffile.imread(sorted(folder.glob("*.tiff"))), expected)
    np.testing.assert_array_equal(np.fromfile(raw, "<u2").reshape(expected.shape), expected)


# ---------------------------------------------------------------------- OME-TIFF, raw


def test_an_ome_tiff_says_its_axes_and_the_size_of_its_voxels(
    dataset: Path, voxels: dict[str, NDArray[Any]], tmp_path: Path
) -> None:
    path = export(dataset, "em", tmp_path / "em.ome.tif", ExportFormat.OME_TIFF, mag=Mag("2-2-1"))

    with tifffile.TiffFile(path) as tif:
        metadata = tifffile.xml2dict(tif.ome_metadata or "")["OME"]["Image"]["Pixels"]
        assert tif.series[0].axes == "ZYX"
        assert tif.series[0].shape == (40, 25, 35 + 1)  # rounded outward: the layer begins at x 5
    sizes = [(metadata[f"PhysicalSize{axis}"], metadata[f"PhysicalSize{axis}Unit"]) for axis in "XYZ"]
    assert sizes == [(22.0, "nm"), (24.0, "nm"), (30.0, "nm")]


@pytest.mark.parametrize(("layer", "axes"), [("em", "ZYX"), ("rgb", "ZYXS"), ("time", "TZYX"), ("wkw", "ZYX")])
def test_an_ome_tiff_holds_every_voxel(
    dataset: Path, voxels: dict[str, NDArray[Any]], tmp_path: Path, layer: str, axes: str
) -> None:
    path = export(dataset, layer, tmp_path / "out.ome.tif", ExportFormat.OME_TIFF)

    with tifffile.TiffFile(path) as tif:
        assert tif.is_ome
        assert tif.series[0].axes == axes
        read = tif.asarray()
    expected = zyx(voxels[layer])
    expected = np.moveaxis(expected, 0, -1) if layer == "rgb" else expected.squeeze()
    np.testing.assert_array_equal(read, expected)


def test_the_pyramid_of_an_ome_tiff_halves_every_plane(
    dataset: Path, voxels: dict[str, NDArray[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_planes, "_SMALLEST_LEVEL", 20)
    monkeypatch.setattr(export_planes, "EXPORT_BYTES", 5000)
    path = export(dataset, "em", tmp_path / "out.ome.tif", ExportFormat.OME_TIFF)
    flat = export(dataset, "em", tmp_path / "flat.ome.tif", ExportFormat.OME_TIFF, coarser=False)

    with tifffile.TiffFile(path) as tif:
        levels = [level.asarray() for level in tif.series[0].levels]
    assert [level.shape for level in levels] == [(40, 50, 70), (40, 25, 35), (40, 13, 18)]
    blocks = levels[0].astype(np.int64).reshape(40, 25, 2, 35, 2).transpose(0, 1, 3, 2, 4).reshape(40, 25, 35, 4)
    ordered = np.sort(blocks, axis=-1)
    np.testing.assert_array_equal(levels[1], (ordered[..., 1] + ordered[..., 2]) // 2)
    with tifffile.TiffFile(flat) as tif:
        assert len(tif.series[0].levels) == 1


def test_an_ome_tiff_of_64_bit_ids_is_refused_with_the_formats_that_hold_them(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"OME-TIFF holds no uint64; export it as tiff, ome-zarr or raw"):
        export(dataset, "ids", tmp_path / "out.ome.tif", ExportFormat.OME_TIFF)


def test_a_raw_file_is_read_back_by_what_lies_beside_it(
    dataset: Path, voxels: dict[str, NDArray[Any]], tmp_path: Path
) -> None:
    path = export(dataset, "ids", tmp_path / "ids.raw", ExportFormat.RAW)

    said = json.loads((tmp_path / "ids.raw.json").read_text())
    read = np.fromfile(path, said["dtype"]).reshape(said["shape"], order=said["order"])
    assert said["axes"] == ["x", "y", "z", "c"]
    np.testing.assert_array_equal(read[..., 0], voxels["ids"][0])


# ---------------------------------------------------------------------- OME-Zarr


@pytest.mark.parametrize("form", [ExportFormat.OME_ZARR, ExportFormat.OME_ZARR_04, ExportFormat.OZX])
@pytest.mark.parametrize("layer", ["em", "rgb", "ids", "time", "wkw"])
def test_an_ome_zarr_holds_every_voxel(
    dataset: Path, voxels: dict[str, NDArray[Any]], tmp_path: Path, layer: str, form: ExportFormat
) -> None:
    path = export(dataset, layer, tmp_path / "out", form)

    np.testing.assert_array_equal(read_group(path)["1"], zyx(voxels[layer]))


@pytest.mark.parametrize("form", [ExportFormat.OME_ZARR, ExportFormat.OME_ZARR_04])
def test_validators_take_the_image_for_one(dataset: Path, tmp_path: Path, form: ExportFormat) -> None:
    import ngff_zarr
    import ome_zarr_models.v04
    import ome_zarr_models.v05
    import yaozarrs

    for layer in ("em", "ids", "time"):
        path = export(dataset, layer, tmp_path / layer, form)
        version = "0.5" if form is ExportFormat.OME_ZARR else "0.4"
        group = zarr.open_group(path, mode="r")
        models = ome_zarr_models.v05 if version == "0.5" else ome_zarr_models.v04
        (models.ImageLabel if layer == "ids" else models.Image).from_zarr(group)
        ngff_zarr.from_ngff_zarr(str(path), validate=True, version=version)
        yaozarrs.validate_zarr_store(str(path))


def test_a_cut_out_lies_where_it_was_cut(dataset: Path, voxels: dict[str, NDArray[Any]], tmp_path: Path) -> None:
    box = BoundingBox((11, 12, 9), (20, 10, 5))
    path = export(dataset, "em", tmp_path / "out", ExportFormat.OME_ZARR, box=box)

    group = read_group(path)
    np.testing.assert_array_equal(group["1"][0], zyx(voxels["em"])[0, 2:7, 6:16, 6:26])
    assert group["2-2-1"].shape == (1, 5, 5, 11)
    entries = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]["multiscales"][0]["datasets"]
    translations = [entry["coordinateTransformations"][1]["translation"] for entry in entries]
    assert translations[0] == [0.0, 9 * 30.0, 12 * 12.0, 11 * 11.0]
    # the first voxel of mag 2-2-1 covers x 10 and 11: its middle lies at 10.5
    assert translations[1] == [0.0, 9 * 30.0, 12.5 * 12.0, 10.5 * 11.0]


def test_an_ozx_is_a_zip_that_is_not_deflated_and_begins_with_its_metadata(dataset: Path, tmp_path: Path) -> None:
    """Source: RFC-9 of OME-NGFF."""
    path = export(dataset, "em", tmp_path / "em.ozx", ExportFormat.OZX, shard_shape=Vec3Int(32, 32, 32))

    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert json.loads(archive.comment) == {
            "ome": {"version": "0.5", "zipFile": {"centralDirectory": {"jsonFirst": True}}}
        }
    assert names[:3] == ["zarr.json", "1/zarr.json", "2-2-1/zarr.json"]
    assert not any(name.endswith("zarr.json") for name in names[3:])
    assert read_group(path)["1"].shards == (1, 32, 32, 32)


def test_another_program_reads_an_ozx(dataset: Path, voxels: dict[str, NDArray[Any]], tmp_path: Path) -> None:
    import ngff_zarr

    path = export(dataset, "em", tmp_path / "em.ozx", ExportFormat.OZX)

    assert ngff_zarr.read_ozx_json_first(str(path))
    image = ngff_zarr.from_ngff_zarr(str(path), validate=True, version="0.5").images[0]
    assert [image.scale[axis] for axis in "xyz"] == [11.0, 12.0, 30.0]
    assert [image.translation[axis] for axis in "xyz"] == [5 * 11.0, 6 * 12.0, 7 * 30.0]
    np.testing.assert_array_equal(np.asarray(image.data), zyx(voxels["em"]))


def test_an_ozx_of_the_same_layer_has_the_same_bytes(dataset: Path, tmp_path: Path) -> None:
    one, other = (export(dataset, "wkw", tmp_path / name, ExportFormat.OZX) for name in ("a.ozx", "b.ozx"))

    assert one.read_bytes() == other.read_bytes()


def read_group(path: Path) -> Any:
    store: Any = zarr.storage.ZipStore(path, mode="r") if path.is_file() else path
    return zarr.open_group(store, mode="r")


# ---------------------------------------------------------------------- boxes, errors, again


def test_what_lies_beyond_the_layer_is_zero(dataset: Path, voxels: dict[str, NDArray[Any]], tmp_path: Path) -> None:
    box = BoundingBox((0, 0, 45), (200, 60, 4))
    raw = export(dataset, "em", tmp_path / "out.raw", ExportFormat.RAW, box=box)

    read = np.fromfile(raw, "<u2").reshape(4, 60, 200)
    np.testing.assert_array_equal(read[:2, 6:56, 5:75], zyx(voxels["em"])[0, 38:])
    assert int(read.sum(dtype=np.int64)) == int(voxels["em"][..., 38:].sum(dtype=np.int64))


def test_one_time_point_can_be_cut_out(dataset: Path, voxels: dict[str, NDArray[Any]], tmp_path: Path) -> None:
    box = NDBoundingBox((2, 0, 0, 0), (1, 20, 22, 4), ("t", "x", "y", "z"))
    raw = export(dataset, "time", tmp_path / "out.raw", ExportFormat.RAW, box=box)

    np.testing.assert_array_equal(np.fromfile(raw, "<u2").reshape(4, 22, 20), zyx(voxels["time"])[2, 0])


@pytest.mark.parametrize(
    ("wrong", "error", "sentence"),
    [
        ({"layer_name": "eem"}, NotInDatasetError, "has no layer 'eem'; there are em, rgb"),
        ({"mag": Mag(8)}, NotInDatasetError, "has no mag 8; there are 1, 2-2-1"),
        (
            {"box": BoundingBox((500, 0, 0), (9, 9, 9))},
            GeometryError,
            "holds nothing of layer 'em', whose box is 5,6,7,",
        ),
        (
            {"box": NDBoundingBox((0,) * 4, (1,) * 4, ("t", "x", "y", "z"))},
            GeometryError,
            "has no axis t; its axes are",
        ),
        ({"apply_mapping": "m"}, InputError, "layer 'em' is no segmentation"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_is_written(
    dataset: Path, tmp_path: Path, wrong: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    request = ExportRequest(dataset_path=dataset, layer_name="em", target=tmp_path / "o", format=ExportFormat.TIFF)

    with pytest.raises(error, match=sentence):
        plan_export(replace(request, **wrong))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"downsample": 3},
        {"tile_size": (0, 4)},
        {"tile_size": (4, 4), "tiles_per_dimension": (2, 2)},
        {"format": ExportFormat.RAW, "downsample": 2},
        {"names": "../up"},
    ],
)
def test_options_that_contradict_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {
        "dataset_path": tmp_path,
        "layer_name": "em",
        "target": tmp_path,
        "format": ExportFormat.TIFF,
    } | wrong

    with pytest.raises(InputError):
        ExportRequest(**(given | ({"names": SliceNames(prefix=wrong["names"])} if "names" in wrong else {})))


@pytest.mark.parametrize("form", list(ExportFormat))
def test_an_export_that_is_there_is_found_and_one_of_other_voxels_is_not(
    dataset: Path, tmp_path: Path, form: ExportFormat
) -> None:
    request = ExportRequest(dataset_path=dataset, layer_name="wkw", target=tmp_path / "out", format=form)
    first = run_export(plan_export(request, THREADS))
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    again = run_export(plan_export(request, THREADS))

    assert (first.reused, again.reused) == (False, True)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times
    other = replace(request, box=BoundingBox((0, 0, 0), (9, 9, 9)))
    with pytest.raises(TargetNotWritableError, match=r"is there already and is not this export"):
        plan_export(other)
    replaced = run_export(plan_export(replace(other, overwrite=True), THREADS))
    assert not replaced.reused
    assert not list(tmp_path.glob(".*exporting")), "nothing is left of the stage"


@pytest.mark.parametrize("form", list(ExportFormat))
def test_an_export_that_was_cut_short_goes_on_with_what_is_missing(
    dataset: Path, tmp_path: Path, form: ExportFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_tiff_stack, "EXPORT_BYTES", 100_000)
    monkeypatch.setattr(export_planes, "EXPORT_BYTES", 100_000)
    whole = export(dataset, "em", tmp_path / "whole", form, shard_shape=shards_for(form))
    request = ExportRequest(
        dataset_path=dataset, layer_name="em", target=tmp_path / "out", format=form, shard_shape=shards_for(form)
    )
    noted = ExportStage.note

    def note_and_stop(stage: ExportStage, done: int) -> None:
        noted(stage, done)
        if done == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(ExportStage, "note", note_and_stop)
    with pytest.raises(KeyboardInterrupt):
        run_export(plan_export(request, THREADS))
    assert not (tmp_path / "out").exists(), "half of an export is not to be seen"
    monkeypatch.setattr(ExportStage, "note", noted)
    plan = plan_export(request, THREADS)
    steps: list[int] = []
    run_step = type(plan.writer).run_step

    def count(self: Any, product: Path, state: Any, step: int) -> None:
        steps.append(step)
        run_step(self, product, state, step)

    monkeypatch.setattr(type(plan.writer), "run_step", count)

    run_export(plan)

    assert steps == list(range(1, len(plan.writer.steps())))
    assert contents(tmp_path / "out") == contents(whole)


def shards_for(form: ExportFormat) -> Vec3Int | None:
    return Vec3Int(32, 32, 32) if form in {ExportFormat.OME_ZARR, ExportFormat.OZX} else None


def contents(path: Path) -> Any:
    """What a person finds: of an OME-TIFF without its random UUID."""
    if path.is_dir():
        files = (file for file in path.rglob("*") if file.is_file() and not file.name.startswith(".wk-assets"))
        return {file.relative_to(path): file.read_bytes() for file in files}
    data = path.read_bytes()
    if data[:2] == b"II":
        with tifffile.TiffFile(path) as tif:
            return [level.asarray().tolist() for level in tif.series[0].levels]
    return data


def test_two_exports_to_one_place_exclude_each_other(dataset: Path, tmp_path: Path) -> None:
    request = ExportRequest(dataset_path=dataset, layer_name="wkw", target=tmp_path / "o", format=ExportFormat.RAW)

    with exclusive(tmp_path / ".o.export.lock", "test"), pytest.raises(LockedError):
        run_export(plan_export(request, THREADS))


def test_an_edited_layer_is_exported_anew(dataset: Path, tmp_path: Path, voxels: dict[str, NDArray[Any]]) -> None:
    layer = Dataset(tmp_path / "ds", voxel_size_with_unit=SIZE).write_layer(
        "em", "color", voxels["wkw"], downsample=False
    )
    request = ExportRequest(
        dataset_path=tmp_path / "ds", layer_name="em", target=tmp_path / "o.raw", format=ExportFormat.RAW
    )
    run_export(plan_export(request, THREADS))
    layer.get_mag(1).write(np.full((3, 3, 3), 255, np.uint8), absolute_offset=(1, 2, 3), allow_unaligned=True)

    plan = plan_export(replace(request, overwrite=True), THREADS)

    assert not plan.up_to_date
    run_export(plan)
    assert (np.fromfile(tmp_path / "o.raw", "u1").reshape(33, 40, 64)[3:6, 2:5, 1:4] == 255).all()


@pytest.fixture
def mapping_files(tmp_path: Path) -> dict[str, Path]:
    """Write the same mapping in each form."""
    (tmp_path / "m.json").write_text('{"3": 7, "18446744073709551615": 9, "5": 1152921504606846977}')
    (tmp_path / "m.csv").write_text("id,new id\n3,7\n18446744073709551615,9\n5,1152921504606846977\n")
    return {"json": tmp_path / "m.json", "csv": tmp_path / "m.csv"}


@pytest.mark.parametrize("form", ["json", "csv"])
def test_ids_are_replaced_exactly_and_others_stay(tmp_path: Path, mapping_files: dict[str, Path], form: str) -> None:
    ids = np.array([0, 3, 5, 2**64 - 1, 11, 3], np.uint64).reshape(6, 1, 1)
    Dataset(tmp_path / "ds", voxel_size_with_unit=SIZE).write_layer("ids", "segmentation", ids, downsample=False)

    raw = export(tmp_path / "ds", "ids", tmp_path / "o.raw", ExportFormat.RAW, apply_mapping=str(mapping_files[form]))

    assert np.fromfile(raw, "<u8").tolist() == [0, 7, 2**60 + 1, 9, 11, 7]


def test_an_agglomerate_of_the_layer_is_applied_by_its_name(tmp_path: Path) -> None:
    ids = np.array([0, 1, 2, 3, 1], np.uint32).reshape(5, 1, 1)
    Dataset(tmp_path / "ds", voxel_size_with_unit=SIZE).write_layer("ids", "segmentation", ids, downsample=False)
    group = tmp_path / "agglomerate"
    array: Any = zarr.create_array(str(group / "segment_to_agglomerate"), shape=(4,), dtype="u8", chunks=(4,))
    array[:] = [0, 10, 10, 2**40]
    properties = tmp_path / "ds" / "datasource-properties.json"
    document = json.loads(properties.read_text())
    document["dataLayers"][0]["attachments"] = {
        "agglomerates": [{"name": "merged", "path": str(group), "dataFormat": "zarr3"}]
    }
    properties.write_text(json.dumps(document))

    raw = export(tmp_path / "ds", "ids", tmp_path / "o.raw", ExportFormat.RAW, apply_mapping="merged")

    assert np.fromfile(raw, "<u8").tolist() == [0, 10, 10, 2**40, 10]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("m.json", "[1]", "write an object like"),
        ("m.json", '{"a": 1}', "are not two ids"),
        ("m.json", '{"1": 18446744073709551616}', "are not two ids"),
        ("m.csv", "1,2,3\n", "has 3 columns; write two"),
        ("m.csv", "1,2\n1,3\n", "segment id 1 stands there twice"),
    ],
)
def test_a_mapping_of_another_form_is_refused(
    dataset: Path, tmp_path: Path, name: str, text: str, sentence: str
) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(InputError, match=sentence):
        export(dataset, "ids", tmp_path / "o", ExportFormat.RAW, apply_mapping=str(tmp_path / name))
