"""What must hold among all nodes and edges of a document, looked at once for all of them.

Columns in, NmlError out, with the line of the first that is wrong.
"""

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import NmlError
from wk_assets.skeleton.nml_frame import Frame


def check_rotations(thing: Frame, rotations: NDArray[np.float64], lines: NDArray[np.int32]) -> None:
    """Refuse a node with some of rotX, rotY, rotZ. `rotations`: (n, 3), NaN where there is none."""
    missing = np.isnan(rotations)
    partly = missing.any(axis=1) & ~missing.all(axis=1)
    if partly.any():
        raise _node_error(
            thing, int(lines[np.argmax(partly)]), "has only some of rotX, rotY, rotZ", "Give all three, or none."
        )


def check_node_ids(thing: Frame, ids: NDArray[np.int64], lines: NDArray[np.int32]) -> NDArray[np.int64]:
    """Refuse an id that two nodes have, in one tree or in two; give the order that sorts the ids."""
    order = np.argsort(ids, kind="stable")
    twice = np.flatnonzero(ids[order[1:]] == ids[order[:-1]])
    if len(twice):
        second = int(order[1:][twice].min())
        raise _node_error(
            thing,
            int(lines[second]),
            f"id={int(ids[second])} is that of another node above",
            "Ids of nodes are unique in the whole file: give one of them another id.",
        )
    return order


def check_edges(
    thing: Frame,
    pairs: NDArray[np.int64],
    lines: NDArray[np.int32],
    sorted_ids: NDArray[np.int64],
    order: NDArray[np.int64],
    node_ends: NDArray[np.int64],
    edge_ends: NDArray[np.int64],
) -> None:
    """Refuse an edge whose ends are not nodes of its tree.

    `order` sorts the ids of all nodes; `node_ends`, `edge_ends`: where the rows of each tree end.
    """
    if not len(pairs):
        return
    if not len(sorted_ids):
        raise _edge_error(thing, int(lines[0]), pairs[0], int(pairs[0, 0]))
    place = np.minimum(np.searchsorted(sorted_ids, pairs), len(sorted_ids) - 1)
    own_tree = np.searchsorted(edge_ends, np.arange(len(pairs)), side="right")
    there = (sorted_ids[place] == pairs) & (
        np.searchsorted(node_ends, order[place], side="right") == own_tree[:, np.newaxis]
    )
    if not there.all():
        row, end = np.argwhere(~there)[0]
        raise _edge_error(thing, int(lines[row]), pairs[row], int(pairs[row, end]))


def _node_error(thing: Frame, line: int, what: str, remedy: str) -> NmlError:
    return NmlError(what, remedy=remedy, source=thing.source, element=f"{thing.path}/nodes/node", line=line)


def _edge_error(thing: Frame, line: int, pair: NDArray[np.int64], missing: int) -> NmlError:
    source, target = pair.tolist()
    return NmlError(
        f"source={source} target={target}: the tree has no node {missing}",
        remedy="Remove the edge, or add the node to the same tree.",
        source=thing.source,
        element=f"{thing.path}/edges/edge",
        line=line,
    )
