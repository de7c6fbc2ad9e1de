"""Where the work of a campaign is: from its configuration and the dataset's layers to a list of places.

Reads tables, skeletons and layers; layers block by block. The same configuration and data give the same places.
"""

from collections.abc import Iterator, Mapping
from functools import reduce
from itertools import product
from typing import Any, Protocol

import numpy as np

from wk_assets.dataset.view import View
from wk_assets.errors import ConfigurationError, GeometryError, InputError, Problem
from wk_assets.facility.campaign import Campaign
from wk_assets.facility.campaign_plan import Place
from wk_assets.facility.campaign_random import MaskBlocks, random_places
from wk_assets.facility.campaign_segments import segment_places
from wk_assets.facility.campaign_table import box_around, middle, table_places
from wk_assets.facility.campaign_work import GridWork, NodesWork, RandomWork, TableWork
from wk_assets.geometry.bounding_box import BoundingBox, NDBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.skeleton.nml import read_nml
from wk_assets.skeleton.nml_model import Nml

_SHOWN = 50
MOST_PLACES = 1_000_000


class WorkLayer(Protocol):
    """Be a layer in which work is found, here or on a server."""

    @property
    def bounding_box(self) -> NDBoundingBox:
        """The layer's box."""
        ...

    @property
    def mags(self) -> Mapping[Mag, Any]:
        """The layer's mags."""
        ...

    def get_mag(self, mag: Mag, /) -> View:
        """Give a mag."""
        ...


def find_places(campaign: Campaign, layers: Mapping[str, WorkLayer]) -> list[Place]:
    """Find the places of a campaign's own work; none if it has none. `layers`: those of its dataset, by name.

    Raises InputError for layers or mags that are not there, work that lies outside of the layers, and what the kinds of
    work raise: ConfigurationError with every wrong row or node, OSError, NmlError, StorageError.
    """
    work = campaign.work
    if work is None:
        return []
    whole = common_box(campaign, layers)
    if isinstance(work, TableWork):
        return table_places(work, whole)
    if isinstance(work, NodesWork):
        return node_places(work, whole)
    inside = _within(campaign, work.inside, whole)
    if isinstance(work, GridWork):
        return grid_places(work, inside)
    if isinstance(work, RandomWork):
        mask = None if work.mask is None else _view(campaign, layers, work.mask, work.mask_mag, inside, coarsest=True)
        return random_places(work, inside, None if mask is None else MaskBlocks(mask))
    view = _view(campaign, layers, work.layer, work.mag, inside, coarsest=False)
    return segment_places(work, view, inside)


def common_box(campaign: Campaign, layers: Mapping[str, WorkLayer]) -> BoundingBox:
    """Give the box, in mag-1 voxels, that all layers of a campaign have. Raises InputError if there is none."""
    boxes = [BoundingBox.from_ndbbox(_layer(campaign, layers, name).bounding_box) for name in campaign.layers]
    common = reduce(lambda one, other: one.intersected_with(other, dont_assert=True), boxes)
    if common.is_empty():
        told = "; ".join(f"{name}: {box.to_csv()}" for name, box in zip(campaign.layers, boxes, strict=True))
        raise InputError(
            f"campaign {campaign.name!r}: its layers have no voxel in common ({told}); name other 'layers'"
        )
    return common


def grid_places(work: GridWork, inside: BoundingBox) -> list[Place]:
    """Fill a box with boxes side by side, x fastest; positions are their middles. Raises InputError for too many, or none."""
    axes = [
        list(_steps(start, end, edge, shared, work.remainder))
        for start, end, edge, shared in zip(inside.topleft, inside.bottomright, work.size, work.overlap, strict=True)
    ]
    count = int(np.prod([len(axis) for axis in axes]))
    if not 1 <= count <= MOST_PLACES:
        raise InputError(
            f"a grid of {list(work.size)} in {inside.to_csv()} has {count} boxes; give another 'size', at most {MOST_PLACES}"
        )
    places = []
    for number, ((z, depth), (y, height), (x, width)) in enumerate(product(*reversed(axes)), start=1):
        box = BoundingBox((x, y, z), (width, height, depth))
        places.append(Place(position=middle(box), box=box, about=f"box {number} of {count}"))
    return places


