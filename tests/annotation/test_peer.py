"""WEBKNOSSOS' own Python library (the peer) and we read one another's annotations, voxel for voxel.

The peer runs in an environment of its own (`make peer`); `make oracle` runs these tests with it. Version 4.3.3.
"""

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.annotation.test_fallback_merge import WHOLE, annotation_of, dataset_of
from tests.annotation.volumes import BOX, VOXEL_SIZE, drawn
from wk_assets.annotation.annotation import Annotation
from wk_assets.annotation.segment_information import SegmentInformation
from wk_assets.dataset.dataset import Dataset
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(600)]

_REPOSITORY = Path(__file__).resolve().parents[2]
# read here: a test's environment has none of a person's own settings
_PEER_PYTHON = Path(os.environ.get("WK_ASSETS_PEER_PYTHON", _REPOSITORY / ".venv-peer" / "bin" / "python"))
_SCRIPT = Path(__file__).with_name("peer_script.py")
_DRAWN = {
    "l4_sample__explorational__suser__94b271.zip": BoundingBox((3296, 3424, 1024), (512, 384, 32)),
    "l4dense_motta_et_al_demo_v2__explorational__4a6356.zip": BoundingBox((2656, 4160, 1792), (384, 320, 32)),
    "bounding-boxes-example.zip": BoundingBox((0, 0, 0), (32, 32, 32)),
    "nml_with_volumes.zip": BoundingBox((0, 0, 0), (32, 32, 32)),
}


def ask_the_peer(question: str, **request: Any) -> Any:
    if not _PEER_PYTHON.exists():
        pytest.skip(
            f"the peer library is not at {_PEER_PYTHON}; `make peer` installs it, WK_ASSETS_PEER_PYTHON names one"
        )
    finished = subprocess.run(
        [_PEER_PYTHON, _SCRIPT, question],
        input=json.dumps(request, default=str),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    return json.loads(finished.stdout.rstrip().rsplit("\n", 1)[-1])


def digest(voxels: Any) -> str:
    ordered = np.ascontiguousarray(voxels).astype(voxels.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(ordered.tobytes()).hexdigest()


def as_list(box: BoundingBox) -> list[list[int]]:
    return [list(box.topleft), list(box.size)]


def described(annotation: Annotation, box: BoundingBox) -> dict[str, Any]:
    """Describe an annotation as the peer's program does."""
    layers = {}
    for volume in annotation.volume_layers:
        with volume.opened() as layer:
            mags = {
                mag.to_layer_name(): digest(view.read(absolute_bounding_box=box.align_with_mag(mag, ceil=True)))
                for mag, view in layer.mags.items()
            }
            layers[volume.name] = {
                "dtype": layer.dtype.name if mags else None,
                "fallback": volume.fallback_layer_name,
                "largest": volume.largest_segment_id,
                "mags": mags,
                "segments": {str(key): one.name for key, one in volume.segments.items()},
            }
    return {
        "name": annotation.name,
        "dataset_name": annotation.dataset_name,
        "voxel_size": list(annotation.voxel_size),
        "owner": annotation.owner_name,
        "nodes": annotation.skeleton.get_total_node_count(),
        "trees": sorted(tree.name for tree in annotation.skeleton.flattened_trees()),
        "boxes": [[one.name, list(one.topleft), list(one.size)] for one in annotation.user_bounding_boxes],
        "layers": layers,
    }


@pytest.mark.parametrize("name", _DRAWN)
def test_both_see_the_same_in_a_real_file_and_in_what_the_other_saves(
    name: str, tmp_path: Path, shared_data: Path
) -> None:
    path, box = shared_data / "webknossos-annotations" / name, _DRAWN[name]
    ours = Annotation.load(path)
    ours.save(tmp_path / path.name)

    theirs = ask_the_peer("resave", path=path, target=tmp_path / "theirs.zip", box=as_list(box))

    assert described(ours, box) == theirs
    assert ask_the_peer("describe", path=tmp_path / path.name, box=as_list(box)) == theirs
    again = described(Annotation.load(tmp_path / "theirs.zip"), box)
    assert {**again, "name": theirs["name"]} == theirs


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
def test_the_peer_reads_what_we_draw_and_we_read_what_it_draws(dtype: str, tmp_path: Path) -> None:
    annotation = Annotation("made", dataset_name="brain", voxel_size=VOXEL_SIZE)
    annotation.skeleton.add_tree("axon").add_node(position=(1, 2, 3))
    volume = annotation.add_volume_layer("Volume", dtype, "seg")
    volume.segments[7] = SegmentInformation(name="a cell")
    with volume.edit() as layer:
        layer.bounding_box = BOX
        layer.add_mag(1).write(drawn(dtype), absolute_offset=BOX.topleft, allow_unaligned=True)
        layer.downsample(coarsest_mag=Mag(2), sampling_mode="isotropic")
    annotation.save(tmp_path / "made.zip")
    np.save(tmp_path / "voxels.npy", drawn(dtype))

    theirs = ask_the_peer("describe", path=tmp_path / "made.zip", box=as_list(BOX))
    made = ask_the_peer(
        "make", target=tmp_path / "theirs.zip", voxels=tmp_path / "voxels.npy", dtype=dtype, box=as_list(BOX)
    )

    assert theirs == described(annotation, BOX)
    assert list(theirs["layers"]["Volume"]["mags"]) == ["1", "2"]
    found = Annotation.load(tmp_path / "theirs.zip")
    assert (
        described(found, BOX)["layers"]["Volume"]["mags"]
        == made["layers"]["Volume"]["mags"]
        == {"1": digest(drawn(dtype)[None])}
    )


def test_both_merge_an_annotation_with_its_fallback_layer_alike(tmp_path: Path) -> None:
    dataset_of(tmp_path / "source/brain")
    source = tmp_path / "source"
    annotation = annotation_of()
    annotation.save(tmp_path / "a.zip")

    annotation.merge_fallback_layer(tmp_path / "ours", source)
    theirs = ask_the_peer(
        "merge", path=tmp_path / "a.zip", dataset=source, target=tmp_path / "theirs", box=as_list(WHOLE)
    )

    merged = Dataset.open(tmp_path / "ours").get_layer("seg").get_mag(1).read(absolute_bounding_box=WHOLE)
    assert list(theirs.values()) == [digest(merged)]
