"""What is painted lies over the layer below, and meshes and agglomerates are of what is there."""

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from tests.standin.standin_client import StandinClient
from wk_assets.annotation.agglomerate_message import parse_agglomerate_graph
from wk_assets.dataset.dataset import Dataset
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.arrays.agglomerate_graph import AgglomerateGraph, agglomerate_arrays
from wk_assets.standin.meshes import as_stl, faces
from wk_assets.storage.agglomerate_file import write_agglomerates

V = "/api/v16"
LABELS = np.arange(64 * 32 * 32, dtype=np.uint32).reshape(64, 32, 32) // 7000 + 1


@pytest.fixture
def labelled(standin: StandinClient, tmp_path: Path) -> str:
    """Put a dataset on the server's disk: `labels` (64, 32, 32), 1 mag."""
    made = Dataset(tmp_path / "local", voxel_size=(2.0, 3.0, 4.0), name="brain")
    layer = made.add_layer(
        "labels",
        "segmentation",
        dtype="uint32",
        bounding_box=BoundingBox((0, 0, 0), LABELS.shape),
        largest_segment_id=10,
    )
    layer.add_mag(1).write(LABELS[None], allow_unaligned=True)
    body = {"remoteUri": str(made.path), "datasetName": "brain"}
    return str(standin.as_admin("POST", f"{V}/datasets/exploreAndAddRemote", json=body).json())


def _annotation(
    standin: StandinClient, dataset: str, tmp_path: Path, *, name: str = "labels", mapping: str = ""
) -> str:
    """Upload an annotation with one painted block: 99 in (32…64, 0…32, 0…32), but 0 where x is 40."""
    painted = Dataset(tmp_path / "painted", voxel_size=(2.0, 3.0, 4.0), name="painted")
    layer = painted.add_layer(
        "volumeAnnotationData", "segmentation", dtype="uint32", bounding_box=BoundingBox((0, 0, 0), (64, 32, 32)),
    )  # fmt: skip
    voxels = np.full((1, 32, 32, 32), 99, np.uint32)
    voxels[:, 8] = 0
    layer.add_mag(1, chunk_shape=(32, 32, 32), shard_shape=(32, 32, 32)).write(voxels, absolute_offset=(32, 0, 0))
    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        for path in (tmp_path / "painted").rglob("*"):
            if path.is_file():
                archive.write(path, path.relative_to(tmp_path / "painted"))
    volume = f'<volume id="0" name="{name}" location="data_0.zip" fallbackLayer="labels" format="zarr3" {mapping}/>'
    nml = (
        f'<things><parameters><experiment name="brain" datasetId="{dataset}" organization="sample_organization"/>'
        f'<scale x="2" y="3" z="4"/></parameters>{volume}<branchpoints/><comments/><groups/></things>'
    )
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("a.nml", nml)
        archive.writestr("data_0.zip", inner.getvalue())
    sent = standin.as_admin("POST", f"{V}/annotations/upload", files={"a.zip": ("a.zip", outer.getvalue())})
    assert sent.status_code == 200, sent.text
    return str(sent.json()["annotation"]["id"])


def _streamed(standin: StandinClient, path: str) -> NDArray[np.uint32]:
    chunks = [standin.as_admin("GET", f"/data/v16/{path}/1/0.{x}.0.0").content for x in (0, 1)]
    return np.concatenate([np.frombuffer(one, "<u4").reshape((32, 32, 32), order="F") for one in chunks])


def test_painted_blocks_replace_what_is_below_them_zeros_too(
    standin: StandinClient, labelled: str, tmp_path: Path
) -> None:
    annotation = _annotation(standin, labelled, tmp_path)

    shown = _streamed(standin, f"annotations/zarr/{annotation}/labels")
    expected = LABELS.copy()
    expected[32:] = 99
    expected[40] = 0
    np.testing.assert_array_equal(shown, expected)
    np.testing.assert_array_equal(_streamed(standin, f"zarr/{labelled}/labels"), LABELS)


def test_a_volume_layer_of_another_name_stands_beside_the_layer_below(
    standin: StandinClient, labelled: str, tmp_path: Path
) -> None:
    annotation = _annotation(standin, labelled, tmp_path, name="mine")
    path = f"/data/v16/annotations/zarr/{annotation}"

    told = standin.as_admin("GET", f"{path}/datasource-properties.json").json()
    assert [layer["name"] for layer in told["dataLayers"]] == ["labels", "mine"]
    assert (_streamed(standin, f"annotations/zarr/{annotation}/mine")[32:40] == 99).all()
    np.testing.assert_array_equal(_streamed(standin, f"annotations/zarr/{annotation}/labels"), LABELS)


@settings(max_examples=20, deadline=None)
@given(arrays.arrays(bool, st.tuples(*[st.integers(1, 4)] * 3)))
def test_faces_close_around_every_volume(inside: NDArray[np.bool_]) -> None:
    corners, normals = faces(inside)
    edges = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]

    # each triangle is half a voxel's face, and turns the way of its normal
    np.testing.assert_array_equal(np.cross(*edges), normals)
    # the divergence theorem: what the faces enclose is what was inside
    enclosed = (corners.mean(axis=1) * normals / 2).sum(axis=0)
    np.testing.assert_allclose(enclosed, inside.sum(), rtol=1e-5)


