"""Annotations as the server keeps them, and how they may change. Source: `webknossos-server` §1.6.

    Initializing ──► Active ──► Finished          Active, Finished ──► Cancelled          Finished ──► Active

Nothing about a task's instances is stored: how many are pending is counted from the annotations each time.
"""

import uuid
from typing import Any

from wk_assets.standin.annotation_files import Contents, empty_nml, zipped
from wk_assets.standin.database import Row, document
from wk_assets.standin.dataset_store import data_store
from wk_assets.standin.people import User, compact, manages
from wk_assets.standin.projects import stored_project, stored_task_type
from wk_assets.standin.replies import Refusal, not_found
from wk_assets.standin.world import ORGANIZATION, World

_DEFAULT_SETTINGS = {
    "allowedModes": ["orthogonal", "oblique", "flight"], "branchPointsAllowed": True, "somaClickingAllowed": True,
    "volumeInterpolationAllowed": True, "mergerMode": False, "magRestrictions": {},
}  # fmt: skip


def stored_annotation(world: World, annotation_id: str) -> Row:
    """Return an annotation; what is `Initializing` for long enough has become `Active`."""
    found = world.database.row("SELECT * FROM annotations WHERE id = ?", (annotation_id,))
    if found is None or found["typ"] == "TracingBase":
        raise not_found("Annotation", annotation_id)
    return _settled(world, found)


def _settled(world: World, annotation: Row) -> Row:
    if annotation["state"] == "Initializing" and world.now() >= annotation["doc"]["activeFrom"]:
        world.database.change("UPDATE annotations SET state = 'Active' WHERE id = ?", (annotation["id"],))
        annotation["state"] = "Active"
    return annotation


def annotations_of_task(world: World, task_id: str) -> list[Row]:
    """Return a task's annotations that are not cancelled."""
    found = world.database.rows(
        "SELECT * FROM annotations WHERE task = ? AND typ = 'Task' AND state != 'Cancelled' ORDER BY seq", (task_id,)
    )
    return [_settled(world, one) for one in found]


def add_annotation(
    world: World,
    *,
    typ: str,
    dataset_id: str,
    owner: str | None,
    layers: list[dict[str, str]],
    name: str = "",
    description: str = "",
    task_id: str | None = None,
    body: tuple[str, bytes],
) -> Row:
    """Make an annotation whose first version has the given file."""
    annotation_id = world.new_id()
    now = world.now()
    waits = world.settings.initializing_millis if typ == "Task" else 0
    doc = {
        "name": name, "description": description, "created": now, "tags": [], "visibility": "Internal",
        "viewConfiguration": None, "collaborationMode": "OwnerOnly", "isLockedByOwner": False, "teams": [],
        "activeFrom": now + waits,
        "layers": [{"tracingId": str(uuid.uuid4()), "typ": one["typ"], "name": one["name"], "stats": {}} for one in layers],
    }  # fmt: skip
    state = "Initializing" if waits else "Active"
    world.database.change(
        "INSERT INTO annotations (id, typ, state, task, owner, dataset, modified, version, doc) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)",
        (annotation_id, typ, state, task_id, owner, dataset_id, now, document(doc)),
    )
    put_contents(world, annotation_id, 0, body)
    found = world.database.row("SELECT * FROM annotations WHERE id = ?", (annotation_id,))
    if found is None:
        raise not_found("Annotation", annotation_id)
    return found


def put_contents(world: World, annotation_id: str, version: int, body: tuple[str, bytes]) -> None:
    """Keep the file of one version."""
    world.database.change("INSERT INTO contents VALUES (?, ?, ?, ?)", (annotation_id, version, *body))


def contents_of(world: World, annotation: Row, version: int | None = None) -> tuple[str, bytes]:
    """Return name and bytes of an annotation's file in one version; None: the newest."""
    wanted = annotation["version"] if version is None else version
    if wanted > annotation["version"]:
        raise Refusal(f"The annotation has no version {wanted}; its newest is {annotation['version']}.")
    found = world.database.row(
        "SELECT name, body FROM contents WHERE annotation = ? AND version <= ? ORDER BY version DESC",
        (annotation["id"], wanted),
    )
    if found is None:
        raise not_found("Annotation version", wanted)
    return found["name"], bytes(found["body"])


