"""Access to the facility: its configuration and its catalogue, read anew whenever they are asked for.

A path in, core objects out. What the file may say is in `wk_assets.facility.configuration`.
"""

from pathlib import Path

import dagster as dg
from pydantic import Field

from wk_assets.errors import CatalogueError
from wk_assets.facility import requests
from wk_assets.facility.catalogue import Catalogue
from wk_assets.facility.catalogue_entry import CatalogueEntry
from wk_assets.facility.configuration import Configuration, load_configuration
from wk_assets.facility.publishing import Publications
from wk_assets.operations.datasets.commit_dataset import DatasetRequest
from wk_assets.operations.records.layer_request import LayerRequest


class FacilityResource(dg.ConfigurableResource[None]):
    """Name the file wk_assets.yaml."""

    config_path: str = Field(description="The file wk_assets.yaml; everything else starts at its folder.")

    def configuration(self) -> Configuration:
        """Read the file. Raises ConfigurationError with all of its mistakes."""
        return load_configuration(Path(self.config_path))

    def catalogue(self) -> Catalogue:
        """Open the catalogue."""
        return Catalogue(self.configuration().catalogue_folder)

    def publications(self) -> Publications:
        """Open the records of what is on a server."""
        return Publications(self.configuration().publications_folder)

    def entry(self, dataset: str) -> CatalogueEntry:
        """Read one dataset's entry. Raises CatalogueError if there is none any more."""
        entry = self.catalogue().get(dataset)
        if entry is None:
            raise CatalogueError(
                f"dataset {dataset!r} is not in the catalogue {self.catalogue().folder} any more. "
                "Register its acquisition again, or reload the code location so that its assets disappear"
            )
        return entry

    def layer_request(self, dataset: str, layer: str) -> LayerRequest:
        """Build the request of a layer from its entry. Raises SourceChangedError, CatalogueError, ConfigurationError."""
        return requests.layer_request(self.configuration(), self.entry(dataset), layer)

    def dataset_request(self, dataset: str) -> DatasetRequest:
        """Build the request of a dataset's commit from its entry. Raises CatalogueError."""
        return requests.dataset_request(self.configuration(), self.entry(dataset))
