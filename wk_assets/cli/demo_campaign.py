"""The demo's campaign: tasks are made, annotators work, their work comes home, somebody goes over it, all is merged."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wk_assets.cli.quantities import counted
from wk_assets.cli.screen import remark, say

if TYPE_CHECKING:
    from wk_assets.facility.configuration import Configuration

_MOST_ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignStory:
    """Say how a campaign stands. `merged`: the dataset made of what was painted, None: there is none yet."""

    name: str
    project: str
    tasks: int
    open_tasks: int
    reviews: int
    annotations: int
    minutes: float
    merged: Path | None
    segments: int

    def to_json(self) -> dict[str, Any]:
        """Give it for a document."""
        return {
            "name": self.name,
            "project": self.project,
            "tasks": self.tasks,
            "open": self.open_tasks,
            "reviews": self.reviews,
            "annotations": self.annotations,
            "minutes": self.minutes,
            "merged": None if self.merged is None else str(self.merged),
            "segments": self.segments,
        }


def close_the_loop(configuration: "Configuration", campaign: str, go_on: Callable[[], bool]) -> None:
    """Go on with the campaign and let the annotators work, in turns, until they have nothing to do or a run fails.

    `go_on`: run what the campaign asks for, and say whether all went well.
    """
    from wk_assets.cli.demo_annotators import let_annotators_work

    for _ in range(_MOST_ROUNDS):
        if not go_on():
            return
        finished = let_annotators_work(configuration, campaign)
        if not finished:
            return
        remark(f"the stand-in's annotators took and finished {counted(finished, 'task')} of campaign {campaign!r}")


def campaign_story(configuration: "Configuration", name: str) -> CampaignStory | None:
    """Read how a campaign stands from what is home; None: there is no such campaign, or it has no task yet."""
    from wk_assets.facility.campaign_plan import TaskKey
    from wk_assets.facility.campaign_results import SEGMENTS_FILE, final_annotations, version_of
    from wk_assets.facility.kept_annotations import KeptAnnotations

    if name not in configuration.campaigns:
        return None
    dataset = configuration.campaign(name).dataset
    kept = KeptAnnotations(configuration.storage_root, dataset, name)
    tasks = kept.tasks()
    if tasks is None:
        return None
    survey = kept.survey()
    accepted = survey.accepted
    result = kept.folder / "results" / "volume" / version_of(final_annotations(survey))
    merged = result / f"{dataset}-{name}" if result.is_dir() else None
    return CampaignStory(
        name=name,
        project=tasks.project_name,
        tasks=tasks.tasks,
        open_tasks=tasks.open_instances,
        reviews=sum(TaskKey.parse(one.task_key).parent is not None for one in accepted),
        annotations=len(accepted),
        minutes=round(sum(one.worked_millis for one in accepted) / 60_000, 1),
        merged=merged,
        segments=0 if merged is None else len((result / SEGMENTS_FILE).read_text().splitlines()) - 1,
    )


def tell_story(story: CampaignStory) -> None:
    """Tell it to a person."""
    say(
        f"campaign {story.name!r}: {counted(story.tasks, 'task')} in project {story.project!r}, {story.open_tasks} open; "
        f"{counted(story.annotations, 'annotation')} came home ({story.reviews} of them reviews), {story.minutes} minutes of work"
    )
    if story.merged is not None:
        say(f"  merged into one layer of {counted(story.segments, 'segment')}: {story.merged}")
