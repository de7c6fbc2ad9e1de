"""What is remembered of publications: whole or not at all, nothing secret, and a mistake in a file is named."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from wk_assets.errors import CatalogueError, InvalidNameError
from wk_assets.facility.publishing import Publications, Published

HEX = st.text("0123456789abcdef", min_size=24, max_size=24)


def record(dataset: str = "brain-7", dataset_id: str = "0" * 24, **changes: object) -> Published:
    given = {
        "dataset": dataset,
        "dataset_id": dataset_id,
        "url": f"https://wk.example.org/datasets/{dataset}-{dataset_id}",
        "server": "https://wk.example.org",
        "fingerprint": "f",
        "layers": {"nuclei": "a", "labels": "b"},
    }
    return Published.model_validate({**given, **changes})


@given(HEX, st.dictionaries(st.text(min_size=1, max_size=8), HEX, max_size=4))
@hypothesis_settings(max_examples=20)
def test_a_record_comes_back_from_its_bytes(dataset_id: str, layers: dict[str, str]) -> None:
    written = record(dataset_id=dataset_id, layers=layers)
    assert Published.model_validate_json(written.to_bytes()) == written
    assert written.to_bytes() == Published.model_validate_json(written.to_bytes()).to_bytes()


def test_records_are_kept_by_dataset_and_the_same_one_writes_nothing(tmp_path: Path) -> None:
    kept = Publications(tmp_path / "publications")
    assert (kept.get("brain-7"), kept.all()) == (None, ())

    assert kept.put(record())
    assert kept.put(record("other", "1" * 24))
    assert not kept.put(record())

    assert kept.get("brain-7") == record()
    assert [one.dataset for one in kept.all()] == ["brain-7", "other"]


@pytest.mark.parametrize("url", ["https://me:s3cr3t@wk.example.org", "https://wk.example.org/?token=s3cr3t"])
def test_an_address_that_may_hold_a_secret_is_not_remembered(url: str) -> None:
    with pytest.raises(ValidationError, match="may hold a secret"):
        record(url=url)


@pytest.mark.parametrize("text", ["", "{", "{}", '{"format": 2}', "[]"])
def test_a_file_that_makes_no_sense_is_named_with_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "brain-7.json").write_text(text)

    with pytest.raises(CatalogueError, match=r"brain-7\.json.*found on the server, and nothing is sent twice"):
        Publications(tmp_path).get("brain-7")


def test_the_record_of_another_dataset_is_not_taken(tmp_path: Path) -> None:
    Publications(tmp_path).put(record())
    (tmp_path / "brain-7.json").rename(tmp_path / "other.json")

    with pytest.raises(CatalogueError, match="it is the record of 'brain-7', not of 'other'"):
        Publications(tmp_path).get("other")


@pytest.mark.parametrize("name", ["../brain", "a/b", ".x", ""])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidNameError):
        Publications(tmp_path / "publications").get(name)
