"""What follows from finished annotations of a campaign: the next tasks, as values. Pure; made in `follow_up_run`.

The keys make duplicates impossible: the same annotation in the same state leads by the same rule to the same key, however
often it is asked, and what follows from all work on a place follows once per place.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from wk_assets.errors import InputError
from wk_assets.facility.campaign import Campaign
from wk_assets.facility.campaign_plan import Place, PlannedTask, TaskKey
from wk_assets.facility.campaign_rules import (
    EscalateRule,
    FollowUpRule,
    NextRule,
    RepairRule,
    ReviewRule,
    When,
    label,
)
from wk_assets.facility.opinions import Opinions
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int

AGAIN = "again"
ALL = "all"
_LONGEST_DESCRIPTION = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Say what a check found in an annotation, and where (a voxel of mag 1; None: nowhere in particular)."""

    check: str
    what: str
    position: Vec3Int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedAnnotation:
    """Be a finished annotation with what is known of it.

    task_key: the `creation_info` of its task; modified: milliseconds since 1970, the state that was looked at.
    open_instances: of its task, not taken or not finished. findings: of the checks that failed.
    agreement: from 0 to 1, by the id of the other annotation on the same place.
    """

    annotation_id: str
    modified: int
    task_id: str
    task_key: str
    author_id: str
    dataset_id: str
    position: Vec3Int
    box: BoundingBox | None = None
    open_instances: int = 0
    findings: tuple[Finding, ...] = ()
    agreement: Mapping[str, float] = field(default_factory=dict, hash=False)

    @property
    def key(self) -> TaskKey:
        """Give the key of its task, taken apart. Raises InputError for a task that is of no campaign."""
        return TaskKey.parse(self.task_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUps:
    """Say what follows.

    tasks: to make, sorted by key. withdrawn: ids of tasks whose instances that nobody has begun are not needed any more.
    settled: places (their digests) on which annotators agree. stuck: ids of annotations with findings that no rule is for.
    """

    tasks: tuple[PlannedTask, ...] = ()
    withdrawn: tuple[str, ...] = ()
    settled: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()


def follow_ups(
    campaign: Campaign, finished: Sequence[FinishedAnnotation], campaigns: Mapping[str, Campaign]
) -> FollowUps:
    """Decide what follows from all finished annotations of a campaign; those of other campaigns do not count.

    `campaigns`: by name, those that rules lead to. Inside of a campaign, repair comes before escalation, and both before
    review; only a result after which nothing of these follows goes on to a next stage. Raises InputError for a key that is
    none of ours.
    """
    places: dict[str, list[FinishedAnnotation]] = {}
    for one in sorted(finished, key=lambda annotation: annotation.annotation_id):
        if one.key.campaign == campaign.name:
            places.setdefault(one.key.place, []).append(one)
    decisions = [_Place(campaign, digest, found, campaigns) for digest, found in sorted(places.items())]
    tasks = {task.key: task for decision in decisions for task in decision.tasks()}
    return FollowUps(
        tasks=tuple(tasks[key] for key in sorted(tasks)),
        withdrawn=tuple(task_id for decision in decisions for task_id in decision.withdrawn()),
        settled=tuple(decision.digest for decision in decisions if decision.best is not None),
        stuck=tuple(annotation_id for decision in decisions for annotation_id in decision.stuck()),
    )


class _Place:
    """Decide about one place from all finished annotations on it."""

    def __init__(
        self, campaign: Campaign, digest: str, found: list[FinishedAnnotation], campaigns: Mapping[str, Campaign]
    ) -> None:
        self.digest = digest
        self._campaign, self._found = campaign, {one.annotation_id: one for one in found}
        self._targets = {campaign.name: campaign, **campaigns}
        # Rules of this campaign for itself: what has another label came from outside, or is its own first work
        self._own = {name for name, rule in campaign.follow_up_rules.items() if rule.campaign in (None, campaign.name)}
        self._replaced = {one.key.parent for one in found if one.key.rule in self._own}
        self._opinions = Opinions.of(
            {
                one.annotation_id: one.agreement
                for one in self._current()
                if not one.findings and not self._by_expert(one)
            }
        )
        self.best = self._best()

    def tasks(self) -> Iterator[PlannedTask]:
        rules = self._campaign.follow_up_rules
        if self.best is not None:
            for rule in rules.values():
                if (
                    isinstance(rule, NextRule | ReviewRule)
                    and rule.when == "agreed"
                    and self._is_first(rule, self.best)
                ):
                    yield self._task(rule, self.best, once_per_place=True)
            return
        for one in self._current():
            inner = self._inner_rule(one)
            if inner is not None:
                yield self._task(inner, one)
                continue
            for rule in rules.values():
                if isinstance(rule, NextRule) and self._fits(rule.when, one):
                    yield self._task(rule, one)
        yield from self._about_disagreement()

    def withdrawn(self) -> list[str]:
        if self.best is None:
            return []
        return sorted({one.task_id for one in self._found.values() if one.open_instances > 0})

    def stuck(self) -> list[str]:
        if self.best is not None:
            return []
        return [one.annotation_id for one in self._current() if one.findings and self._inner_rule(one) is None]

    # ------------------------------------------------------------------ what is known

    def _current(self) -> list[FinishedAnnotation]:
        """List the annotations that no later one has taken the place of."""
        return [one for one in self._found.values() if one.annotation_id not in self._replaced]

    def _labels(self, one: FinishedAnnotation) -> list[str]:
        """List the own rules that led to an annotation, latest first; unknown ancestors count as the latest rule."""
        labels: list[str] = []
        key, left = one.key, one.key.round
        while key.rule in self._own and left > 0:
            labels.append(key.rule)
            left -= 1
            parent = self._found.get(key.parent or "")
            if parent is None:
                return [*labels, *[key.rule] * left]
            key = parent.key
        return labels

    def _by_expert(self, one: FinishedAnnotation) -> bool:
        rules = self._campaign.follow_up_rules
        return any(isinstance(rules.get(name), EscalateRule) for name in self._labels(one))

    def _best(self) -> FinishedAnnotation | None:
        """Give the result that settles the place: an expert's, or the one of those who agree that agrees most."""
        stop = self._campaign.stop
        if stop is None:
            return None
        experts = [one for one in self._current() if self._by_expert(one) and not one.findings]
        if experts:
            return experts[0]
        agreeing = self._opinions.agreeing(stop.threshold)
        return self._found[self._opinions.best(agreeing)] if len(agreeing) >= stop.agree else None

    def _fits(self, when: When, one: FinishedAnnotation) -> bool:
        return when == "finished" or (when == "passed" and not one.findings)

    # ------------------------------------------------------------------ rules

    def _inner_rule(self, one: FinishedAnnotation) -> FollowUpRule | None:
        """Give the rule by which the work on an annotation goes on before it is a result."""
        labels = self._labels(one)
        for kind in (RepairRule, EscalateRule, ReviewRule):
            for name, rule in self._campaign.follow_up_rules.items():
                if isinstance(rule, kind) and self._applies(name, rule, one, labels):
                    return rule
        return None

    def _applies(self, name: str, rule: FollowUpRule, one: FinishedAnnotation, labels: list[str]) -> bool:
        failed = {finding.check for finding in one.findings}
        if isinstance(rule, RepairRule):
            meant = bool(failed) and (not rule.checks or not failed.isdisjoint(rule.checks))
            return meant and labels.count(name) < rule.rounds
        if isinstance(rule, EscalateRule):
            rules = self._campaign.follow_up_rules
            repaired = any(isinstance(rules[before], RepairRule) for before in labels)
            return rule.after_repairs and bool(failed) and repaired and name not in labels
        return (
            isinstance(rule, ReviewRule)
            and name not in labels
            and self._fits(rule.when, one)
            and _chosen(one.annotation_id, rule.share)
        )

    def _is_first(self, rule: FollowUpRule, one: FinishedAnnotation) -> bool:
        return label(rule) not in self._labels(one)

    def _about_disagreement(self) -> Iterator[PlannedTask]:
        """Yield what follows when all are done and do not agree: another opinion, or somebody with more experience."""
        goes_on = [
            rule for rule in map(self._inner_rule, self._current()) if rule is not None and label(rule) in self._own
        ]
        if goes_on or any(one.open_instances for one in self._found.values()):
            return
        opinions = [self._found[name] for name in self._opinions.names]
        if len(opinions) < 2 or not self._opinions.all_compared:
            return
        stop = self._campaign.stop
        best = self._found[self._opinions.best(self._opinions.names)]
        if stop is not None and stop.most is not None and len(opinions) < stop.most:
            yield self._again(best, len(opinions) + 1)
            return
        if any(self._by_expert(one) for one in self._found.values()):
            return
        for rule in self._campaign.follow_up_rules.values():
            if isinstance(rule, EscalateRule) and rule.below is not None and self._opinions.mean < rule.below:
                yield self._task(rule, best, once_per_place=True)

    # ------------------------------------------------------------------ tasks

    def _task(self, rule: FollowUpRule, one: FinishedAnnotation, *, once_per_place: bool = False) -> PlannedTask:
        name = rule.campaign or self._campaign.name
        if name not in self._targets:
            raise InputError(
                f"campaign {self._campaign.name!r}: a rule leads to {name!r}, which is not among the campaigns"
            )
        target = self._targets[name]
        inside = target.name == self._campaign.name
        key = TaskKey(
            campaign=target.name,
            place=self.digest,
            parent=ALL if once_per_place else one.annotation_id,
            modified=0 if once_per_place else one.modified,
            rule=label(rule),
            round=1 if once_per_place else len(self._labels(one)) + 1,
        )
        not_by: set[str] = set()
        if isinstance(rule, ReviewRule):
            not_by = {one.author_id}
        elif isinstance(rule, EscalateRule):
            not_by = {other.author_id for other in self._found.values()}
        return PlannedTask(
            key=str(key),
            campaign=target.name,
            dataset_id=one.dataset_id,
            place=Place(position=_where(rule, one), box=one.box, about=_about(rule, one)),
            experience=rule.experience or target.experience,
            instances=rule.instances or (1 if inside else target.instances),
            description=_about(rule, one),
            base=None if rule.chain == "none" else one.annotation_id,
            from_file=rule.chain == "file",
            not_by=tuple(sorted(not_by)),
        )

    def _again(self, one: FinishedAnnotation, number: int) -> PlannedTask:
        """Ask for one more opinion from the start, of somebody who has not given one."""
        key = TaskKey(campaign=self._campaign.name, place=self.digest, parent=ALL, rule=AGAIN, round=number)
        return PlannedTask(
            key=str(key),
            campaign=self._campaign.name,
            dataset_id=one.dataset_id,
            place=Place(position=one.position, box=one.box, about=f"opinion {number}"),
            experience=self._campaign.experience,
            instances=1,
            description=f"opinion {number}",
            not_by=tuple(sorted({other.author_id for other in self._found.values()})),
        )


def _where(rule: FollowUpRule, one: FinishedAnnotation) -> Vec3Int:
    """Begin a repair where the first thing was found, everything else where the annotation's task began."""
    found = [finding.position for finding in one.findings if finding.position is not None]
    return found[0] if found and isinstance(rule, RepairRule) else one.position


def _about(rule: FollowUpRule, one: FinishedAnnotation) -> str:
    said = f"{rule.rule} of {one.annotation_id}"
    if one.findings and isinstance(rule, RepairRule | EscalateRule):
        said += ": " + "; ".join(f"{finding.check}: {finding.what}" for finding in one.findings)
    return said[:_LONGEST_DESCRIPTION]


def _chosen(annotation_id: str, share: float) -> bool:
    """Choose a share of all annotations by their ids: the same ones every time."""
    return int.from_bytes(sha256(annotation_id.encode()).digest()[:8]) < share * 2**64
