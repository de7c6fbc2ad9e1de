"""Mistakes that only several campaigns together show: names that stand twice or nowhere, circles that never end.

Looks at the parsed file, not at the models, so that they are found beside every other mistake of the file.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import networkx as nx

from wk_assets.errors import Problem
from wk_assets.facility.yaml_document import KeyPath, dotted

Located = tuple[KeyPath, Problem]


def campaign_mistakes(content: Mapping[str, Any]) -> Iterator[Located]:
    """Find campaigns that are named twice or nowhere, rules that nobody could tell apart, and circles without a stop."""
    campaigns = _mappings(content.get("campaigns"))
    yield from _twice(campaigns)
    names = [name for campaign in campaigns if isinstance(name := campaign.get("name"), str)]
    targets = {target for _, _, _, target in _ways(campaigns)}
    for index, campaign in enumerate(campaigns):
        yield from _rules(index, campaign, names)
        if campaign.get("work") is None and campaign.get("name") not in targets:
            yield _located(
                ("campaigns", index),
                f"{campaign.get('name')!r} has no work, and no other campaign leads to it",
                "Give it 'work', or name it in a rule of another campaign",
            )
    yield from _between(campaigns)
    yield from _said_differently(campaigns)
    yield from _endless(campaigns)


def _rules(index: int, campaign: Mapping[str, Any], names: list[str]) -> Iterator[Located]:
    labels: dict[str, int] = {}
    stops = 0
    for place, rule in enumerate(_mappings(campaign.get("then"))):
        here: KeyPath = ("campaigns", index, "then", place)
        if rule.get("rule") == "stop":
            stops += 1
            if stops > 1:
                yield _located(here, "this campaign has a rule 'stop' already", "Keep one of them")
            continue
        target = rule.get("campaign")
        if isinstance(target, str) and target not in names:
            close = get_close_matches(target, names, n=1, cutoff=0.6)
            meant = f"Did you mean {close[0]!r}? " if close else ""
            there = ", ".join(names) or "none"
            yield _located((*here, "campaign"), f"there is no campaign {target!r}", f"{meant}There are: {there}")
        called = rule.get("name") or rule.get("rule")
        if called == "again":
            yield _located((*here, "name"), "'again' is how tasks of a rule 'stop' are named", "Take another name")
        if isinstance(called, str) and (first := labels.setdefault(called, place)) != place:
            what = f"{called!r} is the name of {dotted((*here[:-1], first))} too"
            yield _located(here, what, "Give one of them another 'name': it is part of the keys of its tasks")
        yield from _without_effect(here, rule, campaign)


def _without_effect(here: KeyPath, rule: Mapping[str, Any], campaign: Mapping[str, Any]) -> Iterator[Located]:
    rules = _mappings(campaign.get("then"))
    if rule.get("when") == "agreed" and not any(other.get("rule") == "stop" for other in rules):
        yield _located(
            (*here, "when"),
            "no rule of this campaign says when annotators agree",
            "Add {rule: stop, agree: 2, threshold: 0.9}",
        )
    if rule.get("rule") == "escalate":
        if rule.get("below") is None and rule.get("after_repairs") is not True:
            yield _located(here, "it never escalates", "Give 'below: 0.8', or 'after_repairs: true', or both")
        if rule.get("after_repairs") is True and not any(other.get("rule") == "repair" for other in rules):
            yield _located(
                (*here, "after_repairs"), "no rule of this campaign repairs", "Add {rule: repair}, or use 'below'"
            )


def _ways(campaigns: list[Mapping[str, Any]]) -> Iterator[tuple[int, int, str, str]]:
    """List the rules that lead to another campaign: place of campaign and rule, name, name of the other one."""
    for index, campaign in enumerate(campaigns):
        name = campaign.get("name")
        for place, rule in enumerate(_mappings(campaign.get("then"))):
            target = rule.get("campaign", name if rule.get("rule") == "next" else None)
            if isinstance(name, str) and isinstance(target, str) and (target != name or rule.get("rule") == "next"):
                yield index, place, name, target


def _between(campaigns: list[Mapping[str, Any]]) -> Iterator[Located]:
    """Find rules that lead to a campaign which can not go on from the results."""
    by_name = {campaign["name"]: campaign for campaign in campaigns if isinstance(campaign.get("name"), str)}
    for index, place, name, target in _ways(campaigns):
        here: KeyPath = ("campaigns", index, "then", place)
        rule, source, other = _mappings(campaigns[index].get("then"))[place], campaigns[index], by_name.get(target)
        if other is None or other is source:
            continue
        if source.get("dataset") != other.get("dataset"):
            what = f"{target!r} works on dataset {other.get('dataset')!r}, {name!r} on {source.get('dataset')!r}"
            yield _located((*here, "campaign"), what, "Lead to a campaign on the same dataset")
        kinds = {_kind(source), _kind(other)}
        if kinds == {"skeleton", "volume"} and rule.get("chain") != "none":
            what = f"{target!r} can not go on from results of {name!r}: one is for skeletons, the other for volumes"
            yield _located(here, what, "Write 'chain: none', or make one of the task types hybrid")
        called = rule.get("name") or rule.get("rule")
        for own in _mappings(other.get("then")):
            if own.get("campaign") in (None, target) and called in (own.get("name"), own.get("rule")):
                what = f"{target!r} has a rule {called!r} of its own, so nobody could tell whose task it is"
                yield _located(here, what, "Give the rule another 'name'")


def _kind(campaign: Mapping[str, Any]) -> Any:
    task_type = campaign.get("task_type")
    return task_type.get("kind") if isinstance(task_type, dict) else None


def _endless(campaigns: list[Mapping[str, Any]]) -> Iterator[Located]:
    """Find circles of campaigns in which nothing ever stops.

    A way ends on its own where its campaign has a rule `stop` and the way is not for what agrees: it is gone from then on.
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    first: dict[tuple[str, str], KeyPath] = {}
    for index, place, name, target in _ways(campaigns):
        rules = _mappings(campaigns[index].get("then"))
        stops = any(rule.get("rule") == "stop" for rule in rules)
        if not stops or rules[place].get("when") == "agreed":
            graph.add_edge(name, target)
            first.setdefault((name, target), ("campaigns", index, "then", place))
    for circle in nx.strongly_connected_components(graph):
        inside = [way for way in first if set(way) <= circle]
        if inside and (len(circle) > 1 or any(name == target for name, target in inside)):
            way = min(inside, key=lambda one: [str(step) for step in first[one]])
            yield _located(
                first[way],
                f"work goes round in a circle for ever: {' -> '.join([*sorted(circle), min(circle)])}",
                "Add {rule: stop, agree: 2, threshold: 0.9} to one of them, or take one of the rules out",
            )


