"""export, export-as-tiff, check-equality, copy-dataset into other formats: files, exit codes, what is said."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.cli.conftest import Command
from wk_assets.cli.exit_codes import ExitCode
from wk_assets.dataset.dataset import Dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    made = Dataset(tmp_path / "ds", (10, 10, 30))
    rng = np.random.default_rng(9)
    made.write_layer("color", "color", rng.integers(0, 255, (60, 40, 9), np.uint8))
    made.write_layer("ids", "segmentation", rng.integers(0, 9, (60, 40, 9), np.uint64), downsample=False)
    return tmp_path / "ds"


@pytest.mark.parametrize("form", ["tiff", "ome-tiff", "ome-zarr", "ome-zarr-0.4", "ozx", "raw"])
def test_every_format_is_written_once(command: Command, dataset: Path, tmp_path: Path, form: str) -> None:
    arguments = ("export", dataset, "color", tmp_path / "out", "--format", form)
    would = command(*arguments, "--dry-run")
    assert not (tmp_path / "out").exists()

    outcome, again = command(*arguments, "--json"), command(*arguments)

    assert (would.code, outcome.code, again.code) == (ExitCode.OK,) * 3
    assert "60 x 40 x 9 voxels of uint8 at mag 1" in would.out
    assert outcome.document["reused"] is False
    assert outcome.document["size"] == [60, 40, 9]
    assert (tmp_path / "out").exists()
    assert "it was there already, nothing was written" in again.out


def test_slices_are_named_as_webknossos_tools_name_them(command: Command, dataset: Path, tmp_path: Path) -> None:
    command("export-as-tiff", dataset, tmp_path / "slices", "--bbox", "5,6,2,20,10,3", "--name", "em")
    command("export-as-tiff", dataset, tmp_path / "tiles", "--mag", "2-2-1", "--tile-size", "16,16")

    voxels = Dataset.open(dataset).get_layer("color").get_mag(1).read()[0]
    names = [f"em_{z:06d}.tiff" for z in range(3)]
    assert sorted(path.name for path in (tmp_path / "slices").glob("*.tiff")) == names
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "slices" / names[1]), voxels[5:25, 6:16, 3].T)
    tiles = {path.relative_to(tmp_path / "tiles").as_posix() for path in (tmp_path / "tiles").rglob("*.tiff")}
    assert tiles == {f"{z}/{y}/{x}.tiff" for z in range(9) for y in (1, 2) for x in (1, 2)}


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["export", "{ds}", "colour", "{out}", "--format", "raw"], ExitCode.CONFIGURATION, "there are color, ids"),
        (
            ["export", "{ds}", "color", "{out}", "--format", "raw", "--mag", "16"],
            ExitCode.CONFIGURATION,
            "has no mag 16",
        ),
        (["export", "{ds}", "ids", "{out}", "--format", "ome-tiff"], ExitCode.CONFIGURATION, "holds no uint64"),
        (["export", "{ds}", "color", "{out}", "--format", "bmp"], ExitCode.USAGE, "ome-zarr"),
        (["export", "{ds}", "color", "{ds}", "--format", "raw"], ExitCode.STORAGE, "is there already and is not this"),
        (["export-as-tiff", "{ds}", "{out}", "--bbox", "1,2,3"], ExitCode.CONFIGURATION, "is not a box; write six"),
        (["export-as-tiff", "{ds}", "{out}", "--tile-size", "8"], ExitCode.CONFIGURATION, "write x,y like 4,4"),
        (["export-as-tiff", "{ds}", "{out}", "--downsample", "3"], ExitCode.CONFIGURATION, "give a power of two"),
        (["export-as-tiff", "{ds}/nothing", "{out}"], ExitCode.STORAGE, "there is no such directory"),
        (["check-equality", "{ds}", "{out}"], ExitCode.STORAGE, "is not a dataset"),
        (
            ["copy-dataset", "{ds}", "{out}", "--data-format", "wkw", "--layout", "ome"],
            ExitCode.CONFIGURATION,
            "--layout",
        ),
    ],
)
def test_what_can_not_be_done_is_said_with_its_exit_code(
    command: Command, dataset: Path, tmp_path: Path, arguments: list[str], code: ExitCode, sentence: str
) -> None:
    outcome = command(*(part.format(ds=dataset, out=tmp_path / "out") for part in arguments))

    assert outcome.code == code
    assert sentence in outcome.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("data_format", ["zarr", "wkw", "zarr3"])
def test_a_copy_in_another_format_is_equal_and_rests_when_it_is_repeated(
    command: Command, dataset: Path, tmp_path: Path, data_format: str
) -> None:
    arguments = ("copy-dataset", dataset, tmp_path / "copy", "--data-format", data_format)
    would = command(*arguments, "--dry-run")
    assert not (tmp_path / "copy").exists()

    outcome, again = command(*arguments), command(*arguments, "--json")

    assert (would.code, outcome.code, again.code) == (ExitCode.OK,) * 3, outcome.err
    assert again.document["reused"] == again.document["mags"] == 4
    assert {layer.data_format.value for layer in Dataset.open(tmp_path / "copy").layers.values()} == {data_format}
    equal = command("check-equality", dataset, tmp_path / "copy")
    assert (equal.code, "hold the same" in equal.out) == (ExitCode.OK, True)


def test_a_copy_of_something_else_is_not_gone_on_with(command: Command, dataset: Path, tmp_path: Path) -> None:
    command("copy-dataset", dataset, tmp_path / "copy", "--data-format", "wkw")

    outcome = command("copy-dataset", dataset, tmp_path / "copy", "--data-format", "zarr")

    assert outcome.code == ExitCode.CONFIGURATION
    assert "say --exists-ok" in outcome.err


def test_a_copy_that_was_cut_short_goes_on(
    command: Command, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wk_assets.operations.arrays.copy_journal import CopyJournal

    noted = CopyJournal.note

    def note_and_stop(journal: CopyJournal, layer: str, mag: str, source: Path) -> None:
        noted(journal, layer, mag, source)
        raise KeyboardInterrupt

    arguments = ("copy-dataset", dataset, tmp_path / "copy", "--data-format", "wkw")
    monkeypatch.setattr(CopyJournal, "note", note_and_stop)
    assert command(*arguments).code == ExitCode.INTERRUPTED
    monkeypatch.setattr(CopyJournal, "note", noted)

    outcome = command(*arguments, "--json")

    assert outcome.document["reused"] == 1
    assert command("check-equality", dataset, tmp_path / "copy").code == ExitCode.OK


def test_a_voxel_that_differs_is_a_finding(command: Command, dataset: Path, tmp_path: Path) -> None:
    command("copy-dataset", dataset, tmp_path / "copy", "--data-format", "zarr3")
    mag = Dataset.open(tmp_path / "copy").get_layer("ids").get_mag(1)
    mag.write(np.full((1, 1, 1), 77, np.uint64), absolute_offset=(4, 5, 6), allow_unaligned=True)

    outcome = command("check-equality", dataset, tmp_path / "copy")
    one_layer = command("check-equality", dataset, tmp_path / "copy", "--layer-name", "color")
    document = command("check-equality", dataset, tmp_path / "copy", "--json").document

    assert outcome.code == ExitCode.FINDINGS
    assert "layer ids, mag 1: at c 0, z 6, y 5, x 4" in outcome.out
    assert one_layer.code == ExitCode.OK
    assert document["equal"] is False
    assert [one["layer"] for one in document["differences"]] == ["ids"]


def test_ids_are_replaced_on_the_way(command: Command, dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_text("1,100\n2,100\n")

    outcome = command(
        "export-as-tiff", dataset, tmp_path / "out", "--layer-name", "ids", "--apply-mapping", tmp_path / "map.csv"
    )

    assert outcome.code == ExitCode.OK, outcome.err
    ids = Dataset.open(dataset).get_layer("ids").get_mag(1).read()[0]
    read = tifffile.imread(sorted((tmp_path / "out").glob("*.tiff")))
    np.testing.assert_array_equal(read, np.where((ids == 1) | (ids == 2), 100, ids).T)
