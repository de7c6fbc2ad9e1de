"""Uploads to the data store: sessions, pieces in any order, the end that checks everything. Source: `webknossos-server` §1.9.

A session survives a restart of the stand-in. From the moment at which files are unpacked a failure removes the dataset, as
on the real server; a failure before that leaves the session as it is.
"""

import json
import shutil
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from starlette.responses import Response

from wk_assets.standin.call import Call, Routes
from wk_assets.standin.data_sources import mistakes_of
from wk_assets.standin.database import document
from wk_assets.standin.dataset_store import (
    add_dataset,
    attachment_key,
    forget_dataset,
    linked,
    may_edit,
    may_read,
    put_attachment,
    save_dataset,
    stored_dataset,
    usable,
)
from wk_assets.standin.people import existing_folder, manages_any, require
from wk_assets.standin.replies import FormRefusal, Refusal, not_found, store_denied
from wk_assets.standin.world import ORGANIZATION, World

routes = Routes()
_DOMAINS = {"dataset", "mag", "attachment"}
_PROPERTIES = "datasource-properties.json"


def _asker(call: Call) -> dict[str, Any]:
    if call.user is None:
        raise store_denied("administrate datasets")
    return call.user


def _session(world: World, upload_id: str) -> dict[str, Any]:
    found = world.database.row("SELECT domain, doc FROM uploads WHERE id = ?", (upload_id,))
    if found is None:
        raise Refusal("This upload does not exist. It may have been finished or cancelled already. (noSuchUpload)")
    return {"domain": found["domain"], **found["doc"]}


def _begin(call: Call, domain: str, upload_id: str, session: dict[str, Any]) -> bool:
    """Remember a session; False if it is there already, which is no mistake."""
    world = call.world
    if world.database.row("SELECT 1 FROM uploads WHERE id = ?", (upload_id,)):
        return False
    world.database.change(
        "INSERT INTO uploads VALUES (?, ?, ?, ?)", (upload_id, domain, world.now(), document(session))
    )
    return True


def _known(call: Call, upload_id: str) -> bool:
    return call.world.database.row("SELECT 1 FROM uploads WHERE id = ?", (upload_id,)) is not None


def _check_quota(call: Call, size_bytes: int) -> None:
    quota = call.world.settings.quota_bytes
    if quota is not None and size_bytes > quota:
        raise Refusal("Cannot upload dataset because the storage quota of the organization is exceeded.", 403)


# ---------------------------------------------------------------------- reserving


def _reserve_dataset(
    call: Call,
    *,
    upload_id: str,
    files: int,
    size_bytes: int,
    name: str,
    organization: str,
    teams: list[str],
    links: list[dict[str, Any]],
    folder_id: str | None,
    unique: bool,
) -> None:
    if _known(call, upload_id):
        return
    user, world = _asker(call), call.world
    require(manages_any(user), "dataset.upload")
    _check_quota(call, size_bytes)
    if organization != ORGANIZATION:
        raise Refusal("You can only upload into your own organization.", 403)
    own = {team["id"] for team in user["teams"]}
    if not user["isAdmin"] and not set(teams) <= own:
        raise Refusal("The initial teams must be teams of yours.", 403)
    for link in links:
        source = stored_dataset(world, link["datasetId"])
        if not may_read(world, user, source):
            raise not_found("Dataset", link["datasetId"])
        linked(source, link["layerName"], link.get("newLayerName"))
    if folder_id:
        existing_folder(world, folder_id)
    dataset = add_dataset(world, name, folder_id=folder_id, team_ids=tuple(teams), unique=unique)
    _begin(
        call,
        "dataset",
        upload_id,
        {"dataset": dataset["id"], "files": files, "bytes": size_bytes, "links": links, "name": name},
    )


@routes.on("data", "POST", "/datasets/upload/dataset/reserveUpload", secured=False, lowest=14)
def reserve(call: Call) -> Any:
    """Begin an upload."""
    body = call.json("resumableUploadInfo", "datasetName", "organizationId", "initialTeamIds")
    info = body["resumableUploadInfo"]
    _reserve_dataset(
        call,
        upload_id=info["uploadId"],
        files=info["totalFileCount"],
        size_bytes=info["totalFileSizeInBytes"],
        name=body["datasetName"],
        organization=body["organizationId"],
        teams=body["initialTeamIds"],
        links=body.get("layersToLink") or [],
        folder_id=body.get("folderId"),
        unique=bool(body.get("requireUniqueName")),
    )


