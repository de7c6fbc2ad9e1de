"""Publish a dataset: whatever the server lacks of it is sent, whatever differs beside the voxels is set; else nothing happens.

A dataset is found again by the id that it came to before, else by our key in the metadata of those of its name. The first
time it is sent whole (`upload_dataset`); later only layers whose content changed are. On servers from version 14 on they
are put in place of the old ones (`publish_layers`): id, annotations and tasks stay. An older server, or a dataset that is bound to a
directory there, can not do that: then a new dataset is made that refers to the unchanged layers of the old one, which
stays, with its annotations, and says by which it is superseded. So it is where the server holds links to our files, too: it
removes the files of a layer that is replaced, and might follow the links.

Nothing is remembered on this side that is needed to go on after a crash, but the journals of uploads: ask again.
"""

from dataclasses import dataclass

from wk_assets.client.context import ServerContext
from wk_assets.client.models import ApiDataset, ApiLinkedLayerIdentifier
from wk_assets.client.wk_api_client import WkApiClient
from wk_assets.errors import NotOnServerError
from wk_assets.operations.records.layer_record import BOOKKEEPING
from wk_assets.operations.transfer.paths_plan import plan_paths
from wk_assets.operations.transfer.place_files import Placement
from wk_assets.operations.transfer.publish_details import (
    Places,
    apply_details,
    detail_changes,
    find_places,
    with_our_entries,
)
from wk_assets.operations.transfer.publish_layers import put_layer
from wk_assets.operations.transfer.publish_plan import (
    KEY_ENTRY,
    SUPERSEDED_ENTRY,
    LayerChange,
    PublishPlan,
    PublishRequest,
    Way,
    our_entry,
    plan_publication,
)
from wk_assets.operations.transfer.send_files import PIECE_BYTES, UploadListener
from wk_assets.operations.transfer.upload_dataset import UploadSettings, run_upload
from wk_assets.operations.transfer.upload_part import PartSettings
from wk_assets.operations.transfer.upload_plan import plan_upload
from wk_assets.operations.transfer.upload_to_paths import PathsSettings, run_upload_to_paths
from wk_assets.storage.locks import exclusive


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishSettings:
    """Say how files are sent (see `UploadSettings`)."""

    piece_bytes: int = PIECE_BYTES
    threads: int = 4
    patience_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishResult:
    """Say what is on the server now, and what was done for it.

    `sent_bytes`: that went over; `linked_bytes`: of layers that the server had already. `changed`: anything was changed at all.
    """

    dataset_id: str
    url: str
    plan: PublishPlan
    sent_bytes: int
    linked_bytes: int
    changed: bool
    folder_id: str
    team_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """Hold the dataset that carries our key, and others that do and should not any more."""

    dataset: ApiDataset | None
    outdated: tuple[ApiDataset, ...] = ()


def plan_publish(request: PublishRequest, context: ServerContext) -> PublishPlan:
    """Plan to publish; asks the server, changes nothing. Raises ServerError, and what `plan_upload` raises."""
    client = context.client()
    return _planned(request, _find(request, client), client)


def run_publish(
    request: PublishRequest,
    context: ServerContext,
    settings: PublishSettings = PublishSettings(),  # noqa: B008  # immutable
    listener: UploadListener | None = None,
) -> PublishResult:
    """Bring the server up to the dataset; nothing is sent where nothing differs. May be repeated after anything.

    Raises ServerError, LockedError if the dataset is being published now, UnknownNameError for a team that there is not,
    and what `plan_upload` and `run_upload` raise.
    """
    lock = request.dataset_path / BOOKKEEPING / "uploads" / "publish.lock"
    with exclusive(lock, f"publication of {request.name}"):
        client = context.client()
        found = _find(request, client)
        plan = _planned(request, found, client)
        places = find_places(request.folder, request.teams, client)
        dataset_id, sent = _sent(plan, places, context, settings, listener)
        described = client.dataset_info(dataset_id=dataset_id)
        changed = apply_details(detail_changes(plan, described, places), dataset_id, client)
        outdated = [one for one in (found.dataset, *found.outdated) if one is not None and one.id != dataset_id]
        for one in outdated:
            _supersede(one, dataset_id, client)
        now = client.dataset_info(dataset_id=dataset_id) if changed else described
    return PublishResult(
        dataset_id=dataset_id,
        url=f"{request.link_url or context.address.url}/datasets/{now.name}-{dataset_id}",
        plan=plan,
        sent_bytes=sent,
        linked_bytes=plan.kept_bytes,
        changed=changed or plan.way is not Way.NOTHING or bool(outdated),
        folder_id=now.folder_id,
        team_names=tuple(team.name for team in now.allowed_teams),
    )


