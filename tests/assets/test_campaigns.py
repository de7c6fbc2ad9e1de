"""A facility without campaigns has nothing of them; with one, its assets stand where the lineage needs them."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from tests.assets.facility_home import CONFIGURATION
from wk_assets.assets.keys import (
    PROGRESS,
    CampaignAsset,
    CampaignPart,
    annotations_key,
    build,
    parse,
    published_key,
    tasks_key,
)

CAMPAIGN = """\
webknossos: {url: "http://127.0.0.1:9", token_variable: WK_CAMPAIGN_TOKEN}
campaigns:
  - name: paint
    dataset: brain-7
    layers: [nuclei]
    project: {name: nuclei, team: annotators}
    task_type: {name: paint nuclei, kind: volume}
    experience: {domain: sample, value: 1}
    work: {rule: grid, size: [45, 70, 12]}
"""
PUBLISH = "    publish: true\n"


def test_without_a_campaign_there_is_no_sensor_no_report_and_nobody_to_tell(
    home: Path, load: Callable[[], dg.Definitions]
) -> None:
    definitions = load()

    assert home.is_dir()
    assert [sensor.name for sensor in definitions.sensors or []] == ["acquisitions", "automation"]
    assert "hourly_progress" not in [schedule.name for schedule in definitions.schedules or []]
    assert PROGRESS not in definitions.resolve_asset_graph().get_all_asset_keys()
    assert "notification" not in (definitions.resources or {})


def test_the_lineage_leads_from_the_published_dataset_to_the_results(
    home: Path, load: Callable[[], dg.Definitions], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WK_CAMPAIGN_TOKEN", "secret")
    (home / "wk_assets.yaml").write_text(f"{CAMPAIGN}{CONFIGURATION}{PUBLISH}")

    definitions = load()
    graph = definitions.resolve_asset_graph()

    tasks, annotations = tasks_key("brain-7", "paint"), annotations_key("brain-7", "paint")
    merged = build(CampaignAsset("brain-7", "paint", CampaignPart.VOLUME))
    assert graph.get(tasks).parent_keys == {published_key("brain-7")}
    assert graph.get(annotations).parent_keys == {tasks, published_key("brain-7")}
    assert graph.get(merged).parent_keys == {annotations}
    partitions = graph.get(annotations).partitions_def
    assert isinstance(partitions, dg.DynamicPartitionsDefinition)
    assert partitions.name == "annotations_brain-7_paint"
    assert {sensor.name for sensor in definitions.sensors or []} >= {"annotations"}
    dg.Definitions.validate_loadable(definitions)


@pytest.mark.parametrize("part", CampaignPart)
def test_the_names_of_campaigns_come_back_from_their_keys(part: CampaignPart) -> None:
    name = CampaignAsset("brain-7", "paint.it-2", part)

    assert parse(build(name)) == name


def test_a_campaign_that_is_not_active_or_has_no_server_is_left_alone(
    home: Path, load: Callable[[], dg.Definitions]
) -> None:
    asleep = CAMPAIGN.replace("    layers:", "    active: false\n    layers:")
    for text in (asleep, CAMPAIGN.split("\n", 1)[1]):
        (home / "wk_assets.yaml").write_text(f"{text}{CONFIGURATION}")

        assert [sensor.name for sensor in load().sensors or []] == ["acquisitions", "automation"]
