"""Datasets as the server keeps them: names, rights, what is said of them. Source: `webknossos-server` §1.8."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wk_assets.standin.call import Call
from wk_assets.standin.data_sources import enveloped
from wk_assets.standin.database import document
from wk_assets.standin.people import (
    asker,
    existing_folder,
    require,
    root_folder,
    teams_through_folders,
)
from wk_assets.standin.replies import Refusal, not_found
from wk_assets.standin.world import DATA_STORE, ORGANIZATION, World

Dataset = dict[str, Any]
NOT_UPLOADED = "Not yet fully uploaded."
NOT_UPLOADED_TO_PATHS = "Not yet fully uploaded to paths."
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")


def name_mistake(name: str) -> str | None:
    """Return what is wrong with a dataset's name; None if nothing is."""
    if len(name) < 3:
        return "Dataset name must be at least three characters long."
    if not _NAME.fullmatch(name):
        return "Dataset name must contain only letters, digits, “.”, “_”, “-” and must not start with “.”."
    return None


def add_dataset(
    world: World,
    name: str,
    *,
    folder_id: str | None = None,
    team_ids: tuple[str, ...] = (),
    source: Mapping[str, Any] | None = None,
    status: str | None = NOT_UPLOADED,
    virtual: bool = True,
    root: Path | None = None,
    unique: bool = False,
) -> Dataset:
    """Make a dataset. `source` None: it can not be used yet, `status` says why. `root`: the folder of its files."""
    mistake = name_mistake(name)
    if mistake:
        raise Refusal(mistake)
    taken = world.database.count("SELECT COUNT(*) FROM datasets WHERE name = ? AND deleted = 0", (name,))
    if unique and taken:
        raise Refusal(f"A dataset with the name “{name}” exists already.")
    folder = existing_folder(world, folder_id) if folder_id else root_folder(world)
    dataset_id = world.new_id()
    directory = f"{name}-{dataset_id}"
    dataset: Dataset = {
        "id": dataset_id, "name": name, "directoryName": directory, "folderId": folder["id"],
        "allowedTeams": list(team_ids), "source": dict(source) if source else None, "status": status,
        "isPublic": False, "description": None, "created": world.now(), "tags": [], "metadata": [], "isVirtual": virtual,
        "root": str(root or world.binary_data / directory), "sortingKey": world.now(),
    }  # fmt: skip
    world.database.change(
        "INSERT INTO datasets (id, name, directory, folder, doc) VALUES (?, ?, ?, ?, ?)",
        (dataset_id, name, directory, folder["id"], document(dataset)),
    )
    return dataset


def save_dataset(world: World, dataset: Dataset) -> None:
    """Remember what changed of a dataset."""
    world.database.change(
        "UPDATE datasets SET name = ?, folder = ?, doc = ? WHERE id = ?",
        (dataset["name"], dataset["folderId"], document(dataset), dataset["id"]),
    )


def usable(world: World, dataset: Dataset, source: Mapping[str, Any]) -> None:
    """Let a dataset be used from now on."""
    dataset.update(source=dict(source), status=None)
    save_dataset(world, dataset)


def forget_dataset(world: World, dataset_id: str) -> None:
    """Take a dataset out as if it had never been reserved."""
    dataset = world.get("datasets", dataset_id)
    world.database.change("DELETE FROM datasets WHERE id = ?", (dataset_id,))
    if dataset is not None:
        shutil.rmtree(dataset["root"], ignore_errors=True)


def stored_dataset(world: World, dataset_id: str) -> Dataset:
    """Return a dataset that is not deleted."""
    found = world.database.row("SELECT doc FROM datasets WHERE id = ? AND deleted = 0", (dataset_id,))
    if found is None:
        raise not_found("Dataset", dataset_id)
    dataset: Dataset = found["doc"]
    return dataset


def may_read(world: World, user: Mapping[str, Any] | None, dataset: Dataset) -> bool:
    """Say whether a user may see a dataset."""
    if dataset["isPublic"]:
        return True
    if user is None:
        return False
    if user["isAdmin"] or user["isDatasetManager"]:
        return True
    allowed = {*dataset["allowedTeams"], *teams_through_folders(world, dataset["folderId"])}
    return any(team["id"] in allowed for team in user["teams"])


