"""Run by the peer's Python: make an annotation, or say what is in one. One question on the command line, JSON in and out."""

import hashlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")

import numpy as np  # noqa: E402 - after the warnings of what follows are off
import webknossos as wk  # type: ignore[import-not-found]  # noqa: E402, TID251 - only the peer's Python runs this


def digest(voxels: Any) -> str:
    ordered = np.ascontiguousarray(voxels).astype(voxels.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(ordered.tobytes()).hexdigest()


def described(annotation: Any, box: Any) -> dict[str, Any]:
    layers = {}
    for name in annotation.get_volume_layer_names():
        volume = annotation.get_volume_layer(name)
        mags, dtype = {}, None
        if volume.zip is not None:  # the peer refuses to look where there are no voxels
            with annotation.temporary_volume_layer_copy(name) as layer:
                dtype = str(np.dtype(layer.dtype_per_channel))
                for mag, view in layer.mags.items():
                    region = wk.BoundingBox(*box).align_with_mag(mag, ceil=True)
                    mags[mag.to_layer_name()] = digest(view.read(absolute_bounding_box=region))
        layers[name] = {
            "dtype": dtype,
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


def describe(request: dict[str, Any]) -> Any:
    return described(wk.Annotation.load(request["path"]), request["box"])


def resave(request: dict[str, Any]) -> Any:
    annotation = wk.Annotation.load(request["path"])
    annotation.save(request["target"])
    return described(annotation, request["box"])


def make(request: dict[str, Any]) -> Any:
    """Draw `voxels.npy` at a place in a new annotation and save it."""
    annotation = wk.Annotation(name="made", dataset_name="brain", voxel_size=(11, 11, 28))
    annotation.skeleton.add_tree("axon").add_node(position=(1, 2, 3))
    volume = annotation.add_volume_layer("Volume", dtype=np.dtype(request["dtype"]), fallback_layer="seg")
    with volume.edit() as layer:
        layer.bounding_box = wk.BoundingBox(*request["box"])
        mag = layer.add_mag(1, chunk_shape=32, shard_shape=32)
        mag.write(np.load(request["voxels"]), absolute_offset=request["box"][0], allow_unaligned=True)
    annotation.save(request["target"])
    return described(annotation, request["box"])


def merge(request: dict[str, Any]) -> Any:
    wk.Annotation.load(request["path"]).merge_fallback_layer(Path(request["target"]), Path(request["dataset"]))
    dataset = wk.Dataset.open(request["target"])
    box = wk.BoundingBox(*request["box"])
    return {name: digest(layer.get_mag(1).read(absolute_bounding_box=box)) for name, layer in dataset.layers.items()}


if __name__ == "__main__":
    asked = {"describe": describe, "resave": resave, "make": make, "merge": merge}[sys.argv[1]]
    sys.stdout.write(json.dumps(asked(json.load(sys.stdin))) + "\n")
