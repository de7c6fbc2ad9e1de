"""Pictures of a layer: three orthogonal slices and a thumbnail, from as coarse a mag as still looks sharp.

Makes bytes and opens no file for writing. Where pictures are kept, and the Markdown that shows them, is the asset's
business.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wk_assets.errors import GeometryError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.datasets.label_colors import label_colors
from wk_assets.operations.records.layer_record import LayerRecord, MagRecord
from wk_assets.operations.records.layer_request import Category
from wk_assets.storage.stored_array import StoredArray
from wk_assets.storage.voxel_array import VoxelArray

LONGEST_EDGE = 256
THUMBNAIL_EDGE = 48
# A thumbnail of this size still fits, as a data URI, into the 1000 characters that Dagster renders inline.
THUMBNAIL_BYTES = 660
# Black and white are the values that this part of the voxels stays below: one hot pixel does not darken a picture.
CONTRAST_PERCENTILES = (1.0, 99.5)
# Where to look for a slice that shows something, as parts of the extent.
DEPTHS = (0.5, 0.375, 0.625, 0.25, 0.75)
# Planes are read in tiles of at most this many voxels, however large the layer is.
TILE_VOXELS = 1 << 22

# Of each picture, the axes (x=0, y=1, z=2) that run to the right and down; like the viewports of WEBKNOSSOS.
_AXES = {"xy": (0, 1), "xz": (0, 2), "yz": (2, 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Pictures as bytes: three PNG of at most 256 pixels, one WebP thumbnail of at most 48 (and 660 bytes).

    `xy` has x to the right and y down, `xz` x to the right and z down, `yz` z to the right and y down.
    """

    xy: bytes
    xz: bytes
    yz: bytes
    thumbnail: bytes


def choose_preview_mag(mags: Sequence[MagRecord], pixels: int = 200) -> MagRecord:
    """Choose the coarsest mag whose longest edge still has `pixels` voxels; the finest, if none has.

    `mags`: finest first, at least one.
    """
    sharp = [mag for mag in mags if max(mag.box_in_mag.size) >= pixels]
    return sharp[-1] if sharp else mags[0]


def preview_layer(record: LayerRecord, dataset_path: Path) -> Preview:
    """Draw a layer from the mag that `choose_preview_mag` takes. Raises what reading the mag raises."""
    chosen = choose_preview_mag(record.mags)
    x, y, z = (edge * factor for edge, factor in zip(record.voxel_size.factor, chosen.to_mag().to_tuple(), strict=True))
    array = StoredArray.open(dataset_path / chosen.path)
    return render_preview(array, chosen.box_in_mag.to_box(), record.category, voxel_edges=(x, y, z))