@routes.on("data", "POST", "/datasets/reserveUpload", secured=False, highest=13)
def reserve_old(call: Call) -> Any:
    """Begin an upload, in the words of version 13."""
    body = call.json("uploadId", "name", "organization", "totalFileCount", "totalFileSizeInBytes", "initialTeams")
    _reserve_dataset(
        call,
        upload_id=body["uploadId"],
        files=body["totalFileCount"],
        size_bytes=body["totalFileSizeInBytes"],
        name=body["name"],
        organization=body["organization"],
        teams=body["initialTeams"],
        links=body.get("layersToLink") or [],
        folder_id=body.get("folderId"),
        unique=False,
    )


def _reserve_part(call: Call, domain: str, body: dict[str, Any], part: dict[str, Any]) -> None:
    info = body["resumableUploadInfo"]
    if _known(call, info["uploadId"]):
        return
    dataset = stored_dataset(call.world, body["datasetId"])
    require(may_edit(call.world, _asker(call), dataset), "dataset.edit")
    if not dataset["isVirtual"]:
        raise Refusal("Mags and attachments can only be added to virtual datasets.")
    layers = [layer["name"] for layer in (dataset["source"] or {}).get("dataLayers", [])]
    if body["layerName"] not in layers:
        raise not_found("Layer", body["layerName"])
    _check_quota(call, info["totalFileSizeInBytes"])
    session = {"dataset": dataset["id"], "files": info["totalFileCount"], "bytes": info["totalFileSizeInBytes"]}
    _begin(call, domain, info["uploadId"], {**session, "layer": body["layerName"], **part})


@routes.on("data", "POST", "/datasets/upload/mag/reserveUpload", secured=False, lowest=14)
def reserve_mag(call: Call) -> Any:
    """Begin to add a mag."""
    body = call.json("resumableUploadInfo", "datasetId", "layerName", "mag")
    dataset = stored_dataset(call.world, body["datasetId"])
    for layer in (dataset["source"] or {}).get("dataLayers", []):
        if layer["name"] == body["layerName"] and body["mag"]["mag"] in [mag["mag"] for mag in layer["mags"]]:
            raise Refusal(f"Layer “{layer['name']}” has a mag {body['mag']['mag']} already.")
    _reserve_part(call, "mag", body, {"mag": body["mag"]})


@routes.on("data", "POST", "/datasets/upload/attachment/reserveUpload", secured=False, lowest=14)
def reserve_attachment(call: Call) -> Any:
    """Begin to add an attachment."""
    body = call.json("resumableUploadInfo", "datasetId", "layerName", "attachmentType", "attachment")
    part = {"attachment": body["attachment"], "kind": attachment_key(body["attachmentType"])}
    _reserve_part(call, "attachment", body, part)


# ---------------------------------------------------------------------- pieces


def _identified(identifier: str) -> tuple[str, str]:
    upload_id, _, path = identifier.partition("/")
    parts = PurePosixPath(path).parts
    if not path or path.startswith("/") or ".." in parts:
        raise Refusal(f"The path {path!r} leaves the upload.")
    return upload_id, path


@routes.on("data", "GET", "/datasets/upload/:domain", secured=False)
def has_piece(call: Call) -> Any:
    """Say whether a piece is there."""
    if call.parts["domain"] not in _DOMAINS:
        raise not_found("Upload domain", call.parts["domain"])
    upload_id, path = _identified(call.required("resumableIdentifier"))
    found = call.world.database.row(
        "SELECT 1 FROM pieces WHERE upload_id = ? AND path = ? AND number = ?",
        (upload_id, path, call.number("resumableChunkNumber")),
    )
    return Response(status_code=200 if found else 204)


@routes.on("data", "POST", "/datasets/upload/:domain", secured=False)
def receive(call: Call) -> Any:
    """Take a piece in."""
    if call.parts["domain"] not in _DOMAINS:
        raise not_found("Upload domain", call.parts["domain"])
    return _receive(call)


@routes.on("data", "POST", "/datasets", secured=False)
def receive_old(call: Call) -> Any:
    """Take a piece in, at the address of versions up to 13."""
    return _receive(call)


