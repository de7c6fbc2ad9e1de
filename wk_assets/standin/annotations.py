"""The routes of annotations: looking, drawing, finishing, reopening, cancelling, sending in and out."""

import re
from typing import Any

from starlette.responses import Response

from wk_assets.standin.annotation_files import as_downloaded, empty_nml, read_contents, without_volume_data, zipped
from wk_assets.standin.annotation_store import (
    add_annotation,
    annotation_json,
    contents_of,
    log_work,
    may_see,
    new_version,
    put_contents,
    set_state,
    start_of_task,
    stored_annotation,
    supervises,
)
from wk_assets.standin.call import Call, Routes
from wk_assets.standin.database import Row
from wk_assets.standin.dataset_store import may_read, readable, stored_dataset
from wk_assets.standin.people import asker, existing_user, require
from wk_assets.standin.replies import Refusal, not_found, said
from wk_assets.standin.tasks import stored_task, task_json
from wk_assets.standin.world import ORGANIZATION, World

routes = Routes()
_COMPOUND = ("CompoundTask", "CompoundProject", "CompoundTaskType")


def _visible(call: Call) -> Row:
    annotation = stored_annotation(call.world, call.parts["id"])
    if not may_see(call.world, call.user, annotation):
        raise not_found("Annotation", call.parts["id"])
    return annotation


def _json(call: Call, annotation: Row) -> dict[str, Any]:
    task = None
    if annotation["task"] is not None:
        found = call.world.database.row("SELECT * FROM tasks WHERE id = ?", (annotation["task"],))
        task = task_json(call.world, found) if found else None
    return annotation_json(call.world, annotation, call.user, task)


# ---------------------------------------------------------------------- looking


@routes.on("api", "GET", "/annotations/readable")
def readable_annotations(call: Call) -> Any:
    """List annotations that are of no task."""
    user = asker(call)
    rows = call.world.database.rows(
        "SELECT * FROM annotations WHERE typ = 'Explorational' AND state != 'Cancelled' ORDER BY seq DESC"
    )
    finished = call.flag("isFinished")
    if finished is not None:
        rows = [row for row in rows if (row["state"] == "Finished") == finished]
    rows = [row for row in rows if may_see(call.world, user, row)]
    return [annotation_json(call.world, row, user, None, short=True) for row in call.page(rows, 1000)]


@routes.on("api", "GET", "/annotations/:id/info", secured=False, changes=True)
@routes.on("api", "GET", "/annotations/:typ/:id/info", secured=False, changes=True)
def info(call: Call) -> Any:
    """Describe an annotation."""
    annotation = _visible(call)
    if annotation["state"] == "Cancelled":
        raise Refusal("The annotation was cancelled.")
    return _json(call, annotation)


