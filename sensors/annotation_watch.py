"""One look at what annotators did: by the cheapest question that can show a change, within a bounded number of requests.

    always          who finished how much                       1 request, for all campaigns together
    on a change     which annotations of that user              1 request per user
                    how each of them is that is not home so     1 request per annotation
    now and then    a full look: a page of 100 tasks            1 request per page
                    the annotations of each task that has any   1 request per task

A tick asks MAX_REQUESTS times at most, and begins no request after MAX_SECONDS (a page costs the server hundreds of queries); the
next goes on where it stopped. Ten thousand tasks of which a thousand are finished are fully looked at in 1,100 requests, which are
29 ticks of a server that is quick enough, and a tick in which nothing happened is one request.
What follows is decided in `annotation_decision`; nothing on the server is changed here.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from sensors.annotation_cursor import Cursor, FullLook, KnownWork
from sensors.annotation_decision import (
    MAX_RUNS,
    Listed,
    Observation,
    Seen,
    WatchedCampaign,
    annotation_key,
    changed_users,
    to_confirm,
)
from wk_assets.client.task_models import ApiAnnotation, ApiTask
from wk_assets.client.time_routes import ApiAnnotationTime, ApiTimeOverview, ApiWork
from wk_assets.errors import InputError, NotOnServerError, RequestRefusedError
from wk_assets.facility.campaign_plan import TaskKey

MAX_REQUESTS: Final = 40
MAX_SECONDS: Final = 3.0
TASKS_PER_PAGE: Final = 100
SECONDS_BETWEEN_FULL_LOOKS: Final = 30 * 60
_KEPT_FOR_FULL_LOOK: Final = 10  # of MAX_REQUESTS: however much people finish, the full look goes on


class AsksAboutWork(Protocol):
    """Be asked about work as `client.WkApiClient` is."""

    def finished_work(self, *, project_ids: Sequence[str], until_millis: int) -> list[ApiTimeOverview]:
        """Sum the finished work per user."""
        ...

    def finished_work_of(
        self, *, user_id: str, project_ids: Sequence[str], until_millis: int
    ) -> list[ApiAnnotationTime]:
        """List a user's finished annotations."""
        ...

    def work_info(self, *, annotation_id: str) -> ApiWork:
        """Describe an annotation and its task."""
        ...

    def task_infos_by_project_id_paginated(
        self, *, project_id: str, limit: int | None, page_number: int | None
    ) -> tuple[list[ApiTask], int]:
        """Return a page of tasks, and how many there are."""
        ...

    def annotation_infos_by_task(self, *, task_id: str) -> list[ApiAnnotation]:
        """List the annotations of a task that are not cancelled."""
        ...


@dataclass(slots=True)
class _Look:
    """Collect what one look sees, and count what it asks."""

    campaigns: Mapping[str, WatchedCampaign]
    clock: Callable[[], float]
    ends: float  # on that clock
    seen: dict[str, Seen] = field(default_factory=dict)
    left: int = MAX_REQUESTS
    full_look: FullLook | None = None
    ended: bool = False

    def note(self, one: Seen) -> None:
        """Take note of an annotation of one of the campaigns."""
        self.seen[one.annotation_id] = one

    def may_ask(self, *, kept: int = 0) -> bool:
        """Say whether there are requests left beside `kept` ones, time, and room for what they show."""
        return self.left > kept and self.clock() < self.ends and not self.full

    @property
    def full(self) -> bool:
        """Say whether as many annotations are to be brought home as one look may ask for."""
        found = (
            annotation_key(one, self.campaigns[one.campaign].home.get(one.annotation_id)) for one in self.seen.values()
        )
        return sum(key is not None for key in found) >= MAX_RUNS