def render_preview(
    array: VoxelArray,
    box_in_mag: BoundingBox,
    category: Category,
    value_range: tuple[float, float] | None = None,
    voxel_edges: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Preview:
    """Draw three slices through `box_in_mag`, all at one scale, each axis as long as it is in space.

    `voxel_edges` are the edge lengths x, y, z of a voxel in this mag, in any one unit. `value_range` is what becomes
    black and white; None: percentiles of what is drawn (RGB is drawn as it is). Segments get a colour that depends on
    nothing but their id; 0 is black. Raises GeometryError for an empty box, and what `array.read` raises.
    """
    if min(box_in_mag.size) < 1:
        raise GeometryError(f"preview: the box {box_in_mag} holds no voxel; choose a finer mag or a larger box")
    planes = {name: _visible_plane(array, box_in_mag, name) for name in _AXES}
    if category == "segmentation":
        colored = {name: label_colors(plane[..., 0]) for name, plane in planes.items()}
    elif array.channels == 3 and array.dtype == np.uint8 and value_range is None:
        colored = {name: plane.astype(np.uint8) for name, plane in planes.items()}
    else:
        black, white = value_range or _contrast([plane[..., 0] for plane in planes.values()])
        colored = {name: _stretch(plane[..., 0], black, white) for name, plane in planes.items()}
    extent = [voxels * edge for voxels, edge in zip(box_in_mag.size, voxel_edges, strict=True)]
    pixels = [max(1, round(LONGEST_EDGE * length / max(extent))) for length in extent]
    pictures = {
        name: _resize(colored[name], pixels[right], pixels[down], category) for name, (right, down) in _AXES.items()
    }
    return encode_preview(pictures, category)


def encode_preview(pictures: Mapping[str, Image.Image], category: Category) -> Preview:
    """Encode pictures of the planes xy, xz and yz; the thumbnail is of xy."""
    return Preview(
        xy=_png(pictures["xy"]),
        xz=_png(pictures["xz"]),
        yz=_png(pictures["yz"]),
        thumbnail=_thumbnail(pictures["xy"], category),
    )


def _visible_plane(array: VoxelArray, box: BoundingBox, name: str) -> NDArray[Any]:
    """Read the slice nearest to the middle that is not of one value; the middle one, if all are."""
    right, down = _AXES[name]
    across = 3 - right - down
    places = dict.fromkeys(min(int(box.size[across] * depth), box.size[across] - 1) for depth in DEPTHS)
    planes = (_read_plane(array, box, right, down, box.topleft[across] + place) for place in places)
    middle = next(planes)
    return next((plane for plane in chain([middle], planes) if plane.min() != plane.max()), middle)


def _read_plane(array: VoxelArray, box: BoundingBox, right: int, down: int, position: int) -> NDArray[Any]:
    """Read one slice, shape (down, right, c), leaving out voxels that no picture of this size could show."""
    across = 3 - right - down
    steps = [max(1, box.size[axis] // (2 * LONGEST_EDGE)) for axis in range(3)]
    steps[across] = 1
    kept = [ceil(box.size[axis] / steps[axis]) for axis in range(3)]
    plane = np.zeros((kept[down], kept[right], array.channels), array.dtype)
    # whole rows where they fit, and tiles that start on a kept voxel
    wide = steps[right] * max(1, min(box.size[right], TILE_VOXELS // steps[down]) // steps[right])
    high = steps[down] * max(1, min(box.size[down], TILE_VOXELS // wide) // steps[down])
    for first_down in range(0, box.size[down], high):
        for first_right in range(0, box.size[right], wide):
            topleft, size = [0, 0, 0], [1, 1, 1]
            topleft[across] = position
            for axis, first, length in ((right, first_right, wide), (down, first_down, high)):
                topleft[axis] = box.topleft[axis] + first
                size[axis] = min(length, box.size[axis] - first)
            voxels = array.read(BoundingBox(Vec3Int(topleft), Vec3Int(size)))
            tile = voxels.transpose(1 + down, 1 + right, 0, 1 + across)[:: steps[down], :: steps[right], :, 0]
            row, column = first_down // steps[down], first_right // steps[right]
            plane[row : row + tile.shape[0], column : column + tile.shape[1]] = tile
    return plane


def _contrast(planes: Sequence[NDArray[Any]]) -> tuple[float, float]:
    values = np.concatenate([plane.reshape(-1).astype(np.float64) for plane in planes])
    values = values[np.isfinite(values)]
    if values.size == 0:
        return 0.0, 1.0
    black, white = (float(value) for value in np.percentile(values, CONTRAST_PERCENTILES))
    if black == white:  # nearly all voxels have one value: show the few others, too
        black, white = float(values.min()), float(values.max())
    return black, white


def _stretch(plane: NDArray[Any], black: float, white: float) -> NDArray[np.uint8]:
    """Map values to gray levels. NaN and the infinities below become black."""
    values = np.nan_to_num(plane.astype(np.float64), nan=black, posinf=white, neginf=black)
    if white <= black:
        return np.full(plane.shape, 0 if white == 0 else 128, np.uint8)
    return np.rint(np.clip((values - black) / (white - black), 0, 1) * 255).astype(np.uint8)


def _resize(pixels: NDArray[np.uint8], width: int, height: int, category: Category) -> Image.Image:
    # ids must not be blended: the mixture of two colours would look like a third segment
    smooth = Image.Resampling.NEAREST if category == "segmentation" else Image.Resampling.BILINEAR
    return Image.fromarray(np.ascontiguousarray(pixels)).resize((width, height), smooth)


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _thumbnail(picture: Image.Image, category: Category) -> bytes:
    """Encode a small WebP; noisy pictures are made coarser until they fit THUMBNAIL_BYTES."""
    encoded = b""
    for edge in (THUMBNAIL_EDGE, 40, 32, 24):
        width, height = (max(1, round(length * edge / max(picture.size))) for length in picture.size)
        smooth = Image.Resampling.NEAREST if category == "segmentation" else Image.Resampling.BILINEAR
        small = picture.convert("RGB").resize((width, height), smooth)
        for quality in (80, 60, 40, 20):
            buffer = io.BytesIO()
            small.save(buffer, "WEBP", quality=quality, method=6)
            encoded = buffer.getvalue()
            if len(encoded) <= THUMBNAIL_BYTES:
                return encoded
    return encoded