def _triangles(stl: bytes) -> NDArray[np.float32]:
    (count,) = struct.unpack_from("<I", stl, 80)
    assert len(stl) == 84 + 50 * count
    rows = np.frombuffer(stl, np.dtype([("values", "<f4", (4, 3)), ("attribute", "<u2")]), offset=84)
    found: NDArray[np.float32] = rows["values"][:, 1:]
    return found


def test_stl_says_how_many_triangles_follow() -> None:
    corners, normals = faces(np.ones((1, 1, 1), bool))
    assert len(_triangles(as_stl(corners, normals))) == 12


def test_a_mesh_lies_where_its_segment_lies_in_units_of_the_voxel_size(standin: StandinClient, labelled: str) -> None:
    path = f"/data/v16/datasets/{labelled}/layers/labels/meshes/fullMesh.stl"
    body = {"lod": 0, "segmentId": 10, "mag": [1, 1, 1], "seedPosition": [63, 31, 31]}

    corners = _triangles(standin.as_admin("POST", path, json=body).content).reshape(-1, 3)
    places = np.argwhere(LABELS == 10)
    np.testing.assert_array_equal(corners.min(axis=0), places.min(axis=0) * (2, 3, 4))
    np.testing.assert_array_equal(corners.max(axis=0), (places.max(axis=0) + 1) * (2, 3, 4))
    big = {**body, "segmentId": {"customJsonEncoding": "bigint", "value": "10"}}
    assert standin.as_admin("POST", path, json=big).content == standin.as_admin("POST", path, json=body).content


@pytest.mark.parametrize(
    ("change", "status"),
    [({"segmentId": 77}, 404), ({"mag": None}, 400), ({"mag": [3, 3, 3]}, 400), ({"meshFileName": "none"}, 404)],
)
def test_a_mesh_of_nothing_is_refused(
    standin: StandinClient, labelled: str, change: dict[str, Any], status: int
) -> None:
    path = f"/data/v16/datasets/{labelled}/layers/labels/meshes/fullMesh.stl"
    body = {"segmentId": 1, "mag": [1, 1, 1], "seedPosition": [0, 0, 0], **change}

    assert standin.as_admin("POST", path, json=body).status_code == status


def test_a_mesh_of_an_annotation_is_of_what_was_painted(standin: StandinClient, labelled: str, tmp_path: Path) -> None:
    annotation = _annotation(standin, labelled, tmp_path)
    (layer,) = standin.as_admin("GET", f"{V}/annotations/{annotation}/info").json()["annotationLayers"]
    body = {"segmentId": 99, "mag": [1, 1, 1], "seedPosition": [33, 1, 1]}

    answer = standin.as_admin("POST", f"/tracings/volume/{layer['tracingId']}/fullMesh.stl", json=body)
    corners = _triangles(answer.content).reshape(-1, 3)
    np.testing.assert_array_equal(corners.min(axis=0), (64, 0, 0))
    np.testing.assert_array_equal(corners.max(axis=0), (128, 96, 128))
    nobody = standin.request(None, "POST", f"/tracings/volume/{layer['tracingId']}/fullMesh.stl", json=body)
    assert nobody.status_code == 403


def test_agglomerates_come_as_graphs(standin: StandinClient, labelled: str, tmp_path: Path) -> None:
    graph = AgglomerateGraph()
    for segment in (1, 2, 3):
        graph.add_segment(segment, position=Vec3Int(segment, -2, 300))
    graph.add_affinity_edge(1, 2, affinity=0.25)
    write_agglomerates(tmp_path / "agglomerates", agglomerate_arrays(graph, np.dtype(np.uint32)))
    stored = standin.world.get("datasets", labelled)
    assert stored is not None
    entry = {"name": "view", "path": str(tmp_path / "agglomerates"), "dataFormat": "zarr3"}
    stored["source"]["dataLayers"][0]["attachments"] = {"agglomerates": [entry]}
    standin.world.save("datasets", labelled, stored)
    layer = f"/data/v16/datasets/{labelled}/layers/labels/agglomerates"
    assert standin.as_admin("GET", layer).json() == ["view"]

    annotation = _annotation(standin, labelled, tmp_path, mapping='mappingName="view"')
    (drawn,) = standin.as_admin("GET", f"{V}/annotations/{annotation}/info").json()["annotationLayers"]
    found = {}
    for number in (1, 2):
        answer = standin.as_admin("GET", f"/tracings/mapping/{drawn['tracingId']}/agglomerateGraph/{number}")
        assert answer.content == standin.as_admin("GET", f"{layer}/view/agglomerateGraph/{number}").content
        found[number] = parse_agglomerate_graph(answer.content)
    both = next(one for one in found.values() if len(one.segments) == 2)
    assert sorted(both.segments) == [1, 2]
    assert [sorted(edge) for edge in both.edges] == [[1, 2]]
    assert list(both.affinities) == [0.25]
    assert {tuple(place) for place in both.positions} == {(1, -2, 300), (2, -2, 300)}
    assert standin.as_admin("GET", f"{layer}/view/agglomerateGraph/9").status_code == 404
