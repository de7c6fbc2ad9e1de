"""Let WEBKNOSSOS' own Python library (the peer) use its object interface: a program for an interpreter that has it.

As `peer_script`, which says why: a request on stdin, an answer on stdout, arrays as SHA-256.

    write      {"path", "layers": [{"name", "category", "dtype", "channels", "format", "compress", "times"}, ...]}
    describe   {"path"}  -> what it finds, layer by layer
    continue   {"path"}  -> adds a layer to a dataset of others and writes into each of its layers; what it finds then
"""

import json
import sys
from typing import Any

import numpy as np
import webknossos as wk  # type: ignore[import-not-found, unused-ignore]  # noqa: TID251  # this program runs in the peer's environment
from peer_voxels import CORNER, SIZE, digest, voxels_of  # type: ignore[import-not-found, unused-ignore]  # beside this file


def write(request: dict[str, Any]) -> Any:
    """Write a dataset with the layers that are asked for."""
    dataset = wk.Dataset(request["path"], voxel_size=(11.24, 11.24, 25))
    for wanted in request["layers"]:
        box: Any = wk.BoundingBox(CORNER, SIZE)
        if wanted["times"]:
            box = wk.NDBoundingBox(
                (0, 0, *CORNER), (wanted["times"], wanted["channels"], *SIZE), ("t", "c", "x", "y", "z")
            )
        layer = dataset.add_layer(
            wanted["name"],
            wanted["category"],
            dtype=wanted["dtype"],
            num_channels=wanted["channels"],
            data_format=wanted["format"],
            bounding_box=box,
        )
        shard = {} if wanted["format"] == "zarr" else {"shard_shape": 64}
        layer.add_mag(1, chunk_shape=32, compress=wanted["compress"], **shard).write(voxels_of(wanted))
    return describe(request)


def describe(request: dict[str, Any]) -> Any:
    """Say what is found."""
    dataset = wk.Dataset.open(request["path"])
    return {name: describe_layer(layer) for name, layer in dataset.layers.items()}


def describe_layer(layer: Any) -> Any:
    """Say what is found of a layer and its first mag."""
    view = layer.get_finest_mag()
    voxels = view.read()
    return {
        "category": str(layer.category),
        "dtype": np.dtype(layer.dtype).name,
        "channels": layer.num_channels,
        "format": layer.data_format.value,
        "axes": list(view.normalized_bounding_box.axes),
        "corner": list(view.bounding_box.topleft_xyz),
        "shape": list(voxels.shape),
        "voxels": digest(voxels),
        "chunk": list(view.info.chunk_shape),
        "shard": list(view.info.shard_shape),
        "largest": getattr(layer, "largest_segment_id", None),
    }


def go_on(request: dict[str, Any]) -> Any:
    """Write into each layer of a dataset, and add one."""
    dataset = wk.Dataset.open(request["path"])
    for layer in dataset.layers.values():
        view = layer.get_mag(1)
        part = view.read()[..., :8, :8, :8] * 0 + 1
        box = view.normalized_bounding_box.with_topleft_xyz(CORNER).with_size_xyz((8, 8, 8))
        view.write(part.astype(layer.dtype), absolute_bounding_box=box, allow_unaligned=True)
    dataset.write_layer("added", "color", np.full((9, 9, 9), 7, "uint8"), downsample=False, shard_shape=32)
    return describe(request)


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    answer = {"write": write, "describe": describe, "continue": go_on}[sys.argv[1]](request)
    # The library prints progress to stdout; the answer is the last line.
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
