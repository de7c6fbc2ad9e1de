from pathlib import Path

import pytest
import tifffile

from tests.cli.conftest import CONFIGURATION, SHAPE_ZYX, Command
from wk_assets.cli.exit_codes import ExitCode


def _files_below(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_plan_says_what_would_happen_and_writes_nothing(command: Command, home: Path, acquisition: Path) -> None:
    before = _files_below(home)

    outcome = command("plan", acquisition, "--home", home, "--json")

    document = outcome.document
    nuclei = document["layers"][0]
    assert outcome.code == ExitCode.OK
    assert document["dataset"] == "run_1"
    assert document["finished"] is True
    assert document["up_to_date"] is False
    assert document["files"] == SHAPE_ZYX[0] + 2
    assert (nuclei["layer"], nuclei["size"], nuclei["dtype"]) == ("nuclei", list(reversed(SHAPE_ZYX)), "uint8")
    assert [mag["mag"] for mag in nuclei["mags"]] == ["1", "2", "4"]
    assert 0 < document["peak_memory_bytes"] <= 512 << 20
    assert document["voxel_size"]["source"] == "instrument setting 'voxel_size'"
    assert _files_below(home) == before


def test_a_plan_for_people_shows_the_same_numbers(command: Command, home: Path, acquisition: Path) -> None:
    outcome = command("plan", acquisition, "--home", home)

    assert outcome.code == ExitCode.OK
    assert "260 x 260 x 290 nanometer (instrument setting 'voxel_size')" in outcome.out
    assert "48 x 40 x 6" in outcome.out
    assert "to do: 6 mags in 6 shards" in outcome.out


def test_an_ingest_makes_a_dataset_that_info_describes(command: Command, home: Path, acquisition: Path) -> None:
    made = command("ingest", acquisition, "--home", home, "--json")
    described = command("info", home / "datasets" / "run_1", "--json")

    assert made.code == described.code == ExitCode.OK
    assert made.document["published"] is True
    assert all(check["passed"] for check in made.document["checks"] if check["severity"] == "error")
    layers = {layer["name"]: layer for layer in described.document["layers"]}
    assert layers["nuclei"]["size"] == list(reversed(SHAPE_ZYX))
    assert layers["labels"]["largest_segment_id"] == 5
    assert [mag["mag"] for mag in layers["labels"]["mags"]] == ["1", "2", "4"]


def test_a_second_ingest_does_no_work_and_says_so(command: Command, home: Path, acquisition: Path) -> None:
    command("ingest", acquisition, "--home", home)
    before = _files_below(home / "datasets")

    outcome = command("ingest", acquisition, "--home", home)

    assert outcome.code == ExitCode.OK
    assert "everything was up to date: no voxel was read or written" in outcome.out
    assert _files_below(home / "datasets") == before


def test_a_dry_run_of_ingest_is_the_plan(command: Command, home: Path, acquisition: Path) -> None:
    dry = command("ingest", acquisition, "--home", home, "--dry-run", "--json")

    planned = command("plan", acquisition, "--home", home, "--json")
    free = {"free_bytes": 0}  # other programs write too
    assert {**dry.document, **free} == {**planned.document, **free}
    assert not (home / "datasets").exists()


def test_an_unfinished_acquisition_is_not_ingested_by_mistake(command: Command, home: Path, acquisition: Path) -> None:
    (acquisition / "DONE").unlink()

    refused = command("ingest", acquisition, "--home", home)
    forced = command("ingest", acquisition, "--home", home, "--unfinished")

    assert refused.code == ExitCode.SOURCE
    assert "DONE" in refused.err
    assert "--unfinished" in refused.err
    assert forced.code == ExitCode.OK


def test_a_corrupt_slice_is_named_and_nothing_is_published(command: Command, home: Path, acquisition: Path) -> None:
    slice_file = acquisition / "nuclei_z03.tif"
    slice_file.write_bytes(slice_file.read_bytes()[:400])

    outcome = command("ingest", acquisition, "--home", home)

    assert outcome.code == ExitCode.SOURCE
    assert "nuclei_z03.tif" in outcome.err
    assert "Traceback" not in outcome.err
    assert not (home / "datasets" / "run_1" / "datasource-properties.json").exists()


def test_a_slice_of_another_shape_is_named(command: Command, home: Path, acquisition: Path) -> None:
    whole = tifffile.imread(acquisition / "nuclei_z02.tif")
    tifffile.imwrite(acquisition / "nuclei_z02.tif", whole[:-1], metadata=None)

    outcome = command("plan", acquisition, "--home", home)

    assert outcome.code == ExitCode.SOURCE
    assert "nuclei_z02.tif" in outcome.err


@pytest.mark.parametrize("name", ["plan", "ingest"])
def test_a_folder_that_is_none_is_told(command: Command, home: Path, name: str) -> None:
    outcome = command(name, home / "inbox" / "run_9", "--home", home)

    assert outcome.code == ExitCode.SOURCE
    assert "run_9 is not a folder" in outcome.err


def test_a_watch_folder_is_not_taken_for_an_acquisition(command: Command, home: Path, acquisition: Path) -> None:
    outcome = command("plan", home / "inbox", "--home", home)

    assert outcome.code == ExitCode.SOURCE
    assert acquisition.name in outcome.err


def test_a_folder_elsewhere_needs_to_know_its_instrument(command: Command, home: Path, acquisition: Path) -> None:
    second = CONFIGURATION.partition("instruments:\n")[2].replace("lightsheet", "confocal").replace("inbox", "inbox2")
    (home / "wk_assets.yaml").write_text(CONFIGURATION + second)
    elsewhere = acquisition.rename(home / "run_1")

    refused = command("plan", elsewhere, "--home", home)
    named = command("plan", elsewhere, "--home", home, "--instrument", "confocal", "--json")
    unknown = command("plan", elsewhere, "--home", home, "--instrument", "telescope")

    assert (refused.code, unknown.code) == (ExitCode.CONFIGURATION, ExitCode.CONFIGURATION)
    assert "--instrument (lightsheet, confocal)" in refused.err
    assert named.document["instrument"] == "confocal"


def test_status_tells_where_every_acquisition_stands(command: Command, home: Path, acquisition: Path) -> None:
    (home / "inbox" / "run_2").mkdir()
    (home / "inbox" / "run_2" / "nuclei_z00.tif").write_bytes(b"")
    command("ingest", acquisition, "--home", home)

    document = command("status", "--home", home, "--json").document
    for_people = command("status", "--home", home)

    states = {row["acquisition"]: (row["state"], row["dataset"]) for row in document["acquisitions"]}
    assert states == {"run_1": ("published", "run_1"), "run_2": ("waits", None)}
    assert "2 acquisitions, 1 dataset published" in for_people.out


def test_status_of_a_changed_acquisition_says_so(command: Command, home: Path, acquisition: Path) -> None:
    command("ingest", acquisition, "--home", home)
    tifffile.imwrite(acquisition / "nuclei_z06.tif", tifffile.imread(acquisition / "nuclei_z00.tif"), metadata=None)

    document = command("status", "--home", home, "--json").document

    assert [row["state"] for row in document["acquisitions"]] == ["changed"]
