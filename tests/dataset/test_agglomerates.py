"""Agglomerates: from a graph to a file and back, what the file holds, what is refused, and the peer's opinion."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import networkx as nx
import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conformance.test_peer import ask_the_peer
from wk_assets.dataset.agglomerate_attachment import AgglomerateAttachment
from wk_assets.dataset.dataset import Dataset
from wk_assets.errors import (
    AlreadyThereError,
    InputError,
    NotADatasetError,
    PropertiesError,
    StorageError,
)
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.arrays.agglomerate_graph import AgglomerateGraph, agglomerate_arrays
from wk_assets.properties.layer_properties import AttachmentDataFormat
from wk_assets.storage import agglomerate_file
from wk_assets.storage.agglomerate_file import (
    AgglomerateArrays,
    read_agglomerates,
    read_segment_to_agglomerate,
    write_agglomerates,
)

ZARR3, HDF5 = AttachmentDataFormat.Zarr3, AttachmentDataFormat.HDF5
EDGES = [(5, 2, 0.5), (6, 2, 0.25), (4, 1, 0.75), (6, 5, 0.125)]


def example() -> AgglomerateGraph:
    """Give six segments in three agglomerates, added in no order."""
    graph = AgglomerateGraph()
    for segment_id in (1, 2, 4, 5, 3, 6):
        graph.add_segment(segment_id, position=Vec3Int(segment_id, 10 * segment_id, -segment_id))
    for u, v, affinity in EDGES:
        graph.add_affinity_edge(u, v, affinity=affinity)
    return graph


@st.composite
def graphs(draw: st.DrawFn) -> AgglomerateGraph:
    count = draw(st.integers(0, 12))
    graph = AgglomerateGraph()
    coordinate = st.integers(-(2**31), 2**31 - 1)
    for segment_id in draw(st.permutations(range(1, count + 1))):
        graph.add_segment(segment_id, position=Vec3Int(draw(st.tuples(coordinate, coordinate, coordinate))))
    pairs = [(u, v) for u in range(1, count + 1) for v in range(1, u)]
    for u, v in draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []:
        graph.add_affinity_edge(u, v, affinity=draw(st.floats(-1e6, 1e6, width=32)))
    return graph


def contents(graph: AgglomerateGraph) -> tuple[dict[int, Any], dict[frozenset[int], float]]:
    return (
        {node: values["position"] for node, values in graph.nodes(data=True)},
        {frozenset((u, v)): values["affinity"] for u, v, values in graph.edges(data=True)},
    )


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(graph=graphs(), dtype=st.sampled_from(["uint32", "uint64"]))
def test_a_graph_comes_back_from_its_file(
    tmp_path_factory: pytest.TempPathFactory, graph: AgglomerateGraph, dtype: str
) -> None:
    path = tmp_path_factory.mktemp("agglomerates") / "graph"
    attachment = AgglomerateAttachment.create(path, graph, segmentation_dtype=dtype)

    again = attachment.to_graph()

    assert isinstance(again, AgglomerateGraph)
    assert contents(again) == contents(graph)
    assert AgglomerateAttachment.from_path_and_name(path, "x", data_format=ZARR3).to_graph().adj == again.adj


@settings(max_examples=25, deadline=None)
@given(graph=graphs())
def test_the_arrays_say_what_their_docstring_promises(graph: AgglomerateGraph) -> None:
    arrays = agglomerate_arrays(graph, "uint64")
    components = sorted(map(sorted, nx.connected_components(graph)))

    segments, starts = arrays.agglomerate_to_segments.tolist(), arrays.agglomerate_to_segments_offsets.tolist()
    edge_starts = arrays.agglomerate_to_edges_offsets.tolist()
    assert (starts[0], edge_starts[0], len(starts), len(edge_starts)) == (0, 0, *[len(components) + 2] * 2)
    assert arrays.segment_to_agglomerate.tolist()[0] == 0
    seen = 0
    for number, component in enumerate(components, 1):
        assert segments[starts[number] : starts[number + 1]] == component
        assert {int(arrays.segment_to_agglomerate[segment_id]) for segment_id in component} == {number}
        places = arrays.agglomerate_to_edges[edge_starts[number] : edge_starts[number + 1]].tolist()
        assert places == sorted(places)
        for u, v in places:
            assert u < v
            affinity = graph.edges[component[u], component[v]]["affinity"]
            assert arrays.agglomerate_to_affinities[seen] == affinity
            seen += 1
    assert seen == graph.number_of_edges()


def test_the_file_is_the_group_that_other_programs_read(tmp_path: Path) -> None:
    AgglomerateAttachment.create(tmp_path / "file", example())

    group = zarr.open_group(tmp_path / "file", mode="r")
    assert dict(group.attrs) == {
        "voxelytics": {"artifact_schema_version": 4, "artifact_class": "AgglomerateViewArtifact"}
    }

    def values(name: str) -> tuple[str, list[Any]]:
        array = group[name]
        assert isinstance(array, zarr.Array)
        return str(array.dtype), np.asarray(array[:]).tolist()

    assert values("segment_to_agglomerate") == ("uint64", [0, 1, 2, 3, 1, 2, 2])
    assert values("agglomerate_to_segments") == ("uint32", [1, 4, 2, 5, 6, 3])
    assert values("agglomerate_to_segments_offsets") == ("uint64", [0, 0, 2, 5, 6])
    assert values("agglomerate_to_edges") == ("uint32", [[0, 1], [0, 1], [0, 2], [1, 2]])
    assert values("agglomerate_to_edges_offsets") == ("uint64", [0, 0, 1, 4, 4])
    assert values("agglomerate_to_affinities") == ("float32", [0.75, 0.5, 0.25, 0.125])
    positions = [[n, 10 * n, -n] for n in (1, 4, 2, 5, 6, 3)]
    assert values("agglomerate_to_positions") == ("int32", positions)


def test_large_arrays_are_cut_into_chunks_and_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agglomerate_file, "_CHUNKS_PER_SHARD", 2)
    count = 100_000
    one_each = np.arange(count, dtype=np.int64)
    arrays = AgglomerateArrays(
        segment_to_agglomerate=np.arange(count + 1, dtype=np.uint64),
        agglomerate_to_segments=np.arange(1, count + 1, dtype=np.uint32),
        agglomerate_to_segments_offsets=np.concatenate([[0], np.arange(count + 1)]).astype(np.uint64),
        agglomerate_to_positions=np.stack([one_each, one_each * 2, one_each * 3], axis=1).astype(np.int32),
        agglomerate_to_edges=np.empty((0, 2), np.uint32),
        agglomerate_to_edges_offsets=np.zeros(count + 2, np.uint64),
        agglomerate_to_affinities=np.empty(0, np.float32),
    )
    write_agglomerates(tmp_path / "file", arrays)

    again = read_agglomerates(tmp_path / "file", ZARR3)
    for field in fields(AgglomerateArrays):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(arrays, field.name))
    shapes = {}
    for field in fields(AgglomerateArrays):
        document = json.loads((tmp_path / "file" / field.name / "zarr.json").read_text())
        (sharding,) = document["codecs"]
        shapes[field.name] = (
            document["chunk_grid"]["configuration"]["chunk_shape"],
            sharding["configuration"]["chunk_shape"],
        )
    assert shapes["segment_to_agglomerate"] == ([65536], [32768])
    assert shapes["agglomerate_to_segments"] == ([131072], [65536])
    assert shapes["agglomerate_to_segments_offsets"] == ([16384], [8192])
    assert shapes["agglomerate_to_positions"] == ([43690, 3], [21845, 3])
    assert shapes["agglomerate_to_edges"] == ([1, 2], [1, 2])


def test_the_same_graph_gives_the_same_bytes_however_it_was_built(tmp_path: Path) -> None:
    graph = example()
    other = AgglomerateGraph()
    for segment_id in (6, 5, 4, 3, 2, 1):
        other.add_segment(segment_id, position=graph.nodes[segment_id]["position"])
    for u, v, affinity in reversed(EDGES):
        other.add_affinity_edge(v, u, affinity=affinity)

    AgglomerateAttachment.create(tmp_path / "one", graph)
    AgglomerateAttachment.create(tmp_path / "other", other)

    assert digest(tmp_path / "one") == digest(tmp_path / "other")


def test_flat_arrays_follow_the_order_of_the_graph() -> None:
    data = example().to_agglomerate_graph_data("uint64")

    assert data.segments.tolist() == [1, 2, 4, 5, 3, 6]
    assert data.positions.tolist() == [[n, 10 * n, -n] for n in (1, 2, 4, 5, 3, 6)]
    assert {(*map(int, edge), float(a)) for edge, a in zip(data.edges, data.affinities, strict=True)} == {
        (min(u, v), max(u, v), affinity) for u, v, affinity in EDGES
    }
    assert [array.dtype.name for array in (data.segments, data.positions, data.edges, data.affinities)] == [
        "uint64",
        "int64",
        "uint64",
        "float32",
    ]
    assert example().to_agglomerate_graph_data().segments.dtype == np.uint32


def test_flat_arrays_hold_ids_of_64_bits_exactly() -> None:
    graph = AgglomerateGraph()
    for segment_id in (2**64 - 1, 2**53 + 1):
        graph.add_segment(segment_id, position=Vec3Int(0, 0, 0))
    graph.add_affinity_edge(2**64 - 1, 2**53 + 1, affinity=1)

    data = graph.to_agglomerate_graph_data("uint64")

    assert data.segments.tolist() == [2**64 - 1, 2**53 + 1]
    assert data.edges.tolist() == [[2**53 + 1, 2**64 - 1]]


# ---------------------------------------------------------------------- with a layer


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    made = Dataset(tmp_path / "dataset", voxel_size=(10, 10, 10))
    made.add_layer("seg", "segmentation", dtype_per_channel="uint64", bounding_box=BoundingBox((0, 0, 0), (8, 8, 8)))
    return made


def test_a_graph_becomes_an_attachment_of_the_type_of_its_layer(dataset: Dataset) -> None:
    layer = dataset.get_segmentation_layer("seg")

    added = AgglomerateAttachment.create_and_add_to(layer, "v1", example())

    assert added.path == layer.path / "agglomerates" / "v1"
    assert Dataset.open(dataset.path).get_segmentation_layer("seg").attachments.agglomerates == (added,)
    assert read_agglomerates(Path(str(added.path)), ZARR3).agglomerate_to_segments.dtype == np.uint64
    assert contents(added.to_graph()) == contents(example())
    with pytest.raises(AlreadyThereError, match="v1"):
        AgglomerateAttachment.create_and_add_to(layer, "v1", example())


def test_a_created_file_can_be_added_as_a_copy(dataset: Dataset, tmp_path: Path) -> None:
    created = AgglomerateAttachment.create(tmp_path / "elsewhere", example())

    added = dataset.get_segmentation_layer("seg").attachments.add_attachment_as_copy(created)

    assert isinstance(added, AgglomerateAttachment)
    assert digest(Path(str(added.path))) == digest(tmp_path / "elsewhere")
    assert contents(added.to_graph()) == contents(example())


def test_nothing_is_written_for_a_graph_that_is_refused(dataset: Dataset) -> None:
    graph = example()
    graph.remove_node(3)
    layer = dataset.get_segmentation_layer("seg")

    with pytest.raises(InputError, match="not 3"):
        AgglomerateAttachment.create_and_add_to(layer, "v1", graph)

    assert layer.attachments.is_empty
    assert not (Path(str(layer.path)) / "agglomerates").exists()


# ---------------------------------------------------------------------- what is refused


def with_node(node: object, **values: object) -> AgglomerateGraph:
    graph = example()
    graph.add_node(node, **values)  # type: ignore[arg-type] # what a script may do
    return graph


def with_edge(u: int, v: int, **values: object) -> AgglomerateGraph:
    graph = example()
    graph.add_edge(u, v, **values)
    return graph


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        (with_node(0, position=(0, 0, 0)), "node 0 is not a segment id"),
        (with_node(-3, position=(0, 0, 0)), "node -3 is not a segment id"),
        (with_node(2**32, position=(0, 0, 0)), "node 4294967296 is not a segment id of uint32"),
        (with_node("7", position=(0, 0, 0)), "node '7' is not a segment id"),
        (with_node(7), "segment 7 has no 'position'"),
        (with_node(7, position=(1, 2)), "segment 7 has no 'position'"),
        (with_node(7, position="abc"), "segment 7 has no 'position'"),
        (with_node(7, position=(2**31, 0, 0)), "position of the graph is beyond"),
        (with_node(9, position=(0, 0, 0)), "ids up to 9, but not 7"),
        (with_edge(1, 2), "edge 1-2 has no finite 'affinity'"),
        (with_edge(1, 2, affinity="much"), "edge 1-2 has no finite 'affinity'"),
        (with_edge(1, 2, affinity=float("nan")), "edge 1-2 has no finite 'affinity'"),
        (with_edge(3, 3, affinity=1.0), "edge of segment 3 to itself"),
    ],
)
def test_a_graph_that_the_file_can_not_hold_is_refused(tmp_path: Path, graph: AgglomerateGraph, said: str) -> None:
    with pytest.raises(InputError, match=said):
        AgglomerateAttachment.create(tmp_path / "file", graph)
    assert list(tmp_path.iterdir()) == []


def test_the_graph_refuses_what_makes_no_sense() -> None:
    graph = example()
    with pytest.raises(InputError, match="0 is background"):
        graph.add_segment(0, position=Vec3Int(0, 0, 0))
    with pytest.raises(InputError, match="segment 8 is not in the graph"):
        graph.add_affinity_edge(1, 8, affinity=1)
    with pytest.raises(InputError, match="to itself"):
        graph.add_affinity_edge(1, 1, affinity=1)
    assert contents(graph) == contents(example())


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "uint16"])
def test_only_the_types_of_segments_are_stored(tmp_path: Path, dtype: str) -> None:
    with pytest.raises(InputError, match=f"{dtype}.*choose uint32 or uint64"):
        AgglomerateAttachment.create(tmp_path / "file", example(), segmentation_dtype=dtype)


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    AgglomerateAttachment.create(tmp_path / "file", example())
    before = digest(tmp_path)
    with pytest.raises(InputError, match="something at"):
        AgglomerateAttachment.create(tmp_path / "file", AgglomerateGraph())
    assert digest(tmp_path) == before


def test_nothing_has_its_name_before_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(agglomerate_file, "_metadata", full)
    with pytest.raises(StorageError, match="disk full"):
        AgglomerateAttachment.create(tmp_path / "file", example())
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------- files of others


def write_hdf5(path: Path, arrays: AgglomerateArrays) -> None:
    with h5py.File(path, "w") as file:
        for field in fields(arrays):
            file[field.name] = getattr(arrays, field.name)


def read_hdf5(path: Path) -> AgglomerateGraph:
    return AgglomerateAttachment.from_path_and_name(path, "old", data_format=HDF5).to_graph()


def test_agglomerates_of_older_datasets_are_read(tmp_path: Path) -> None:
    write_hdf5(tmp_path / "old.hdf5", agglomerate_arrays(example(), "uint64"))
    assert contents(read_hdf5(tmp_path / "old.hdf5")) == contents(example())


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("agglomerate_to_segments_offsets", [0, 0, 2, 5, 60], "agglomerate_to_segments_offsets"),
        ("agglomerate_to_segments_offsets", [0, 0, 5, 2, 6], "does not rise"),
        ("agglomerate_to_segments_offsets", [1, 1, 2, 5, 6], "does not rise"),
        ("agglomerate_to_segments_offsets", [0, 0, 2, 5], "does not rise from 0 to 6"),
        ("agglomerate_to_segments_offsets", [0, 0, 2, 2, 5, 6], "segments of 5 agglomerates, but edges of 4"),
        ("agglomerate_to_segments_offsets", [0.0, 0, 2, 5, 6], "float64"),
        ("agglomerate_to_edges_offsets", [0, 0, 1, 4, 2**64 - 1], "leads beyond 4"),
        ("agglomerate_to_edges", [[0, 1], [0, 1], [0, 3], [1, 2]], "beyond the end of their agglomerate"),
        ("agglomerate_to_edges", [[0, 1], [0, 1], [0, -2], [1, 2]], "beyond the end of their agglomerate"),
        ("agglomerate_to_edges", [0, 1, 2, 3], r"agglomerate_to_edges is int64 of shape \(4,\)"),
        ("agglomerate_to_affinities", [0.5], "agglomerate_to_affinities of 1 edges"),
        (
            "agglomerate_to_positions",
            [[1, 2]],
            r"agglomerate_to_positions is int64 of shape \(1, 2\); expected \(n, 3\)",
        ),
        ("agglomerate_to_positions", [[1, 2, 3]], "agglomerate_to_positions of 1 segments"),
        ("agglomerate_to_positions", None, "not an agglomerate file in HDF5.*agglomerate_to_positions"),
        ("segment_to_agglomerate", [[1]], r"segment_to_agglomerate is int64 of shape \(1, 1\); expected \(n\)"),
        ("agglomerate_to_segments", np.uint64(5), r"agglomerate_to_segments is uint64 of shape \(\); expected \(n\)"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(tmp_path: Path, name: str, value: Any, said: str) -> None:
    path = tmp_path / "old.hdf5"
    write_hdf5(path, agglomerate_arrays(example(), "uint32"))
    with h5py.File(path, "r+") as file:
        del file[name]
        if value is not None:
            file[name] = np.asarray(value, np.uint64 if name == "agglomerate_to_edges_offsets" else None)

    with pytest.raises(PropertiesError, match=said):
        read_hdf5(path)


def damage_array(path: Path) -> None:
    (path / "agglomerate_to_segments" / "zarr.json").write_text("{")


def lose_array(path: Path) -> None:
    (path / "agglomerate_to_edges" / "zarr.json").unlink()


def flip_bit(path: Path) -> None:
    shard = path / "agglomerate_to_segments" / "c" / "0"
    data = bytearray(shard.read_bytes())
    data[10] ^= 1
    shard.write_bytes(data)


@pytest.mark.parametrize("damage", [damage_array, lose_array, flip_bit])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    attachment = AgglomerateAttachment.create(tmp_path / "file", example())
    damage(tmp_path / "file")
    with pytest.raises(PropertiesError, match=r"file/agglomerate_to_(segments|edges)"):
        attachment.to_graph()


def test_an_array_that_claims_to_be_larger_than_the_memory_is_not_read(tmp_path: Path) -> None:
    attachment = AgglomerateAttachment.create(tmp_path / "file", example())
    metadata = tmp_path / "file" / "agglomerate_to_segments" / "zarr.json"
    document = json.loads(metadata.read_text())
    document["shape"] = [2**50]
    metadata.write_text(json.dumps(document))
    with pytest.raises(PropertiesError, match=r"agglomerate_to_segments: its shape \(1125899906842624,\) takes"):
        attachment.to_graph()

    write_hdf5(tmp_path / "old.hdf5", agglomerate_arrays(example(), "uint32"))
    with h5py.File(tmp_path / "old.hdf5", "r+") as file:
        del file["segment_to_agglomerate"]
        file.create_dataset("segment_to_agglomerate", shape=(2**50,), dtype="u8", chunks=(8,))
    with pytest.raises(PropertiesError, match="segment_to_agglomerate: its shape"):
        read_hdf5(tmp_path / "old.hdf5")


def test_the_mapping_alone_is_read_without_the_rest(tmp_path: Path) -> None:
    AgglomerateAttachment.create(tmp_path / "file", example())
    write_hdf5(tmp_path / "old.hdf5", agglomerate_arrays(example(), "uint32"))
    lose_array(tmp_path / "file")
    for name, data_format in (("file", ZARR3), ("old.hdf5", HDF5)):
        mapping = read_segment_to_agglomerate(tmp_path / name, data_format)
        assert mapping.tolist() == [0, 1, 2, 3, 1, 2, 2]
        assert mapping.dtype.name == "uint64"


@pytest.mark.parametrize("data_format", [ZARR3, HDF5])
def test_what_is_not_there_or_is_something_else_is_said_to_be(
    tmp_path: Path, data_format: AttachmentDataFormat
) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "folder").mkdir()

    def read(name: str) -> None:
        AgglomerateAttachment.from_path_and_name(tmp_path / name, "x", data_format=data_format).to_graph()

    with pytest.raises(NotADatasetError, match="no agglomerate file"):
        read("nothing")
    for name in ("text", "folder"):
        with pytest.raises(PropertiesError, match=name):
            read(name)


# ---------------------------------------------------------------------- the peer


@pytest.mark.oracle
def test_the_peer_and_we_write_the_same_files_and_read_one_anothers(dataset: Dataset, tmp_path: Path) -> None:
    graph = example()
    nodes: list[tuple[int, list[int]]] = [(node, list(values["position"])) for node, values in graph.nodes(data=True)]
    layer = dataset.get_segmentation_layer("seg")
    ours = AgglomerateAttachment.create_and_add_to(layer, "ours", graph)
    mesh = tmp_path / "m.hdf5"
    mesh.write_bytes(b"mesh")
    layer.attachments.add_mesh(mesh, name="far", data_format=HDF5)

    answer = ask_the_peer(
        "agglomerates",
        {
            "dataset": str(dataset.path),
            "write": str(tmp_path / "theirs"),
            "nodes": nodes,
            "edges": EDGES,
            "dtype": "uint64",
        },
    )

    assert answer["attachments"] == {
        "agglomerates": [["ours", str(ours.path), "zarr3"]],
        "meshes": [["far", str(mesh), "hdf5"]],
    }
    assert {node: tuple(position) for node, position in answer["nodes"]} == {
        node: tuple(position) for node, position in nodes
    }
    assert {(min(u, v), max(u, v), a) for u, v, a in answer["edges"]} == {
        (min(u, v), max(u, v), a) for u, v, a in EDGES
    }
    theirs = AgglomerateAttachment.from_path_and_name(tmp_path / "theirs", "theirs", data_format=ZARR3)
    assert contents(theirs.to_graph()) == contents(graph)
    shards = {name: value for name, value in digest(tmp_path / "theirs").items() if "/c/" in name}
    assert shards == {name: value for name, value in digest(Path(str(ours.path))).items() if "/c/" in name}
    for name in digest(tmp_path / "theirs"):
        if name.endswith("zarr.json"):
            mine, other = (
                json.loads((Path(str(root)) / name).read_text()) for root in (ours.path, tmp_path / "theirs")
            )
            assert mine == other
    again = Dataset.open(dataset.path).get_segmentation_layer("seg").attachments
    assert [one.name for one in again.agglomerates] == ["ours", "added_by_the_peer"]
    assert contents(again.agglomerates[1].to_graph()) == contents(graph)
