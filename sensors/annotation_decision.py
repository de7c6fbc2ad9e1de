"""Which annotations are brought home now, which campaigns go on, and what the others wait for. Pure decisions.

    changed_users(cursor, work)         whose list of finished annotations is worth asking for
    to_confirm(known, listed, home)     which of them to ask for one by one
    decide(cursor, observation)         what to request, what to remember, what to say

Nothing is asked, read or requested here: `annotation_watch` asks, `annotations` hands the decision to Dagster.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from sensors.annotation_cursor import Cursor, FullLook, KnownWork
from wk_assets.facility.kept_annotations import KeptAnnotation, KeptTasks, Verdict

MAX_RUNS: Final = 20  # so many to bring home end a look, after the task at which it is; the next look goes on there
MAX_SENTENCES: Final = 12
IDLE_SECONDS: Final = 14 * 24 * 3600
_TOLERATED_MILLIS: Final = 1000  # the server's two sums of the same work are rounded in different places


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedCampaign:
    """Say what is known here of a campaign. `made_from`: what its tasks would be made from now (see `kept_annotations`).

    `problem`: why nothing can be done for it (it is not published yet, a file can not be read).
    """

    name: str
    dataset: str
    home: Mapping[str, KeptAnnotation]
    tasks: KeptTasks | None
    made_from: str
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Name one finished annotation of a user as the list of work does."""

    annotation_id: str
    millis: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Say how an annotation is on the server now. `state` None: it was cancelled, or is gone. `modified`: milliseconds."""

    annotation_id: str
    campaign: str
    state: str | None
    modified: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Everything that a decision depends on.

    now: seconds since 1970. campaigns: those that are active, by name. seen: what was asked about annotations.
    looked_through: users whose changed work was looked at, as it is to be remembered. full_look: how far it is after this
    tick (None: none is under way). full_look_ended: it came to its end now. requested: run keys that were requested before,
    with what became of them. problem: why the server could not be asked (all of it, or on).
    """

    now: float
    campaigns: Mapping[str, WatchedCampaign]
    seen: tuple[Seen, ...] = ()
    looked_through: Mapping[str, KnownWork] = field(default_factory=lambda: MappingProxyType({}))
    full_look: FullLook | None = None
    full_look_ended: bool = False
    requested: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BringHome:
    """Ask for one annotation to be brought home as it is now."""

    campaign: str
    dataset: str
    annotation_id: str
    run_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoOn:
    """Ask for a campaign's tasks to be made anew, or (`results`) for its results."""

    campaign: str
    dataset: str
    results: bool
    run_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to request, what to remember, and one sentence about each thing that waits."""

    annotations: tuple[BringHome, ...]
    steps: tuple[GoOn, ...]
    cursor: Cursor
    sentences: tuple[str, ...]

    @property
    def reason(self) -> str:
        """Say in a few lines why nothing (else) is requested."""
        shown = list(self.sentences[:MAX_SENTENCES])
        if len(self.sentences) > MAX_SENTENCES:
            shown.append(f"… and {len(self.sentences) - MAX_SENTENCES} more")
        return "\n".join(shown)


def changed_users(cursor: Cursor, work: Mapping[str, KnownWork]) -> tuple[str, ...]:
    """List users whose finished work is another than what is remembered; those whose look is under way come first.

    Who has no finished work any more (reopened, cancelled) has changed too.
    """
    nothing = KnownWork(annotations=0, millis=0.0)
    changed = [
        user for user in sorted({*work, *cursor.users}) if cursor.users.get(user, nothing) != work.get(user, nothing)
    ]
    return tuple(sorted(changed, key=lambda user: user not in cursor.users or cursor.users[user].after is None))


def to_confirm(
    user: str, known: KnownWork | None, listed: Mapping[str, Listed], home: Mapping[str, KeptAnnotation]
) -> tuple[str, ...]:
    """List the annotations of a user to ask for one by one, in the order of their ids, after those that were asked for.

    These are: finished and not home; home with another time of work, or not counting; home and not finished any more.
    """
    wanted = [
        one.annotation_id
        for one in listed.values()
        if (kept := home.get(one.annotation_id)) is None
        or kept.verdict is not Verdict.ACCEPTED
        or abs(kept.worked_millis - one.millis) > _TOLERATED_MILLIS
    ]
    wanted += [
        kept.annotation_id
        for kept in home.values()
        if kept.author_id == user and kept.verdict is Verdict.ACCEPTED and kept.annotation_id not in listed
    ]
    after = known.after if known is not None and known.after is not None else ""
    return tuple(sorted(one for one in wanted if one > after))


def annotation_key(one: Seen, home: KeptAnnotation | None) -> str | None:
    """Build the run key that brings an annotation home as it is now; None: there is nothing to do.

    `modified` is part of it: reopened and finished again is another result.
    """
    counts = home is not None and home.verdict is not Verdict.WITHDRAWN
    if one.state is None:
        return f"annotation:{one.annotation_id}@{home.modified} cancelled" if home is not None and counts else None
    if one.state != "Finished" or (home is not None and counts and home.modified == one.modified):
        return None
    return f"annotation:{one.annotation_id}@{one.modified}"


def step_key(campaign: WatchedCampaign) -> tuple[bool, str] | None:
    """Say what a campaign asks for next: whether it is its results, and the run key; None: it waits for people."""
    tasks = campaign.tasks
    if tasks is None or tasks.made_from != campaign.made_from:
        return False, f"tasks:{campaign.dataset}/{campaign.name}@{campaign.made_from}"
    accepted = any(one.verdict is Verdict.ACCEPTED for one in campaign.home.values())
    if tasks.open_instances == 0 and accepted:
        return True, f"results:{campaign.dataset}/{campaign.name}@{campaign.made_from}"
    return None


def decide(cursor: Cursor, observation: Observation) -> Decision:
    """Bring home what was seen finished (a look stops at about MAX_RUNS); let campaigns go on that have nothing on its way."""
    sentences = [observation.problem] if observation.problem else []
    annotations: dict[str, BringHome] = {}
    for one in observation.seen:
        campaign = observation.campaigns[one.campaign]
        home = campaign.home.get(one.annotation_id)
        key = annotation_key(one, home)
        if key is None:
            sentences += _about_open(one, home, observation.now)
        elif (became := observation.requested.get(key)) is not None:
            sentences.append(f"annotation {one.annotation_id} of {one.campaign}: its run {became}")
        else:
            annotations[key] = BringHome(
                campaign=one.campaign, dataset=campaign.dataset, annotation_id=one.annotation_id, run_key=key
            )
    busy = {one.campaign for one in annotations.values()}
    steps = []
    for campaign in observation.campaigns.values():
        if campaign.problem is not None:
            sentences.append(f"{campaign.name}: {campaign.problem}")
        elif campaign.name not in busy:
            step, told = _step(campaign, observation.requested)
            steps += [step] if step else []
            sentences += [told] if told else []
    return Decision(
        annotations=tuple(annotations.values()),
        steps=tuple(steps),
        cursor=_remembered(cursor, observation),
        sentences=tuple(sentences),
    )


def _remembered(cursor: Cursor, observation: Observation) -> Cursor:
    users = {**cursor.users, **observation.looked_through}
    kept = {user: known for user, known in sorted(users.items()) if known.annotations or known.after}
    return replace(
        cursor,
        users=MappingProxyType(kept),
        full_look=observation.full_look,
        looked_at=observation.now if observation.full_look_ended else cursor.looked_at,
    )


def _step(campaign: WatchedCampaign, requested: Mapping[str, str]) -> tuple[GoOn | None, str | None]:
    wanted = step_key(campaign)
    if wanted is None:
        tasks = campaign.tasks
        waits = "" if tasks is None else f"{tasks.pending} instances wait for annotators, {tasks.active} are worked on"
        done = tasks is not None and not tasks.open_instances
        return None, f"{campaign.name}: {'nothing is open, and nothing was finished' if done else waits}"
    results, key = wanted
    what = "results" if results else "tasks"
    if key in requested:
        return None, f"{campaign.name}: the run of its {what} {requested[key]}"
    return GoOn(campaign=campaign.name, dataset=campaign.dataset, results=results, run_key=key), None


def _about_open(one: Seen, home: KeptAnnotation | None, now: float) -> list[str]:
    """Say what is unusual about an annotation that is not to be brought home."""
    if one.state == "Active" and home is not None and home.verdict is Verdict.ACCEPTED:
        return [
            f"annotation {one.annotation_id} of {one.campaign} was reopened; it comes home again when it is finished"
        ]
    days = (now - one.modified / 1000) / 86400
    if one.state == "Active" and days * 86400 > IDLE_SECONDS:
        return [f"annotation {one.annotation_id} of {one.campaign} has been open for {days:.0f} days without a change"]
    return []