def _steps(start: int, end: int, edge: int, shared: int, remainder: str) -> Iterator[tuple[int, int]]:
    """Divide a stretch into pieces (start, length); what is left at its end is cut, shifted back, or dropped."""
    at = start
    while at + edge <= end:
        yield at, edge
        at += edge - shared
    covered = at + shared if at > start else at
    if covered >= end or remainder == "drop":
        return
    if remainder == "shift":
        first = max(start, end - edge)
        yield first, end - first
    else:
        yield at, end - at


def node_places(work: NodesWork, inside: BoundingBox) -> list[Place]:
    """Take the nodes of a skeleton, in the order of the file. Raises ConfigurationError naming what is not there or outside.

    Positions are rounded down to voxels.
    """
    try:
        nml = read_nml(work.file)
    except FileNotFoundError as error:
        problem = Problem("the skeleton", "it does not exist", "Put it there, or correct 'file' of the campaign's work")
        raise ConfigurationError(str(work.file), [problem]) from error
    places: list[Place] = []
    problems: list[Problem] = [
        Problem(f"tree {name!r}", "there is no tree of this name", "Correct 'trees' of the campaign's work")
        for name in work.trees
        if name not in {tree.name for tree in nml.trees}
    ]
    for about, position in _chosen_nodes(work, nml):
        if not inside.contains(position):
            what = f"{position.to_tuple()} is outside of {inside.to_csv()}"
            problems.append(Problem(about, what, "Move the node, or name other trees"))
            continue
        box = None if work.box_size is None else box_around(position, work.box_size, inside)
        places.append(Place(position=position, box=box, about=about))
    if not places and not problems:
        problems.append(Problem("the skeleton", "it has no such nodes", "Choose others with 'which' and 'trees'"))
    if problems:
        hidden = len(problems) - _SHOWN
        more = [Problem("others", f"{hidden} more nodes are wrong", "Correct these first")] if hidden > 0 else []
        raise ConfigurationError(str(work.file), [*problems[:_SHOWN], *more])
    return places


def _chosen_nodes(work: NodesWork, nml: Nml) -> Iterator[tuple[str, Vec3Int]]:
    comments = {comment.node: comment.content for comment in nml.comments}
    chosen = {"branch_points": {point.id for point in nml.branchpoints}, "commented": set(comments)}.get(work.which)
    for tree in nml.trees:
        if work.trees and tree.name not in work.trees:
            continue
        positions = np.floor(tree.nodes.positions).astype(np.int64).tolist()
        for node, position in zip(tree.nodes.ids.tolist(), positions, strict=True):
            if chosen is None or node in chosen:
                said = f": {comments[node]}" if node in comments else ""
                yield f"node {node} of tree {tree.name!r}{said}", Vec3Int(position)


def _layer(campaign: Campaign, layers: Mapping[str, WorkLayer], name: str) -> WorkLayer:
    if name not in layers:
        there = ", ".join(layers) or "none"
        raise InputError(f"campaign {campaign.name!r}: the dataset has no layer {name!r}; it has {there}")
    return layers[name]


def _within(campaign: Campaign, wanted: BoundingBox | None, whole: BoundingBox) -> BoundingBox:
    if wanted is None:
        return whole
    if not whole.contains_bbox(wanted):
        raise InputError(
            f"campaign {campaign.name!r}: its work is inside {wanted.to_csv()}, which reaches beyond {whole.to_csv()}, what its "
            "layers have in common; give a box within"
        )
    return wanted


def _view(
    campaign: Campaign,
    layers: Mapping[str, WorkLayer],
    name: str,
    mag: Mag | None,
    inside: BoundingBox,
    *,
    coarsest: bool,
) -> View:
    """Open the part of a layer that lies in a box, for reading; its voxels may reach over the box by less than one each."""
    layer = _layer(campaign, layers, name)
    mags = sorted(layer.mags)
    if not mags or (mag is not None and mag not in mags):
        there = ", ".join(map(str, mags)) or "none"
        raise InputError(f"campaign {campaign.name!r}: layer {name!r} has no mag {mag or ''}; it has {there}")
    chosen = mag or (mags[-1] if coarsest else mags[0])
    try:
        box = inside.intersected_with(BoundingBox.from_ndbbox(layer.bounding_box)).align_with_mag(chosen, ceil=True)
    except GeometryError as error:
        raise InputError(f"campaign {campaign.name!r}: layer {name!r} has nothing inside {inside.to_csv()}") from error
    return layer.get_mag(chosen).get_view(absolute_bounding_box=box, read_only=True)
