"""Pictures of a layer: three orthogonal middle slices and a thumbnail, from as coarse a mag as still looks sharp.

Makes bytes and opens no file for writing. Where pictures are kept, and the Markdown that shows them, is the asset's
business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.operations.layer_record import LayerRecord, MagRecord
from wk_assets.operations.layer_request import Category
from wk_assets.storage.voxel_array import VoxelArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Pictures as bytes: three PNG of at most 256 pixels, one WebP thumbnail of at most 48."""

    xy: bytes
    xz: bytes
    yz: bytes
    thumbnail: bytes


def choose_preview_mag(mags: Sequence[MagRecord], pixels: int = 200) -> MagRecord:
    """Choose the coarsest mag whose longest edge still has `pixels` voxels (the finest, if none has)."""
    raise NotImplementedError


def render_preview(
    array: VoxelArray,
    box_in_mag: BoundingBox,
    category: Category,
    value_range: tuple[float, float] | None = None,
    voxel_edges: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Preview:
    """Draw the middle slices of `box_in_mag`, each axis as long as it is in space.

    `voxel_edges` are the edge lengths x, y, z of a voxel in this mag, in any one unit. `value_range` is black and
    white; None: the percentiles 1 and 99.5 of what is drawn.
    """
    raise NotImplementedError


def preview_layer(record: LayerRecord, dataset_path: Path) -> Preview:
    """Draw a layer from the mag that `choose_preview_mag` takes."""
    raise NotImplementedError
