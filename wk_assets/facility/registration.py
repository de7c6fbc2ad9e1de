"""From a finished acquisition to a catalogue entry: headers are opened, mags and the voxel size are decided.

Reads headers only, never voxels; writes nothing but the entry (`register`).
"""

from wk_assets.facility.acquisitions import Acquisition
from wk_assets.facility.catalogue_entry import CatalogueEntry
from wk_assets.facility.configuration import Configuration


def describe(configuration: Configuration, acquisition: Acquisition, dataset: str) -> CatalogueEntry:
    """Build the entry of an acquisition under a given dataset name, without looking at the catalogue.

    Raises MissingSliceError (a pattern that matches nothing, a file of two layers), VoxelSizeError, and what readers raise.
    """
    raise NotImplementedError


def register(configuration: Configuration, acquisition: Acquisition) -> CatalogueEntry:
    """Describe an acquisition and put it into the catalogue of the configuration's home.

    The same acquisition again gives the byte-identical entry; a changed one keeps its dataset name and its status.
    Raises CatalogueError if another acquisition has the name, and what `describe` raises.
    """
    raise NotImplementedError
