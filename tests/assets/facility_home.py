"""A small facility on disk: one configuration, an inbox that a light-sheet microscope fills with nuclei and labels."""

from pathlib import Path

import dagster as dg
import numpy as np
import tifffile
from numpy.typing import NDArray

from wk_assets.facility.acquisitions import scan_acquisition
from wk_assets.facility.catalogue_entry import CatalogueEntry
from wk_assets.facility.configuration import load_configuration
from wk_assets.facility.registration import register

CONFIGURATION = """\
version: 1
storage: {root: datasets, minimum_free: 1 MiB}
compute: {threads: 2, memory: 512 MiB}
instruments:
  - name: lightsheet
    watch: inbox
    finished: {rule: marker, file: DONE}
    dataset: "{acquisition}"
    voxel_size: {x: 260, y: 260, z: 520, unit: nanometer}
    layers:
      - {name: nuclei, category: color, files: "nuclei_z*.tif", axes: yx}
      - {name: labels, category: segmentation, files: "labels.tif", axes: zyx}
    pyramid: {coarsest: 4-4-2}
    array: {chunk: 32, shard: 64, compression: fast}
"""

SIZE_ZYX = (12, 70, 90)


def nuclei(seed: int = 0) -> NDArray[np.uint8]:
    """Draw blurred balls on noise, (z, y, x)."""
    z, y, x = np.indices(SIZE_ZYX)
    noise = np.random.default_rng(seed).integers(1, 12, SIZE_ZYX)
    ball = 200 * np.exp(-(((z - 6) / 4) ** 2 + ((y - 35) / 14) ** 2 + ((x - 45 - seed) / 16) ** 2))
    image: NDArray[np.uint8] = (ball + noise).astype(np.uint8)
    return image


def labels(image: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Label the ball 7, background 0."""
    return np.where(image > 80, 7, 0).astype(np.uint16)


def make_home(folder: Path, configuration: str = CONFIGURATION) -> Path:
    """Write wk_assets.yaml and an empty inbox; return the file."""
    (folder / "inbox").mkdir(parents=True, exist_ok=True)
    file = folder / "wk_assets.yaml"
    file.write_text(configuration)
    return file


def fill_inbox(home: Path, name: str, seed: int = 0, *, dark: tuple[int, ...] = (), finished: bool = True) -> Path:
    """Leave an acquisition in the inbox as a microscope would."""
    folder = home / "inbox" / name
    folder.mkdir(parents=True, exist_ok=True)
    image = nuclei(seed)
    tifffile.imwrite(folder / "labels.tif", labels(image), metadata={"axes": "ZYX"})
    for z in range(SIZE_ZYX[0]):
        tifffile.imwrite(folder / f"nuclei_z{z:03}.tif", np.zeros_like(image[z]) if z in dark else image[z])
    if finished:
        (folder / "DONE").touch()
    return folder


def registered(file: Path, name: str) -> CatalogueEntry:
    """Register an acquisition without Dagster."""
    configuration = load_configuration(file)
    instrument = configuration.instrument("lightsheet")
    return register(configuration, scan_acquisition(instrument, instrument.watch / name))


def job(definitions: dg.Definitions) -> dg.JobDefinition:
    """Return the job that can run any selection of the assets."""
    return definitions.get_repository_def().get_implicit_global_asset_job_def()
