"""Which segments belong together: as a graph, as flat arrays, as the arrays of an agglomerate file. Opens no file.

Nodes are segment ids from 1, each with a `position` (x, y, z, mag 1); an edge has an `affinity`; a connected component is an
agglomerate. What the file's arrays mean has `storage.agglomerate_file`. Source: the API reference (`AgglomerateGraph`).
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
from numpy.typing import DTypeLike, NDArray

from wk_assets.errors import InputError
from wk_assets.geometry.vec3_int import Vec3Int, Vec3IntLike
from wk_assets.storage.agglomerate_file import AgglomerateArrays

if TYPE_CHECKING:
    _Graph = nx.Graph[int]
else:
    _Graph = nx.Graph  # subscripted for the type checker only

_DTYPES = (np.dtype("uint32"), np.dtype("uint64"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AgglomerateGraphData:
    """Hold a graph as arrays, in the order in which the graph lists its nodes and edges.

    segments: `(n,)` ids, uint32 or uint64; positions: `(n, 3)` int64, x, y, z in mag 1; edges: `(m, 2)` pairs of ids, of the type
    of the segments; affinities: `(m,)` float32.
    """

    segments: NDArray[Any]
    positions: NDArray[np.int64]
    edges: NDArray[Any]
    affinities: NDArray[np.float32]


class AgglomerateGraph(_Graph):
    """Offer the segments of a layer as nodes, and how surely two are one object as edges."""

    def add_segment(self, segment_id: int, *, position: Vec3IntLike) -> None:
        """Add a segment; `position`: x, y, z of one of its voxels, in mag 1. Raises InputError for an id below 1."""
        if segment_id < 1:
            raise InputError(f"segment id {segment_id}: ids start at 1, 0 is background")
        self.add_node(int(segment_id), position=Vec3Int(position))

    def add_affinity_edge(self, u: int, v: int, *, affinity: float) -> None:
        """Say how surely two segments are one object. Raises InputError if they are the same, or one was not added."""
        missing = [segment_id for segment_id in (u, v) if segment_id not in self]
        if missing or u == v:
            raise InputError(
                f"an edge of segment {u} to itself says nothing"
                if u == v
                else f"edge {u}-{v}: segment {missing[0]} is not in the graph; add_segment knows its position"
            )
        self.add_edge(int(u), int(v), affinity=float(affinity))

    def to_agglomerate_graph_data(
        self,
        segmentation_dtype: DTypeLike = np.dtype("uint32"),  # noqa: B008 - a constant, as the reference has it
    ) -> AgglomerateGraphData:
        """Give the graph as arrays.

        Raises InputError for a type other than uint32 and uint64, and, naming the node or edge, for ids that the type does
        not hold, missing positions and affinities.
        """
        dtype = _segment_dtype(segmentation_dtype)
        limit = np.iinfo(dtype).max
        for node in self.nodes:
            if not _is_integer(node) or not 1 <= node <= limit:
                raise InputError(f"node {node!r} is not a segment id of {dtype}: an integer from 1 to {limit}")
        edges = [tuple(sorted(edge)) for edge in self.edges]
        for u, v in edges:
            if u == v:
                raise InputError(f"an edge of segment {u} to itself says nothing; remove it")
        return AgglomerateGraphData(
            segments=np.array(list(self.nodes), dtype),
            positions=np.array([self._position(node) for node in self.nodes], np.int64).reshape(-1, 3),
            edges=np.array(edges, dtype).reshape(-1, 2),
            affinities=np.array([self._affinity(u, v) for u, v in self.edges], np.float32),
        )

    def _position(self, node: int) -> tuple[int, int, int]:
        try:
            return Vec3Int(self.nodes[node]["position"]).to_tuple()
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"segment {node} has no 'position' of three integers (x, y, z); add_segment gives it one"
            ) from error

    def _affinity(self, u: int, v: int) -> float:
        found = self.edges[u, v].get("affinity")
        if not isinstance(found, int | float | np.integer | np.floating) or not math.isfinite(found):
            raise InputError(f"edge {u}-{v} has no finite 'affinity', but {found!r}; add_affinity_edge gives it one")
        return float(found)


def agglomerate_arrays(graph: AgglomerateGraph, segmentation_dtype: DTypeLike) -> AgglomerateArrays:
    """Give the arrays of an agglomerate file: agglomerates by their least segment id, segments and edges ascending.

    Raises InputError for what `to_agglomerate_graph_data` refuses, for ids with gaps (they are places in an array, and a segment
    that belongs to no agglomerate would vanish), and for positions that 32 bits do not hold.
    """
    data = AgglomerateGraph.to_agglomerate_graph_data(graph, segmentation_dtype)
    dtype, count = data.segments.dtype, len(data.segments)
    _refuse_gaps(data.segments)
    limits = np.iinfo(np.int32)
    if count and (data.positions.min() < limits.min or data.positions.max() > limits.max):
        raise InputError(f"a position of the graph is beyond {limits.min} … {limits.max}, which the file can hold")
    components = sorted((sorted(component) for component in nx.connected_components(graph)), key=lambda one: one[0])
    ordered = np.array([segment_id for component in components for segment_id in component], np.int64)
    sizes = np.array([len(component) for component in components], np.int64)

    agglomerate_of = np.zeros(count + 1, np.int64)
    agglomerate_of[ordered] = np.repeat(np.arange(1, len(components) + 1), sizes)
    starts = np.concatenate([[0, 0], np.cumsum(sizes)])
    place_of = np.zeros(count + 1, np.int64)
    place_of[ordered] = np.arange(count) - starts[agglomerate_of[ordered]]
    row_of = np.zeros(count + 1, np.int64)
    row_of[data.segments.astype(np.int64)] = np.arange(count)

    ends = data.edges.astype(np.int64)
    owners = agglomerate_of[ends[:, 0]]
    order = np.lexsort((place_of[ends[:, 1]], place_of[ends[:, 0]], owners))
    edges_of = np.bincount(owners, minlength=len(components) + 1)
    return AgglomerateArrays(
        segment_to_agglomerate=agglomerate_of.astype(np.uint64),
        agglomerate_to_segments=ordered.astype(dtype),
        agglomerate_to_segments_offsets=starts.astype(np.uint64),
        agglomerate_to_positions=data.positions[row_of[ordered]].astype(np.int32),
        agglomerate_to_edges=place_of[ends[order]].astype(dtype),
        agglomerate_to_edges_offsets=np.concatenate([[0], np.cumsum(edges_of)]).astype(np.uint64),
        agglomerate_to_affinities=data.affinities[order],
    )


def graph_of(arrays: AgglomerateArrays) -> AgglomerateGraph:
    """Give the graph of an agglomerate file, whose arrays were checked when they were read."""
    graph = AgglomerateGraph()
    segments = arrays.agglomerate_to_segments.tolist()
    for segment_id, position in zip(segments, arrays.agglomerate_to_positions.tolist(), strict=True):
        graph.add_node(segment_id, position=Vec3Int(position))
    offsets = arrays.agglomerate_to_edges_offsets.astype(np.int64)
    counts = offsets[1:] - offsets[:-1]
    first = np.repeat(arrays.agglomerate_to_segments_offsets.astype(np.int64)[:-1], counts)
    rows = arrays.agglomerate_to_edges.astype(np.int64) + first[:, np.newaxis]
    for (u, v), affinity in zip(rows.tolist(), arrays.agglomerate_to_affinities.tolist(), strict=True):
        graph.add_edge(segments[u], segments[v], affinity=affinity)
    return graph


def _is_integer(node: object) -> bool:
    return isinstance(node, int | np.integer) and not isinstance(node, bool)


def _segment_dtype(wanted: DTypeLike) -> np.dtype[Any]:
    dtype = np.dtype(wanted)
    if dtype not in _DTYPES:
        raise InputError(f"agglomerates of segments of type {dtype} can not be stored: choose uint32 or uint64")
    return dtype


def _refuse_gaps(segments: NDArray[Any]) -> None:
    if len(segments) and int(segments.max()) != len(segments):
        present = np.sort(segments)
        expected = np.arange(1, len(segments) + 1, dtype=present.dtype)
        missing = int(expected[np.argmax(present != expected)])
        raise InputError(
            f"the graph has {len(segments)} segments with ids up to {int(present[-1])}, but not {missing}: an agglomerate "
            "file holds every id from 1; add the missing ones, each is an agglomerate of its own until an edge joins it"
        )
