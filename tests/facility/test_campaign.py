"""The section `campaigns` of wk_assets.yaml: what is right loads, what is wrong is named all at once."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.facility.campaigns import document
from wk_assets.errors import ConfigurationError
from wk_assets.facility.campaign_rules import EscalateRule, NextRule, ReviewRule, StopRule
from wk_assets.facility.campaign_work import GridWork
from wk_assets.facility.configuration import Configuration, load_configuration, parse_configuration
from wk_assets.facility.preflight import Severity, examine
from wk_assets.facility.template import configuration_template
from wk_assets.geometry.bounding_box import BoundingBox

Settings = dict[str, Any]


def load(settings: Settings, home: Path, *campaigns: Settings) -> Configuration:
    return parse_configuration({**settings, "campaigns": list(campaigns)}, home)


def mistakes(settings: Settings, home: Path, *campaigns: Settings) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as refusal:
        load(settings, home, *campaigns)
    return {problem.where: f"{problem.what}. {problem.remedy}" for problem in refusal.value.problems}


def test_a_campaign_loads_as_frozen_values(settings: Settings, home: Path) -> None:
    given = document(
        layers="color",
        work={"rule": "grid", "size": 512, "inside": "0,0,0,1024,1024,64"},
        then=[{"rule": "review"}, {"rule": "stop", "agree": 2, "threshold": 0.9}],
    )
    campaign = load(settings, home, given).campaign("seeds")

    assert campaign.layers == ("color",)
    assert isinstance(campaign.work, GridWork)
    assert campaign.work.size == (512, 512, 512)
    assert campaign.work.inside == BoundingBox((0, 0, 0), (1024, 1024, 64))
    assert list(campaign.follow_up_rules) == ["review"]
    assert campaign.stop == StopRule(rule="stop", agree=2, threshold=0.9)
    assert campaign.on_server
    assert load(settings, home).campaigns == {}


def test_all_kinds_of_mistakes_are_named_at_once(settings: Settings, home: Path) -> None:
    given = document(
        name="a b",
        project={"name": "p"},
        task_type={"name": "t", "kind": "skelton", "mags": {"min": 3}, "settings": {"allowedModes": []}},
        experience={"domain": "nuclei", "valu": 1},
        work={"rule": "grid", "size": [512, 0, 1], "inside": "0,0,0,9,9"},
        then=[{"rule": "review", "shar": 1}, {"rule": "nxt"}, {"rule": "next", "campaign": "a c"}],
    )
    found = mistakes(settings, home, given)

    assert set(found) == {
        f"campaigns.0.{where}"
        for where in (
            "name", "project.team", "task_type.kind", "task_type.mags.min", "task_type.settings", "experience.valu",
            "work.size", "work.inside", "then.0.shar", "then.1.rule", "then.2.campaign",
        )
    } - {"campaigns.0.task_type.mags.min"} | {"campaigns.0.task_type.mags"}  # fmt: skip
    assert "Did you mean 'skeleton'?" in found["campaigns.0.task_type.kind"]
    assert "Use review, next, repair, escalate, stop" in found["campaigns.0.then.1.rule"]
    assert found["campaigns.0.project.team"].startswith("'team' is missing. Add it: the team that works on it")
    assert "Did you mean 'a b'?" in found["campaigns.0.then.2.campaign"]


@pytest.mark.parametrize(
    ("changes", "where", "said"),
    [
        ({"work": {"rule": "table", "file": "a.doc"}}, "work", "'a.doc' is no table"),
        ({"work": {"rule": "table", "file": "a.csv", "sheet": "s"}}, "work", "has no sheets"),
        ({"work": {"rule": "grid", "size": 4, "overlap": [4, 0, 0]}}, "work", "does not fit boxes of"),
        ({"work": {"rule": "segments", "layer": "l"}}, "work", "exactly one of 'ids' and 'count'"),
        ({"work": {"rule": "segments", "layer": "l", "ids": [0]}}, "work.ids", "0 is background"),
        ({"work": {"rule": "segments", "layer": "l", "ids": [1], "mag": 3}}, "work.mag", "3 is not a mag"),
        ({"work": {"rule": "random", "count": 1, "size": 4}}, "work.seed", "'seed' is missing"),
        ({"work": {"rule": "grid", "size": 4, "inside": "0,0,0,0,1,1"}}, "work.inside", "is empty"),
        (
            {"then": [{"rule": "stop", "agree": 3, "threshold": 0.9, "most": 2}]},
            "then.0.most",
            "can not be 3 who agree",
        ),
        ({"layers": ["a/b"]}, "layers", "Name layers as the dataset does"),
        (
            {"task_type": {"name": "t", "kind": "volume", "mags": {"min": 4, "max": 2}}},
            "task_type.mags",
            "coarser than",
        ),
    ],
)
def test_a_mistake_of_a_campaign_is_named(
    changes: Settings, where: str, said: str, settings: Settings, home: Path
) -> None:
    assert said in mistakes(settings, home, document(**changes))[f"campaigns.0.{where}"]


def test_check_finds_what_a_campaign_relies_on_and_what_is_not_there(settings: Settings, home: Path) -> None:
    (home / "seeds.csv").write_text("x,y,z\n")
    given = [
        document(dataset="run_1", work={"rule": "table", "file": "gone.csv"}),
        document(name="fine", work={"rule": "table", "file": "seeds.csv"}),
        document(name="later", dataset="run_1", active=False),
    ]
    configuration = load({**settings, "webknossos": {"url": "https://wk.example.org"}}, home, *given)
    told = {one.where: one for one in examine(configuration, {"WK_TOKEN": "t"}) if one.where.startswith("campaigns")}
    without = [one.where for one in examine(load(settings, home, *given)) if "no server is named" in one.what]

    assert set(told) == {"campaigns.0.dataset", "campaigns.0.work.file"}
    assert told["campaigns.0.dataset"].severity is Severity.WARNING
    assert told["campaigns.0.work.file"].severity is Severity.ERROR
    assert without == ["campaigns.0", "campaigns.1"]


def rules(*then: Settings, **changes: Any) -> Settings:
    return document(then=list(then), **changes)


ESCALATE = {"rule": "escalate", "experience": {"domain": "sample", "value": 5}}
STOP = {"rule": "stop", "agree": 2, "threshold": 0.9}


@pytest.mark.parametrize(
    ("campaigns", "where", "said"),
    [
        ([document(), document(name="SEEDS")], "1.name", "'SEEDS' is the name of campaigns.0 too"),
        ([rules({"rule": "next", "campaign": "b"})], "0.then.0.campaign", "there is no campaign 'b'. There are: seeds"),
        ([document(work=None)], "0", "'seeds' has no work, and no other campaign leads to it"),
        ([rules({"rule": "review"}, {"rule": "review"})], "0.then.1", "'review' is the name of campaigns.0.then.0 too"),
        ([rules({"rule": "review", "name": "again"})], "0.then.0.name", "'again' is how tasks"),
        ([rules(STOP, STOP)], "0.then.1", "has a rule 'stop' already"),
        ([rules({"rule": "review", "when": "agreed"})], "0.then.0.when", "no rule of this campaign says when"),
        ([rules(ESCALATE)], "0.then.0", "it never escalates"),
        ([rules({**ESCALATE, "after_repairs": True})], "0.then.0.after_repairs", "no rule of this campaign repairs"),
        (
            [document(), document(name="b", project={"name": "p", "team": "other"})],
            "1.project.team",
            "'p' has another 'team' in campaigns.0.project",
        ),
        (
            [document(), document(name="b", task_type={"name": "trace", "kind": "volume"})],
            "1.task_type.kind",
            "'trace' has another 'kind'",
        ),
        (
            [rules({"rule": "next", "campaign": "b"}), document(name="b", dataset="other")],
            "0.then.0.campaign",
            "'b' works on dataset 'other'",
        ),
        (
            [rules({"rule": "next", "campaign": "b"}), document(name="b", task_type={"name": "t", "kind": "volume"})],
            "0.then.0",
            "can not go on from results",
        ),
        (
            [rules({"rule": "review", "campaign": "b"}), rules({"rule": "review"}, name="b")],
            "0.then.0",
            "'b' has a rule 'review' of its own",
        ),
    ],
)
def test_what_only_several_parts_together_show_is_named(
    campaigns: list[Settings], where: str, said: str, settings: Settings, home: Path
) -> None:
    assert said in mistakes(settings, home, *campaigns)[f"campaigns.{where}"]


def circle(*first: Settings, when: str = "passed") -> tuple[Settings, Settings]:
    onward = {"rule": "next", "campaign": "b", "when": when}
    return rules(*first, onward), rules({"rule": "next", "campaign": "seeds"}, name="b", work=None)


def test_a_circle_of_campaigns_needs_something_that_stops_it(settings: Settings, home: Path) -> None:
    endless = mistakes(settings, home, *circle())

    assert list(endless) == ["campaigns.0.then.0"]
    assert "for ever: b -> seeds -> b" in endless["campaigns.0.then.0"]
    assert len(load(settings, home, *circle(STOP)).campaigns) == 2
    assert "for ever" in mistakes(settings, home, *circle(STOP, when="agreed"))["campaigns.0.then.1"]


def test_a_mistake_has_its_line(settings: Settings, home: Path) -> None:
    file = home / "wk_assets.yaml"
    text = yaml.safe_dump({**copy.deepcopy(settings), "campaigns": [document(instances=0)]}, sort_keys=False)
    file.write_text(text)
    line = 1 + next(number for number, one in enumerate(text.splitlines()) if "instances: 0" in one)
    with pytest.raises(ConfigurationError, match=rf"campaigns.0.instances: 0 is wrong.*\(line {line}\)"):
        load_configuration(file)


def test_the_campaigns_of_the_template_load_when_their_comment_signs_are_taken_away(
    settings: Settings, home: Path
) -> None:
    lines = configuration_template().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("# campaigns:"))
    block = list(lines[start:])
    campaigns = yaml.safe_load("\n".join(line.removeprefix("# ") for line in block if not line.startswith("# #")))
    given = campaigns["campaigns"]
    loaded = load(settings, home, *given)

    assert len(given) == 2
    seen = {type(rule) for campaign in loaded.campaign_list for rule in campaign.then}
    assert {ReviewRule, NextRule, EscalateRule, StopRule} <= seen


def test_the_campaign_of_the_readme_loads(repository: Path, settings: Settings, home: Path) -> None:
    readme = (repository / "README.md").read_text("utf-8")
    (block,) = (one.partition("```")[0] for one in readme.split("```yaml\n") if one.startswith("campaigns:"))
    given = yaml.safe_load(block)["campaigns"]
    target = document(name="segments", dataset="run_17", work=None)

    assert load(settings, home, *given, target).campaign("seeds").instances == 2


def test_every_work_and_rule_that_the_template_offers_loads(settings: Settings, home: Path) -> None:
    offered = [
        line[line.index("{rule:") :]
        for line in configuration_template().splitlines()
        if line.startswith("# #   {rule:")
    ]
    texts = [yaml.safe_load(text[: text.rindex("}") + 1]) for text in offered]

    assert {text["rule"] for text in texts} == {"table", "grid", "random", "nodes", "segments", "repair"}
    for text in texts:
        changes = {"then": [text]} if text["rule"] == "repair" else {"work": text}
        load(settings, home, document(**changes))
