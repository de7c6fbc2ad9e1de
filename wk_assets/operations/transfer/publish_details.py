"""What is set of a published dataset beside its voxels: folder, teams, tags, metadata, description, how it is shown.

What people set on the server stays: their tags, teams and metadata, a description that they wrote, a view that they chose.
What we set before is remembered in the dataset's own metadata, so that it can be taken back. Only what differs is sent;
nothing at all where nothing does.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wk_assets.client.live_metadata import MetadataValue, entry_of
from wk_assets.client.models import ApiDataset, ApiFolderWithParent
from wk_assets.client.wk_api_client import WkApiClient
from wk_assets.errors import UnknownNameError
from wk_assets.operations.transfer.publish_plan import (
    KEY_ENTRY,
    LAYERS_ENTRY,
    OUR_PREFIX,
    LayerChange,
    PublishPlan,
    layers_of,
    our_entry,
    told_fingerprints,
)
from wk_assets.properties.layer_properties import LayerProperties

_TAGS = f"{OUR_PREFIX}tags"
_TEAMS = f"{OUR_PREFIX}teams"
_DESCRIPTION = f"{OUR_PREFIX}description"
_VIEW = f"{OUR_PREFIX}view"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Hold the server's ids of what the request names. `team_ids` None: the teams are left as they are."""

    folder_id: str | None
    team_ids: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailChanges:
    """Say what is to be sent: the body of a partial update, and all teams. Empty and None: nothing."""

    body: Mapping[str, Any]
    team_ids: tuple[str, ...] | None


def find_places(plan_folder: str | None, teams: Sequence[str] | None, client: WkApiClient) -> Places:
    """Look up folder and teams; folders that are missing are made. Raises UnknownNameError for a team, ServerError."""
    return Places(
        folder_id=None if plan_folder is None else _folder_id(plan_folder, client),
        team_ids=None if teams is None else _team_ids(teams, client),
    )


def _team_ids(teams: Sequence[str], client: WkApiClient) -> tuple[str, ...]:
    seen = client.team_list() if teams else []
    ids = []
    for team in teams:
        found = [one.id for one in seen if one.id == team] or [one.id for one in seen if one.name == team]
        if len(found) != 1:
            names = ", ".join(sorted(one.name for one in seen)) or "none"
            what = "several teams" if found else "no team"
            raise UnknownNameError(f"there is {what} {team!r} that this user sees; the user sees {names}")
        ids.append(found[0])
    return tuple(dict.fromkeys(ids))


def _folder_id(path: str, client: WkApiClient) -> str:
    """Find the folder by names from the root, whose own name may be left out."""
    tree = client.folder_tree()
    root = next(one for one in tree if one.parent is None)
    names = path.strip("/").split("/")
    names = names[1:] if names[0] == root.name else names
    place = root
    for name in names:
        found = [one for one in tree if one.parent == place.id and one.name == name]
        if len(found) > 1:
            ids = ", ".join(one.id for one in found)
            raise UnknownNameError(
                f"{path!r}: {place.name!r} holds several folders {name!r} ({ids}); rename one of them"
            )
        place = found[0] if found else _made(client, name, place)
    return place.id


def _made(client: WkApiClient, name: str, parent: ApiFolderWithParent) -> ApiFolderWithParent:
    return client.folder_add(folder_name=name, parent_id=parent.id)


def detail_changes(plan: PublishPlan, found: ApiDataset, places: Places) -> DetailChanges:
    """Compare what is wanted with what the server has; `found` is what it says now, with all layers in place."""
    request = plan.request
    body: dict[str, Any] = {}
    ours: dict[str, MetadataValue] = {
        KEY_ENTRY: request.key,
        LAYERS_ENTRY: told_fingerprints(plan.fingerprints),
        **request.facts,
    }
    if places.folder_id is not None and places.folder_id != found.folder_id:
        body["folderId"] = places.folder_id
    if request.public is not None and request.public != found.is_public:
        body["isPublic"] = request.public
    tags = _merged(found.tags, our_entry(found, _TAGS) or (), request.tags)
    if tags != found.tags:
        body["tags"] = list(tags)
    if request.tags:
        ours[_TAGS] = request.tags
    _describe(request.description, found, body, ours)
    source = _data_source(plan, found, ours)
    if source != found.data_source:
        body["dataSource"] = source
    teams = _teams(places.team_ids, found, ours)
    metadata = with_our_entries(found, ours)
    if metadata != [entry.to_body() for entry in found.metadata or ()]:
        body["metadata"] = metadata
    return DetailChanges(body=body, team_ids=teams)


