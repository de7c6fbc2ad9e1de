"""Time that was worked: the cheapest way to notice finished work. Source: `webknossos-server` §1.7."""

from typing import Any

from wk_assets.standin.call import Call, Routes
from wk_assets.standin.people import asker, existing_user, is_admin, manages, require, team_named
from wk_assets.standin.projects import pending_instances, stored_project, tasks_of
from wk_assets.standin.tasks import task_json

routes = Routes()


def _spans(call: Call, owner: str | None) -> list[dict[str, Any]]:
    """Return time spans with what they were spent on, as the query narrows them."""
    clauses, values = ["spans.start >= ?", "spans.start <= ?"], [call.number("start", 0), call.number("end", 2**62)]
    if owner is not None:
        clauses.append("spans.owner = ?")
        values.append(owner)  # type: ignore[arg-type]  # texts and numbers alike are bound
    for name, column in (
        ("annotationTypes", "annotations.typ"),
        ("annotationStates", "annotations.state"),
        ("projectIds", "tasks.project"),
    ):
        wanted = [one for one in (call.query.get(name) or "").split(",") if one]
        if wanted:
            clauses.append(f"{column} IN ({', '.join('?' * len(wanted))})")
            values.extend(wanted)  # type: ignore[arg-type]  # as above
    return call.world.database.rows(
        "SELECT spans.*, annotations.task AS task, tasks.project AS project FROM spans "  # noqa: S608  # our own columns
        "JOIN annotations ON annotations.id = spans.annotation LEFT JOIN tasks ON tasks.id = annotations.task "
        f"WHERE {' AND '.join(clauses)} ORDER BY spans.start",
        values,
    )


@routes.on("api", "GET", "/time/overview")
def overview(call: Call) -> Any:
    """Sum, per user, the time and the annotations that time was spent on."""
    user = asker(call)
    sums: dict[str, tuple[int, set[str]]] = {}
    for span in _spans(call, None):
        millis, annotations = sums.get(span["owner"], (0, set()))
        sums[span["owner"]] = (millis + span["millis"], annotations | {span["annotation"]})
    told = []
    for owner_id, (millis, annotations) in sums.items():
        owner = existing_user(call.world, owner_id)
        if is_admin(user) or user["id"] == owner_id or any(manages(user, team["id"]) for team in owner["teams"]):
            names = {key: owner[key] for key in ("id", "firstName", "lastName", "email")}
            told.append({"user": names, "timeMillis": millis, "annotationCount": len(annotations)})
    return told


def _owner(call: Call) -> dict[str, Any]:
    user, owner = asker(call), existing_user(call.world, call.parts["user"])
    require(
        is_admin(user) or user["id"] == owner["id"] or any(manages(user, team["id"]) for team in owner["teams"]),
        "time.user",
    )
    return owner


@routes.on("api", "GET", "/time/user/:user/spans")
def spans(call: Call) -> Any:
    """List a user's time spans."""
    return [
        {
            "userId": span["owner"],
            "timestamp": span["start"],
            "durationInSeconds": span["millis"] // 1000,
            "annotationId": span["annotation"],
            "taskId": span["task"],
            "projectName": stored_project(call.world, span["project"])["name"] if span["project"] else None,
        }
        for span in _spans(call, _owner(call)["id"])
    ]


@routes.on("api", "GET", "/time/user/:user/summedByAnnotation")
def summed_by_annotation(call: Call) -> Any:
    """Sum a user's time per annotation."""
    sums: dict[str, dict[str, Any]] = {}
    for span in _spans(call, _owner(call)["id"]):
        entry = sums.setdefault(
            span["annotation"],
            {
                "annotation": span["annotation"],
                "task": span["task"],
                "projectName": stored_project(call.world, span["project"])["name"] if span["project"] else None,
                "timeMillis": 0,
                "annotationLayerStats": [],
            },
        )
        entry["timeMillis"] += span["millis"]
    return list(sums.values())


@routes.on("api", "GET", "/teams/:id/projectProgressReport")
def progress(call: Call) -> Any:
    """Count, per project of a team, what is done and what is not."""
    team = team_named(call.world, call.parts["id"])
    require(manages(asker(call), team["id"]), "team.progress")
    told = []
    for project in call.world.all("projects"):
        if project["team"] != team["id"] or project["isBlacklistedFromReport"]:
            continue
        tasks = tasks_of(call.world, project["id"])
        shown = [task_json(call.world, task) for task in tasks]
        told.append(
            {
                "projectName": project["name"],
                "paused": project["paused"],
                "priority": project["priority"],
                "totalTasks": len(tasks),
                "totalInstances": sum(task["instances"] for task in tasks),
                "pendingInstances": sum(pending_instances(call.world, task) for task in tasks),
                "activeInstances": sum(task["status"]["active"] for task in shown),
                "finishedInstances": sum(task["status"]["finished"] for task in shown),
                "billedMilliseconds": sum(task["tracingTime"] or 0 for task in shown),
            }
        )
    return told
