"""Registration as an asset: one acquisition, its entry, its event; the same again changes nothing."""

from pathlib import Path

import dagster as dg
import pytest

from resources.webserver import WebserverResource
from tests.assets.facility_home import fill_inbox
from tests.assets.runs import failure, made, metadata, register, run
from wk_assets.assets import failures
from wk_assets.assets.keys import CATALOGUE

ACQUISITION = dg.AssetKey(["acquisitions", "brain-8"])


@pytest.fixture(autouse=True)
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "FIRST_WAIT_SECONDS", 0.0)


def test_a_registration_writes_the_entry_and_reports_the_acquisition_with_its_signature(
    home: Path, instance: dg.DagsterInstance
) -> None:
    fill_inbox(home, "brain-8")

    result = register(instance, "brain-8")

    assert result.success
    assert (home / "catalogue" / "brain-8.json").is_file()
    assert sorted(made(result)) == ["acquisitions/brain-8", "catalogue"]
    told = metadata(result, CATALOGUE)
    assert told["datasets"] == 2
    assert "WK_ASSETS_WEBSERVER" in told["definitions"]
    assert metadata(result, ACQUISITION)["files"] == 14


def test_the_same_registration_again_changes_nothing_and_reports_nothing(
    home: Path, instance: dg.DagsterInstance
) -> None:
    fill_inbox(home, "brain-8")
    register(instance, "brain-8")
    entry = (home / "catalogue" / "brain-8.json").read_bytes()

    again = register(instance, "brain-8")

    assert again.success
    assert made(again) == ["catalogue"]
    assert (home / "catalogue" / "brain-8.json").read_bytes() == entry


def test_a_changed_acquisition_is_reported_with_another_data_version(home: Path, instance: dg.DagsterInstance) -> None:
    fill_inbox(home, "brain-8")
    first = register(instance, "brain-8")
    fill_inbox(home, "brain-8", seed=4)

    second = register(instance, "brain-8")

    assert metadata(first, ACQUISITION)["signature"] != metadata(second, ACQUISITION)["signature"]


def test_files_that_changed_after_they_were_seen_are_not_registered(home: Path, instance: dg.DagsterInstance) -> None:
    fill_inbox(home, "brain-8")

    result = register(instance, "brain-8", signature="as it was seen")

    assert not result.success
    assert not (home / "catalogue" / "brain-8.json").exists()


def test_a_truncated_slice_fails_the_registration_with_its_file_name(home: Path, instance: dg.DagsterInstance) -> None:
    folder = fill_inbox(home, "brain-8")
    cut = folder / "nuclei_z003.tif"
    cut.write_bytes(cut.read_bytes()[:3000])

    result = register(instance, "brain-8")

    assert not result.success
    assert "nuclei_z003.tif" in failure(result)
    assert not (home / "catalogue" / "brain-8.json").exists()


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "../brain-8"])
def test_a_name_that_leaves_the_watch_folder_is_refused(home: Path, instance: dg.DagsterInstance, name: str) -> None:
    result = register(instance, name)

    assert not result.success
    assert "as one folder of the instrument's watch folder" in failure(result)


def test_a_click_without_configuration_reads_the_catalogue_again(home: Path, instance: dg.DagsterInstance) -> None:
    (home / "catalogue" / "broken.json").write_text("{")

    result = run(instance, [CATALOGUE])

    assert result.success
    told = metadata(result, CATALOGUE)
    assert told["datasets"] == 1
    assert "broken.json" in told["problem_1"]


def test_a_webserver_that_does_not_answer_is_told_and_not_raised() -> None:
    told = WebserverResource(address="127.0.0.1:9").reload()

    assert not told.done
    assert "127.0.0.1:9 did not answer" in told.sentence
