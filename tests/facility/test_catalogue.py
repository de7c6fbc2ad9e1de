"""The catalogue: atomic, told apart by claims, unimpressed by broken files and by other processes."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from wk_assets.errors import CatalogueError, LockedError
from wk_assets.facility import catalogue as catalogue_module
from wk_assets.facility.catalogue import Catalogue
from wk_assets.facility.catalogue_entry import CatalogueEntry, CatalogueLayer, EntryStatus, StoredVoxelSize
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.mag import Mag
from wk_assets.kernels.modes import DownsamplingMode


def entry(dataset: str = "nuclei", acquisition: str | None = None, signature: str = "s1") -> CatalogueEntry:
    return CatalogueEntry(
        dataset=dataset,
        instrument="lightsheet",
        acquisition=dataset if acquisition is None else acquisition,
        folder=f"inbox/{dataset}",
        signature=signature,
        voxel_size=StoredVoxelSize(x=260, y=260, z=290, unit=LengthUnit.NANOMETER, source="a tag"),
        layers=(
            CatalogueLayer(
                name="nuclei",
                category="color",
                channels=1,
                dtype="uint16",
                size=(256, 256, 40),
                mags=("1", "2-2-1"),
                mode=DownsamplingMode.MEDIAN,
                files=40,
                source_bytes=1 << 40,
                signature="s2",
            ),
        ),
    )


@given(
    acquisition=st.text(st.characters(codec="utf-8"), min_size=1),
    size=st.tuples(*[st.integers(1, 1 << 40)] * 3),
    lengths=st.tuples(*[st.floats(min_value=1e-9, max_value=1e9)] * 3),
)
def test_an_entry_survives_its_json(
    acquisition: str, size: tuple[int, int, int], lengths: tuple[float, float, float]
) -> None:
    original = entry(acquisition=acquisition)
    layer = original.layers[0].model_copy(update={"size": size})
    x, y, z = lengths
    voxel_size = StoredVoxelSize(x=x, y=y, z=z, unit=LengthUnit.MICROMETER, source="µ")
    original = original.model_copy(update={"layers": (layer,), "voxel_size": voxel_size})

    assert CatalogueEntry.model_validate_json(original.to_bytes()) == original
    assert CatalogueEntry.model_validate_json(original.to_bytes()).to_bytes() == original.to_bytes()


def test_what_is_put_is_found(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "catalogue")
    assert catalogue.entries() == ()
    assert catalogue.get("nuclei") is None

    assert catalogue.put(entry("b-run"))
    assert catalogue.put(entry("a-run"))

    assert [found.dataset for found in catalogue.entries()] == ["a-run", "b-run"]
    assert catalogue.get("a-run") == entry("a-run")
    assert catalogue.find("lightsheet", "b-run") == entry("b-run")
    assert catalogue.find("darksheet", "b-run") is None
    assert entry().layer("nuclei").mag_values == (Mag(1), Mag("2-2-1"))


def test_the_same_entry_again_writes_nothing(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path)
    catalogue.put(entry())
    file = tmp_path / "nuclei.json"
    before, fingerprint = file.stat(), catalogue.fingerprint()

    assert catalogue.put(entry()) is False

    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert file.stat().st_ino == before.st_ino
    assert catalogue.fingerprint() == fingerprint


def test_a_changed_acquisition_replaces_its_entry(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path)
    catalogue.put(entry())
    fingerprint = catalogue.fingerprint()

    assert catalogue.put(entry(signature="another"))

    found = catalogue.get("nuclei")
    assert found is not None
    assert found.signature == "another"
    assert catalogue.fingerprint() != fingerprint


def test_a_dataset_name_belongs_to_one_acquisition(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path)
    catalogue.put(entry(acquisition="nuclei 1"))

    with pytest.raises(
        CatalogueError, match=r"acquisition 'nuclei-1' .* claims it, but 'nuclei' belongs to .* 'nuclei 1'"
    ):
        catalogue.put(entry(acquisition="nuclei-1"))

    found = catalogue.get("nuclei")
    assert found is not None
    assert found.acquisition == "nuclei 1"


def test_names_that_differ_in_case_alone_are_one_name(tmp_path: Path) -> None:
    """On a share of Windows both would be one folder."""
    catalogue = Catalogue(tmp_path)
    catalogue.put(entry("nuclei"))

    with pytest.raises(CatalogueError, match=r"'Nuclei'.*'nuclei' belongs"):
        catalogue.put(entry("Nuclei"))


def test_an_acquisition_has_one_dataset(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path)
    catalogue.put(entry("one-name", acquisition="run"))

    with pytest.raises(CatalogueError, match="is the dataset 'one-name' already"):
        catalogue.put(entry("two-names", acquisition="run"))


def test_archiving_moves_the_status_and_can_be_undone(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path)
    catalogue.put(entry("old"))
    catalogue.put(entry("new"))

    assert catalogue.archive("old").status is EntryStatus.ARCHIVED

    assert [found.dataset for found in catalogue.active()] == ["new"]
    assert [found.dataset for found in catalogue.entries()] == ["new", "old"]
    catalogue.activate("old")
    assert catalogue.get("old") == entry("old")


def test_archiving_what_is_not_there_names_what_is(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path)
    catalogue.put(entry())

    with pytest.raises(CatalogueError, match=r"no dataset 'nucleus' .* there are: nuclei"):
        catalogue.archive("nucleus")


def _without(key: str) -> Callable[[str], str]:
    return lambda text: "\n".join(line for line in text.splitlines() if f'"{key}"' not in line)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text[: len(text) // 2], "EOF"),
        (lambda _: "", "EOF"),
        (_without("instrument"), "instrument: Field required"),
        (lambda text: text.replace('"format": 1', '"format": 2'), "format: Input should be 1"),
        (lambda text: text.replace('"status"', '"colour"'), "colour: Extra inputs"),
        (lambda text: text.replace('"2-2-1"', '"3"'), "mags"),
        (lambda text: text.replace('"dataset": "nuclei"', '"dataset": "../../x"'), "dataset: "),
        (lambda text: text.replace('"dataset": "nuclei"', '"dataset": "other"'), "its name must be other.json"),
        (lambda text: text.replace("260.0", "NaN"), "voxel_size"),
    ],
)
def test_an_entry_that_can_not_be_understood_names_its_file(
    change: Callable[[str], str], says: str, tmp_path: Path
) -> None:
    catalogue = Catalogue(tmp_path)
    catalogue.put(entry())
    catalogue.put(entry("whole"))
    file = tmp_path / "nuclei.json"
    broken = change(file.read_text())
    file.write_text(broken)

    with pytest.raises(CatalogueError, match="1 entry of the catalogue") as error:
        catalogue.entries()
    with pytest.raises(CatalogueError, match=r"nuclei\.json"):
        catalogue.put(entry(signature="new"))

    assert str(file) in str(error.value)
    assert says in str(error.value)
    assert "register the acquisition again" in str(error.value)
    assert file.read_text() == broken
    survey = catalogue.survey()
    assert list(survey.entries) == ["whole"]
    assert survey.problems[0].where == str(file)


def test_leftovers_of_killed_writers_are_no_entries(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path)
    catalogue.put(entry())
    (tmp_path / ".nuclei.json.123.partial").write_text("{")
    (tmp_path / ".x.json").write_text("{")
    (tmp_path / "notes.txt").write_text("ours")

    assert len(catalogue.entries()) == 1


def _put_many(folder: Path, barrier: "multiprocessing.synchronize.Barrier") -> None:
    catalogue = Catalogue(folder)
    barrier.wait(30)
    for _ in range(30):
        catalogue.put(entry())


def test_two_processes_that_put_the_same_entry_do_no_harm(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    writers = [context.Process(target=_put_many, args=(tmp_path, barrier)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)

    assert [writer.exitcode for writer in writers] == [0, 0]
    assert Catalogue(tmp_path).entries() == (entry(),)
    assert sorted(file.name for file in tmp_path.iterdir()) == [".lock", "nuclei.json"]


def test_a_catalogue_that_stays_locked_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_module, "LOCK_SECONDS", 0.05)
    with FileLock(tmp_path / ".lock"), pytest.raises(LockedError, match="locked by another process"):
        Catalogue(tmp_path).put(entry())