def _planned(request: PublishRequest, found: _Found, client: WkApiClient) -> PublishPlan:
    upload = plan_upload(request.dataset_path, name=request.name)
    return plan_publication(request, upload, found.dataset, api_version=client.webknossos_api_version)


def _find(request: PublishRequest, client: WkApiClient) -> _Found:
    """Find the dataset: the one that it came to before, if that is still ours; else the newest of the name with our key."""
    if request.known_id is not None:
        try:
            known = client.dataset_info(dataset_id=request.known_id)
        except NotOnServerError:
            known = None
        if known is not None and known.status is None and our_entry(known, SUPERSEDED_ENTRY) is None:
            return _Found(known)
    listed = client.dataset_list(is_active=None, organization_id=None, name=request.name, folder_id=None)
    described = [client.dataset_info(dataset_id=one.id) for one in listed if one.name == request.name]
    ours = [one for one in described if one.status is None and our_entry(one, KEY_ENTRY) == request.key]
    newest_first = sorted(ours, key=lambda one: (one.created, one.id), reverse=True)
    return _Found(newest_first[0], tuple(newest_first[1:])) if newest_first else _Found(None)


def _sent(
    plan: PublishPlan,
    places: Places,
    context: ServerContext,
    settings: PublishSettings,
    listener: UploadListener | None,
) -> tuple[str, int]:
    """Send what is lacking; return the dataset's id and the bytes that went over."""
    if plan.dataset_id is not None and plan.way is Way.NOTHING:
        return plan.dataset_id, 0
    if plan.dataset_id is not None and plan.way is Way.IN_PLACE:
        return plan.dataset_id, _sent_in_place(plan, plan.dataset_id, context, settings, listener)
    kept = plan.names(LayerChange.UNCHANGED)
    links = tuple(
        ApiLinkedLayerIdentifier(dataset_id=str(plan.dataset_id), layer_name=name, new_layer_name=None) for name in kept
    )
    if plan.request.mode == "paths":
        places_plan = plan_paths(plan.request.dataset_path, name=plan.request.name, leave_out=kept)
        placing = PathsSettings(
            placement=Placement(plan.request.transfer),
            path_prefix=plan.request.path_prefix,
            folder_id=places.folder_id,
            layers_to_link=links,
        )
        placed = run_upload_to_paths(places_plan, context, placing)
        return placed.dataset_id, placed.sent_bytes
    upload = plan_upload(plan.request.dataset_path, name=plan.request.name, leave_out=kept) if kept else plan.upload
    how = UploadSettings(
        folder_id=places.folder_id,
        layers_to_link=links,
        piece_bytes=settings.piece_bytes,
        threads=settings.threads,
        patience_seconds=settings.patience_seconds,
    )
    result = run_upload(upload, context, how, listener)
    return result.dataset_id, result.sent_bytes


def _sent_in_place(
    plan: PublishPlan,
    dataset_id: str,
    context: ServerContext,
    settings: PublishSettings,
    listener: UploadListener | None,
) -> int:
    how = PartSettings(
        piece_bytes=settings.piece_bytes, threads=settings.threads, patience_seconds=settings.patience_seconds
    )
    return sum(put_layer(plan, layer, dataset_id, context, how, listener) for layer in plan.layers if layer.is_sent)


def _supersede(outdated: ApiDataset, dataset_id: str, client: WkApiClient) -> None:
    """Take our key from a dataset that another one has replaced; it stays, because annotations and layers rest on it."""
    entries = with_our_entries(outdated, {SUPERSEDED_ENTRY: dataset_id})
    client.dataset_update(dataset_id=outdated.id, dataset_updates={"metadata": entries})