def _receive(call: Call) -> None:
    _asker(call)
    names = ("resumableChunkNumber", "resumableChunkSize", "resumableCurrentChunkSize", "resumableTotalChunks")
    try:
        number, piece_bytes, current, pieces = (int(call.field(name)) for name in names)
    except ValueError as error:
        raise FormRefusal({"resumableChunkNumber": "error.number"}) from error
    upload_id, path = _identified(call.field("resumableIdentifier"))
    _session(call.world, upload_id)
    files = call.files()
    if len(files) != 1:
        raise FormRefusal({"file": "error.required"})
    data = files[0][1]
    if len(data) > current:
        raise Refusal(f"The piece has {len(data)} bytes, {current} were announced.")
    if not 1 <= number <= pieces:
        raise Refusal(f"There is no piece {number} of {pieces}.")
    database = call.world.database
    if database.row("SELECT 1 FROM pieces WHERE upload_id = ? AND path = ? AND number = ?", (upload_id, path, number)):
        return
    target = call.world.uploads / upload_id / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("r+b" if target.exists() else "wb") as file:
        file.seek((number - 1) * piece_bytes)
        file.write(data)
    database.change("INSERT OR REPLACE INTO upload_files VALUES (?, ?, ?)", (upload_id, path, pieces))
    database.change("INSERT INTO pieces VALUES (?, ?, ?)", (upload_id, path, number))


# ---------------------------------------------------------------------- the end


@routes.on("data", "POST", "/datasets/upload/:domain/finishUpload", secured=False, lowest=14)
def finish(call: Call) -> Any:
    """End an upload."""
    dataset_id = _finish(call, call.required("uploadId"))
    return {"datasetId": dataset_id} if call.parts["domain"] == "dataset" else None


@routes.on("data", "POST", "/datasets/finishUpload", secured=False, highest=13)
def finish_old(call: Call) -> Any:
    """End an upload, in the words of version 13."""
    return {"newDatasetId": _finish(call, call.json("uploadId")["uploadId"])}


def _finish(call: Call, upload_id: str) -> str:
    _asker(call)
    world = call.world
    session = _session(world, upload_id)
    files = world.database.rows("SELECT path, pieces FROM upload_files WHERE upload_id = ?", (upload_id,))
    arrived = world.database.rows(
        "SELECT path, COUNT(*) AS pieces FROM pieces WHERE upload_id = ? GROUP BY path", (upload_id,)
    )
    folder = world.uploads / upload_id
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size > session["bytes"]:
        raise Refusal(f"The uploaded files have {size} bytes, {session['bytes']} were reserved.")
    if len(files) != session["files"]:
        raise Refusal("Reserved file count does not match file names length.")
    if {row["path"]: row["pieces"] for row in files} != {row["path"]: row["pieces"] for row in arrived}:
        raise Refusal("Not all chunks were uploaded.")
    try:
        if session["domain"] == "dataset":
            _take_dataset(call, session, folder)
        else:
            _take_part(call, session, folder)
    except Refusal as error:
        _forget(world, upload_id)
        if session["domain"] == "dataset":
            forget_dataset(world, session["dataset"])
        error.keeps_changes = True
        raise
    _forget(world, upload_id)
    return str(session["dataset"])


def _forget(world: World, upload_id: str) -> None:
    for table in ("pieces", "upload_files"):
        world.database.change(f"DELETE FROM {table} WHERE upload_id = ?", (upload_id,))  # noqa: S608  # our own tables
    world.database.change("DELETE FROM uploads WHERE id = ?", (upload_id,))
    shutil.rmtree(world.uploads / upload_id, ignore_errors=True)


def _take_dataset(call: Call, session: dict[str, Any], folder: Path) -> None:
    world = call.world
    dataset = stored_dataset(world, session["dataset"])
    root = _unpacked(folder)
    properties = root / _PROPERTIES
    if not properties.is_file():
        raise Refusal("No datasource-properties.json was found, and the stand-in does not explore other formats.")
    try:
        source = json.loads(properties.read_text())
    except ValueError as error:
        raise Refusal("datasource-properties.json is not valid JSON.", chain=str(error)) from error
    mistakes = mistakes_of(source, root, call.version)
    if mistakes:
        raise Refusal("The data source is not valid.", chain=" <~ ".join(mistakes))
    _remove_unreferenced(root, source)
    target = Path(dataset["root"])
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(root, target)
    layers = [linked(stored_dataset(world, one["datasetId"]), one["layerName"], one.get("newLayerName"))
              for one in session["links"]]  # fmt: skip
    usable(world, dataset, {**source, "dataLayers": [*source["dataLayers"], *layers]})


