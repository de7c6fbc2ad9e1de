"""What follows from finished annotations of a campaign: the next tasks, as values. Pure.

The keys make duplicates impossible: the same annotation in the same state leads by the same rule to the same key, however
often it is asked. The tasks are made in `follow_up_run`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wk_assets.facility.campaign import Campaign
from wk_assets.facility.campaign_plan import PlannedTask
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int


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
    findings: of the checks that failed. agreement: from 0 to 1, by the id of the other annotation on the same place.
    """

    annotation_id: str
    modified: int
    task_id: str
    task_key: str
    author_id: str
    dataset_id: str
    position: Vec3Int
    box: BoundingBox | None = None
    findings: tuple[Finding, ...] = ()
    agreement: Mapping[str, float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUps:
    """Say what follows: tasks to make; tasks (by id) whose instances that nobody has begun are withdrawn; problems."""

    tasks: tuple[PlannedTask, ...] = ()
    withdrawn: tuple[str, ...] = ()
    settled: tuple[str, ...] = ()


def follow_ups(
    campaign: Campaign, finished: Sequence[FinishedAnnotation], campaigns: Mapping[str, Campaign]
) -> FollowUps:
    """Decide what follows from all finished annotations of a campaign. `campaigns`: by name, those that rules lead to."""
    raise NotImplementedError