def team_may_read(world: World, team_id: str, dataset: Dataset) -> bool:
    """Say whether a team sees a dataset."""
    allowed = {*dataset["allowedTeams"], *teams_through_folders(world, dataset["folderId"])}
    return dataset["isPublic"] or team_id in allowed


def may_edit(world: World, user: Mapping[str, Any], dataset: Dataset) -> bool:
    """Say whether a user may change a dataset."""
    if user["isAdmin"] or user["isDatasetManager"]:
        return True
    allowed = {*dataset["allowedTeams"], *teams_through_folders(world, dataset["folderId"])}
    return any(team["id"] in allowed and team["isTeamManager"] for team in user["teams"])


def shared_by(world: World, token: str | None, dataset_id: str) -> bool:
    """Say whether a sharing token opens a dataset."""
    if not token:
        return False
    found = world.database.row("SELECT dataset_id FROM tokens WHERE token = ?", (token,))
    return found is not None and found["dataset_id"] == dataset_id


def readable(call: Call, dataset_id: str) -> Dataset:
    """Return a dataset that who asks may see."""
    dataset = stored_dataset(call.world, dataset_id)
    shared = shared_by(call.world, call.query.get("sharingToken"), dataset_id)
    if not shared and not may_read(call.world, call.user, dataset):
        raise not_found("Dataset", dataset_id)
    return dataset


def editable(call: Call, dataset_id: str) -> Dataset:
    """Return a dataset that who asks may change."""
    user = asker(call)
    dataset = readable(call, dataset_id)
    require(may_edit(call.world, user, dataset), "dataset.edit")
    return dataset


def data_store(world: World) -> dict[str, Any]:
    """Describe the one data store."""
    return {
        "name": DATA_STORE, "url": world.base_url, "allowsUpload": True, "jobsSupportedByAvailableWorkers": [],
        "jobsEnabled": False,
    }  # fmt: skip


def as_json(call: Call, dataset: Dataset) -> dict[str, Any]:
    """Describe a dataset."""
    world = call.world
    if dataset["source"] is None or dataset["status"]:
        source: dict[str, Any] = {
            "id": {"name": dataset["directoryName"], "team": ORGANIZATION}, "status": dataset["status"]
        }  # fmt: skip
    else:
        layers = [absolute_layer(dataset, layer["name"]) for layer in dataset["source"]["dataLayers"]]
        shown = enveloped({**dataset["source"], "dataLayers": layers}, call.version)
        source = {**shown, "id": {"name": dataset["directoryName"], "team": ORGANIZATION}}
    every_team = {team["id"]: team for team in world.all("teams")}
    through_folders = teams_through_folders(world, dataset["folderId"])
    return {
        "id": dataset["id"], "name": dataset["name"], "dataSource": source, "dataStore": data_store(world),
        "owningOrganization": ORGANIZATION,
        "allowedTeams": [every_team[team] for team in dataset["allowedTeams"] if team in every_team],
        "allowedTeamsCumulative": [
            every_team[team] for team in dict.fromkeys([*dataset["allowedTeams"], *through_folders]) if team in every_team
        ],
        "isActive": dataset["status"] is None, "isPublic": dataset["isPublic"], "description": dataset["description"],
        "directoryName": dataset["directoryName"], "created": dataset["created"],
        "isEditable": call.user is not None and may_edit(world, call.user, dataset), "lastUsedByUser": 0,
        "logoUrl": "", "sortingKey": dataset["sortingKey"], "metadata": dataset["metadata"], "isUnreported": False,
        "tags": dataset["tags"], "folderId": dataset["folderId"], "usedStorageBytes": 0,
        "isVirtual": dataset["isVirtual"], "creationType": None, "rootPath": dataset["root"],
    }  # fmt: skip


