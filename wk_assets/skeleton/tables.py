"""Skeletons and segments as pandas tables, one row per node, edge, tree or segment.

Values only; where tables are written is decided by whoever asks. Lengths are in nanometers with the voxel size of the
skeleton, along each axis its own. Integers that may be missing are pandas' `Int64`, ids of segments `uint64`: no id ever
passes through a float. Times are milliseconds since 1970.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import networkx as nx
import numpy as np
import pandas as pd

from wk_assets.skeleton.group import Group
from wk_assets.skeleton.nml_model import Nml
from wk_assets.skeleton.path_pieces import edge_ends_nm
from wk_assets.skeleton.skeleton import Skeleton

_NODE_TYPES: Final = {
    "tree_id": "int64",
    "node_id": "int64",
    "x": "float64",
    "y": "float64",
    "z": "float64",
    "x_nm": "float64",
    "y_nm": "float64",
    "z_nm": "float64",
    "radius": "float64",
    "degree": "int64",
    "comment": "string",
    "is_branchpoint": "bool",
    "in_viewport": "Int64",
    "in_mag": "Int64",
    "bit_depth": "Int64",
    "interpolation": "boolean",
    "time_ms": "Int64",
}
_EDGE_TYPES: Final = {"tree_id": "int64", "source": "int64", "target": "int64", "length_nm": "float64"}
_TREE_TYPES: Final = {
    "tree_id": "int64",
    "name": "string",
    "group_id": "Int64",
    "group_path": "string",
    "nodes": "int64",
    "edges": "int64",
    "parts": "int64",
    "branchpoints": "int64",
    "comments": "int64",
    "path_length_nm": "float64",
    "is_visible": "bool",
}
_SEGMENT_TYPES: Final = {
    "volume_id": "int64",
    "volume_name": "string",
    "segment_id": "uint64",
    "name": "string",
    "anchor_x": "float64",
    "anchor_y": "float64",
    "anchor_z": "float64",
    "created_ms": "Int64",
    "group_id": "Int64",
    "group_name": "string",
}


def nodes_table(skeleton: Skeleton) -> pd.DataFrame:
    """Give a row per node: where it is in mag-1 voxels (x, y, z) and in nanometers, its marks, how many edges it has."""
    size_x, size_y, size_z = skeleton.voxel_size

    def rows() -> Iterator[tuple[Any, ...]]:
        for tree in skeleton.all_trees.values():
            for node in tree.nodes:
                x, y, z = node.coordinates
                yield (
                    tree.id,
                    node.id,
                    *(x, y, z),
                    *(x * size_x, y * size_y, z * size_z),
                    node.radius,
                    len(tree.adj[node]),
                    node.comment,
                    node.is_branchpoint,
                    node.inVp,
                    node.inMag,
                    node.bitDepth,
                    node.interpolation,
                    node.time,
                )

    return _table(rows(), _NODE_TYPES)


def edges_table(skeleton: Skeleton) -> pd.DataFrame:
    """Give a row per edge, with its length in nanometers."""

    def rows() -> Iterator[tuple[Any, ...]]:
        for tree in skeleton.all_trees.values():
            starts, ends = edge_ends_nm(tree, skeleton.voxel_size)
            lengths = np.linalg.norm(ends - starts, axis=1).tolist()
            for (source, target), length in zip(tree.edges, lengths, strict=True):
                yield tree.id, source.id, target.id, length

    return _table(rows(), _EDGE_TYPES)


def trees_table(skeleton: Skeleton) -> pd.DataFrame:
    """Give a row per tree: its group, the sum of its edges' lengths in nanometers, and into how many parts it falls."""
    paths = dict(_group_paths(skeleton, ()))

    def rows() -> Iterator[tuple[Any, ...]]:
        for tree in skeleton.all_trees.values():
            starts, ends = edge_ends_nm(tree, skeleton.voxel_size)
            in_root = tree.group is skeleton
            yield (
                tree.id,
                tree.name,
                None if in_root else tree.group.id,
                None if in_root else paths[tree.group.id],
                len(tree),
                tree.number_of_edges(),
                nx.number_connected_components(tree),
                sum(node.is_branchpoint for node in tree.nodes),
                sum(node.comment is not None for node in tree.nodes),
                float(np.linalg.norm(ends - starts, axis=1).sum()),
                tree.is_visible,
            )

    return _table(rows(), _TREE_TYPES)


def segments_table(nml: Nml) -> pd.DataFrame:
    """Give a row per segment that an annotation's volume layers list, with its group among the segments."""

    def rows() -> Iterator[tuple[Any, ...]]:
        for volume in nml.volumes:
            names = {group.id: group.name for top in volume.groups for group in top.flattened()}
            for segment in volume.segments:
                yield (
                    volume.id,
                    volume.name,
                    segment.id,
                    segment.name,
                    *(segment.anchor_position or (None, None, None)),
                    segment.created,
                    segment.groupId,
                    None if segment.groupId is None else names.get(segment.groupId),
                )

    return _table(rows(), _SEGMENT_TYPES)


def _group_paths(group: Group, above: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    for child in group.groups:
        path = (*above, child.name)
        yield child.id, "/".join(path)
        yield from _group_paths(child, path)


def _table(rows: Iterable[tuple[Any, ...]], types: dict[str, str]) -> pd.DataFrame:
    columns: list[Any] = list(zip(*rows, strict=True)) or [()] * len(types)
    return pd.DataFrame(
        {name: _column(values, types[name]) for name, values in zip(types, columns, strict=True)},
        columns=list(types),
    )


def _column(values: Any, dtype: str) -> Any:
    """Make a column; pandas' own way to numpy's integers goes through floats where they are large."""
    if dtype[0].islower() and dtype not in {"string", "boolean"}:
        return np.array(values, dtype=dtype)
    as_column: Any = pd.array  # its types know each dtype as a literal only
    return as_column(values, dtype=dtype)
