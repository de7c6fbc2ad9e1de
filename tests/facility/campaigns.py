"""Campaigns as a person would write them, and finished annotations on their places."""

from pathlib import Path
from typing import Any

from wk_assets.facility.campaign import Campaign
from wk_assets.facility.campaign_plan import TaskKey
from wk_assets.facility.follow_up import Finding, FinishedAnnotation
from wk_assets.geometry.vec3_int import Vec3Int

DATASET = "0" * 24
PLACE = "abcdef012345"


def document(**changes: Any) -> dict[str, Any]:
    return {
        "name": "seeds", "dataset": DATASET, "layers": ["color"], "project": {"name": "p", "team": "annotators"},
        "task_type": {"name": "trace", "kind": "skeleton"}, "experience": {"domain": "sample", "value": 1},
        "work": {"rule": "grid", "size": 4}, **changes,
    }  # fmt: skip


def campaign(home: Path = Path("/"), **changes: Any) -> Campaign:
    return Campaign.model_validate(document(**changes), context={"home": home})


def finished(name: str, *, key: str | None = None, author: str | None = None, **changes: Any) -> FinishedAnnotation:
    """Say that an annotation is finished: by default first work of `seeds` on the one place, by an author of its own."""
    values: dict[str, Any] = {
        "annotation_id": name, "modified": 1000, "task_id": f"task-of-{name}", "task_key": key or f"seeds/{PLACE}",
        "author_id": author or f"author-of-{name}", "dataset_id": DATASET, "position": Vec3Int(1, 2, 3), **changes,
    }  # fmt: skip
    return FinishedAnnotation(**values)


def following(parent: str, rule: str, number: int = 1, modified: int = 1000) -> str:
    """Write the key of a task that followed from an annotation."""
    return str(TaskKey(campaign="seeds", place=PLACE, parent=parent, modified=modified, rule=rule, round=number))


def found(check: str = "inside_box", **changes: Any) -> Finding:
    return Finding(check=check, what="3 voxels outside", **changes)