def compact(call: Call, dataset: Dataset) -> dict[str, Any]:
    """Describe a dataset in a list."""
    layers = (dataset["source"] or {}).get("dataLayers", [])
    return {
        "id": dataset["id"], "name": dataset["name"], "owningOrganization": ORGANIZATION,
        "folderId": dataset["folderId"], "isActive": dataset["status"] is None,
        "directoryName": dataset["directoryName"], "created": dataset["created"],
        "isEditable": call.user is not None and may_edit(call.world, call.user, dataset), "lastUsedByUser": 0,
        "status": dataset["status"] or "", "tags": dataset["tags"], "isUnreported": False,
        "colorLayerNames": [layer["name"] for layer in layers if layer["category"] == "color"],
        "segmentationLayerNames": [layer["name"] for layer in layers if layer["category"] == "segmentation"],
    }  # fmt: skip


# ---------------------------------------------------------------------- layers, wherever they lie


def layer_of(dataset: Dataset, name: str) -> dict[str, Any]:
    """Return the description of one layer."""
    for layer in (dataset["source"] or {}).get("dataLayers", []):
        if layer["name"] == name:
            found: dict[str, Any] = layer
            return found
    raise not_found("Layer", name)


def absolute_layer(dataset: Dataset, name: str) -> dict[str, Any]:
    """Return a layer with paths that hold from everywhere."""
    layer: dict[str, Any] = json.loads(json.dumps(layer_of(dataset, name)))
    root = Path(dataset["root"])
    for mag in layer["mags"]:
        mag["path"] = _absolute(root, mag.get("path") or f"{name}/{_mag_name(mag['mag'])}")
    for entries in (layer.get("attachments") or {}).values():
        for entry in entries if isinstance(entries, list) else [entries]:
            if entry:
                entry["path"] = _absolute(root, entry["path"])
    return layer


def files_of(dataset: Dataset) -> set[str]:
    """Return where the mags and attachments of a dataset lie."""
    found: set[str] = set()
    for described in (dataset["source"] or {}).get("dataLayers", []):
        layer = absolute_layer(dataset, described["name"])
        found.update(mag["path"] for mag in layer["mags"])
        for entries in (layer.get("attachments") or {}).values():
            found.update(entry["path"] for entry in (entries if isinstance(entries, list) else [entries]) if entry)
    return found


def remove_dropped(world: World, dataset: Dataset, before: set[str]) -> None:
    """Remove files in the server's own places that a dataset named `before`, and that no dataset names any more."""
    dropped = before - files_of(dataset)
    for row in world.database.rows("SELECT doc FROM datasets WHERE deleted = 0") if dropped else []:
        dropped -= files_of(row["doc"])
    for text in dropped:
        path = Path(text)
        if any(path.is_relative_to(own) for own in (world.binary_data, world.paths_prefix)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _mag_name(mag: list[int]) -> str:
    return str(mag[0]) if len(set(mag)) == 1 else "-".join(map(str, mag))


def _absolute(root: Path, path: str) -> str:
    return path if "://" in path or Path(path).is_absolute() else str(root / path)


def linked(source: Dataset, layer_name: str, new_name: str | None) -> dict[str, Any]:
    """Return a layer as another dataset refers to it."""
    return {**absolute_layer(source, layer_name), "name": new_name or layer_name}


def attachment_key(kind: str) -> str:
    """Return the key of a kind of attachment in a data source."""
    keys = {
        "mesh": "meshes", "agglomerate": "agglomerates", "connectome": "connectomes", "segmentIndex": "segmentIndex",
        "segmentStatistics": "segmentStatistics", "cumsum": "cumsum",
    }  # fmt: skip
    if kind not in keys:
        raise Refusal(f"Unknown attachment type “{kind}”.")
    return keys[kind]


def put_attachment(layer: dict[str, Any], key: str, entry: Mapping[str, Any]) -> None:
    """Add an attachment to a layer; a second one of its name is refused."""
    attachments = layer.setdefault("attachments", {})
    if key not in {"meshes", "agglomerates", "connectomes"}:
        attachments[key] = dict(entry)
        return
    entries = attachments.setdefault(key, [])
    if any(one["name"] == entry["name"] for one in entries):
        raise Refusal(f"There is an attachment “{entry['name']}” already.")
    entries.append(dict(entry))
