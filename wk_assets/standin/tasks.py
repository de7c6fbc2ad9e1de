"""Tasks: making many at once, giving them out, counting. Source: `webknossos-server` §1.5 and §1.6."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from wk_assets.standin.annotation_files import Contents, read_contents
from wk_assets.standin.annotation_store import (
    add_annotation,
    annotation_json,
    annotations_of_task,
    start_of_task,
    stored_annotation,
)
from wk_assets.standin.call import Call, Routes
from wk_assets.standin.database import Row, document
from wk_assets.standin.dataset_store import may_read, stored_dataset, team_may_read
from wk_assets.standin.people import User, asker, existing_user, is_admin, manages, manages_any, require, team_named
from wk_assets.standin.projects import (
    pending_instances,
    project_by_name,
    stored_project,
    stored_task_type,
    task_type_json,
    tasks_of,
)
from wk_assets.standin.replies import FormRefusal, Refusal, not_found, said
from wk_assets.standin.world import World

routes = Routes()
_LIST_LIMIT = 1000
_LIMITS = {"skeleton": 1000, "volume": 100, "hybrid": 100}


def stored_task(world: World, task_id: str) -> Row:
    """Return a task by id."""
    found = world.database.row("SELECT * FROM tasks WHERE id = ?", (task_id,))
    if found is None:
        raise not_found("Task", task_id)
    return found


def task_json(world: World, task: Row) -> dict[str, Any]:
    """Describe a task. `finished` is what is neither pending nor active, so it counts what is being prepared too."""
    project = stored_project(world, task["project"])
    dataset = world.get("datasets", task["dataset"])
    pending = pending_instances(world, task)
    active = sum(1 for one in annotations_of_task(world, task["id"]) if one["state"] == "Active")
    working = world.database.count(
        "SELECT SUM(millis) FROM spans WHERE annotation IN (SELECT id FROM annotations WHERE task = ?)", (task["id"],)
    )
    doc = task["doc"]
    return {
        "id": task["id"], "projectId": project["id"], "projectName": project["name"],
        "team": team_named(world, project["team"])["name"],
        "type": task_type_json(world, stored_task_type(world, task["task_type"])),
        "datasetName": dataset["name"] if dataset else "", "datasetId": task["dataset"],
        "neededExperience": doc["neededExperience"], "created": doc["created"],
        "status": {"pending": pending, "active": active, "finished": task["instances"] - pending - active},
        "script": None, "tracingTime": working or None, "creationInfo": doc["creationInfo"],
        "boundingBox": doc["boundingBox"], "editPosition": doc["editPosition"], "editRotation": doc["editRotation"],
    }  # fmt: skip


# ---------------------------------------------------------------------- making


def _one_of_all(kind: str, values: list[str]) -> str:
    if len(set(values)) != 1:
        raise Refusal(f"All tasks of a request must have the same {kind}.")
    return values[0]


def _check_amount(world: World, amount: int, type_id: str) -> dict[str, Any]:
    task_type = stored_task_type(world, type_id)
    limit = _LIMITS[task_type["tracingType"]]
    if amount > limit:
        raise Refusal(f"Cannot create more than {limit} tasks of type {task_type['tracingType']} in one request.")
    return task_type


def _warnings(world: World, dataset: dict[str, Any], projects: set[str]) -> list[str]:
    warnings = []
    for name in sorted(projects):
        team = team_named(world, project_by_name(world, name)["team"])
        if not team_may_read(world, team["id"], dataset):
            warnings.append(f"Project team “{team['name']}” has no read permission to dataset “{dataset['name']}”.")
    return warnings


def _outcome(world: World, make: Callable[[], Row]) -> dict[str, Any]:
    try:
        return {"status": 200, "success": task_json(world, make())}
    except Refusal as error:
        return {"status": error.status, "error": error.message}


def _make(call: Call, body: dict[str, Any], *, base: str | None, creation_info: str | None) -> Row:
    world, user = call.world, asker(call)
    project = project_by_name(world, body["projectName"])
    if body.get("scriptId"):
        raise not_found("Script", body["scriptId"])
    require(manages(user, project["team"]), "task.create")
    if body["pendingInstances"] < 1:
        raise Refusal("A task needs at least one instance.")
    box = body.get("boundingBox")
    if box is not None and not (box["width"] and box["height"] and box["depth"]):
        box = None
    doc = {
        "neededExperience": body["neededExperience"], "created": world.now(), "creationInfo": creation_info,
        "boundingBox": box, "editPosition": body["editPosition"], "editRotation": body["editRotation"], "base": base,
    }  # fmt: skip
    task_id = world.new_id()
    world.database.change(
        "INSERT INTO tasks (id, project, task_type, dataset, instances, doc) VALUES (?, ?, ?, ?, ?, ?)",
        (task_id, project["id"], body["taskTypeId"], body["datasetId"], body["pendingInstances"], document(doc)),
    )
    return stored_task(world, task_id)


@routes.on("api", "POST", "/tasks")
def create_tasks(call: Call) -> Any:
    """Make tasks; each has an outcome of its own."""
    bodies = call.json()
    if not isinstance(bodies, list) or not bodies:
        raise Refusal("There must be at least one task to create.")
    needed = (
        "taskTypeId",
        "neededExperience",
        "pendingInstances",
        "projectName",
        "datasetId",
        "editPosition",
        "editRotation",
    )
    for number, body in enumerate(bodies):
        missing = {f"{number}.{name}": "error.path.missing" for name in needed if body.get(name) is None}
        if missing:
            raise FormRefusal(missing)
    type_id = _one_of_all("task type", [body["taskTypeId"] for body in bodies])
    dataset_id = _one_of_all("dataset", [body["datasetId"] for body in bodies])
    dataset = stored_dataset(call.world, dataset_id)
    if not may_read(call.world, asker(call), dataset):
        raise not_found("Dataset", dataset_id)
    _check_amount(call.world, len(bodies), type_id)
    made = [_outcome(call.world, partial(_make_from_base, call, body)) for body in bodies]
    return {"tasks": made, "warnings": _warnings(call.world, dataset, _projects(bodies, made))}


def _make_from_base(call: Call, body: dict[str, Any]) -> Row:
    return _make(call, body, base=_base_of(call, body), creation_info=body.get("creationInfo"))


def _projects(bodies: list[dict[str, Any]], made: list[dict[str, Any]]) -> set[str]:
    return {body["projectName"] for body, one in zip(bodies, made, strict=True) if "success" in one}


def _base_of(call: Call, body: dict[str, Any]) -> str | None:
    """Return the annotation that a task starts from: named itself, or by its task if that has one finished instance."""
    if not body.get("baseAnnotation"):
        return None
    world, base = call.world, body["baseAnnotation"]["baseId"]
    if world.database.row("SELECT 1 FROM tasks WHERE id = ?", (base,)):
        finished = [one for one in annotations_of_task(world, base) if one["state"] == "Finished"]
        if len(finished) != 1:
            raise Refusal(f"Task {base} has {len(finished)} finished instances; one is needed to start from.")
        return str(finished[0]["id"])
    return str(stored_annotation(world, base)["id"])


@routes.on("api", "POST", "/tasks/createFromFiles")
def create_from_files(call: Call) -> Any:
    """Make one task per file, named after it."""
    parameters = json.loads(call.field("formJSON"))
    files = [read_contents(name, body) for name, body in call.files()]
    if not files:
        raise Refusal("There must be at least one file to create tasks from.")
    task_type = _check_amount(call.world, len(files), parameters["taskTypeId"])
    dataset_ids = [_dataset_of(call.world, one) for one in files]
    dataset = stored_dataset(call.world, _one_of_all("dataset", dataset_ids))
    if task_type["tracingType"] == "volume" and not all(one.has_volume for one in files):
        raise Refusal("A task of type volume needs a file with a volume layer.")

    def make(contents: Contents) -> Row:
        base = add_annotation(
            call.world,
            typ="TracingBase",
            dataset_id=dataset["id"],
            owner=None,
            layers=list(contents.layers),
            body=(contents.name, contents.body),
        )
        body = {
            **parameters,
            "datasetId": dataset["id"],
            "editPosition": list(contents.edit_position),
            "editRotation": list(contents.edit_rotation),
            "boundingBox": parameters.get("boundingBox") or contents.box,
        }
        return _make(call, body, base=base["id"], creation_info=contents.name)

    made = [_outcome(call.world, partial(make, one)) for one in files]
    projects = {parameters["projectName"]} if any("success" in one for one in made) else set()
    return {"tasks": made, "warnings": _warnings(call.world, dataset, projects)}


def _dataset_of(world: World, contents: Contents) -> str:
    if contents.dataset_id:
        return contents.dataset_id
    found = world.database.row(
        "SELECT id FROM datasets WHERE deleted = 0 AND (directory = ? OR name = ?) ORDER BY rowid DESC",
        (contents.dataset_name, contents.dataset_name),
    )
    if found is None:
        raise not_found("Dataset", contents.dataset_name)
    return str(found["id"])


# ---------------------------------------------------------------------- looking, changing


@routes.on("api", "POST", "/tasks/list", changes=False)
def list_tasks(call: Call) -> Any:
    """List tasks, no more than a thousand, without saying so."""
    user, wanted = asker(call), call.json() or {}
    clauses, values = ["1"], []
    for key, column in (("project", "project"), ("taskType", "task_type")):
        if wanted.get(key):
            clauses.append(f"{column} = ?")
            values.append(wanted[key])
    if wanted.get("ids"):
        clauses.append(f"id IN ({', '.join('?' * len(wanted['ids']))})")
        values.extend(wanted["ids"])
    if wanted.get("user"):
        clauses.append("id IN (SELECT task FROM annotations WHERE owner = ? AND state != 'Cancelled')")
        values.append(wanted["user"])
    query = f"SELECT * FROM tasks WHERE {' AND '.join(clauses)} ORDER BY seq LIMIT {_LIST_LIMIT}"  # noqa: S608  # our own words
    own = {team["id"] for team in user["teams"]}
    found = call.world.database.rows(query, values)
    seen = [task for task in found if is_admin(user) or stored_project(call.world, task["project"])["team"] in own]
    return [task_json(call.world, task) for task in seen]


@routes.on("api", "GET", "/tasks/experienceDomains")
def experience_domains(call: Call) -> Any:
    """List the domains that users have experience in."""
    asker(call)
    return sorted({domain for user in call.world.all("users") for domain in user["experiences"]})


@routes.on("api", "GET", "/tasks/:id")
def get_task(call: Call) -> Any:
    """Describe a task."""
    asker(call)
    return task_json(call.world, stored_task(call.world, call.parts["id"]))


@routes.on("api", "GET", "/tasks/:id/annotations")
def task_annotations(call: Call) -> Any:
    """List the annotations of a task."""
    task = stored_task(call.world, call.parts["id"])
    project = stored_project(call.world, task["project"])
    require(manages(asker(call), project["team"]), "task.annotations")
    told = task_json(call.world, task)
    return [annotation_json(call.world, one, call.user, told) for one in annotations_of_task(call.world, task["id"])]


@routes.on("api", "GET", "/projects/:id/tasks")
def project_tasks(call: Call) -> Any:
    """List the tasks of a project, newest first, by pages."""
    project = stored_project(call.world, call.parts["id"])
    require(manages(asker(call), project["team"]), "project.tasks")
    return [task_json(call.world, task) for task in call.page(tasks_of(call.world, project["id"]))]


@routes.on("api", "PUT", "/tasks/:id")
def update_task(call: Call) -> Any:
    """Change how many instances are pending; nothing else has an effect."""
    task = stored_task(call.world, call.parts["id"])
    require(manages(asker(call), stored_project(call.world, task["project"])["team"]), "task.update")
    wanted = call.json("pendingInstances")["pendingInstances"]
    if wanted < 0:
        raise Refusal("Pending instances can not be negative.")
    difference = wanted - pending_instances(call.world, task)
    call.world.database.change("UPDATE tasks SET instances = instances + ? WHERE id = ?", (difference, task["id"]))
    return said("Task was edited.", task_json(call.world, stored_task(call.world, task["id"])))


@routes.on("api", "DELETE", "/tasks/:id")
def delete_task(call: Call) -> Any:
    """Delete a task."""
    task = stored_task(call.world, call.parts["id"])
    require(manages(asker(call), stored_project(call.world, task["project"])["team"]), "task.delete")
    call.world.database.change("UPDATE annotations SET state = 'Cancelled' WHERE task = ?", (task["id"],))
    call.world.database.change("DELETE FROM tasks WHERE id = ?", (task["id"],))
    return said("Task was deleted.")


# ---------------------------------------------------------------------- giving out


def _candidate_teams(world: World, user: User) -> set[str] | None:
    """Return the teams whose tasks a user may get, None for all. Refuses who has too much open work."""
    if is_admin(user):
        return None
    managed = {team["id"] for team in user["teams"] if team["isTeamManager"]}
    open_tasks = [
        row
        for row in world.database.rows(
            "SELECT tasks.project AS project FROM annotations JOIN tasks ON tasks.id = annotations.task "
            "WHERE annotations.owner = ? AND annotations.typ = 'Task' AND annotations.state IN ('Active', 'Initializing')",
            (user["id"],),
        )
        if stored_project(world, row["project"])["team"] not in managed
    ]
    if len(open_tasks) < world.settings.max_open_tasks:
        return {team["id"] for team in user["teams"]}
    if managed:
        return managed
    raise Refusal("You already have too many open tasks.")


def next_task(world: World, user: User) -> Row | None:
    """Return the task that a user gets next: by priority of the project, then the oldest."""
    teams = _candidate_teams(world, user)
    projects = [
        project
        for project in world.all("projects")
        if not project["paused"] and (teams is None or project["team"] in teams)
    ]
    for project in sorted(projects, key=lambda one: -one["priority"]):
        for task in reversed(tasks_of(world, project["id"])):
            if _may_get(world, user, task) and pending_instances(world, task) > 0:
                return task
    return None


def _may_get(world: World, user: User, task: Row) -> bool:
    needed = task["doc"]["neededExperience"]
    if needed["domain"] not in user["experiences"] or user["experiences"][needed["domain"]] < needed["value"]:
        return False
    seen = "SELECT COUNT(*) FROM annotations WHERE task = ? AND owner = ? AND typ = 'Task'"
    if manages_any(user):
        seen += " AND state != 'Cancelled'"
    return world.database.count(seen, (task["id"], user["id"])) == 0


def assign(world: World, user: User, task: Row) -> Row:
    """Give an instance of a task to a user."""
    dataset = stored_dataset(world, task["dataset"])
    name, body = start_of_task(world, dataset, task)
    contents = read_contents(name, body)
    kind = stored_task_type(world, task["task_type"])["tracingType"]
    layers = {
        "skeleton": [{"typ": "Skeleton", "name": "Skeleton"}],
        "volume": [{"typ": "Volume", "name": "Volume"}],
        "hybrid": [{"typ": "Skeleton", "name": "Skeleton"}, {"typ": "Volume", "name": "Volume"}],
    }[kind]
    return add_annotation(
        world,
        typ="Task",
        dataset_id=dataset["id"],
        owner=user["id"],
        layers=layers if not contents.has_volume else list(contents.layers),
        task_id=task["id"],
        body=(name, body),
    )


@routes.on("api", "POST", "/user/tasks/request")
def request_task(call: Call) -> Any:
    """Give the next task to who asks."""
    user = asker(call)
    task = next_task(call.world, user)
    if task is None:
        raise Refusal("There is currently no task available.")
    annotation = assign(call.world, user, task)
    told = annotation_json(call.world, annotation, user, task_json(call.world, task))
    return said("You have been assigned a new task.", told)


@routes.on("api", "GET", "/user/tasks/peek")
def peek_task(call: Call) -> Any:
    """Say which task would come next."""
    task = next_task(call.world, asker(call))
    if task is None:
        raise Refusal("There is currently no task available.")
    return task_json(call.world, task)


@routes.on("api", "POST", "/tasks/:id/assign")
def assign_by_hand(call: Call) -> Any:
    """Give a task to somebody, whatever experience says."""
    task = stored_task(call.world, call.parts["id"])
    require(manages(asker(call), stored_project(call.world, task["project"])["team"]), "task.assign")
    user = existing_user(call.world, call.required("userId"))
    if pending_instances(call.world, task) < 1:
        raise Refusal("The task has no pending instances.")
    assign(call.world, user, task)
    return task_json(call.world, task)


def _tasks_of_user(call: Call, user_id: str) -> Any:
    finished = call.flag("isFinished")
    states = {None: ("Active", "Finished"), True: ("Finished",), False: ("Active", "Initializing")}[finished]
    marks = ", ".join("?" * len(states))
    rows = call.world.database.rows(
        f"SELECT * FROM annotations WHERE owner = ? AND typ = 'Task' AND state IN ({marks}) ORDER BY seq DESC",  # noqa: S608  # marks
        (user_id, *states),
    )
    return [
        annotation_json(call.world, row, call.user, task_json(call.world, stored_task(call.world, row["task"])))
        for row in call.page(rows, 1000)
    ]


@routes.on("api", "GET", "/user/tasks")
def own_tasks(call: Call) -> Any:
    """List the work of who asks."""
    return _tasks_of_user(call, asker(call)["id"])


@routes.on("api", "GET", "/users/:id/tasks")
def tasks_of_user(call: Call) -> Any:
    """List the work of a user."""
    target = existing_user(call.world, call.parts["id"])
    user = asker(call)
    require(user["id"] == target["id"] or any(manages(user, team["id"]) for team in target["teams"]) or is_admin(user))
    return _tasks_of_user(call, target["id"])
