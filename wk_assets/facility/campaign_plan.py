"""What a campaign will ask the server for, as a value, before anything is asked.

Pure. The places are found in `campaign_places`, the plan is carried out in `campaign_run`.

A task's key names it for ever: `<campaign>/<place>` for planned work, `<campaign>/<place>/<annotation>@<modified>/<rule>`
for what followed from an annotation. `<place>` is a digest of box and position, so the same configuration gives the same
keys, and tasks on one place are known by it across campaigns.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from wk_assets.errors import InputError
from wk_assets.facility.campaign import Campaign
from wk_assets.facility.campaign_rules import Experience
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Say where one task is: a voxel of mag 1 to begin at, and the box to stay inside (None: no box), half-open.

    `about`: what a person reads about it, e.g. `segment 17` or `row 4`.
    """

    position: Vec3Int
    box: BoundingBox | None = None
    about: str = ""

    @property
    def digest(self) -> str:
        """Give twelve hexadecimal digits that depend on position and box alone."""
        box = "" if self.box is None else self.box.to_csv()
        return sha256(f"{','.join(map(str, self.position.to_tuple()))};{box}".encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTask:
    """Be one task before it exists.

    dataset_id: None: the dataset is not on the server yet. base: the annotation that it goes on from.
    from_file: the result is downloaded and sent again, instead of being chained on the server.
    not_by: the ids of users who may not do it, so it is given to somebody else right away.
    """

    key: str
    campaign: str
    dataset_id: str | None
    place: Place
    experience: Experience
    instances: int
    description: str = ""
    base: str | None = None
    from_file: bool = False
    not_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignPlan:
    """Hold all tasks of a campaign in their order, and the keys of those that the server has already."""

    campaign: Campaign
    dataset_id: str | None
    tasks: tuple[PlannedTask, ...]
    existing: frozenset[str] = frozenset()

    @property
    def missing(self) -> tuple[PlannedTask, ...]:
        """List the tasks that are not on the server."""
        return tuple(task for task in self.tasks if task.key not in self.existing)

    def compared(self, there: Collection[str]) -> "CampaignPlan":
        """Note which of the tasks are there already, by the keys that the server has."""
        return replace(self, existing=frozenset(task.key for task in self.tasks if task.key in there))


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskKey:
    """Be a task's key, taken apart. `parent`, `modified` (milliseconds), `rule`: of a follow-up. `round`: from 1."""

    campaign: str
    place: str
    parent: str | None = None
    modified: int = 0
    rule: str | None = None
    round: int = 0

    def __str__(self) -> str:
        root = f"{self.campaign}/{self.place}"
        return root if self.parent is None else f"{root}/{self.parent}@{self.modified}/{self.rule}.{self.round}"

    @classmethod
    def parse(cls, text: str) -> "TaskKey":
        """Take a key apart. Raises InputError for text that is no key of ours."""
        parts = text.removesuffix(".nml").removesuffix(".zip").replace("~", "/").split("/")
        try:
            if len(parts) == 2 and all(parts):
                return cls(campaign=parts[0], place=parts[1])
            campaign, place, result, follow = parts
            parent, modified = result.split("@")
            rule, number = follow.rsplit(".", 1)
            return cls(
                campaign=campaign, place=place, parent=parent, modified=int(modified), rule=rule, round=int(number)
            )
        except ValueError as error:
            raise InputError(f"{text!r} is not the key of a campaign's task; see campaign_plan for its form") from error


def plan_campaign(campaign: Campaign, dataset_id: str | None, places: Iterable[Place]) -> CampaignPlan:
    """Plan a campaign's tasks, one per place, in their order; a place that is named twice is one task."""
    tasks: dict[str, PlannedTask] = {}
    for place in places:
        key = str(TaskKey(campaign=campaign.name, place=place.digest))
        tasks.setdefault(
            key,
            PlannedTask(
                key=key,
                campaign=campaign.name,
                dataset_id=dataset_id,
                place=place,
                experience=campaign.experience,
                instances=campaign.instances,
                description=place.about,
            ),
        )
    return CampaignPlan(campaign=campaign, dataset_id=dataset_id, tasks=tuple(tasks.values()))


def file_name(task: PlannedTask, ending: str) -> str:
    """Name the file of a task that goes on from one: its key, with `~` for `/`, which no file's name may hold."""
    return task.key.replace("/", "~") + ending


def keys_of(creation_infos: Sequence[str | None], campaign: str) -> dict[str, int]:
    """Find the keys of a campaign among what tasks carry: key to its place in the sequence; of several the last one."""
    found: dict[str, int] = {}
    for number, text in enumerate(creation_infos):
        try:
            key = TaskKey.parse(text or "")
        except InputError:
            continue  # a task that somebody else made
        if key.campaign == campaign:
            found[str(key)] = number
    return found
