"""Put a dataset where a server keeps its files, on disks that both reach: copied, linked or moved; nothing goes over the network.

What is noted, line by line and synced, before anybody relies on it:

    what the server had of that name before ──► the dataset's id and the places ──► each part before it is placed ──► the end

A run that finds such notes goes on: a place that was reserved is filled, what is placed stays. Source: the routes
`reserveUploadToPaths`, `reserveUploadToPathsForPreliminary` and `finishUploadToPaths` of WEBKNOSSOS.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from wk_assets.client.context import ServerContext
from wk_assets.client.models import (
    ApiDataset,
    ApiLinkedLayerIdentifier,
    ApiReserveDatasetUploadToPathsForPreliminaryParameters,
    ApiReserveDatasetUploadToPathsParameters,
)
from wk_assets.errors import NoAnswerError, NotOnServerError, PlanError, UnexpectedStatusError
from wk_assets.operations.records.layer_record import BOOKKEEPING
from wk_assets.operations.transfer.paths_plan import PathsPlan
from wk_assets.operations.transfer.place_files import Placement, Placing, is_unchanged, local_target, place
from wk_assets.operations.transfer.remote_properties import difference_on_server
from wk_assets.operations.transfer.send_files import UploadListener
from wk_assets.operations.transfer.upload_dataset import UploadResult
from wk_assets.operations.transfer.upload_part import may_have_happened
from wk_assets.storage.durable import remove_tree
from wk_assets.storage.journal import Journal
from wk_assets.storage.locks import exclusive


@dataclass(frozen=True, slots=True, kw_only=True)
class PathsSettings:
    """Say where on the server a dataset goes, and how its files get there.

    `path_prefix` chooses among the server's storages. `preliminary_id`: a dataset that the server has reserved already, which
    is filled; then the settings of new datasets say nothing.
    """

    placement: Placement = Placement.COPY
    path_prefix: str | None = None
    preliminary_id: str | None = None
    folder_id: str | None = None
    team_ids: tuple[str, ...] = ()
    layers_to_link: tuple[ApiLinkedLayerIdentifier, ...] = ()
    require_unique_name: bool = False


def run_upload_to_paths(
    plan: PathsPlan,
    context: ServerContext,
    settings: PathsSettings = PathsSettings(),  # noqa: B008  # immutable
    listener: UploadListener | None = None,
) -> UploadResult:
    """Place what the plan names; go on where an earlier run stopped. `listener` hears parts that are placed, of all.

    Raises RemoteLocationError if the server wants files in object storage, StorageError, LockedError, RequestRefusedError for a
    dataset that is in use already, PlanError if the server has something else in the end, ServerError.
    """
    target = f"{context.address.url} {settings.preliminary_id or plan.name}"
    folder = plan.dataset_path / BOOKKEEPING / "placings" / hashlib.sha256(target.encode()).hexdigest()[:16]
    with exclusive(folder.parent / f"{folder.name}.lock", f"placing of {plan.name} for {context.address.url}"):
        return _Placing(plan, context, settings, listener, folder).run()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Notes:
    """What earlier runs noted of this dataset for this server."""

    before: tuple[str, ...] | None = None
    dataset_id: str | None = None
    source: Mapping[str, Any] | None = None
    ended: bool = False

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]], identity: str) -> Self:
        if not records or records[0].get("identity") != identity:
            return cls()
        reserved = next((one for one in records if "reserved" in one), None)
        return cls(
            before=tuple(records[0]["before"]),
            dataset_id=reserved["reserved"] if reserved else None,
            source=reserved["data_source"] if reserved else None,
            ended=any("ended" in one for one in records),
        )


class _Placing:
    """Hold one run."""

    def __init__(
        self,
        plan: PathsPlan,
        context: ServerContext,
        settings: PathsSettings,
        listener: UploadListener | None,
        folder: Path,
    ) -> None:
        self._plan, self._context, self._settings, self._listener = plan, context, settings, listener
        self._folder, self._client = folder, context.client()
        self._journal = Journal(folder / "journal.jsonl")
        links = [link.to_body() for link in settings.layers_to_link]
        self._identity = hashlib.sha256(
            f"{plan.fingerprint} {settings.placement} {settings.path_prefix} {settings.folder_id} {links}".encode()
        ).hexdigest()

    def run(self) -> UploadResult:
        records = self._journal.records()
        notes, noted = _Notes.of(records, self._identity), Placing.of(records)
        known = self._described(notes.dataset_id)
        if known is not None and known.status is None:
            if self._is_as_placed(noted) and difference_on_server(self._plan.properties, known.data_source) is None:
                return self._result(known.id, 0, reused=True)
            known = None
        if known is None or notes.source is None:
            if notes.before is None or notes.dataset_id is not None:
                notes = self._begun()
            dataset_id, source = self._reserved(notes.before or ())
        else:
            dataset_id, source = known.id, notes.source
        placed_bytes = self._place_all(source, noted)
        self._journal.append({"ended": True})
        self._end(dataset_id)
        return self._result(dataset_id, placed_bytes, reused=False)

    # ------------------------------------------------------------------ places

    def _begun(self) -> _Notes:
        """Begin anew. A reservation of something else stays on the server: parts may have been moved into it."""
        remove_tree(self._folder)
        before = tuple(one.id for one in self._of_name())
        self._journal.append({"identity": self._identity, "before": list(before)})
        return _Notes(before=before)

    def _reserved(self, before: Sequence[str]) -> tuple[str, Mapping[str, Any]]:
        source = self._plan.properties.to_json()
        dataset_id = self._settings.preliminary_id or self._lost_reservation(before)
        if dataset_id is not None:
            filled = ApiReserveDatasetUploadToPathsForPreliminaryParameters(
                data_source=source, path_prefix=self._settings.path_prefix
            )
            placed = self._client.reserve_dataset_upload_to_paths_for_preliminary(dataset_id, filled).data_source
        else:
            settings = self._settings
            made = self._client.reserve_dataset_upload_to_paths(
                ApiReserveDatasetUploadToPathsParameters(
                    dataset_name=self._plan.name,
                    initial_team_ids=settings.team_ids,
                    folder_id=settings.folder_id,
                    require_unique_name=settings.require_unique_name,
                    layers_to_link=settings.layers_to_link,
                    data_source=source,
                    path_prefix=settings.path_prefix,
                )
            )
            dataset_id, placed = made.new_dataset_id, made.data_source
        self._journal.append({"reserved": dataset_id, "data_source": placed})
        return dataset_id, placed

    def _lost_reservation(self, before: Sequence[str]) -> str | None:
        """Return the dataset that an earlier run reserved without hearing of it; None: there is none, or it is not certain."""
        if self._settings.layers_to_link:
            return None  # filling a reserved dataset takes no links
        new = [one.id for one in self._of_name() if one.id not in before]
        waiting = [one for one in new if self._client.dataset_info(dataset_id=one).status is not None]
        return waiting[0] if len(waiting) == 1 else None

    def _place_all(self, source: Mapping[str, Any], noted: Mapping[Path, Placing]) -> int:
        targets = self._plan.targets(source)
        local = {key: local_target(stated, " ".join(key)) for key, stated in targets.items()}
        placed_bytes = 0
        for number, (key, target) in enumerate(local.items(), 1):
            origin = self._plan.sources[key]
            placed_bytes += place(origin, target, self._settings.placement, self._journal, noted.get(target))
            if self._listener is not None:
                self._listener(number, len(local))
        return placed_bytes

    def _is_as_placed(self, noted: Mapping[Path, Placing]) -> bool:
        by_source = {one.source: one for one in noted.values()}
        by_target = {target.resolve(): one for target, one in noted.items()}
        for source in self._plan.sources.values():
            one = by_source.get(source) or by_source.get(source.resolve()) or by_target.get(source.resolve())
            if one is None or not is_unchanged(one, source):
                return False
        return True

    # ------------------------------------------------------------------ the end

    def _end(self, dataset_id: str) -> None:
        try:
            self._client.finish_dataset_upload_to_paths(dataset_id)
        except (NoAnswerError, UnexpectedStatusError) as error:
            described = self._described(dataset_id) if may_have_happened(error) else None
            if described is None or described.status is not None:
                raise
        described = self._described(dataset_id)
        if described is None:
            raise PlanError(f"dataset {dataset_id} was deleted from {self._context.address.url} while it was placed")
        mistake = described.status or difference_on_server(self._plan.properties, described.data_source)
        if mistake:
            raise PlanError(f"dataset {dataset_id} on {self._context.address.url} is not what was placed: {mistake}")

    def _described(self, dataset_id: str | None) -> ApiDataset | None:
        if dataset_id is None:
            return None
        try:
            return self._client.dataset_info(dataset_id=dataset_id)
        except NotOnServerError:
            return None

    def _of_name(self) -> list[Any]:
        found = self._client.dataset_list(is_active=None, organization_id=None, name=self._plan.name, folder_id=None)
        return [one for one in found if one.name == self._plan.name]

    def _result(self, dataset_id: str, placed_bytes: int, *, reused: bool) -> UploadResult:
        return UploadResult(
            dataset_id=dataset_id,
            url=f"{self._context.address.url}/datasets/{self._plan.name}-{dataset_id}",
            sent_bytes=placed_bytes,
            skipped_bytes=0,
            reused=reused,
        )
