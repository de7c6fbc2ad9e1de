"""Projects and task types. Source: `webknossos-server` §1.5."""

from typing import Any

from wk_assets.standin.call import Call, Routes
from wk_assets.standin.database import Row, document
from wk_assets.standin.people import asker, compact, existing_user, is_admin, manages, require, team_named
from wk_assets.standin.replies import FormRefusal, Refusal, not_found, said
from wk_assets.standin.world import World

routes = Routes()
TRACING_TYPES = ("skeleton", "volume", "hybrid")
_DEFAULT_SETTINGS = {
    "allowedModes": ["orthogonal", "oblique", "flight"],
    "branchPointsAllowed": True,
    "somaClickingAllowed": True,
    "volumeInterpolationAllowed": False,
    "mergerMode": False,
    "magRestrictions": {},
}


# ---------------------------------------------------------------------- projects


def project_by_name(world: World, name: str) -> dict[str, Any]:
    """Return a project by its name."""
    found = world.database.row("SELECT doc FROM projects WHERE name = ?", (name,))
    if found is None:
        raise not_found("Project", name)
    project: dict[str, Any] = found["doc"]
    return project


def stored_project(world: World, project_id: str) -> dict[str, Any]:
    """Return a project by id."""
    project = world.get("projects", project_id)
    if project is None:
        raise not_found("Project", project_id)
    return project


def project_json(world: World, project: dict[str, Any]) -> dict[str, Any]:
    """Describe a project."""
    owner = world.get("users", project["owner"])
    return {
        **project,
        "teamName": team_named(world, project["team"])["name"],
        "owner": compact(owner) if owner else None,
    }


def _visible(call: Call) -> list[dict[str, Any]]:
    user = asker(call)
    own = {team["id"] for team in user["teams"]}
    return [one for one in call.world.all("projects") if is_admin(user) or one["team"] in own]


@routes.on("api", "GET", "/projects")
def projects(call: Call) -> Any:
    """List the projects of the asker's teams."""
    return [project_json(call.world, project) for project in _visible(call)]


@routes.on("api", "GET", "/projects/withStatus")
def projects_with_status(call: Call) -> Any:
    """List projects with what is still to be done."""
    return [
        {
            **project_json(call.world, project),
            "pendingInstances": sum(
                pending_instances(call.world, task) for task in tasks_of(call.world, project["id"])
            ),
            "tracingTime": _worked_on(call.world, project["id"]),
        }
        for project in _visible(call)
    ]


def tasks_of(world: World, project_id: str) -> list[Row]:
    """Return the tasks of a project, newest first."""
    return world.database.rows("SELECT * FROM tasks WHERE project = ? ORDER BY seq DESC", (project_id,))


def pending_instances(world: World, task: Row) -> int:
    """Count the instances of a task that nobody has taken: those in all less what is not cancelled."""
    taken = world.database.count(
        "SELECT COUNT(*) FROM annotations WHERE task = ? AND typ = 'Task' AND state != 'Cancelled'", (task["id"],)
    )
    return int(task["instances"]) - taken


def _worked_on(world: World, project_id: str) -> int:
    return world.database.count(
        "SELECT SUM(millis) FROM spans JOIN annotations ON annotations.id = spans.annotation "
        "JOIN tasks ON tasks.id = annotations.task WHERE tasks.project = ?",
        (project_id,),
    )


@routes.on("api", "POST", "/projects")
def create_project(call: Call) -> Any:
    """Make a project."""
    user = asker(call)
    body = call.json("name", "team", "priority", "owner", "isBlacklistedFromReport")
    team = team_named(call.world, body["team"])
    require(manages(user, team["id"]), "project.create")
    if not body["name"].strip() or "/" in body["name"]:
        raise Refusal("The project name is not valid.")
    if call.world.database.row("SELECT 1 FROM projects WHERE name = ?", (body["name"],)):
        raise Refusal(f"A project with the name “{body['name']}” exists already.")
    project = {
        "id": call.world.new_id(),
        "name": body["name"],
        "team": team["id"],
        "owner": existing_user(call.world, body["owner"])["id"],
        "priority": body["priority"],
        "paused": bool(body.get("paused")),
        "expectedTime": body.get("expectedTime"),
        "isBlacklistedFromReport": body["isBlacklistedFromReport"],
        "created": call.world.now(),
    }
    values = (project["id"], project["name"], project["team"], document(project))
    call.world.database.change("INSERT INTO projects VALUES (?, ?, ?, ?)", values)
    return project_json(call.world, project)


@routes.on("api", "GET", "/projects/byName/:name")
def get_project_by_name(call: Call) -> Any:
    """Describe a project."""
    asker(call)
    return project_json(call.world, project_by_name(call.world, call.parts["name"]))


@routes.on("api", "GET", "/projects/:id")
def get_project(call: Call) -> Any:
    """Describe a project."""
    asker(call)
    return project_json(call.world, stored_project(call.world, call.parts["id"]))


@routes.on("api", "PUT", "/projects/:id")
def update_project(call: Call) -> Any:
    """Change a project; its name and whether it is paused stay as they are."""
    project = stored_project(call.world, call.parts["id"])
    require(manages(asker(call), project["team"]), "project.update")
    body = call.json("priority", "isBlacklistedFromReport")
    keys = ("priority", "expectedTime", "isBlacklistedFromReport")
    project.update({key: body[key] for key in keys if key in body})
    if body.get("owner"):
        project["owner"] = existing_user(call.world, body["owner"])["id"]
    call.world.save("projects", project["id"], project)
    return project_json(call.world, project)


