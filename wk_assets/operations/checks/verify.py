"""Look whether what is stored is what was written: every shard of every manifest, present, of its size, its bytes unchanged.

Reads bytes and checksums, decodes nothing, changes nothing. A part of the shards can be looked at per run, so that a
schedule gets round a large dataset in n runs.
"""

import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from wk_assets.errors import InputError, NotADatasetError, PropertiesError
from wk_assets.geometry.mag import Mag
from wk_assets.operations.compute import Compute
from wk_assets.operations.records.layer_record import BOOKKEEPING, read_layer_record
from wk_assets.properties.dataset_properties import FILE_NAME, DatasetProperties
from wk_assets.storage.manifest import MANIFEST_NAME, Manifest, PromisesNow
from wk_assets.storage.shard import ShardEntry, checksum_of


@dataclass(frozen=True, slots=True)
class Subset:
    """The n-th of t parts of all shards (1-based), chosen by the shard's name: the parts together are all shards."""

    n: int = 1
    t: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.n <= self.t:
            raise InputError(f"subset {self.n}/{self.t}: give n/t with 1 <= n <= t, for example 1/10")

    @classmethod
    def parse(cls, text: str) -> "Subset":
        """Read "n/t". Raises InputError."""
        try:
            n, t = (int(part) for part in text.split("/"))
        except ValueError as error:
            raise InputError(f"subset {text!r}: give n/t, for example 1/10") from error
        return cls(n, t)

    def holds(self, name: str) -> bool:
        """Say whether a shard is in this part."""
        return zlib.crc32(name.encode()) % self.t == self.n - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What was looked at and what was found: a sentence per damaged shard or array, each naming it.

    `damaged`: the layers and mags that the findings are about. `foreign`: arrays that wk-assets did not write, for
    which nobody kept checksums. `edited`: layers and mags that were changed in place since they were made: no damage, but no
    source has what they hold now.
    """

    arrays: int
    shards: int
    checked_shards: int
    checked_bytes: int
    findings: tuple[str, ...]
    damaged: tuple[tuple[str, Mag], ...] = ()
    foreign: tuple[str, ...] = ()
    edited: tuple[tuple[str, Mag], ...] = ()

    @property
    def passed(self) -> bool:
        """Say whether nothing was found."""
        return not self.findings


def verify_dataset(
    dataset_path: Path,
    compute: Compute,
    subset: Subset | None = None,
    listener: Callable[[int, int], None] | None = None,
) -> VerifyReport:
    """Check every shard that the dataset's manifests promise; the checksums of those in `subset` (None: of all).

    Sizes and presence are checked of all shards, whatever the subset. `listener` hears shards done and shards in all.
    A dataset that is committed anew meanwhile is looked at once more: its old version goes away under the eyes.
    Raises NotADatasetError if there is no committed dataset, PropertiesError for a file that is none of a dataset.
    """
    text = _committed_text(dataset_path)
    report = _verify(dataset_path, text, compute, subset or Subset(), listener)
    if not report.passed and (now := _committed_text(dataset_path)) != text:
        report = _verify(dataset_path, now, compute, subset or Subset(), listener)
    return report


@dataclass(frozen=True, slots=True)
class _Promised:
    """One array that the dataset names, and what its manifest promises. `made_and_edited`: by a run first, then in place."""

    layer_name: str
    mag: Mag
    path: Path
    manifest: Manifest
    made_and_edited: bool
    now: PromisesNow


class _Notes:
    """What is found on the way, in order."""

    def __init__(self) -> None:
        self.findings: list[str] = []
        self.damaged: dict[tuple[str, Mag], None] = {}
        self.foreign: list[str] = []

    def damage(self, layer_name: str, mag: Mag, sentence: str) -> None:
        """Take note of a damage."""
        self.findings.append(sentence)
        self.damaged[layer_name, mag] = None


def _verify(
    dataset_path: Path,
    text: str,
    compute: Compute,
    part: Subset,
    listener: Callable[[int, int], None] | None,
) -> VerifyReport:
    notes = _Notes()
    arrays = list(_arrays(dataset_path, text, notes))
    shards = [(array, shard) for array in arrays for shard in array.manifest.shards]
    checked = checked_bytes = 0
    with ThreadPoolExecutor(compute.threads) as pool:
        looks = pool.map(
            lambda one: _look_at(dataset_path, one[0], one[1], read=part.holds(f"{one[0].path.name}/{one[1].key}")),
            shards,
        )
        for number, ((array, _), (finding, size)) in enumerate(zip(shards, looks, strict=True), start=1):
            if finding is not None:
                notes.damage(array.layer_name, array.mag, finding)
            if size is not None:
                checked += 1
                checked_bytes += size
            if listener is not None:
                listener(number, len(shards))
    return VerifyReport(
        arrays=len(arrays),
        shards=len(shards),
        checked_shards=checked,
        checked_bytes=checked_bytes,
        findings=tuple(notes.findings),
        damaged=tuple(notes.damaged),
        foreign=tuple(notes.foreign),
        edited=tuple((array.layer_name, array.mag) for array in arrays if array.made_and_edited),
    )


def _committed_text(dataset_path: Path) -> str:
    try:
        return (dataset_path / FILE_NAME).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotADatasetError(f"{dataset_path} holds no committed dataset: there is no {FILE_NAME}") from error


def _arrays(dataset_path: Path, text: str, notes: _Notes) -> Iterator[_Promised]:
    """Yield each array that the dataset names, with its manifest; what can not be checked is noted."""
    properties = DatasetProperties.parse_text(text, source=str(dataset_path / FILE_NAME))
    for layer in properties.data_layers:
        record = read_layer_record(dataset_path, layer.name)
        for mag in layer.mags:
            path = dataset_path / (mag.path or f"{layer.name}/{mag.mag.to_layer_name()}")
            name = path.relative_to(dataset_path) if path.is_relative_to(dataset_path) else path
            if record is None and not (path / MANIFEST_NAME).exists():
                notes.foreign.append(str(name))
                continue
            try:
                manifest = Manifest.load(path)
            except (NotADatasetError, PropertiesError) as error:
                notes.damage(layer.name, mag.mag, f"{name}: can not be verified: {error}")
                continue
            stored = record.mag(mag.mag) if record is not None else None
            # another path in the ledger is a newer version that no commit has named yet; edits give a version another key
            if (
                stored is not None
                and dataset_path / stored.path == path
                and stored.key != manifest.content_key
                and manifest.edited_from is None
            ):
                sentence = f"{name}: its manifest is of another version than {BOOKKEEPING}/{layer.name}.json says"
                notes.damage(layer.name, mag.mag, sentence)
            edited = stored is not None and manifest.edited_from is not None
            yield _Promised(layer.name, mag.mag, path, manifest, edited, PromisesNow(path))


def _look_at(dataset_path: Path, array: _Promised, shard: ShardEntry, *, read: bool) -> tuple[str | None, int | None]:
    """Return a finding, if any, and the bytes that were read, None if the checksum was not asked for.

    A shard that somebody replaced since the manifest was loaded is compared with what the array promises by then.
    """
    while True:
        finding, size = _compare(dataset_path, array.path, shard, read=read)
        if finding is None:
            return None, size
        try:
            now = array.now.of(shard.key)
        except (NotADatasetError, PropertiesError):
            return finding, size
        if now == shard:
            return finding, size
        if now is None:
            return None, None
        shard = now


def _compare(dataset_path: Path, array_path: Path, shard: ShardEntry, *, read: bool) -> tuple[str | None, int | None]:
    path = array_path / shard.key
    name = path.relative_to(dataset_path) if path.is_relative_to(dataset_path) else path
    try:
        size = path.stat().st_size
        if size != shard.size_bytes:
            return f"{name}: {size} bytes, the manifest says {shard.size_bytes}", None
        if not read:
            return None, None
        size, crc = checksum_of(path)
    except FileNotFoundError:
        return f"{name}: is missing", None
    except OSError as error:
        return f"{name}: can not be read: {error.strerror}", None
    if crc != shard.crc32c:
        return f"{name}: its bytes have changed (crc32c {crc:08x}, the manifest says {shard.crc32c:08x})", size
    return None, size
