"""Which segments belong together, as a graph and as flat arrays. Opens no file (see `agglomerate_file`).

Source: the API reference (`AgglomerateGraph`): nodes are segment ids from 1, `position` x, y, z in mag-1 voxels,
`affinity` of an edge a float; a connected component is an agglomerate.
"""

from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import DTypeLike, NDArray

from wk_assets.geometry.vec3_int import Vec3Int, Vec3IntLike


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AgglomerateGraphData:
    """Hold a graph as arrays.

    segments: `(n,)` ids, uint32 or uint64, ascending; positions: `(n, 3)` int64, x, y, z in mag-1 voxels; edges: `(m, 2)` pairs
    of ids, of the segments' dtype, smaller id first; affinities: `(m,)` float32.
    """

    segments: NDArray[Any]
    positions: NDArray[np.int64]
    edges: NDArray[Any]
    affinities: NDArray[np.float32]


class AgglomerateGraph(nx.Graph[int]):
    """Offer the segments of a layer as nodes, and as edges how surely two are one object."""

    def add_segment(self, segment_id: int, *, position: Vec3IntLike) -> None:
        """Add a segment; `position` x, y, z of one of its voxels, in mag 1. Raises InputError for an id below 1."""
        raise NotImplementedError

    def add_affinity_edge(self, u: int, v: int, *, affinity: float) -> None:
        """Say how surely two segments, which were added before, are one object. Raises InputError."""
        raise NotImplementedError

    def to_agglomerate_graph_data(self, segmentation_dtype: DTypeLike = np.dtype("uint32")) -> AgglomerateGraphData:  # noqa: B008
        """Give the graph as arrays. Raises InputError for a node, position or affinity that the arrays can not hold."""
        raise NotImplementedError


_ = Vec3Int
