"""Everything that was painted or traced is in each picture, in its colour and at its place, and nothing else."""

import numpy as np
import pytest

from tests.operations.memory_mag_array import MemoryMagArray
from wk_assets.errors import GeometryError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.operations.annotations.drawing import PaintedMag, draw_annotation
from wk_assets.operations.datasets.label_colors import label_colors
from wk_assets.skeleton.nml_columns import Edge, Edges, Node, Nodes
from wk_assets.skeleton.nml_model import Tree

CUBE = (1.0, 1.0, 1.0)


def painted(labels: np.ndarray, mag: int = 1) -> PaintedMag:
    return PaintedMag(array=MemoryMagArray.of(labels[np.newaxis], chunk=4, shard=8), mag=Mag(mag))


def color(segment: int) -> list[int]:
    return list(label_colors(np.array([segment], np.uint32))[0].tolist())


def test_paint_is_seen_along_every_axis_and_the_greater_id_hides_the_smaller() -> None:
    labels = np.zeros((8, 8, 16), np.uint32)
    labels[0:4, 0:2, 0:16] = 3
    labels[0:2, 6:8, 0:8] = 5

    pictures = draw_annotation([], [painted(labels)], box=None, voxel_size=CUBE)

    assert pictures is not None
    assert {name: one.size for name, one in pictures.items()} == {"xy": (64, 128), "xz": (64, 256), "yz": (256, 128)}
    xy, xz, yz = (np.asarray(pictures[name]) for name in ("xy", "xz", "yz"))
    # 16 pixels per voxel
    assert xy[8, 8].tolist() == xy[8, 56].tolist() == color(3)
    assert xy[120, 8].tolist() == color(5)
    assert not xy[40:80].any()
    assert xz[8, 8].tolist() == color(5)
    assert xz[200, 8].tolist() == color(3)
    assert yz[120, 8].tolist() == color(5)
    assert not yz[120, 136:].any()


@pytest.mark.parametrize("mag", [1, 4])
def test_no_gaps_are_seen_in_what_is_painted_without_gaps(mag: int) -> None:
    labels = np.full((301, 40, 90), 9, np.uint16)

    pictures = draw_annotation([], [painted(labels, mag)], box=None, voxel_size=(3.0, 2.0, 7.0))

    assert pictures is not None
    for picture in pictures.values():
        seen: np.ndarray = (np.asarray(picture) > 0).max(axis=2)
        rows, columns = np.nonzero(seen)
        assert seen[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all()


def test_trees_are_drawn_over_it_in_their_colours_within_the_frame_of_the_box() -> None:
    tree = Tree(
        id=1,
        name="axon",
        color=(1.0, 0.0, 0.0, 1.0),
        nodes=Nodes.of([Node(id=7, position=(2, 8, 1), radius=1), Node(id=4, position=(13, 8, 1), radius=1)]),
        edges=Edges.of([Edge(source=7, target=4)]),
    )

    pictures = draw_annotation([tree], [], box=BoundingBox((0, 0, 0), (16, 16, 16)), voxel_size=CUBE)

    assert pictures is not None
    xy = np.asarray(pictures["xy"])
    assert (xy[136, 40:217] == (255, 0, 0)).all()  # from the middle of voxel 2 to that of voxel 13
    assert not xy[136, 45:200, 1:].any()
    assert not xy[100, 10:240].any()
    assert (xy[0, :200] == 128).all()


def test_one_node_is_enough_for_a_picture_and_nothing_at_all_is_none() -> None:
    tree = Tree(id=1, name="seed", nodes=Nodes.of([Node(id=1, position=(100.5, 3, 9), radius=1)]))

    pictures = draw_annotation([tree], [], box=None, voxel_size=(11.0, 11.0, 25.0))

    assert pictures is not None
    assert all(np.asarray(one).any() for one in pictures.values())
    nothing = painted(np.zeros((8, 8, 8), np.uint32))
    assert (
        draw_annotation([Tree(id=1, name="")], [nothing], box=BoundingBox((0, 0, 0), (8, 8, 8)), voxel_size=CUBE)
        is None
    )


def test_what_holds_no_labels_is_refused() -> None:
    with pytest.raises(GeometryError, match="one channel of integers"):
        draw_annotation([], [painted(np.zeros((8, 8, 8), np.float32))], box=None, voxel_size=CUBE)
