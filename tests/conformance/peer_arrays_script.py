"""Ask WEBKNOSSOS' own Python library (the peer) to read and write single arrays; see `peer_script` for how it is run.

read    {"path": path}                                    -> {layer: SHA-256 of its mag 1, c, x, y, z}
write   {"path": path, "layers": [{"name", "dtype", ...}]} -> the same, of layers that the peer makes
"""

import hashlib
import json
import sys
from typing import Any

import numpy as np
import webknossos as wk  # type: ignore[import-not-found, unused-ignore]  # noqa: TID251  # this program runs in the peer's environment


def read(path: str) -> dict[str, str]:
    """Read mag 1 of every layer."""
    found = {}
    for name, layer in wk.Dataset.open(path).layers.items():
        voxels = layer.get_mag(1).read_cxyz() if hasattr(layer.get_mag(1), "read_cxyz") else layer.get_mag(1).read()
        ordered = np.ascontiguousarray(voxels).astype(voxels.dtype.newbyteorder("<"), copy=False)
        found[name] = hashlib.sha256(ordered.tobytes()).hexdigest()
    return found


def write(path: str, layers: list[dict[str, Any]]) -> dict[str, str]:
    """Make layers, and write all of each, but for the first slices along x, which stay as they are."""
    dataset = wk.Dataset(path, voxel_size=(1, 1, 1))
    generator = np.random.default_rng(7)
    for wanted in layers:
        size = tuple(wanted["size"])
        layer = dataset.add_layer(
            wanted["name"],
            wanted["category"],
            dtype=wanted["dtype"],
            num_channels=wanted["channels"],
            data_format=wanted["data_format"],
            bounding_box=wk.BoundingBox((0, 0, 0), size),
            **({"largest_segment_id": 0} if wanted["category"] == "segmentation" else {}),
        )
        mag = layer.add_mag(
            1,
            chunk_shape=tuple(wanted["chunk_shape"]),
            shard_shape=tuple(wanted["shard_shape"]),
            compress=wanted["compress"],
        )
        shape = (wanted["channels"], size[0] - 5, *size[1:])
        if wanted["dtype"] == "float32":
            voxels = generator.normal(0, 1e6, shape).astype("float32")
        else:
            limits = np.iinfo(wanted["dtype"])
            voxels = generator.integers(limits.min, limits.max, shape, wanted["dtype"], endpoint=True)
        mag.write(voxels, absolute_offset=(5, 0, 0), allow_unaligned=True)
    return read(path)


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    answer = read(request["path"]) if sys.argv[1] == "read" else write(request["path"], request["layers"])
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
