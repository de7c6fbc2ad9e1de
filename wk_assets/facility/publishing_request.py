"""From a catalogue entry and wk_assets.yaml to the request to publish a dataset, and what is remembered of it afterwards.

Used by the asset and by the command line. Reads the provenance that the commit wrote; everything on the server is done by
`operations.transfer.publish_dataset`.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wk_assets.client.context import ServerContext
from wk_assets.client.live_metadata import MetadataValue
from wk_assets.client.transport import ServerAddress
from wk_assets.errors import ConfigurationError, NotADatasetError, NotAuthenticatedError, Problem
from wk_assets.facility.catalogue_entry import CatalogueEntry
from wk_assets.facility.configuration import FILE_NAME, Configuration
from wk_assets.facility.publishing import Publications, Published
from wk_assets.facility.publishing_settings import PublishSettings
from wk_assets.facility.requests import dataset_path
from wk_assets.operations.datasets.commit_dataset import PROVENANCE_NAME
from wk_assets.operations.transfer.publish_dataset import PublishResult, run_publish
from wk_assets.operations.transfer.publish_plan import OUR_PREFIX, PublishRequest
from wk_assets.operations.transfer.send_files import UploadListener

KEY_PREFIX = "webknossos"
_TIMEOUT_SECONDS = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """Say what is on the server now, and what was done for it."""

    published: Published
    result: PublishResult


def publishing_of(configuration: Configuration, entry: CatalogueEntry) -> PublishSettings | None:
    """Say how a dataset is to be published; None: not at all. An instrument that is gone publishes nothing."""
    instrument = configuration.instruments.get(entry.instrument)
    if configuration.webknossos.url is None or instrument is None:
        return None
    settings = instrument.publish.of(entry.dataset)
    return settings if settings.enabled else None


def publishing_by_dataset(
    configuration: Configuration, entries: Iterable[CatalogueEntry]
) -> Mapping[str, PublishSettings]:
    """Say how each dataset that is worked on is to be published; those that are not published are left out."""
    found = ((entry.dataset, publishing_of(configuration, entry)) for entry in entries if entry.active)
    return {dataset: settings for dataset, settings in found if settings is not None}


def publish_request(configuration: Configuration, entry: CatalogueEntry) -> PublishRequest:
    """Build the request. Raises ConfigurationError if the dataset is not to be published, NotADatasetError before its commit."""
    settings = publishing_of(configuration, entry)
    if settings is None:
        raise ConfigurationError(str(configuration.home / FILE_NAME), [_not_wanted(configuration, entry)])
    server = configuration.webknossos
    path = dataset_path(configuration, entry)
    known = Publications(configuration.publications_folder).get(entry.dataset)
    return PublishRequest(
        dataset_path=path,
        name=entry.dataset,
        key=f"{KEY_PREFIX}/{entry.dataset}",
        folder=settings.folder,
        teams=settings.teams,
        tags=settings.tags,
        public=settings.public,
        view=settings.view,
        description=_description(configuration, entry),
        facts=_facts(configuration, entry),
        known_id=known.dataset_id if known is not None and known.server == server.url else None,
        link_url=server.link_url,
        mode=server.mode,
        transfer=server.transfer,
        path_prefix=server.path_prefix,
    )


def publish_entry(
    configuration: Configuration,
    entry: CatalogueEntry,
    context: ServerContext,
    listener: UploadListener | None = None,
) -> Publication:
    """Publish a dataset and remember it. Raises what `publish_request` and `run_publish` raise."""
    request = publish_request(configuration, entry)
    result = run_publish(request, context, listener=listener)
    published = Published(
        dataset=entry.dataset,
        dataset_id=result.dataset_id,
        url=result.url,
        server=context.address.url,
        fingerprint=result.plan.fingerprint,
        layers=result.plan.fingerprints,
    )
    Publications(configuration.publications_folder).put(published)
    return Publication(published=published, result=result)


def server_of(configuration: Configuration) -> ServerContext:
    """Build the context of the configured server, with the token of the environment, for the command line.

    Raises ConfigurationError if no server is named, NotAuthenticatedError if there is no token.
    """
    settings = configuration.webknossos
    if settings.url is None:
        problem = Problem("webknossos.url", "no server is named", "Set it, e.g. to https://webknossos.example.org")
        raise ConfigurationError(str(configuration.home / FILE_NAME), [problem])
    token = settings.token()
    if token is None:
        raise NotAuthenticatedError(
            method="any call",
            route=settings.url,
            status=401,
            messages=["there is no token"],
            hint=f"Copy it from {settings.url}/auth/token and set the environment variable {settings.token_variable}",
        )
    return ServerContext(ServerAddress(url=settings.url, token=token, timeout_seconds=_TIMEOUT_SECONDS))


def _not_wanted(configuration: Configuration, entry: CatalogueEntry) -> Problem:
    if configuration.webknossos.url is None:
        return Problem("webknossos.url", "no server is named", "Set it, e.g. to https://webknossos.example.org")
    what = f"dataset {entry.dataset!r} of instrument {entry.instrument!r} is not to be published"
    return Problem("instruments", what, f"Write 'publish: true' at the instrument {entry.instrument!r}")


def _description(configuration: Configuration, entry: CatalogueEntry) -> str:
    sources = f"{sum(layer.files for layer in entry.layers)} files"
    made = f"Made by wk-assets from {sources} of acquisition {entry.acquisition}, instrument {entry.instrument}."
    lineage = configuration.webknossos.lineage_url
    return f"{made} [Lineage]({lineage}/assets/datasets/{entry.dataset})" if lineage else made


def _facts(configuration: Configuration, entry: CatalogueEntry) -> dict[str, MetadataValue]:
    provenance = dataset_path(configuration, entry) / PROVENANCE_NAME
    try:
        digest = hashlib.sha256(provenance.read_bytes()).hexdigest()
    except FileNotFoundError as error:
        path = dataset_path(configuration, entry)
        raise NotADatasetError(f"{path}: the dataset is not committed yet. Materialize it first") from error
    return {
        f"{OUR_PREFIX}instrument": entry.instrument,
        f"{OUR_PREFIX}acquisition": entry.acquisition,
        f"{OUR_PREFIX}source": [
            f"{layer.name}: {layer.files} files, {layer.source_bytes} bytes, {layer.signature}"
            for layer in entry.layers
        ],
        f"{OUR_PREFIX}provenance": digest,
    }