def _unpacked(folder: Path) -> Path:
    """Unpack a single zip, and go down to where the files begin."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    if len(files) == 1 and files[0].suffix == ".zip":
        target = folder / "unpacked"
        try:
            with zipfile.ZipFile(files[0]) as archive:
                for name in archive.namelist():
                    parts = PurePosixPath(name).parts
                    if ".." in parts or name.startswith("/"):
                        raise Refusal(f"The path {name!r} leaves the archive.")
                archive.extractall(target)
        except zipfile.BadZipFile as error:
            raise Refusal("The uploaded zip can not be read.", chain=str(error)) from error
        folder = target
    while not (folder / _PROPERTIES).exists():
        inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
        if len(inside) != 1 or not inside[0].is_dir():
            break
        folder = inside[0]
    return folder


def _remove_unreferenced(root: Path, source: dict[str, Any]) -> None:
    kept = {root / _PROPERTIES}
    for layer in source["dataLayers"]:
        kept.update(
            root / layer["name"] / (mag.get("path") or "").removeprefix(f"./{layer['name']}/") for mag in layer["mags"]
        )
        kept.update(root / mag["path"] for mag in layer["mags"] if mag.get("path"))
        for entries in (layer.get("attachments") or {}).values():
            kept.update(root / one["path"] for one in (entries if isinstance(entries, list) else [entries]) if one)
    resolved = {path.resolve() for path in kept}
    for path in [path for path in root.rglob("*") if path.is_file()]:
        if not any(
            path.resolve() == one or path.resolve().is_relative_to(one) for one in resolved if one != root.resolve()
        ):
            path.unlink()


def _take_part(call: Call, session: dict[str, Any], folder: Path) -> None:
    dataset = stored_dataset(call.world, session["dataset"])
    source = dataset["source"] or {}
    (layer,) = [one for one in source["dataLayers"] if one["name"] == session["layer"]]
    if session["domain"] == "mag":
        name = "-".join(map(str, session["mag"]["mag"]))
        entry = {**session["mag"], "path": f"./{layer['name']}/{name}"}
        candidate = {**layer, "mags": [entry]}
    else:
        entry = {
            **session["attachment"],
            "path": f"./{layer['name']}/{session['kind']}/{session['attachment']['name']}",
        }
    target = Path(dataset["root"]) / entry["path"]
    if target.exists():
        raise Refusal(f"{entry['path']} exists already.")
    target.parent.mkdir(parents=True, exist_ok=True)
    inner = folder
    while session["domain"] == "mag" and not any(
        (inner / one).exists() for one in ("zarr.json", ".zarray", "header.wkw")
    ):
        below = [path for path in inner.iterdir() if path.is_dir()]
        if len(below) != 1:
            break
        inner = below[0]
    shutil.move(inner, target)
    if session["domain"] == "mag":
        mistakes = mistakes_of({**source, "dataLayers": [candidate]}, Path(dataset["root"]), call.version)
        if mistakes:
            shutil.rmtree(target)
            raise Refusal("The mag is not valid.", chain=" <~ ".join(mistakes))
        layer["mags"].append(entry)
    else:
        put_attachment(layer, session["kind"], entry)
    save_dataset(call.world, dataset)


@routes.on("data", "POST", "/datasets/upload/:domain/cancelUpload", secured=False)
@routes.on("data", "POST", "/datasets/cancelUpload", secured=False, highest=13)
def cancel(call: Call) -> Any:
    """Give an upload up."""
    _asker(call)
    upload_id = call.query.get("uploadId") or call.json("uploadId")["uploadId"]
    session = _session(call.world, upload_id)
    _forget(call.world, upload_id)
    if session["domain"] == "dataset":
        forget_dataset(call.world, session["dataset"])


@routes.on("data", "GET", "/datasets/upload/dataset/unfinishedUploads", secured=False)
def unfinished(call: Call) -> Any:
    """List the uploads of the last two weeks that were begun and not ended."""
    _asker(call)
    since = call.world.now() - 14 * 24 * 3600 * 1000
    found = call.world.database.rows("SELECT * FROM uploads WHERE domain = 'dataset' AND created > ?", (since,))
    return [
        {
            "uploadId": row["id"],
            "datasetId": row["doc"]["dataset"],
            "datasetName": row["doc"]["name"],
            "folderId": "",
            "created": row["created"],
            "filePaths": None,
            "allowedTeams": [],
        }
        for row in found
    ]
