"""Which part of the shards a night reads follows from its date; a week reads all; the request runs as it is."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.integrity import NIGHTS, subset_of
from tests.assets.facility_home import fill_inbox, make_home, registered
from wk_assets.assets.integrity import CHECK
from wk_assets.definitions import defs
from wk_assets.operations.checks.verify import Subset


@given(day=st.dates(max_value=date(9000, 1, 1)), nights=st.integers(1, 31))
def test_any_row_of_nights_reads_everything_once(day: date, nights: int) -> None:
    parts = [subset_of(day + timedelta(days=offset), nights) for offset in range(nights)]

    assert sorted(part.n for part in parts) == list(range(1, nights + 1))
    assert {part.t for part in parts} == {nights}


@given(name=st.text(min_size=1))
def test_every_shard_is_read_in_exactly_one_night_of_a_week(name: str) -> None:
    assert sum(Subset(n, NIGHTS).holds(name) for n in range(1, NIGHTS + 1)) == 1


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a facility with one dataset in its catalogue."""
    file = make_home(tmp_path)
    fill_inbox(tmp_path, "brain-7")
    registered(file, "brain-7")
    monkeypatch.setenv("WK_ASSETS_CONFIG", str(file))
    return tmp_path


@pytest.mark.usefixtures("home")
def test_the_part_is_that_of_the_scheduled_day_and_the_request_can_be_run() -> None:
    definitions = defs()
    schedule = definitions.get_repository_def().get_schedule_def("nightly_integrity")
    night = datetime(2024, 2, 29, 3, 30, tzinfo=UTC)
    with dg.build_schedule_context(
        scheduled_execution_time=night, repository_def=definitions.get_repository_def()
    ) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or ()

    part = subset_of(night.date())
    job = definitions.get_repository_def().get_job(schedule.job_name)
    result = job.execute_in_process(run_config=request.run_config)

    assert request.run_key == f"2024-02-29 {part.n}/7"
    assert request.run_config["ops"]["verify_shards"]["config"] == {"read_data_subset": f"{part.n}/7"}
    assert result.success
    assert {check.name for check in job.asset_layer.asset_graph.asset_check_keys} >= {CHECK}


def test_without_a_dataset_there_is_nothing_to_schedule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WK_ASSETS_CONFIG", str(make_home(tmp_path)))

    assert "nightly_integrity" not in {one.name for one in defs().get_repository_def().schedule_defs}
