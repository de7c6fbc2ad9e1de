"""What would go wrong later, found now: folders, free disk, permissions, credentials, patterns, versions.

Looks, and leaves nothing behind (one probe file is written to the storage root and removed again). Credentials are
looked for, not tried: nothing is sent anywhere.
"""

import os
import pyexpat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path

import psutil

from wk_assets.errors import CatalogueError, StorageError, WatchFolderError
from wk_assets.facility.acquisitions import Acquisition, scan_instrument
from wk_assets.facility.campaign_work import NodesWork, TableWork
from wk_assets.facility.catalogue import Catalogue
from wk_assets.facility.configuration import Configuration
from wk_assets.facility.file_systems import mounts, on_network
from wk_assets.facility.instrument import Instrument
from wk_assets.facility.layer_files import claimed_twice
from wk_assets.facility.patterns import matches
from wk_assets.facility.publishing import Publications
from wk_assets.facility.section import format_size
from wk_assets.storage.durable import free_bytes, storage_refusals

OLDEST_ZARR = (3, 1, 3)  # earlier ones do not rename shards into place
OLDEST_EXPAT = (2, 6)  # earlier ones take minutes for one long attribute in a hostile XML file


class Severity(StrEnum):
    """Say whether a finding stops the work (error) or should be known (warning)."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that will go wrong: where (a path of the file, or a place), how bad, what, and the remedy."""

    where: str
    severity: Severity
    what: str
    remedy: str


def examine(configuration: Configuration, environment: Mapping[str, str] | None = None) -> tuple[Finding, ...]:
    """Look at everything that the configuration relies on. No finding of severity error: ready to work."""
    return (
        *_storage(configuration),
        *_state(configuration),
        *_compute(configuration),
        *_publishing(configuration, os.environ if environment is None else environment),
        *(
            finding
            for index, instrument in enumerate(configuration.instrument_list)
            for finding in _instrument(instrument, f"instruments.{index}")
        ),
        *_campaigns(configuration),
        *version_findings(version("zarr"), pyexpat.version_info),
    )


def version_findings(zarr: str, expat: tuple[int, ...]) -> Iterator[Finding]:
    """Judge the versions of libraries whose older ones are known to lose data or time."""
    if tuple(int(part) for part in zarr.split(".")[:3] if part.isdecimal()) < OLDEST_ZARR:
        wanted = ".".join(map(str, OLDEST_ZARR))
        remedy = f"Install zarr {wanted} or newer"
        yield Finding("zarr", Severity.ERROR, f"zarr {zarr} does not write shards atomically", remedy)
    if expat[: len(OLDEST_EXPAT)] < OLDEST_EXPAT:
        yield Finding(
            "python",
            Severity.WARNING,
            f"the XML parser of this Python (expat {'.'.join(map(str, expat))}) is slow on hostile files",
            "Use Python 3.11.9 or newer before annotations of strangers are read",
        )


def _storage(configuration: Configuration) -> Iterator[Finding]:
    root = configuration.storage_root
    yield from _writable(root, "storage.root")
    free, minimum = free_bytes(root), configuration.storage.minimum_free
    if free < minimum:
        yield Finding(
            "storage.minimum_free",
            Severity.ERROR,
            f"{root} has {format_size(free)} free, {format_size(minimum)} must stay free",
            "Free some space, choose another storage.root, or lower storage.minimum_free",
        )
    if share := on_network(root, mounts()):
        yield Finding(
            "storage.root",
            Severity.WARNING,
            f"{root} lies on a network share ({share}); locks between machines depend on the share's settings",
            "Let only one machine import into it",
        )


def _state(configuration: Configuration) -> Iterator[Finding]:
    if share := on_network(configuration.home, mounts()):
        yield Finding(
            str(configuration.dagster_home),
            Severity.ERROR,
            f"the folder of wk_assets.yaml lies on a network share ({share}); Dagster's state and locks break there",
            "Move wk_assets.yaml to a local disk; storage.root and the watch folders may stay on the share",
        )
    yield from _writable(configuration.home, "the folder of wk_assets.yaml")
    if configuration.home.is_dir() and configuration.home.stat().st_mode & 0o1002 == 0o002:
        yield Finding(
            str(configuration.home),
            Severity.WARNING,
            "every user of this machine may change the configuration and the catalogue",
            f"Run: chmod o-w {configuration.home}",
        )
    try:
        problems = Catalogue(configuration.catalogue_folder).survey().problems
    except CatalogueError as error:
        yield Finding(str(configuration.catalogue_folder), Severity.ERROR, str(error), "Give this user permission")
    else:
        for problem in problems:
            yield Finding(problem.where, Severity.ERROR, problem.what, problem.remedy)


def _compute(configuration: Configuration) -> Iterator[Finding]:
    compute, cores = configuration.compute(), len(os.sched_getaffinity(0))
    memory = psutil.virtual_memory().total
    if compute.memory_bytes > memory:
        what = f"{format_size(compute.memory_bytes)} are more than this machine has ({format_size(memory)})"
        yield Finding("compute.memory", Severity.ERROR, what, "Lower compute.memory")
    if compute.threads > 2 * cores:
        what = f"{compute.threads} threads on {cores} cores"
        yield Finding("compute.threads", Severity.WARNING, what, "Write auto: more threads only take more memory")


