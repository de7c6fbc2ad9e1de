"""An annotation as pictures: all that was painted and traced, seen along each axis. Opens no file and writes none.

What is painted is projected (of segments behind one another the greatest id shows), trees are drawn over it in their colours, and
the task's box as a frame. All pictures have one scale, each axis as long as it is in space.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.operations.annotations.volume_checks import check_labels, read_labels, stored_blocks
from wk_assets.operations.datasets.label_colors import label_colors
from wk_assets.skeleton.nml_model import Tree
from wk_assets.storage.mag_array import MagArray

LONGEST_EDGE: Final = 256
_THINNEST: Final = 4  # an axis is shown at least a fourth as long as the longest, so that a flat thing is no line
# Of each picture, the axes (x=0, y=1, z=2) that run to the right and down; like the viewports of WEBKNOSSOS.
_AXES: Final = {"xy": (0, 1), "xz": (0, 2), "yz": (2, 1)}
_FRAME: Final = (128, 128, 128)
_LINE: Final = 3  # pixels
_DOT: Final = 3  # pixels around a node: one is seen in a thumbnail, too, a fifth as large

Place = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintedMag:
    """Hold one volume, (1, x, y, z) labels, in one mag."""

    array: MagArray
    mag: Mag


def draw_annotation(
    trees: Sequence[Tree],
    volumes: Sequence[PaintedMag],
    *,
    box: BoundingBox | None,
    voxel_size: tuple[float, float, float],
) -> dict[str, Image.Image] | None:
    """Draw the planes xy, xz and yz, RGB, at most 256 pixels along an edge; None: nothing was painted or traced.

    `box`: of the task, in mag-1 voxels; `voxel_size`: edges in any one unit. Reads volumes block by block, twice. Raises
    GeometryError for volumes that hold no labels, and what reading them raises.
    """
    for volume in volumes:
        check_labels(volume.array)
    ends = [*_ends_of_trees(trees), *(end for volume in volumes for end in _ends_of_paint(volume))]
    if not ends:
        return None
    if box is not None:
        ends += [box.topleft.to_np().astype(np.float64), box.bottomright.to_np().astype(np.float64)]
    view = _View.of(np.min(ends, axis=0), np.max(ends, axis=0), [one.mag for one in volumes], np.asarray(voxel_size))
    canvases = _projections(view, volumes)
    return {plane: _picture(view, plane, canvases[plane], trees, box) for plane in _AXES}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _View:
    """Say what is shown: `topleft` and the `edge` of a cell in mag-1 voxels, (3,); how many `cells` and `pixels` per axis."""

    topleft: Place
    edge: Place
    cells: tuple[int, ...]
    pixels: tuple[int, ...]

    @classmethod
    def of(cls, first: Place, end: Place, mags: Sequence[Mag], voxel_size: Place) -> "_View":
        longest = float(((end - first) * voxel_size).max())
        size = np.maximum(end - first, longest / _THINNEST / voxel_size)
        # no cell is thinner than a voxel: one between two voxels would stay empty
        finest = np.max([(1, 1, 1), *(mag.to_tuple() for mag in mags)], axis=0)
        edge = np.maximum(finest, size / LONGEST_EDGE)
        cells = np.ceil(size / edge).astype(int)
        extent = cells * edge * voxel_size
        pixels = np.maximum(1, np.rint(LONGEST_EDGE * extent / extent.max())).astype(int)
        topleft = first - (cells * edge - (end - first)) // 2
        return cls(topleft=topleft, edge=edge, cells=tuple(cells.tolist()), pixels=tuple(pixels.tolist()))

    def cells_at(self, places: NDArray[Any], axis: int) -> NDArray[np.int64]:
        found = np.floor((places - self.topleft[axis]) / self.edge[axis]).astype(np.int64)
        return np.asarray(np.clip(found, 0, self.cells[axis] - 1))

    def pixels_at(self, places: NDArray[Any], plane: str) -> NDArray[np.int64]:
        """Turn places (n, 3) into pixels (n, 2), to the right and down."""
        axes = list(_AXES[plane])
        pixels = np.array(self.pixels)[axes]
        shares = (places[:, axes] - self.topleft[axes]) / (np.array(self.cells) * self.edge)[axes]
        return np.asarray(np.clip(np.floor(shares * pixels).astype(np.int64), 0, pixels - 1))


def _ends_of_trees(trees: Sequence[Tree]) -> Iterator[Place]:
    for tree in trees:
        if len(tree.nodes):
            yield np.floor(tree.nodes.positions.min(axis=0))
            yield np.floor(tree.nodes.positions.max(axis=0)) + 1


def _ends_of_paint(volume: PaintedMag) -> Iterator[Place]:
    """Give the first and the end of what is painted in each block."""
    mag = np.array(volume.mag.to_tuple(), np.float64)
    for block in stored_blocks(volume.array):
        painted = np.nonzero(read_labels(volume.array, block))
        if painted[0].size:
            topleft = block.topleft.to_np()
            yield (topleft + [places.min() for places in painted]) * mag
            yield (topleft + [places.max() + 1 for places in painted]) * mag


def _projections(view: _View, volumes: Sequence[PaintedMag]) -> Mapping[str, NDArray[np.uint64]]:
    canvases = {
        plane: np.zeros((view.cells[down], view.cells[right]), np.uint64) for plane, (right, down) in _AXES.items()
    }
    for volume in volumes:
        mag = volume.mag.to_tuple()
        for block in stored_blocks(volume.array):
            labels = read_labels(volume.array, block).astype(np.uint64)
            for plane, (right, down) in _AXES.items():
                seen = labels.max(axis=3 - right - down)
                seen = seen if right > down else seen.T  # (down, right)
                rows, columns = np.nonzero(seen)
                places = (
                    view.cells_at((block.topleft[down] + rows) * mag[down], down),
                    view.cells_at((block.topleft[right] + columns) * mag[right], right),
                )
                np.maximum.at(canvases[plane], places, seen[rows, columns])
    return canvases


def _picture(
    view: _View, plane: str, canvas: NDArray[np.uint64], trees: Sequence[Tree], box: BoundingBox | None
) -> Image.Image:
    right, down = _AXES[plane]
    picture = Image.fromarray(label_colors(canvas)).resize(
        (view.pixels[right], view.pixels[down]), Image.Resampling.NEAREST
    )
    pen = ImageDraw.Draw(picture)
    if box is not None:
        corners = np.array([box.topleft.to_tuple(), (box.bottomright - 1).to_tuple()], np.float64)
        pen.rectangle(view.pixels_at(corners, plane).reshape(-1).tolist(), outline=_FRAME)
    for tree in trees:
        if len(tree.nodes):
            _draw_tree(pen, view.pixels_at(np.floor(tree.nodes.positions) + 0.5, plane), tree)
    return picture


def _draw_tree(pen: ImageDraw.ImageDraw, pixels: NDArray[np.int64], tree: Tree) -> None:
    """Draw a tree; what falls on the same pixels is drawn once, however many nodes there are."""
    color = _color(tree)
    order = np.argsort(tree.nodes.ids)
    if len(tree.edges):
        rows = order[np.searchsorted(tree.nodes.ids, tree.edges.pairs, sorter=order)]
        for line in np.unique(pixels[rows].reshape(-1, 4), axis=0).tolist():
            pen.line(line, fill=color, width=_LINE)
    for x, y in np.unique(pixels, axis=0).tolist():
        pen.ellipse((x - _DOT, y - _DOT, x + _DOT, y + _DOT), fill=color)


def _color(tree: Tree) -> tuple[int, int, int]:
    if tree.color is None:
        red, green, blue = label_colors(np.array([tree.id], np.int64))[0].tolist()
    else:
        red, green, blue = (round(255 * min(1.0, max(0.0, part))) for part in tree.color[:3])
    return (red, green, blue) if red or green or blue else _FRAME