def new_version(world: World, annotation: Row, contents: Contents) -> int:
    """Replace what is drawn; returns the number of the new version."""
    version = int(annotation["version"]) + 1
    put_contents(world, annotation["id"], version, (contents.name, contents.body))
    layers = annotation["doc"]["layers"]
    known = {(layer["typ"], layer["name"]) for layer in layers}
    for layer in contents.layers:
        if (layer["typ"], layer["name"]) not in known:
            layers.append({"tracingId": str(uuid.uuid4()), **layer, "stats": {}})
    world.database.change(
        "UPDATE annotations SET version = ?, modified = ?, doc = ? WHERE id = ?",
        (version, world.now(), document(annotation["doc"]), annotation["id"]),
    )
    annotation["version"] = version
    return version


def start_of_task(world: World, dataset: dict[str, Any], task: Row) -> tuple[str, bytes]:
    """Return the file that a task's annotation begins with."""
    doc = task["doc"]
    if doc.get("base"):
        found = world.database.row("SELECT * FROM annotations WHERE id = ?", (doc["base"],))
        if found is not None:
            return contents_of(world, found)
    kind = stored_task_type(world, task["task_type"])["tracingType"]
    nml = empty_nml(
        world,
        dataset,
        position=doc["editPosition"],
        rotation=doc["editRotation"],
        box=doc["boundingBox"],
        volume_layers=[] if kind == "skeleton" else ["Volume"],
    )
    if kind == "skeleton":
        return "task.nml", nml
    return "task.zip", zipped([("task.nml", nml)])


def log_work(world: World, annotation: Row, millis: int) -> None:
    """Note that the owner has worked for some time."""
    world.database.change(
        "INSERT INTO spans VALUES (?, ?, ?, ?)", (annotation["id"], annotation["owner"], world.now() - millis, millis)
    )


def set_state(world: World, annotation: Row, state: str) -> Row:
    """Move an annotation to another state."""
    now = world.now()
    world.database.change("UPDATE annotations SET state = ?, modified = ? WHERE id = ?", (state, now, annotation["id"]))
    return {**annotation, "state": state, "modified": now}


def team_of(world: World, annotation: Row) -> str | None:
    """Return the team that an annotation of a task belongs to."""
    if annotation["task"] is None:
        return None
    task = world.database.row("SELECT project FROM tasks WHERE id = ?", (annotation["task"],))
    return None if task is None else str(stored_project(world, task["project"])["team"])


def supervises(world: World, user: User, annotation: Row) -> bool:
    """Say whether a user is administrator, or manager of the annotation's team."""
    team = team_of(world, annotation)
    return bool(user["isAdmin"]) or (team is not None and manages(user, team))


def may_see(world: World, user: User | None, annotation: Row) -> bool:
    """Say whether a user may look at an annotation."""
    if annotation["doc"]["visibility"] == "Public":
        return True
    if user is None:
        return False
    if annotation["owner"] == user["id"] or supervises(world, user, annotation):
        return True
    return bool(annotation["typ"] == "Explorational" and annotation["doc"]["visibility"] == "Internal")


def annotation_json(
    world: World, annotation: Row, user: User | None, task: dict[str, Any] | None, *, short: bool = False
) -> dict[str, Any]:
    """Describe an annotation. `task`: its task's description. `short`: as in lists."""
    doc = annotation["doc"]
    owner = world.get("users", annotation["owner"]) if annotation["owner"] else None
    dataset = world.get("datasets", annotation["dataset"])
    working = world.database.count("SELECT SUM(millis) FROM spans WHERE annotation = ?", (annotation["id"],))
    mine = user is not None and annotation["owner"] == user["id"]
    told = {
        "id": annotation["id"], "typ": annotation["typ"], "name": doc["name"], "description": doc["description"],
        "state": annotation["state"], "modified": annotation["modified"], "created": doc["created"],
        "annotationLayers": doc["layers"], "dataSetName": dataset["name"] if dataset else "",
        "datasetId": annotation["dataset"], "organization": ORGANIZATION, "visibility": doc["visibility"],
        "tracingTime": working, "teams": doc["teams"], "tags": doc["tags"], "isLockedByOwner": doc["isLockedByOwner"],
        "othersMayEdit": False, "owner": compact(owner) if owner else None, "stats": {},
    }  # fmt: skip
    if short:
        return told
    allowed = user is not None and (mine or supervises(world, user, annotation))
    settings = task["type"]["settings"] if task else _DEFAULT_SETTINGS
    return {
        **told, "task": task, "settings": settings, "user": told["owner"], "contributors": [],
        "restrictions": {
            "allowAccess": True, "allowUpdate": mine and annotation["state"] == "Active", "allowFinish": allowed,
            "allowDownload": True, "allowSave": mine,
        },
        "dataStore": data_store(world), "tracingStore": {"name": "localhost", "url": world.base_url},
        "viewConfiguration": doc["viewConfiguration"], "collaborationMode": doc["collaborationMode"],
    }  # fmt: skip
