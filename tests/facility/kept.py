"""Annotations as they are when they are home."""

from typing import Any

from wk_assets.facility.kept_annotations import KeptAnnotation, Verdict

PLACE = "abcdef012345"


def kept_annotation(number: int, **changes: Any) -> KeptAnnotation:
    values: dict[str, Any] = {
        "annotation_id": f"{number:024x}", "campaign": "paint", "dataset_id": "d", "task_id": f"task-{number}",
        "task_key": f"paint/{PLACE}", "author_id": f"user-{number}", "author": f"User {number}",
        "verdict": Verdict.ACCEPTED, "modified": 1000 + number, "version": 1, **changes,
    }  # fmt: skip
    return KeptAnnotation(**values)