def _describe(description: str | None, found: ApiDataset, body: dict[str, Any], ours: dict[str, MetadataValue]) -> None:
    """Set our description, unless a person wrote another one since: that stays."""
    if description is None:
        return
    before = our_entry(found, _DESCRIPTION)
    if not found.description or _digest(found.description) == before:
        ours[_DESCRIPTION] = _digest(description)
        if description != found.description:
            body["description"] = description
    elif before is not None:
        ours[_DESCRIPTION] = before


def _teams(
    team_ids: tuple[str, ...] | None, found: ApiDataset, ours: dict[str, MetadataValue]
) -> tuple[str, ...] | None:
    if team_ids is None:
        return None
    now = tuple(team.id for team in found.allowed_teams)
    wanted = _merged(now, our_entry(found, _TEAMS) or (), team_ids)
    if team_ids:
        ours[_TEAMS] = team_ids
    return None if set(wanted) == set(now) else wanted


def apply_details(changes: DetailChanges, dataset_id: str, client: WkApiClient) -> bool:
    """Send what differs; say whether anything was sent. Teams first: from the metadata on they count as ours."""
    if changes.team_ids is not None:
        client.dataset_update_teams(dataset_id=dataset_id, team_ids=list(changes.team_ids))
    if changes.body:
        client.dataset_update(dataset_id=dataset_id, dataset_updates=dict(changes.body))
    return bool(changes.body) or changes.team_ids is not None


def with_our_entries(found: ApiDataset, ours: Mapping[str, MetadataValue]) -> list[dict[str, Any]]:
    """Return the whole metadata: those of others untouched and in their order, ours as they shall be."""
    wanted = {key: entry_of(key, value).to_body() for key, value in ours.items()}
    kept = [
        wanted.pop(entry.key, None) if entry.key.startswith(OUR_PREFIX) else entry.to_body()
        for entry in found.metadata or ()
    ]
    return [*(entry for entry in kept if entry is not None), *wanted.values()]


def _merged(now: Sequence[str], ours_before: Sequence[str], ours: Sequence[str]) -> tuple[str, ...]:
    """Keep what others gave, take back what was ours and is not any more, add what is ours now."""
    kept = (one for one in now if one in ours or one not in ours_before)
    return tuple(dict.fromkeys((*kept, *ours)))


def _data_source(plan: PublishPlan, found: ApiDataset, ours: dict[str, MetadataValue]) -> dict[str, Any]:
    """Return the data source with boxes and largest ids as they are here, without layers that are gone, shown as is wanted."""
    local = {layer.name: layer for layer in plan.upload.properties.data_layers}
    view = {} if plan.request.view is None else plan.request.view.to_json()
    shown = {
        name: layer.default_view_configuration.to_json() if layer.default_view_configuration else {}
        for name, layer in sorted(local.items())
    }
    digest = _digest(json.dumps([view, shown], sort_keys=True))
    ours[_VIEW] = digest
    show = our_entry(found, _VIEW) != digest
    gone = {*plan.names(LayerChange.GONE), *plan.leftovers}
    there = layers_of(found)
    layers = []
    for layer in found.data_source.get("dataLayers", []):
        name = layer["name"]
        if name in local:
            changed = {**layer, **_corrections(local[name], there[name])}
            if show and shown[name]:
                changed["defaultViewConfiguration"] = {**(layer.get("defaultViewConfiguration") or {}), **shown[name]}
            layers.append(changed)
        elif name not in gone:
            layers.append(layer)
    source = {**found.data_source, "dataLayers": layers}
    if show and view:
        source["defaultViewConfiguration"] = {**(source.get("defaultViewConfiguration") or {}), **view}
    return source


def _corrections(mine: LayerProperties, theirs: LayerProperties) -> dict[str, Any]:
    wanted, changes = mine.to_json(), {}
    if mine.bounding_box != theirs.bounding_box:
        changes["boundingBox"] = wanted["boundingBox"]
    if getattr(mine, "largest_segment_id", None) != getattr(theirs, "largest_segment_id", None):
        changes["largestSegmentId"] = wanted.get("largestSegmentId")
    return changes


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
