"""The story of a facility's day, with real processes: a folder appears in the inbox and becomes a dataset in the UI."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.assets.facility_home import fill_inbox, make_home
from tests.end_to_end.running_ui import RunningUi, browser_path, running_ui, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("end_to_end")]

PATIENCE_SECONDS = 300.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("facility")
    make_home(folder)
    return folder


@pytest.fixture(scope="module")
def ui(home: Path) -> Iterator[RunningUi]:
    with running_ui(home) as ui:
        yield ui


def last_reason(ui: RunningUi) -> str:
    """Return why the sensor's last tick requested nothing."""
    ticks = ui.ticks("acquisitions")
    return str(ticks[0]["skipReason"]) if ticks else ""


def test_a_folder_in_the_inbox_becomes_a_dataset_that_a_person_sees_without_any_restart(
    ui: RunningUi, home: Path
) -> None:
    assert sorted(ui.assets()) == ["catalogue"]
    started = time.monotonic()

    folder = fill_inbox(home, "brain-7", finished=False)
    wait_until(lambda: "waiting for DONE" in last_reason(ui), 120, lambda: ui.ticks("acquisitions"))
    assert sorted(ui.assets()) == ["catalogue"]
    (folder / "DONE").touch()
    log = home / "ui.log"
    wait_until(lambda: not ui.unmade("brain-7"), PATIENCE_SECONDS, lambda: (ui.runs(), log.read_text()[-4000:]))

    print(f"from the marker to the dataset: {time.monotonic() - started:.0f} s")  # noqa: T201  # shown with -s
    properties = json.loads((home / "datasets" / "brain-7" / "datasource-properties.json").read_text())
    assert {layer["name"] for layer in properties["dataLayers"]} == {"nuclei", "labels"}
    wait_until(lambda: {run["status"] for run in ui.runs()} == {"SUCCESS"}, 60, ui.runs)
    checks = ui.assets()["datasets/brain-7/nuclei"]["assetChecksOrError"]["checks"]
    assert {check["executionForLatestMaterialization"]["status"] for check in checks} == {"SUCCEEDED"}


def test_it_was_registered_once_and_made_in_one_run(ui: RunningUi) -> None:
    registrations = [run for run in ui.runs() if any(tag["key"] == "wk_assets/registration" for tag in run["tags"])]

    assert len(registrations) == 1
    assert len(ui.runs()) == 2


def test_another_page_of_the_browser_can_start_nothing(ui: RunningUi) -> None:
    mutation = 'mutation { wipeAssets(assetPartitionRanges: [{assetKey: {path: ["catalogue"]}}]) { __typename } }'

    by_get = httpx.get(f"{ui.address}/graphql", params={"query": mutation})
    elsewhere = httpx.post(f"{ui.address}/graphql", json={"query": mutation}, headers={"origin": "http://evil.example"})

    assert (by_get.status_code, elsewhere.status_code) == (405, 403)


@pytest.mark.skipif(browser_path() is None, reason="there is no chromium and no google-chrome on this machine")
def test_a_browser_shows_lineage_previews_and_checks(ui: RunningUi, tmp_path: Path) -> None:
    from tests.end_to_end.picture_taking import browser_page, dismiss_greeting, take_pictures

    with browser_page() as page:
        dismiss_greeting(page, ui.address)
        pictures = take_pictures(page, ui, "brain-7", tmp_path)
        page.goto(f"{ui.address}/assets/datasets/brain-7/nuclei?view=overview")
        previews = page.locator('img[src^="data:image/webp"]')
        previews.first.wait_for()
        drawn = previews.first.evaluate("picture => picture.complete && picture.naturalWidth > 0")

    assert drawn
    assert len(pictures) == 6
    assert all(picture.stat().st_size > 10_000 for picture in pictures)
