"""Which acquisitions are to be registered now, and what the others wait for. A pure decision.

    decide(cursor, observation) -> Decision

Nothing is listed, read, written or asked for here: `watch` looks, `acquisitions` and `inbox_scan` carry the decision to Dagster.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from sensors.cursor import MAX_SIGHTINGS, AcquisitionId, Cursor
from wk_assets.errors import InvalidNameError, Problem
from wk_assets.facility.acquisitions import Acquisition
from wk_assets.facility.catalogue_entry import CatalogueEntry
from wk_assets.facility.finished import judge, sight
from wk_assets.facility.instrument import Instrument
from wk_assets.facility.naming import dataset_name

MAX_REQUESTS: Final = 10  # per look: each is a run; the others follow with the next look
MAX_SENTENCES: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedInstrument:
    """What a look at one instrument's folder saw. `problem`: why it could not be listed (then there are no acquisitions)."""

    instrument: Instrument
    acquisitions: tuple[Acquisition, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Everything that a decision depends on.

    `now`: seconds since the epoch on this machine. `entries`: the catalogue by dataset, archived ones too.
    `requested`: what became of the runs that were requested before, by run key ("is queued", "failed (run 1a2b3c4d)").
    """

    now: float
    watched: tuple[WatchedInstrument, ...]
    entries: Mapping[str, CatalogueEntry]
    catalogue_problems: tuple[Problem, ...] = ()
    requested: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Ask for one acquisition to be registered, with the content that was seen."""

    name: AcquisitionId
    dataset: str
    signature: str
    run_key: str  # identifies the content: the same acquisition with the same files is requested once, whoever asks


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to request, what to remember, and one sentence about each acquisition that is not requested."""

    registrations: tuple[Registration, ...]
    cursor: Cursor
    sentences: tuple[str, ...]

    @property
    def reason(self) -> str:
        """Say in a few lines why nothing (else) is requested."""
        shown = list(self.sentences[:MAX_SENTENCES])
        if len(self.sentences) > MAX_SENTENCES:
            shown.append(f"… and {len(self.sentences) - MAX_SENTENCES} more")
        return "\n".join(shown)


def run_key(name: AcquisitionId, signature: str, replaces: str | None) -> str:
    """Build the run key of a registration. What it replaces is part of it: files may become again what they were."""
    return f"register:{name}@{signature}" + (f" after {replaces}" if replaces else "")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An acquisition that the catalogue does not know as it is now. `entry`: what it knows of an earlier content."""

    instrument: Instrument
    acquisition: Acquisition
    entry: CatalogueEntry | None

    @property
    def name(self) -> AcquisitionId:
        """Name the acquisition."""
        return AcquisitionId(self.instrument.name, self.acquisition.name)

    @property
    def run_key(self) -> str:
        """Identify the registration that would be requested."""
        return run_key(self.name, self.acquisition.signature, self.entry.signature if self.entry else None)


def candidates(watched: Iterable[WatchedInstrument], entries: Mapping[str, CatalogueEntry]) -> tuple[Candidate, ...]:
    """List the acquisitions that are new or changed. One whose dataset is archived is left alone, changed or not."""
    known = {AcquisitionId(entry.instrument, entry.acquisition): entry for entry in entries.values()}
    found = []
    for one in watched:
        for acquisition in one.acquisitions:
            entry = known.get(AcquisitionId(one.instrument.name, acquisition.name))
            if entry is None or (entry.active and entry.signature != acquisition.signature):
                found.append(Candidate(one.instrument, acquisition, entry))
    return tuple(found)


def decide(cursor: Cursor, observation: Observation) -> Decision:
    """Request the finished acquisitions that the catalogue does not know as they are now, at most MAX_REQUESTS."""
    found = candidates(observation.watched, observation.entries)
    owners = {
        entry.dataset: AcquisitionId(entry.instrument, entry.acquisition) for entry in observation.entries.values()
    }
    sightings = {one.name: sight(one.acquisition, cursor.sightings.get(one.name), observation.now) for one in found}
    registrations: list[Registration] = []
    sentences = [f"Catalogue: {problem}" for problem in observation.catalogue_problems]
    sentences += [sentence for watched in observation.watched for sentence in _about_folder(watched)]
    for one in found:
        verdict = judge(one.instrument.finished, one.acquisition, cursor.sightings.get(one.name), observation.now)
        state = observation.requested.get(one.run_key)
        if not verdict.finished:
            sentences.append(f"{one.name}: {verdict.reason}")
        elif state is not None:
            sentences.append(f"{one.name}: its registration {state}")
        elif len(registrations) == MAX_REQUESTS:
            sentences.append(
                f"{one.name} is finished and follows with the next look ({MAX_REQUESTS} are registered at a time)"
            )
        else:
            try:
                registrations.append(_registration(one, owners))
            except InvalidNameError as error:
                sentences.append(f"{one.name} can not be registered: {error}")
    sentences += _about_the_rest(observation, len(found))
    bounded = MappingProxyType(dict(list(sightings.items())[:MAX_SIGHTINGS]))
    return Decision(registrations=tuple(registrations), cursor=Cursor(bounded), sentences=tuple(sentences))


def _registration(one: Candidate, owners: dict[str, AcquisitionId]) -> Registration:
    """Name the dataset, and take the name. Raises InvalidNameError if it is illegal or another acquisition's."""
    instrument = one.instrument
    dataset = (
        one.entry.dataset
        if one.entry
        else dataset_name(instrument.dataset, instrument=instrument.name, acquisition=one.acquisition.name)
    )
    owner = owners.setdefault(dataset, one.name)
    if owner != one.name:
        raise InvalidNameError(
            f"its dataset would be called {dataset!r}, which is made from {owner} already. Rename the folder, "
            f"or use {{instrument}} in the setting 'dataset' of {instrument.name}"
        )
    return Registration(name=one.name, dataset=dataset, signature=one.acquisition.signature, run_key=one.run_key)


def _about_folder(watched: WatchedInstrument) -> list[str]:
    instrument = watched.instrument
    if watched.problem is not None:
        return [f"{instrument.name}: {watched.problem}"]
    if not watched.acquisitions:
        pattern = f" that is called like {instrument.acquisitions!r}" if instrument.acquisitions != "*" else ""
        return [f"{instrument.name}: {instrument.watch} holds no folder{pattern}; each acquisition is one folder"]
    return []


def _about_the_rest(observation: Observation, candidates_count: int) -> list[str]:
    sentences = []
    registered = sum(len(watched.acquisitions) for watched in observation.watched) - candidates_count
    if registered:
        sentences.append(
            f"{registered} {'acquisition is' if registered == 1 else 'acquisitions are'} registered and unchanged"
        )
    if candidates_count > MAX_SIGHTINGS:
        sentences.append(
            f"{candidates_count} acquisitions wait; only {MAX_SIGHTINGS} are watched for changes at a time"
        )
    return sentences