def _sent(name: str, body: bytes) -> Response:
    quoted = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    kind = "application/zip" if name.endswith(".zip") else "application/xml"
    return Response(body, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{quoted}"'})


def _download(call: Call, annotation: Row) -> Response:
    name, body = contents_of(call.world, annotation, call.number("version"))
    if call.flag("skipVolumeData"):
        name, body = without_volume_data(name, body)
    body = _as_given_out(call.world, annotation, body)
    stem = annotation["doc"]["name"] or f"{_dataset_name(call.world, annotation)}__{annotation['id']}"
    return _sent(f"{stem}.{name.rsplit('.', 1)[-1]}", body)


def _as_given_out(world: World, annotation: Row, body: bytes) -> bytes:
    owner = world.get("users", annotation["owner"]) if annotation["owner"] else None
    told = {"annotationId": annotation["id"], "writer": "standin"}
    if owner is not None:
        told["username"] = f"{owner['firstName']} {owner['lastName']}"
    if annotation["task"] is not None:
        told["taskId"] = annotation["task"]
    experiment = {
        "name": _dataset_name(world, annotation), "organization": ORGANIZATION, "datasetId": annotation["dataset"],
        "wkUrl": world.base_url, "description": annotation["doc"]["description"],
    }  # fmt: skip
    return as_downloaded(body, told=told, experiment=experiment)


def _dataset_name(world: World, annotation: Row) -> str:
    dataset = world.get("datasets", annotation["dataset"])
    return str(dataset["name"]) if dataset else "annotation"


@routes.on("api", "GET", "/annotations/:id/download", secured=False)
def download(call: Call) -> Any:
    """Return an annotation's file."""
    return _download(call, _visible(call))


@routes.on("api", "GET", "/annotations/:typ/:id/download", secured=False)
def download_typed(call: Call) -> Any:
    """Return an annotation's file, or a zip of all that is finished of a task, project or task type."""
    typ, key = call.parts["typ"], call.parts["id"]
    if typ not in _COMPOUND:
        return _download(call, _visible(call))
    user = asker(call)
    column = {"CompoundTask": "id", "CompoundProject": "project", "CompoundTaskType": "task_type"}[typ]
    rows = call.world.database.rows(
        f"SELECT annotations.* FROM annotations JOIN tasks ON tasks.id = annotations.task "  # noqa: S608  # our own column
        f"WHERE tasks.{column} = ? AND annotations.state = 'Finished' AND annotations.typ = 'Task' ORDER BY annotations.seq",
        (key,),
    )
    rows = [row for row in rows if supervises(call.world, user, row)]
    if not rows:
        raise Refusal("There are no finished annotations.")
    stored = [(row, *contents_of(call.world, row)) for row in rows]
    files = [(row["id"], name, _as_given_out(call.world, row, body)) for row, name, body in stored]
    return _sent(f"{typ}_{key}.zip", zipped([(f"{one}.{name.rsplit('.', 1)[-1]}", body) for one, name, body in files]))


# ---------------------------------------------------------------------- making, changing


@routes.on("api", "POST", "/annotations/upload")
def upload(call: Call) -> Any:
    """Make an annotation of no task from files; all must be on the same dataset."""
    user = asker(call)
    files = [read_contents(name, body) for name, body in call.files()]
    if not files:
        raise Refusal("No files were uploaded.")
    first = files[0]
    dataset = stored_dataset(call.world, first.dataset_id) if first.dataset_id else _by_name(call, first.dataset_name)
    if any((one.dataset_id or dataset["id"]) != dataset["id"] for one in files):
        raise Refusal("All files must be of the same dataset.")
    if not may_read(call.world, user, dataset):
        raise not_found("Dataset", dataset["id"])
    annotation = add_annotation(
        call.world,
        typ="Explorational",
        dataset_id=dataset["id"],
        owner=user["id"],
        layers=list(first.layers),
        name=first.annotation_name if len(files) == 1 else "",
        description=first.description,
        body=(first.name, first.body),
    )
    return said(
        "Successfully uploaded the annotation.", {"annotation": {"typ": "Explorational", "id": annotation["id"]}}
    )


def _by_name(call: Call, name: str) -> dict[str, Any]:
    found = call.world.database.row(
        "SELECT doc FROM datasets WHERE deleted = 0 AND (directory = ? OR name = ?) ORDER BY rowid DESC", (name, name)
    )
    if found is None:
        raise not_found("Dataset", name)
    dataset: dict[str, Any] = found["doc"]
    return dataset


@routes.on("api", "POST", "/datasets/:id/createExplorational")
def create_explorational(call: Call) -> Any:
    """Begin an annotation of no task."""
    user, dataset = asker(call), readable(call, call.parts["id"])
    layers = call.json() or [{"typ": "Skeleton", "name": "Skeleton"}]
    volumes = [one.get("name") or "Volume" for one in layers if one["typ"] == "Volume"]
    nml = empty_nml(call.world, dataset, position=[0, 0, 0], rotation=[0.0, 0.0, 0.0], box=None, volume_layers=volumes)
    body = ("annotation.zip", zipped([("annotation.nml", nml)])) if volumes else ("annotation.nml", nml)
    annotation = add_annotation(
        call.world,
        typ="Explorational",
        dataset_id=dataset["id"],
        owner=user["id"],
        layers=[{"typ": one["typ"], "name": one.get("name") or one["typ"]} for one in layers],
        body=body,
    )
    return _json(call, annotation)


@routes.on("api", "PATCH", "/annotations/:typ/:id/edit")
def edit(call: Call) -> Any:
    """Change what is said of an annotation."""
    annotation, user, body = _visible(call), asker(call), call.json()
    require(annotation["owner"] == user["id"] or supervises(call.world, user, annotation), "annotation.edit")
    doc = annotation["doc"]
    doc.update(
        {
            key: body[key]
            for key in ("name", "description", "visibility", "tags", "viewConfiguration")
            if body.get(key) is not None
        }
    )
    call.world.save("annotations", annotation["id"], doc)
    return said("Annotation was edited.")


def finish_annotation(world: World, annotation: Row) -> Row:
    """Finish an annotation; once more changes nothing."""
    if annotation["state"] == "Finished":
        return annotation
    if annotation["state"] != "Active":
        raise Refusal("The annotation could not be finished.", chain="Annotation is not active")
    return set_state(world, annotation, "Finished")


@routes.on("api", "PATCH", "/annotations/:typ/:id/finish")
def finish(call: Call) -> Any:
    """Finish an annotation."""
    annotation, user = _visible(call), asker(call)
    timestamp = int(call.required("timestamp"))
    require(annotation["owner"] == user["id"] or supervises(call.world, user, annotation), "annotation.finish")
    if annotation["state"] == "Active":
        last = annotation["doc"]["created"]
        log_work(call.world, annotation, max(1, min(timestamp - last, 3_600_000)))
    finished = finish_annotation(call.world, annotation)
    return said("Task is finished." if annotation["task"] else "Annotation is archived.", _json(call, finished))


@routes.on("api", "PATCH", "/annotations/:typ/:id/reopen")
def reopen(call: Call) -> Any:
    """Let work on a finished annotation go on."""
    annotation, user = _visible(call), asker(call)
    if not supervises(call.world, user, annotation):
        require(annotation["owner"] == user["id"], "annotation.reopen")
        elapsed = call.world.now() - annotation["modified"]
        require(elapsed <= (call.world.settings.reopen_seconds + 10) * 1000, "annotation.reopen.tooLate")
    if annotation["state"] != "Finished":
        raise Refusal("The annotation could not be reopened.", chain="Annotation is not finished")
    return said("Annotation was reopened.", _json(call, set_state(call.world, annotation, "Active")))


@routes.on("api", "PATCH", "/annotations/:typ/:id/reset")
def reset(call: Call) -> Any:
    """Put the annotation of a task back to what it began with."""
    annotation, user = _visible(call), asker(call)
    require(supervises(call.world, user, annotation), "annotation.reset")
    if annotation["task"] is None or annotation["state"] != "Active":
        raise Refusal("Only active annotations of tasks can be reset.")
    task = stored_task(call.world, annotation["task"])
    start = start_of_task(call.world, stored_dataset(call.world, task["dataset"]), task)
    version = annotation["version"] + 1
    put_contents(call.world, annotation["id"], version, start)
    call.world.database.change(
        "UPDATE annotations SET version = ?, modified = ? WHERE id = ?", (version, call.world.now(), annotation["id"])
    )
    return said("Annotation was reset.", _json(call, stored_annotation(call.world, annotation["id"])))


@routes.on("api", "PATCH", "/annotations/:typ/:id/transfer")
def transfer(call: Call) -> Any:
    """Give an annotation to somebody else."""
    annotation, user = _visible(call), asker(call)
    require(annotation["owner"] == user["id"] or supervises(call.world, user, annotation), "annotation.transfer")
    require(annotation["state"] == "Active", "annotation.transfer.finished")
    target = existing_user(call.world, call.json("userId")["userId"])
    call.world.database.change(
        "UPDATE annotations SET owner = ?, modified = ? WHERE id = ?",
        (target["id"], call.world.now(), annotation["id"]),
    )
    return _json(call, stored_annotation(call.world, annotation["id"]))


@routes.on("api", "DELETE", "/annotations/:id")
@routes.on("api", "DELETE", "/annotations/:typ/:id")
def cancel(call: Call) -> Any:
    """Cancel an annotation; one of a task frees its instance."""
    annotation, user = _visible(call), asker(call)
    supervisor = supervises(call.world, user, annotation)
    require(supervisor or (annotation["task"] is None and annotation["owner"] == user["id"]), "annotation.cancel")
    set_state(call.world, annotation, "Cancelled")
    return said("Task was cancelled." if annotation["task"] else "Annotation was deleted.")


# ---------------------------------------------------------------------- the tracing store


@routes.on("tracings", "GET", "/annotation/:id/newestVersion", secured=False)
def newest_version(call: Call) -> Any:
    """Return the number of the newest version."""
    return {"version": stored_annotation(call.world, call.parts["id"])["version"]}


@routes.on("api", "GET", "/tracingstore", secured=False)
def tracing_store(call: Call) -> Any:
    """Say where the tracing store is."""
    return {"name": "localhost", "url": call.world.base_url}


# ---------------------------------------------------------------------- acting as an annotator (tests, demo)


def work(
    world: World, annotation: Row, files: tuple[str, bytes] | None, *, millis: int = 60_000, finish_it: bool = True
) -> Row:
    """Draw something as the owner, for some time, and finish."""
    if annotation["state"] != "Active":
        raise Refusal(f"The annotation is {annotation['state']}; only active ones can be worked on.")
    if files is not None:
        new_version(world, annotation, read_contents(*files))
    log_work(world, annotation, millis)
    current = stored_annotation(world, annotation["id"])
    return finish_annotation(world, current) if finish_it else current
