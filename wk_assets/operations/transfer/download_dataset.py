"""Fetch a dataset from a server so that it appears here once, whole, whatever breaks on the way.

    <target>/.wk-assets/download/<fingerprint>/     arrays that have no name yet, and the journal
    block: fetch ──► write ──► note its checksum  ──► … ──► all there: arrays get their places ──► datasource-properties.json

Until the last file is there no reader finds the dataset, or the new layers of one that is there. A run that finds notes reads the
blocks that they name and compares checksums; only what is missing, or is not what was noted, is fetched.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from wk_assets.client.context import ServerContext
from wk_assets.client.store_clients import DatastoreApiClient
from wk_assets.errors import AlreadyThereError, DatasetExistsError, ShardCorruptError, ShardMissingError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.operations.compute import GIBIBYTE
from wk_assets.operations.datasets.add_mag import StagedArray, adopt_staged
from wk_assets.operations.datasets.change_properties import properties_lock, write_properties
from wk_assets.operations.datasets.zarr_groups import write_groups
from wk_assets.operations.records.layer_record import BOOKKEEPING
from wk_assets.operations.transfer.download_plan import DownloadBlock, DownloadMag, DownloadPlan
from wk_assets.properties.dataset_properties import FILE_NAME, DatasetProperties
from wk_assets.storage.array_axes import new_voxels
from wk_assets.storage.concurrent_fetches import concurrent_fetches
from wk_assets.storage.create_mag_array import create_mag_array
from wk_assets.storage.durable import make_directory, move_into_place, remove_tree
from wk_assets.storage.journal import Journal
from wk_assets.storage.locks import exclusive
from wk_assets.storage.mag_array import MagArray
from wk_assets.storage.mag_box import window_of
from wk_assets.storage.open_mag_array import open_mag_array
from wk_assets.storage.properties_file import read_properties

_REQUEST_BYTES = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadSettings:
    """Say how a dataset is fetched. `threads`: blocks at once, fewer if `memory_bytes` would not hold their voxels.

    `request_bytes`: one answer has at most this many, unless one row of chunks has more.
    """

    threads: int = 4
    memory_bytes: int = GIBIBYTE
    request_bytes: int = _REQUEST_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadResult:
    """Say what a download did. `reused`: the dataset was here already, from this very download. Bytes of voxels."""

    path: Path
    fetched_bytes: int
    kept_bytes: int
    reused: bool


DownloadListener = Callable[[int, int], None]  # bytes of voxels that are here, bytes in all


def run_download(
    plan: DownloadPlan,
    context: ServerContext,
    target: Path,
    settings: DownloadSettings = DownloadSettings(),  # noqa: B008  # immutable
    listener: DownloadListener | None = None,
    *,
    exist_ok: bool = False,
) -> DownloadResult:
    """Fetch what the plan names into a dataset at `target`; go on where an earlier run of this download stopped.

    `exist_ok`: add the layers to a dataset that is there. Nothing is fetched if this download has ended there before, also if
    the server has other voxels by now: choose another place to fetch them again. Raises DatasetExistsError if there is
    something else, AlreadyThereError for layers that are there, LockedError if somebody else downloads to this place now,
    PlanError, ServerError, StorageError.
    """
    _refuse_something_else(target)
    with exclusive(target / BOOKKEEPING / "download.lock", f"download of {plan.dataset_id} from {plan.server_url}"):
        return _Download(plan, context, target, settings, listener, exist_ok=exist_ok).run()


def _refuse_something_else(target: Path) -> None:
    """Raise DatasetExistsError for a file, or a folder of something else, before anything is put there."""
    ours = any((target / name).exists() for name in (BOOKKEEPING, FILE_NAME))
    if target.exists() and not ours and (not target.is_dir() or any(target.iterdir())):
        found = ", ".join(sorted(entry.name for entry in target.iterdir())[:3]) if target.is_dir() else "a file"
        raise DatasetExistsError(f"{target} is not empty: there is {found}. Choose another place for the download")


class _Download:
    """Hold one run of one download."""

    def __init__(
        self,
        plan: DownloadPlan,
        context: ServerContext,
        target: Path,
        settings: DownloadSettings,
        listener: DownloadListener | None,
        *,
        exist_ok: bool,
    ) -> None:
        self._exist_ok = exist_ok
        self._plan, self._target, self._settings, self._listener = plan, target, settings, listener
        self._threads = plan.threads_within(settings.memory_bytes, settings.threads)
        self._folder = target / BOOKKEEPING / "download" / plan.fingerprint
        self._journal = Journal(self._folder / "journal.jsonl")
        self._store: DatastoreApiClient = context.datastore_client(plan.store_url)
        self._lock = threading.Lock()
        self._fetched = self._kept = 0

    def run(self) -> DownloadResult:
        notes = _Notes.of(self._journal.records())
        there = read_properties(self._target) if (self._target / FILE_NAME).exists() else None
        if notes.publishing and there is not None and self._is_named(there):
            return self._done(reused=notes.done)
        if notes.done:  # somebody took the layers away again
            remove_tree(self._folder)
            notes = _Notes.of(())
        self._check_place(there)
        self._take_back(notes)
        arrays = {(mag.layer_name, mag.mag): self._array(mag) for mag in self._plan.mags}
        for size_bytes, fetched in concurrent_fetches(
            lambda block: self._block(arrays[block.layer_name, block.mag], block, notes.checksums),
            self._plan.blocks(),
            at_once=self._threads,
        ):
            self._count(size_bytes, fetched=fetched)
        self._publish(arrays)
        return self._done(reused=False)

    # ------------------------------------------------------------------ blocks

    def _block(
        self, array: MagArray, block: DownloadBlock, checksums: Mapping[tuple[str, str, int], int]
    ) -> tuple[int, bool]:
        """Make sure of one block; returns its bytes, and whether it was fetched."""
        key = (block.layer_name, block.mag.to_long_layer_name(), block.number)
        noted = checksums.get(key)
        if noted is not None:
            stored = _stored(array, block)
            if stored is not None and _checksum(stored) == noted:
                return stored.nbytes, False
        voxels = self._fetch(array, block)
        _write(array, block, voxels)
        with self._lock:
            self._journal.append({"block": list(key), "crc32c": _checksum(voxels)})
        return voxels.nbytes, True

    def _fetch(self, array: MagArray, block: DownloadBlock) -> NDArray[Any]:
        """Ask for the voxels of a block, a few planes at a time. Raises ServerError: never zeros for what is missing."""
        info, box = array.info, block.box_in_mag
        factors = block.mag.to_vec3_int()
        parts = []
        for first, thickness in self._slabs(array, block):
            corner, size = box.topleft_xyz.with_z(first), box.size_xyz.with_z(thickness)
            parts.append(
                self._store.read_box(
                    dataset_id=self._plan.dataset_id,
                    layer_name=block.layer_name,
                    mag=block.mag,
                    box=BoundingBox(corner * factors, size * factors),
                    channels=info.num_channels,
                    dtype=info.voxel_type,
                )
            )
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

    def _slabs(self, array: MagArray, block: DownloadBlock) -> Iterator[tuple[int, int]]:
        size, edge = block.box_in_mag.size_xyz, array.info.chunk_shape.z
        plane_bytes = size.x * size.y * array.info.num_channels * array.info.voxel_type.itemsize
        thickness = max(edge, self._settings.request_bytes // plane_bytes // edge * edge)
        first, last = block.box_in_mag.get_bounds("z")
        for z in range(first, last, thickness):
            yield z, min(thickness, last - z)

    def _count(self, size_bytes: int, *, fetched: bool) -> None:
        if fetched:
            self._fetched += size_bytes
        else:
            self._kept += size_bytes
        if self._listener is not None:
            self._listener(self._fetched + self._kept, self._plan.size_bytes)

    # ------------------------------------------------------------------ arrays and the dataset

    def _staged(self, layer_name: str, mag: Mag) -> Path:
        return self._folder / layer_name / mag.to_layer_name()

    def _array(self, mag: DownloadMag) -> MagArray:
        path = self._staged(mag.layer_name, mag.mag)
        if path.is_dir() and any(path.iterdir()):
            return open_mag_array(path, data_format=mag.info.data_format)
        make_directory(path.parent)
        return create_mag_array(path, mag.info)

    def _check_place(self, there: DatasetProperties | None) -> None:
        """Refuse a place with something else before anything is fetched."""
        if there is None:
            own = {BOOKKEEPING, *(layer.name for layer in self._plan.properties.data_layers if self._is_begun())}
            others = sorted(entry.name for entry in self._target.iterdir() if entry.name not in own)
            if others:
                raise DatasetExistsError(
                    f"{self._target} is not empty: there is {', '.join(others[:3])}. Choose another place for the download"
                )
            return
        if not self._exist_ok:
            raise DatasetExistsError(
                f"there is a dataset at {self._target} already; choose another place, or pass exist_ok=True to add layers"
            )
        if there.scale.to_nanometer() != self._plan.properties.scale.to_nanometer():
            raise DatasetExistsError(
                f"the dataset at {self._target} has voxel size {there.scale}, what is downloaded {self._plan.properties.scale}"
            )
        known = {layer.name for layer in there.data_layers}
        double = [layer.name for layer in self._plan.properties.data_layers if layer.name in known]
        if double:
            raise AlreadyThereError(
                f"the dataset at {self._target} has a layer {', '.join(double)} already; choose other layers or another place"
            )

    def _is_begun(self) -> bool:
        return self._folder.is_dir()

    def _take_back(self, notes: "_Notes") -> None:
        """Undo the moves of a run that was cut short while it published: nothing names those arrays yet."""
        if not notes.publishing:
            return
        for mag in self._plan.mags:
            staged, place = self._staged(mag.layer_name, mag.mag), self._place(mag)
            if not staged.exists() and place.exists():
                move_into_place(place, staged)

    def _place(self, mag: DownloadMag) -> Path:
        return self._target / mag.layer_name / mag.mag.to_layer_name()

    def _publish(self, arrays: Mapping[tuple[str, Mag], MagArray]) -> None:
        self._journal.append({"publishing": True})
        with properties_lock(self._target, f"download of {self._plan.dataset_id}"):
            path = self._target / FILE_NAME
            before = read_properties(self._target) if path.exists() else None
            self._check_place(before)
            layers = []
            for wanted in self._plan.properties.data_layers:
                layer = wanted
                for mag in self._plan.mags:
                    if mag.layer_name == layer.name:
                        axis_order = arrays[mag.layer_name, mag.mag].info.axis_order
                        staged = StagedArray(self._staged(mag.layer_name, mag.mag), axis_order)
                        layer = adopt_staged(self._target, layer, mag.mag, staged)
                layers.append(layer)
            if before is None:
                now = self._plan.properties.model_copy(update={"data_layers": tuple(layers)})
            else:
                now = before.model_copy(update={"data_layers": (*before.data_layers, *layers)})
            write_properties(self._target, now)
            write_groups(self._target, before, now)

    def _is_named(self, there: DatasetProperties) -> bool:
        named = {(layer.name, entry.mag) for layer in there.data_layers for entry in layer.mags}
        return all((mag.layer_name, mag.mag) in named and self._place(mag).is_dir() for mag in self._plan.mags)

    def _done(self, *, reused: bool) -> DownloadResult:
        if not reused:
            for layer in self._plan.properties.data_layers:
                remove_tree(self._folder / layer.name)
            self._journal.append({"done": True})
        return DownloadResult(
            path=self._target,
            fetched_bytes=self._fetched,
            kept_bytes=self._plan.size_bytes if reused else self._kept,
            reused=reused,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Notes:
    """What earlier runs noted of this download: checksums by layer, mag and number of the block."""

    checksums: Mapping[tuple[str, str, int], int]
    publishing: bool
    done: bool

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]]) -> "_Notes":
        """Read the journal; of a block that was fetched again the last note counts."""
        checksums = {}
        for one in records:
            if "block" in one:
                layer_name, mag, number = one["block"]
                checksums[str(layer_name), str(mag), int(number)] = int(one["crc32c"])
        return cls(
            checksums=checksums,
            publishing=any("publishing" in one for one in records),
            done=any("done" in one for one in records),
        )


def _stored(array: MagArray, block: DownloadBlock) -> NDArray[Any] | None:
    """Read a block that was noted; None if a crash left something else there."""
    try:
        return array.read_box(block.box_in_mag)
    except (ShardMissingError, ShardCorruptError):
        return None


def _write(array: MagArray, block: DownloadBlock, voxels: NDArray[Any]) -> None:
    """Write a block. Its shards are its own, so one that was damaged is written as a whole: around the block is background."""
    box = block.box_in_mag
    try:
        array.write_box(box, voxels)
    except (ShardMissingError, ShardCorruptError):
        first = box.topleft_xyz // block.shape * block.shape
        last = (box.bottomright_xyz.ceildiv(block.shape) * block.shape).pairmin(array.info.box.bottomright_xyz)
        whole = box.with_topleft_xyz(first).with_size_xyz(last - first)
        padded = new_voxels(whole, voxels.dtype)
        padded[window_of(box, whole)] = voxels
        array.write_box(whole, padded)


def _checksum(voxels: NDArray[Any]) -> int:
    """Return the CRC-32C of voxels (c, x, y, z) in Fortran order, little-endian, as a server sends them."""
    return int(google_crc32c.value(voxels.astype(voxels.dtype.newbyteorder("<"), copy=False).tobytes(order="F")))
