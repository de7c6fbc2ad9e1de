"""Ask WEBKNOSSOS' own Python library (the peer): a program for an interpreter that has it. Never imported by a test.

The library is AGPL, so it lives in an environment of its own (`make peer`) and is talked to through JSON: a request on
stdin, an answer on stdout, every array as the SHA-256 of its voxels in the order c, x, y, z, little-endian.

    describe   {"datasets": [path, ...]}                         -> one description per dataset
    write      {"path": path}                                    -> the description of a dataset that the peer writes
    pyramids   {"jobs": [{"path", "voxel_size", "layers"}, ...]} -> one description per dataset that the peer imports
    agglomerates {"dataset", "write", "nodes", "edges", "dtype"} -> the attachments and the graph that the peer sees
"""

import hashlib
import json
import sys
from typing import Any

import cluster_tools  # type: ignore[import-not-found, unused-ignore]  # comes with the peer
import numpy as np
import webknossos as wk  # type: ignore[import-not-found, unused-ignore]  # noqa: TID251  # this program runs in the peer's environment

SHARD = (256, 256, 256)
IN_THIS_PROCESS = cluster_tools.get_executor("sequential")  # else each job starts a process that imports for seconds


def digest(voxels: Any) -> str:
    """Give the SHA-256 of an array (c, x, y, z), x slowest but for the channels."""
    ordered = np.ascontiguousarray(voxels).astype(voxels.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(ordered.tobytes()).hexdigest()


def describe(path: str) -> dict[str, Any]:
    """Say what the peer finds at `path`."""
    dataset = wk.Dataset.open(path)
    return {
        "name": dataset.name,
        "voxel_size": list(dataset.voxel_size_with_unit.factor),
        "unit": dataset.voxel_size_with_unit.unit.value,
        "layers": {name: describe_layer(layer) for name, layer in dataset.layers.items()},
    }


def describe_layer(layer: Any) -> dict[str, Any]:
    """Say what the peer finds of one layer."""
    view = layer.default_view_configuration
    return {
        "category": str(layer.category),
        "dtype": np.dtype(layer.dtype).name,
        "channels": layer.num_channels,
        "box": box_of(layer),
        "largest_segment_id": getattr(layer, "largest_segment_id", None),
        "window": None if view is None or view.intensity_range is None else list(view.intensity_range),
        "mags": {mag.to_layer_name(): describe_mag(view) for mag, view in layer.mags.items()},
    }


def describe_mag(view: Any) -> dict[str, Any]:
    """Read all voxels of one mag."""
    voxels = view.read_cxyz()
    return {"shape": list(voxels.shape), "dtype": voxels.dtype.name, "box": box_of(view), "sha256": digest(voxels)}


def box_of(thing: Any) -> list[list[int]]:
    """Give top-left and size x, y, z of a box whose axes may lie in any order."""
    box = thing.normalized_bounding_box
    places = [list(box.axes).index(axis) for axis in "xyz"]
    return [[int(box.topleft[place]) for place in places], [int(box.size[place]) for place in places]]


def write(path: str) -> dict[str, Any]:
    """Write a dataset with every type of voxel, sharded and not, compressed and not, with mags."""
    dataset = wk.Dataset(path, voxel_size_with_unit=wk.VoxelSize((0.26, 0.26, 0.78), wk.LengthUnit.MICROMETER))
    generator = np.random.default_rng(4)
    size = (75, 61, 37)
    for dtype in ("uint8", "int8", "uint16", "int16", "uint32"):
        limits = np.iinfo(dtype)
        voxels = generator.integers(limits.min, limits.max, size, dtype=dtype, endpoint=True)
        add(dataset, f"of_{dtype}", voxels, (64, 64, 64), absolute_offset=(7, 9, 3))
    measured = generator.normal(0, 1000, size).astype("float32")
    measured[3:9, :5, :] = np.nan
    add(dataset, "measured", measured, (64, 64, 32))
    stain = generator.integers(0, 256, (3, *size)).astype("uint8")
    add(dataset, "stain", stain, (64, 64, 64))
    ids = np.array([0, 7, 2**53 + 1, 2**60 + 1], "uint64")
    add(dataset, "cells", ids[generator.integers(0, 4, size)], (64, 32, 64), category="segmentation")
    for name, compress in (("unsharded", True), ("raw", False)):
        layer = dataset.add_layer(
            name, "color", dtype="uint16", num_channels=1, bounding_box=wk.BoundingBox((3, 0, 5), size)
        )
        shard = (32, 32, 32) if name == "unsharded" else (64, 64, 64)
        mag = layer.add_mag(1, chunk_shape=(32, 32, 32), shard_shape=shard, compress=compress)
        voxels = generator.integers(0, 65_536, size).astype("uint16")
        mag.write(voxels, absolute_offset=(3, 0, 5), allow_unaligned=True)
        layer.downsample(coarsest_mag=wk.Mag(4), shard_shape=(64, 64, 64), executor=IN_THIS_PROCESS)
    return describe(path)


def add(
    dataset: Any, name: str, voxels: Any, shard: tuple[int, int, int], category: str = "color", **settings: Any
) -> None:
    """Write a layer with its mags."""
    layer = dataset.write_layer(name, category, voxels, downsample=False, shard_shape=shard, **settings)
    layer.downsample(coarsest_mag=wk.Mag(4), shard_shape=shard, executor=IN_THIS_PROCESS)


def pyramid(job: dict[str, Any]) -> dict[str, Any]:
    """Import images and downsample them; `coarsest` None leaves that to the peer."""
    dataset = wk.Dataset(job["path"], voxel_size=tuple(job["voxel_size"]))
    for wanted in job["layers"]:
        layer = dataset.add_layer_from_images(
            wanted["images"],
            wanted["name"],
            wanted["category"],
            topleft=tuple(wanted["topleft"]),
            shard_shape=SHARD,
            executor=IN_THIS_PROCESS,
        )
        coarsest = None if wanted["coarsest"] is None else wk.Mag(wanted["coarsest"])
        layer.downsample(
            coarsest_mag=coarsest, sampling_mode=wanted["sampling"], shard_shape=SHARD, executor=IN_THIS_PROCESS
        )
    return describe(job["path"])


def agglomerates(request: dict[str, Any]) -> dict[str, Any]:
    """Read the attachments of a layer; write the graph beside it, and into the layer."""
    layer = wk.Dataset.open(request["dataset"]).get_segmentation_layer("seg")
    described = {
        kind: [[one.name, str(one.path), one.data_format.value] for one in getattr(layer.attachments, kind)]
        for kind in ("agglomerates", "meshes")
    }
    read = layer.attachments.agglomerates[0].to_graph()
    graph = type(read)()
    for node, position in request["nodes"]:
        graph.add_segment(node, position=wk.Vec3Int(position))
    for u, v, affinity in request["edges"]:
        graph.add_affinity_edge(u, v, affinity=affinity)
    wk.AgglomerateAttachment.create(request["write"], graph, segmentation_dtype=request["dtype"])
    wk.AgglomerateAttachment.create_and_add_to(layer, "added_by_the_peer", graph)
    return {
        "attachments": described,
        "nodes": [[node, list(values["position"])] for node, values in read.nodes(data=True)],
        "edges": [[u, v, values["affinity"]] for u, v, values in read.edges(data=True)],
    }


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    answers: Any
    match sys.argv[1]:
        case "describe":
            answers = [describe(path) for path in request["datasets"]]
        case "write":
            answers = write(request["path"])
        case "pyramids":
            answers = [pyramid(job) for job in request["jobs"]]
        case "agglomerates":
            answers = agglomerates(request)
        case unknown:
            raise SystemExit(f"unknown request {unknown!r}")
    # The library prints progress to stdout; the answer is the last line.
    sys.stdout.write("\n" + json.dumps(answers) + "\n")


if __name__ == "__main__":
    main()