def _said_differently(campaigns: list[Mapping[str, Any]]) -> Iterator[Located]:
    """Find projects and task types that two campaigns describe differently: only one of them could be right."""
    for section, keys in (
        ("project", ("team", "priority", "minutes_per_task")),
        ("task_type", ("kind", "mags", "modes")),
    ):
        seen: dict[str, tuple[int, Mapping[str, Any]]] = {}
        for index, campaign in enumerate(campaigns):
            given = campaign.get(section)
            if not isinstance(given, dict) or not isinstance(given.get("name"), str):
                continue
            other, before = seen.setdefault(given["name"], (index, given))
            for key in keys:
                required = key in ("team", "kind") and (
                    key not in given or key not in before
                )  # named as missing already
                if given.get(key) != before.get(key) and not required:
                    what = f"{given['name']!r} has another {key!r} in {dotted(('campaigns', other, section))}"
                    yield _located(
                        ("campaigns", index, section, key), what, "Say the same in both, or use another name"
                    )


def _twice(campaigns: list[Mapping[str, Any]]) -> Iterator[Located]:
    seen: dict[str, int] = {}
    for index, campaign in enumerate(campaigns):
        name = campaign.get("name")
        if isinstance(name, str) and (first := seen.setdefault(name.casefold(), index)) != index:
            what = f"{name!r} is the name of {dotted(('campaigns', first))} too (case does not tell names apart)"
            yield _located(("campaigns", index, "name"), what, "Give every campaign a name of its own")


def _located(path: KeyPath, what: str, remedy: str) -> Located:
    return path, Problem(dotted(path), what, remedy)


def _mappings(items: Any) -> list[Mapping[str, Any]]:
    return [item if isinstance(item, dict) else {} for item in items] if isinstance(items, list) else []
