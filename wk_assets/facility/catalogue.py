"""The catalogue: which datasets there are, one small JSON file each. The asset graph is built from it.

Reads and writes `<folder>/<dataset>.json`; what an entry says is in `catalogue_entry`. Opens no image and no dataset
(see `registration`, `operations`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import xxhash
from filelock import FileLock, Timeout
from pydantic import ValidationError

from wk_assets.errors import CatalogueError, LockedError, Problem
from wk_assets.facility.catalogue_entry import CatalogueEntry, EntryStatus
from wk_assets.storage.durable import make_directory, storage_refusals, write_atomically

LARGEST_ENTRY_BYTES = 4 << 20
LOCK_SECONDS = 30.0
_REMEDY = "Correct the file, or remove it and register the acquisition again"


@dataclass(frozen=True, slots=True)
class CatalogueSurvey:
    """Everything in the catalogue's folder: readable entries by dataset, and what is wrong with the other files."""

    entries: Mapping[str, CatalogueEntry]
    problems: tuple[Problem, ...]


class Catalogue:
    """The catalogue's folder. Cheap to build, keeps nothing in memory; safe to use from several processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def survey(self) -> CatalogueSurvey:
        """Read every entry, and collect what is wrong instead of raising. A missing folder is an empty catalogue."""
        entries: dict[str, CatalogueEntry] = {}
        problems: list[Problem] = []
        for file in self._files():
            try:
                entry = self._read(file)
            except CatalogueError as error:
                problems.append(
                    Problem(str(file), str(error).removeprefix(f"{file}: ").removesuffix(f". {_REMEDY}"), _REMEDY)
                )
            else:
                if entry is not None:
                    entries[entry.dataset] = entry
        return CatalogueSurvey(entries, tuple(problems))

    def entries(self) -> tuple[CatalogueEntry, ...]:
        """Read every entry, archived ones too, sorted by dataset. Raises CatalogueError naming all unreadable files."""
        survey = self.survey()
        if survey.problems:
            listing = "\n".join(f"  - {problem}" for problem in survey.problems)
            count = len(survey.problems)
            raise CatalogueError(
                f"{count} {'entry' if count == 1 else 'entries'} of the catalogue can not be understood\n{listing}"
            )
        return tuple(survey.entries.values())

    def active(self) -> tuple[CatalogueEntry, ...]:
        """Read the entries that are worked on, sorted by dataset. Raises CatalogueError."""
        return tuple(entry for entry in self.entries() if entry.active)

    def get(self, dataset: str) -> CatalogueEntry | None:
        """Read one entry, None if there is none. Raises CatalogueError if its file can not be understood."""
        return self._read(self._file(dataset)) if self._file(dataset) in self._files() else None

    def find(self, instrument: str, acquisition: str) -> CatalogueEntry | None:
        """Find the entry of an acquisition among those that can be understood."""
        wanted = (instrument, acquisition)
        found = (entry for entry in self.survey().entries.values() if (entry.instrument, entry.acquisition) == wanted)
        return next(found, None)

    def put(self, entry: CatalogueEntry) -> bool:
        """Write an entry atomically; say whether anything changed (the same entry again writes nothing).

        Raises CatalogueError if another acquisition has the dataset's name (names that differ in case alone count as
        one), or if the acquisition has a dataset of another name; LockedError if the catalogue stays locked; and what
        a full disk or a read-only folder raises. A file that can not be understood is never overwritten.
        """
        with self._locked():
            self.get(entry.dataset)
            for other in self.survey().entries.values():
                _refuse_two_claims(entry, other)
            return write_atomically(self._file(entry.dataset), entry.to_bytes())

    def archive(self, dataset: str) -> CatalogueEntry:
        """Move an entry to the archived ones: its assets leave the graph, all files stay. Raises CatalogueError if there is none."""
        return self._move(dataset, EntryStatus.ARCHIVED)

    def activate(self, dataset: str) -> CatalogueEntry:
        """Bring an archived entry back. Raises CatalogueError if there is none."""
        return self._move(dataset, EntryStatus.ACTIVE)

    def fingerprint(self) -> str:
        """Digest the names, sizes and mtimes of all entries: a cheap answer to 'has anything changed?'."""
        digest = xxhash.xxh3_128()
        for file in self._files():
            try:
                status = file.stat()
            except FileNotFoundError:
                continue
            digest.update(f"{file.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def _move(self, dataset: str, status: EntryStatus) -> CatalogueEntry:
        with self._locked():
            entry = self.get(dataset)
            if entry is None:
                known = ", ".join(file.stem for file in self._files()) or "none"
                raise CatalogueError(
                    f"there is no dataset {dataset!r} in the catalogue {self.folder}; there are: {known}"
                )
            moved = entry.model_copy(update={"status": status})
            write_atomically(self._file(dataset), moved.to_bytes())
            return moved

    def _file(self, dataset: str) -> Path:
        return self.folder / f"{dataset}.json"

    def _files(self) -> list[Path]:
        """List the entries' files. Hidden ones are locks and the leftovers of killed writers."""
        try:
            return sorted(
                file for file in self.folder.iterdir() if file.suffix == ".json" and not file.name.startswith(".")
            )
        except FileNotFoundError:
            return []
        except OSError as error:
            raise CatalogueError(f"the catalogue {self.folder} can not be listed: {error.strerror}") from error

    def _read(self, file: Path) -> CatalogueEntry | None:
        try:
            if file.stat().st_size > LARGEST_ENTRY_BYTES:
                raise CatalogueError(f"{file}: it is larger than any entry. {_REMEDY}")
            entry = CatalogueEntry.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            return None  # removed since it was listed
        except OSError as error:
            raise CatalogueError(f"{file}: it can not be read ({error.strerror}). {_REMEDY}") from error
        except ValidationError as error:
            found = [
                f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}" for e in error.errors(include_url=False)
            ]
            raise CatalogueError(f"{file}: {'; '.join(found[:5])}. {_REMEDY}") from error
        if entry.dataset != file.stem:
            raise CatalogueError(
                f"{file}: it is the entry of {entry.dataset!r}, so its name must be {entry.dataset}.json. {_REMEDY}"
            )
        return entry

    @contextmanager
    def _locked(self) -> Iterator[None]:
        make_directory(self.folder)
        lock = FileLock(self.folder / ".lock", thread_local=False)
        with storage_refusals(self.folder):
            try:
                lock.acquire(timeout=LOCK_SECONDS)
            except Timeout as error:
                raise LockedError(
                    f"the catalogue {self.folder} was locked by another process for {LOCK_SECONDS:g} s. Look for one that hangs"
                ) from error
        try:
            yield
        finally:
            lock.release()


def _refuse_two_claims(entry: CatalogueEntry, other: CatalogueEntry) -> None:
    same_source = (entry.instrument, entry.acquisition) == (other.instrument, other.acquisition)
    if entry.dataset.casefold() == other.dataset.casefold() and not (same_source and entry.dataset == other.dataset):
        raise CatalogueError(
            f"dataset name {entry.dataset!r}: acquisition {entry.acquisition!r} of {entry.instrument!r} claims it, but "
            f"{other.dataset!r} belongs to acquisition {other.acquisition!r} of {other.instrument!r} already. "
            "Rename the folder, or make the instrument's 'dataset' template tell them apart, e.g. '{instrument}-{acquisition}'"
        )
    if same_source and entry.dataset != other.dataset:
        raise CatalogueError(
            f"acquisition {entry.acquisition!r} of {entry.instrument!r} is the dataset {other.dataset!r} already, and can not "
            f"become {entry.dataset!r} too. Remove {other.dataset}.json from the catalogue to give it a new name"
        )
