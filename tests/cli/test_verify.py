"""`wk-assets verify` names every damaged shard, in text and as JSON, and can make damaged mags anew."""

from pathlib import Path

import pytest

from tests.cli.conftest import Command
from wk_assets.cli import progress
from wk_assets.cli.exit_codes import ExitCode

VOXEL_SIZE = ("--voxel-size", "260,260,290", "--axes", "yx", "--mags", "2")


def shards_of(dataset: Path, layer: str, mag: str) -> list[Path]:
    return sorted(path for path in (dataset / layer / mag / "c").rglob("*") if path.is_file())


def flip_a_bit(shard: Path) -> None:
    stored = bytearray(shard.read_bytes())
    stored[len(stored) // 2] ^= 1
    shard.write_bytes(stored)


def tree(dataset: Path) -> dict[str, bytes]:
    return {
        path.relative_to(dataset).as_posix(): path.read_bytes()
        for path in sorted(dataset.rglob("*"))
        if path.is_file() and ".wk-assets" not in path.parts
    }


@pytest.fixture
def converted(command: Command, stack: Path, tmp_path: Path) -> Path:
    """Convert a stack that no catalogue knows."""
    assert command("convert", stack, tmp_path / "dataset", *VOXEL_SIZE).code == ExitCode.OK
    return tmp_path / "dataset"


@pytest.fixture
def ingested(command: Command, home: Path, acquisition: Path) -> Path:
    """Import an acquisition into the home's catalogue."""
    assert command("ingest", acquisition, "--home", home).code == ExitCode.OK
    return home / "datasets" / "run_1"


def test_what_is_whole_is_said_to_be(command: Command, converted: Path) -> None:
    outcome = command("verify", converted)

    assert outcome.code == ExitCode.OK
    assert "unchanged" in outcome.out
    assert "2 shards of 2 arrays looked at, 2 shards read" in outcome.out


def test_every_damaged_shard_is_named(command: Command, ingested: Path) -> None:
    flipped, lost, emptied = (
        shards_of(ingested, *where)[0] for where in (("nuclei", "1"), ("nuclei", "2"), ("labels", "1"))
    )
    flip_a_bit(flipped)
    lost.unlink()
    emptied.write_bytes(b"")

    text = command("verify", ingested)
    document = command("verify", ingested, "--json")

    assert text.code == document.code == ExitCode.FINDINGS
    for shard, says in (
        (flipped, "its bytes have changed"),
        (lost, "is missing"),
        (emptied, "0 bytes, the manifest says"),
    ):
        name = str(shard.relative_to(ingested))
        assert any(name in line and says in line for line in text.err.splitlines())
        assert any(name in finding and says in finding for finding in document.document["findings"])
    assert "--repair" in text.out
    assert document.document["passed"] is False
    assert document.document["damaged"] == [
        {"layer": "nuclei", "mag": "1"},
        {"layer": "nuclei", "mag": "2"},
        {"layer": "labels", "mag": "1"},
    ]


def test_the_parts_together_read_all(command: Command, ingested: Path) -> None:
    flip_a_bit(shards_of(ingested, "nuclei", "1")[0])

    parts = [command("verify", ingested, "--read-data-subset", f"{n}/3", "--json") for n in (1, 2, 3)]
    whole = command("verify", ingested, "--json").document

    assert sorted(part.code for part in parts) == [ExitCode.OK, ExitCode.OK, ExitCode.FINDINGS]
    assert sum(part.document["read_shards"] for part in parts) == whole["read_shards"] == whole["shards"]


@pytest.mark.parametrize("subset", ["0/3", "4/3", "1", "a/b", "1/0"])
def test_a_part_that_there_is_not_is_a_mistake(command: Command, converted: Path, subset: str) -> None:
    outcome = command("verify", converted, "--read-data-subset", subset)

    assert outcome.code == ExitCode.CONFIGURATION
    assert "1/10" in outcome.err


def test_what_is_no_dataset_is_said_to_be_none(command: Command, tmp_path: Path) -> None:
    outcome = command("verify", tmp_path / "nothing")

    assert outcome.code == ExitCode.STORAGE
    assert "nothing holds no committed dataset" in outcome.err


def test_damaged_mags_of_the_catalogue_are_made_anew_with_the_same_bytes(
    command: Command, home: Path, ingested: Path
) -> None:
    whole = tree(ingested)
    flip_a_bit(shards_of(ingested, "nuclei", "1")[0])
    shards_of(ingested, "labels", "2")[0].unlink()

    outcome = command("verify", ingested, "--repair", "--home", home, "--json")

    assert outcome.code == ExitCode.OK
    assert outcome.document["repaired"] == ["nuclei/1", "labels/2"]
    assert tree(ingested) == whole


def test_a_coarser_mag_needs_no_catalogue(command: Command, converted: Path) -> None:
    whole = tree(converted)
    flip_a_bit(shards_of(converted, "color", "2")[0])

    outcome = command("verify", converted, "--repair")

    assert outcome.code == ExitCode.OK
    assert "color/2" in outcome.err  # what was found, before it was repaired
    assert "made anew: color/2" in outcome.out
    assert tree(converted) == whole


def test_a_finest_mag_whose_source_nobody_knows_is_left_alone(command: Command, converted: Path) -> None:
    flip_a_bit(shards_of(converted, "color", "1")[0])
    damaged = tree(converted)

    outcome = command("verify", converted, "--repair")

    assert outcome.code == ExitCode.STORAGE
    assert "no catalogue knows its source" in outcome.err
    assert tree(converted) == damaged


def test_a_source_that_changed_repairs_nothing(command: Command, home: Path, acquisition: Path, ingested: Path) -> None:
    flip_a_bit(shards_of(ingested, "nuclei", "1")[0])
    (acquisition / "nuclei_z00.tif").write_bytes(b"another file")

    outcome = command("verify", ingested, "--repair", "--home", home)

    assert outcome.code == ExitCode.SOURCE
    assert "are not those that were registered" in outcome.err


def test_a_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    now = iter([0.0, 1.0, 11.0, 12.0])
    listen = progress.logged_count("brain", "shard", clock=lambda: next(now))

    for done in (1, 2, 3):
        listen(done, 9)

    assert capsys.readouterr().err.strip() == "brain: 2 of 9 shards"