def look(
    campaigns: Mapping[str, WatchedCampaign],
    client: AsksAboutWork,
    cursor: Cursor,
    now: float,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Observation:
    """Ask what may have changed. `campaigns`: those that are active, by name; `clock`: in seconds. Raises ServerError.

    Campaigns whose tasks nobody looked at yet are not asked about: nothing can be finished.
    """
    asked = {name: one for name, one in campaigns.items() if one.tasks is not None and one.problem is None}
    one_look = _Look(campaigns=asked, clock=clock, ends=clock() + MAX_SECONDS, full_look=cursor.full_look)
    through: dict[str, KnownWork] = {}
    if asked:
        through = _look_at_work(one_look, client, cursor, now)
        _look_at_tasks(one_look, client, cursor, now)
    return Observation(
        now=now,
        campaigns=campaigns,
        seen=tuple(one_look.seen.values()),
        looked_through=through,
        full_look=one_look.full_look,
        full_look_ended=one_look.ended,
    )


def _look_at_work(one_look: _Look, client: AsksAboutWork, cursor: Cursor, now: float) -> dict[str, KnownWork]:
    """Ask who finished how much, and look through those whose work changed as far as the requests reach."""
    projects = sorted({one.tasks.project_id for one in one_look.campaigns.values() if one.tasks is not None})
    home = {key: kept for one in one_look.campaigns.values() for key, kept in one.home.items()}
    until = int(now * 1000)
    one_look.left -= 1
    work = {
        one.user.id: KnownWork(annotations=one.annotation_count, millis=one.time_millis)
        for one in client.finished_work(project_ids=projects, until_millis=until)
    }
    through: dict[str, KnownWork] = {}
    for user in changed_users(cursor, work):
        if not one_look.may_ask(kept=_KEPT_FOR_FULL_LOOK + 1):
            break
        one_look.left -= 1
        listed = {
            one.annotation: Listed(annotation_id=one.annotation, millis=one.time_millis)
            for one in client.finished_work_of(user_id=user, project_ids=projects, until_millis=until)
        }
        now_known = work.get(user, KnownWork(annotations=0, millis=0.0))
        before = cursor.users.get(user)
        # A look through the list goes on where it stopped only while the list is the same.
        resumed = before is not None and (before.annotations, before.millis) == (
            now_known.annotations,
            now_known.millis,
        )
        wanted = to_confirm(user, before if resumed else None, listed, home)
        last = None
        for annotation_id in wanted:
            if not one_look.may_ask(kept=_KEPT_FOR_FULL_LOOK):
                through[user] = now_known.model_copy(update={"after": last or ""})
                break
            one_look.left -= 1
            _ask(one_look, client, annotation_id, home[annotation_id].campaign if annotation_id in home else None)
            last = annotation_id
        else:
            through[user] = now_known
    return through


def _ask(one_look: _Look, client: AsksAboutWork, annotation_id: str, campaign: str | None) -> None:
    """Ask how an annotation is; one of a task that is no campaign's is passed over."""
    try:
        told = client.work_info(annotation_id=annotation_id)
    except (RequestRefusedError, NotOnServerError):
        if campaign is not None:
            one_look.note(Seen(annotation_id=annotation_id, campaign=campaign, state=None))
        return
    owner = campaign_of(told.task)
    if owner in one_look.campaigns:
        one_look.note(Seen(annotation_id=told.id, campaign=owner, state=told.state, modified=told.modified))


def campaign_of(task: ApiTask | None) -> str:
    """Name the campaign that a task was made for; empty: for none."""
    try:
        return TaskKey.parse((task.creation_info if task is not None else None) or "").campaign
    except InputError:
        return ""


def _look_at_tasks(one_look: _Look, client: AsksAboutWork, cursor: Cursor, now: float) -> None:
    """Begin a full look if it is time, and go on with it as far as the requests reach."""
    names = sorted(one_look.campaigns)
    at = one_look.full_look
    if at is None and (cursor.looked_at is None or now - cursor.looked_at >= SECONDS_BETWEEN_FULL_LOOKS):
        at = FullLook(campaign=names[0])
    if at is not None and at.campaign not in one_look.campaigns:  # it is not configured any more
        at = _next_campaign(names, at.campaign)
        one_look.ended = at is None
    asked = one_look.left
    # One request at least, however slow the server is: a full look comes to its end.
    while at is not None and (one_look.may_ask() or (one_look.left == asked and not one_look.full)):
        campaign = one_look.campaigns[at.campaign]
        if at.tasks:
            one_look.left -= 1
            _look_at_task(one_look, client, campaign, at.tasks[0])
            at = at.model_copy(update={"tasks": at.tasks[1:]})
            continue
        if at.page is None:
            at = _next_campaign(names, at.campaign)
            one_look.ended = at is None
            continue
        one_look.left -= 1
        at = _page(client, campaign, at.page)
    one_look.full_look = at


def _next_campaign(names: Sequence[str], last: str) -> FullLook | None:
    following = [name for name in names if name > last]
    return FullLook(campaign=following[0]) if following else None


def _page(client: AsksAboutWork, campaign: WatchedCampaign, page: int) -> FullLook:
    """Read one page of tasks; those to ask for have instances that somebody took, or annotations that are home."""
    if campaign.tasks is None:
        return FullLook(campaign=campaign.name, page=None)
    found, total = client.task_infos_by_project_id_paginated(
        project_id=campaign.tasks.project_id, limit=TASKS_PER_PAGE, page_number=page
    )
    at_home = {kept.task_id for kept in campaign.home.values()}
    tasks = tuple(
        task.id
        for task in found
        if campaign_of(task) == campaign.name and (task.status.finished or task.status.active or task.id in at_home)
    )
    ends = not found or (page + 1) * TASKS_PER_PAGE >= total
    return FullLook(campaign=campaign.name, page=None if ends else page + 1, tasks=tasks)


def _look_at_task(one_look: _Look, client: AsksAboutWork, campaign: WatchedCampaign, task_id: str) -> None:
    """Look at all annotations of a task; what is home and not among them was cancelled."""
    try:
        told = client.annotation_infos_by_task(task_id=task_id)
    except NotOnServerError:
        told = []  # the task was deleted, and its annotations with it
    for one in told:
        one_look.note(Seen(annotation_id=one.id, campaign=campaign.name, state=one.state, modified=one.modified))
    there = {one.id for one in told}
    for kept in campaign.home.values():
        if kept.task_id == task_id and kept.annotation_id not in there:
            one_look.note(Seen(annotation_id=kept.annotation_id, campaign=campaign.name, state=None))