@routes.on("api", "PATCH", "/projects/:id/pause")
def pause(call: Call) -> Any:
    """Give no more tasks of a project out."""
    return _set_paused(call, paused=True)


@routes.on("api", "PATCH", "/projects/:id/resume")
def resume(call: Call) -> Any:
    """Give tasks of a project out again."""
    return _set_paused(call, paused=False)


def _set_paused(call: Call, *, paused: bool) -> dict[str, Any]:
    project = stored_project(call.world, call.parts["id"])
    require(manages(asker(call), project["team"]), "project.pause")
    project["paused"] = paused
    call.world.save("projects", project["id"], project)
    return project_json(call.world, project)


@routes.on("api", "PATCH", "/projects/:id/incrementEachTasksInstances")
def increment(call: Call) -> Any:
    """Add instances to every task of a project."""
    project = stored_project(call.world, call.parts["id"])
    require(manages(asker(call), project["team"]), "project.update")
    delta = call.number("delta", 1) or 0
    if delta < 0 and any(
        pending_instances(call.world, task) + delta < 0 for task in tasks_of(call.world, project["id"])
    ):
        raise Refusal("A task would have fewer than zero pending instances.")
    call.world.database.change("UPDATE tasks SET instances = instances + ? WHERE project = ?", (delta, project["id"]))
    return project_json(call.world, project)


@routes.on("api", "DELETE", "/projects/:id")
def delete_project(call: Call) -> Any:
    """Delete a project and its tasks."""
    project = stored_project(call.world, call.parts["id"])
    user = asker(call)
    if not (is_admin(user) or project["owner"] == user["id"]):
        raise Refusal("You are not authorized to delete this project; please ask the project owner.", 403)
    remove_tasks(call.world, "project", project["id"])
    call.world.database.change("DELETE FROM projects WHERE id = ?", (project["id"],))
    return said("Project was deleted.")


def remove_tasks(world: World, column: str, value: str) -> None:
    """Delete tasks, and cancel what is being worked on."""
    world.database.change(
        f"UPDATE annotations SET state = 'Cancelled' WHERE typ = 'Task' AND task IN (SELECT id FROM tasks WHERE {column} = ?)",  # noqa: S608, E501  # a column's name of ours
        (value,),
    )
    world.database.change(f"DELETE FROM tasks WHERE {column} = ?", (value,))  # noqa: S608  # as above


# ---------------------------------------------------------------------- task types


def stored_task_type(world: World, type_id: str) -> dict[str, Any]:
    """Return a task type by id."""
    found = world.get("task_types", type_id)
    if found is None:
        raise not_found("Task type", type_id)
    return found


def task_type_json(world: World, task_type: dict[str, Any]) -> dict[str, Any]:
    """Describe a task type."""
    return {**task_type, "teamName": team_named(world, task_type["teamId"])["name"]}


@routes.on("api", "GET", "/taskTypes")
def task_types(call: Call) -> Any:
    """List the task types of the asker's teams."""
    user = asker(call)
    own = {team["id"] for team in user["teams"]}
    found = call.world.all("task_types")
    return [task_type_json(call.world, one) for one in found if is_admin(user) or one["teamId"] in own]


@routes.on("api", "GET", "/taskTypes/:id")
def task_type(call: Call) -> Any:
    """Describe a task type."""
    asker(call)
    return task_type_json(call.world, stored_task_type(call.world, call.parts["id"]))


@routes.on("api", "POST", "/taskTypes")
def create_task_type(call: Call) -> Any:
    """Make a task type."""
    body = call.json("summary", "description", "teamId", "tracingType")
    team = team_named(call.world, body["teamId"])
    require(manages(asker(call), team["id"]), "taskType.create")
    if body["tracingType"] not in TRACING_TYPES:
        raise FormRefusal({"tracingType": "error.expected.validenumvalue"})
    settings = body.get("settings") or {}
    if body.get("settings") and "allowedModes" not in settings:
        raise FormRefusal({"settings.allowedModes": "error.path.missing"})
    if call.world.database.row("SELECT 1 FROM task_types WHERE summary = ?", (body["summary"],)):
        raise Refusal(f"A task type with the summary “{body['summary']}” exists already.")
    made = {
        "id": call.world.new_id(),
        "summary": body["summary"],
        "description": body["description"],
        "teamId": team["id"],
        "settings": {**_DEFAULT_SETTINGS, **settings},
        "recommendedConfiguration": body.get("recommendedConfiguration"),
        "tracingType": body["tracingType"],
    }
    values = (made["id"], made["summary"], made["teamId"], document(made))
    call.world.database.change("INSERT INTO task_types VALUES (?, ?, ?, ?)", values)
    return task_type_json(call.world, made)


@routes.on("api", "DELETE", "/taskTypes/:id")
def delete_task_type(call: Call) -> Any:
    """Delete a task type and its tasks."""
    found = stored_task_type(call.world, call.parts["id"])
    require(manages(asker(call), found["teamId"]), "taskType.delete")
    remove_tasks(call.world, "task_type", found["id"])
    call.world.database.change("DELETE FROM task_types WHERE id = ?", (found["id"],))
    return said("Task type was deleted.")
