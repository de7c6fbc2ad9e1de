"""Let WEBKNOSSOS' own Python library (the peer) write and read wkw and Zarr v2. Never imported by a test; see peer_script.

A request on stdin, an answer on stdout, both JSON; every array as the SHA-256 of its voxels in the order of `axes`.

    write  {"path": path, "layers": [{"name", "format", "dtype", "channels", "compress", "times", "seed"}, ...],
            "topleft": [x, y, z], "size": [x, y, z]}       -> {layer: sha256}
    read   {"path": path}                                  -> {layer: {"dtype", "axes", "shape", "sha256"}}
    change {"path": path, "topleft", "size", "value"}      -> {}: write a value into a box of each layer
"""

import hashlib
import json
import sys
from typing import Any

import numpy as np
import webknossos as wk  # type: ignore[import-not-found, unused-ignore]  # noqa: TID251  # this program runs in the peer's environment


def digest(voxels: Any) -> str:
    """Give the SHA-256 of an array, last dimension fastest, little-endian."""
    ordered = np.ascontiguousarray(voxels).astype(voxels.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(ordered.tobytes()).hexdigest()


def random_voxels(dtype: str, shape: tuple[int, ...], seed: int) -> Any:
    """Give voxels of the whole range of a type."""
    generator = np.random.default_rng(seed)
    if dtype.startswith("float"):
        return generator.normal(0, 1000, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return generator.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


def write(request: dict[str, Any]) -> dict[str, str]:
    """Write a dataset with one mag per layer."""
    dataset = wk.Dataset(request["path"], voxel_size=(11.24, 11.24, 28))
    answer = {}
    for wanted in request["layers"]:
        topleft, size = request["topleft"], request["size"]
        box: Any = wk.BoundingBox(topleft, size)
        if wanted["times"]:
            box = wk.NDBoundingBox((0, *topleft), (wanted["times"], *size), axes=("t", "x", "y", "z"))
        layer = dataset.add_layer(
            wanted["name"],
            "segmentation" if wanted["dtype"] in {"uint64", "int64", "int32"} else "color",
            dtype=wanted["dtype"],
            num_channels=wanted["channels"],
            data_format=wanted["format"],
            bounding_box=box,
        )
        shard = (64, 64, 64) if wanted["format"] == "wkw" else (32, 32, 32)
        mag = layer.add_mag(1, chunk_shape=(32, 32, 32), shard_shape=shard, compress=wanted["compress"])
        whole = layer.normalized_bounding_box
        voxels = random_voxels(wanted["dtype"], tuple(whole.size), wanted["seed"])
        mag.write(voxels, absolute_bounding_box=whole, allow_unaligned=True)
        answer[wanted["name"]] = digest(voxels)
    return answer


def read(request: dict[str, Any]) -> dict[str, Any]:
    """Read the only mag of each layer."""
    answer = {}
    for name, layer in wk.Dataset.open(request["path"]).layers.items():
        view = layer.get_mag(1)
        box = layer.normalized_bounding_box
        voxels = view.read(absolute_bounding_box=box)
        answer[name] = {
            "dtype": voxels.dtype.name,
            "axes": list(box.axes),
            "shape": list(voxels.shape),
            "sha256": digest(voxels),
        }
    return answer


def change(request: dict[str, Any]) -> dict[str, Any]:
    """Write one value into a box of each layer, all channels and times."""
    for layer in wk.Dataset.open(request["path"]).layers.values():
        box = layer.normalized_bounding_box
        box = box.with_topleft_xyz(request["topleft"]).with_size_xyz(request["size"])
        voxels = np.full(tuple(box.size), request["value"], layer.dtype)
        layer.get_mag(1).write(voxels, absolute_bounding_box=box, allow_unaligned=True)
    return {}


if __name__ == "__main__":
    question = {"write": write, "read": read, "change": change}[sys.argv[1]]
    print(json.dumps(question(json.load(sys.stdin))))  # noqa: T201  # this is its answer
