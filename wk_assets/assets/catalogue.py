"""The catalogue as an asset: each materialization registers one acquisition, and the new dataset's assets appear.

What an entry says is decided by `facility.registration`. Without configuration (a person's click) nothing is
registered: the catalogue is read again, and so are the definitions.
"""

import dagster as dg
from pydantic import Field

from resources.facility import FacilityResource
from resources.webserver import WebserverResource
from wk_assets.assets.acquisitions import report_acquisition
from wk_assets.assets.failures import failures
from wk_assets.assets.keys import CATALOGUE, CATALOGUE_GROUP, POOL_CATALOGUE
from wk_assets.assets.metadata import catalogue_metadata
from wk_assets.errors import InputError, SourceChangedError
from wk_assets.facility.acquisitions import Acquisition, scan_acquisition
from wk_assets.facility.catalogue_entry import CatalogueEntry
from wk_assets.facility.configuration import Configuration
from wk_assets.facility.registration import register


class RegistrationConfig(dg.Config):
    """Name the acquisition to register; empty: none."""

    instrument: str = Field(default="", description="The instrument, as wk_assets.yaml calls it.")
    acquisition: str = Field(default="", description="The acquisition's folder in the instrument's watch folder.")
    signature: str = Field(default="", description="The content that was seen; anything else is refused. Empty: any.")


@dg.asset(
    key=CATALOGUE,
    group_name=CATALOGUE_GROUP,
    kinds={"json"},
    pool=POOL_CATALOGUE,
    description="Which datasets there are. Registers the acquisition that its configuration names; without one it only reads again.",
)
def catalogue(
    context: dg.AssetExecutionContext,
    config: RegistrationConfig,
    facility: FacilityResource,
    webserver: WebserverResource,
) -> dg.MaterializeResult[None]:
    """Register an acquisition, show its assets, then report it: what is made from it follows."""
    with failures(context):
        registered = [
            (register(facility.configuration(), seen), seen) for seen in requested(facility.configuration(), config)
        ]
        reload = webserver.reload()
        for entry, acquisition in registered:
            report_acquisition(context, entry, acquisition)
        survey = facility.catalogue().survey()
        metadata = catalogue_metadata(survey.entries.values(), survey.problems)
        return dg.MaterializeResult(
            metadata={**metadata, **registration_metadata(registered), "definitions": reload.sentence}
        )


def requested(configuration: Configuration, config: RegistrationConfig) -> tuple[Acquisition, ...]:
    """Look at the acquisition that the configuration names, if it names one.

    Raises InputError for half a name or a name that leaves the watch folder, SourceChangedError if the files are not
    those that were seen, ConfigurationError for an unknown instrument, WatchFolderError for a folder that is not there.
    """
    if not config.instrument and not config.acquisition:
        return ()
    if not config.instrument or config.acquisition in {"", ".", ".."} or "/" in config.acquisition:
        raise InputError(
            f"can not register acquisition {config.acquisition!r} of instrument {config.instrument!r}: name both, "
            "the acquisition as one folder of the instrument's watch folder"
        )
    instrument = configuration.instrument(config.instrument)
    acquisition = scan_acquisition(instrument, instrument.watch / config.acquisition)
    if config.signature and acquisition.signature != config.signature:
        raise SourceChangedError(
            f"{acquisition.folder} changed after it was seen finished. The watch requests it again when it is at rest"
        )
    return (acquisition,)


def registration_metadata(registered: list[tuple[CatalogueEntry, Acquisition]]) -> dict[str, dg.MetadataValue]:
    """Say what was registered."""
    return {
        f"registered {entry.dataset}": dg.MetadataValue.path(acquisition.folder) for entry, acquisition in registered
    }