def _publishing(configuration: Configuration, environment: Mapping[str, str]) -> Iterator[Finding]:
    settings = configuration.webknossos
    publishing = [name for name, one in configuration.instruments.items() if one.publish.publishes_any]
    if settings.url is None:
        for index, instrument in enumerate(configuration.instrument_list):
            if instrument.publish.publishes_any:
                what = f"datasets of {instrument.name!r} shall be published, but no server is named"
                remedy = "Set webknossos.url, or publish: false"
                yield Finding(f"instruments.{index}.publish", Severity.ERROR, what, remedy)
        return
    if settings.token(environment) is None:
        yield Finding(
            "webknossos.url",
            Severity.ERROR,
            f"datasets shall be published on {settings.url}, but the environment variable {settings.token_variable} is not set",
            f"Copy the token from {settings.url}/auth/token and set {settings.token_variable} where wk-assets runs",
        )
    if not publishing:
        what = f"{settings.url} is named, but no instrument has 'publish: true'"
        yield Finding("webknossos.url", Severity.WARNING, what, "Say so where datasets shall be published")
    try:
        Publications(configuration.publications_folder).all()
    except CatalogueError as error:
        what, _, remedy = str(error).partition(". ")
        yield Finding(str(configuration.publications_folder), Severity.ERROR, what, remedy)


def _campaigns(configuration: Configuration) -> Iterator[Finding]:
    """Look for what campaigns rely on: a server, their dataset, their tables and skeletons."""
    try:
        known = set(Catalogue(configuration.catalogue_folder).survey().entries)
    except CatalogueError:
        return  # told already, and nothing can be said about datasets
    for index, campaign in enumerate(configuration.campaign_list):
        if not campaign.active:
            continue
        if configuration.webknossos.url is None:
            what = f"tasks of {campaign.name!r} shall be made, but no server is named"
            yield Finding(f"campaigns.{index}", Severity.ERROR, what, "Set webknossos.url, or write 'active: false'")
        if not campaign.on_server and campaign.dataset not in known:
            what = f"there is no dataset {campaign.dataset!r} in the catalogue (yet)"
            remedy = "Import it, correct the name, or give the id of a dataset on the server"
            yield Finding(f"campaigns.{index}.dataset", Severity.WARNING, what, remedy)
        work = campaign.work
        if isinstance(work, TableWork | NodesWork) and not os.access(work.file, os.R_OK):
            what = f"{work.file} is not there, or this user may not read it"
            yield Finding(f"campaigns.{index}.work.file", Severity.ERROR, what, "Put it there, or correct the name")


def _instrument(instrument: Instrument, here: str) -> Iterator[Finding]:
    try:
        acquisitions = scan_instrument(instrument)
    except WatchFolderError as error:
        what, _, remedy = str(error).partition(". ")
        yield Finding(f"{here}.watch", Severity.ERROR, what, remedy)
        return
    for acquisition in acquisitions:
        for sentence in acquisition.unreadable:
            remedy = "Give this user permission to read it, or add it to 'ignore'"
            yield Finding(str(acquisition.folder), Severity.WARNING, sentence, remedy)
    if any(acquisition.files for acquisition in acquisitions):
        yield from _patterns(instrument, acquisitions, here)


def _patterns(instrument: Instrument, acquisitions: tuple[Acquisition, ...], here: str) -> Iterator[Finding]:
    """Try the layers' patterns on what is there. One acquisition may be unfinished, so all of them are asked."""
    paths = [file.relative_path for acquisition in acquisitions for file in acquisition.files]
    for index, layer in enumerate(instrument.layers):
        for pattern in layer.files:
            if not any(matches(pattern, path) for path in paths):
                yield Finding(
                    f"{here}.layers.{index}.files",
                    Severity.ERROR,
                    f"{pattern!r} matches none of the {len(paths)} files in {instrument.watch} (there is {paths[0]})",
                    "Correct the pattern",
                )
    for acquisition in acquisitions:
        for sentence in claimed_twice(instrument, acquisition):
            what, _, remedy = sentence.partition("; ")
            where = f"{here}.layers"
            yield Finding(where, Severity.ERROR, f"{acquisition.name}: {what}", remedy[:1].upper() + remedy[1:])
            return


def _writable(folder: Path, where: str) -> Iterator[Finding]:
    """Write a probe into a folder (or, if it does not exist yet, into the nearest folder above), and remove it again."""
    existing = next((place for place in (folder, *folder.parents) if place.exists()), Path("/"))
    if not existing.is_dir():
        yield Finding(where, Severity.ERROR, f"{existing} is a file, not a folder", "Name a folder")
        return
    probe = existing / f".wk-assets-probe-{os.getpid()}"
    try:
        with storage_refusals(existing):
            try:
                probe.write_bytes(b"probe")
            finally:
                probe.unlink(missing_ok=True)
    except StorageError as error:
        what, _, remedy = str(error).partition(". ")
        yield Finding(where, Severity.ERROR, what, remedy or "Choose another folder")
    except OSError as error:  # some special file systems refuse with errors of their own
        yield Finding(where, Severity.ERROR, f"can not write to {existing}: {error.strerror}", "Choose another folder")
