"""What a new array of a layer is to be, from what a person asks for and what a layer is. Pure; makes nothing.

Defaults: chunks of 32³ voxels; shards of 256³ (Zarr v2 has none, so a shard is a chunk there); compressed.
"""

import warnings

from wk_assets.errors import GeometryError, PropertiesError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int, Vec3IntLike
from wk_assets.operations.datasets.layer_box import box_in_mag
from wk_assets.properties.layer_properties import DataFormat, LayerProperties
from wk_assets.storage.mag_array import ArrayInfo, Zarr3Config

DEFAULT_CHUNK_SHAPE = Vec3Int(32, 32, 32)
DEFAULT_SHARD_SHAPE = Vec3Int(256, 256, 256)
_GOOD_CHUNKS = (32, 64)


def array_info(
    layer: LayerProperties,
    mag: Mag,
    *,
    chunk_shape: Vec3IntLike | int | None = None,
    shard_shape: Vec3IntLike | int | None = None,
    chunks_per_shard: Vec3IntLike | int | None = None,
    compression: bool | Zarr3Config | None = None,
    like: ArrayInfo | None = None,
) -> ArrayInfo:
    """Describe the array of a mag of a layer. Shapes x, y, z in voxels of the mag, or one number for all three.

    What is not given is as in `like`, as far as the layer's format has it, else the default. Warns of chunks that are slow in
    WEBKNOSSOS. Raises GeometryError for shapes that are no powers of two or do not fit one another, PropertiesError for
    codecs of another format.
    """
    same_format = like is not None and like.data_format is layer.data_format
    chunk = _shape(chunk_shape, "chunk_shape") or (like.chunk_shape if like is not None else DEFAULT_CHUNK_SHAPE)
    shard = _shard(layer.data_format, chunk, shard_shape, chunks_per_shard, like if same_format else None)
    _check_shapes(layer.data_format, chunk, shard, warn=chunk_shape is not None)
    if compression is None:
        compression = True if like is None else like.compression_mode if same_format else bool(like.compression_mode)
    if isinstance(compression, Zarr3Config) and layer.data_format is not DataFormat.Zarr3:
        raise PropertiesError(f"layer {layer.name!r} is {layer.data_format}: codecs can only be chosen for zarr3")
    far = box_in_mag(layer.bounding_box, mag)
    return ArrayInfo(
        data_format=layer.data_format,
        voxel_type=layer.dtype_np,
        box=NormalizedBoundingBox([0] * len(far.axes), tuple(far.bottomright), far.axes),
        chunk_shape=chunk,
        shard_shape=shard,
        compression_mode=compression,
        axis_order=dict(like.axis_order) if like is not None and same_format else {},
    )


def _shape(value: Vec3IntLike | int | None, name: str) -> Vec3Int | None:
    if value is None:
        return None
    shape = Vec3Int.from_vec_or_int(value)
    if not shape.is_positive(strictly_positive=True):
        raise GeometryError(f"{name} {tuple(shape)} must be greater than zero along every axis")
    return shape


def _shard(
    data_format: DataFormat,
    chunk: Vec3Int,
    shard_shape: Vec3IntLike | int | None,
    chunks_per_shard: Vec3IntLike | int | None,
    like: ArrayInfo | None,
) -> Vec3Int:
    given, count = _shape(shard_shape, "shard_shape"), _shape(chunks_per_shard, "chunks_per_shard")
    if given is not None and count is not None:
        raise GeometryError(
            f"shard_shape {tuple(given)} and chunks_per_shard {tuple(count)} are given; give one of them"
        )
    if given is not None:
        return given
    if count is not None:
        return chunk * count
    if data_format is DataFormat.Zarr:
        return chunk
    if like is not None and not any(like.shard_shape % chunk):
        return like.shard_shape
    return Vec3Int([edge * max(1, whole // edge) for edge, whole in zip(chunk, DEFAULT_SHARD_SHAPE, strict=True)])


def _check_shapes(data_format: DataFormat, chunk: Vec3Int, shard: Vec3Int, *, warn: bool) -> None:
    for name, shape in (("chunk_shape", chunk), ("shard_shape", shard)):
        if any(edge & (edge - 1) for edge in shape):
            raise GeometryError(f"{name} {tuple(shape)}: every edge must be a power of two, like 32, 64 or 256")
    if any(shard % chunk):
        raise GeometryError(f"shard_shape {tuple(shard)} is not a multiple of chunk_shape {tuple(chunk)}")
    if data_format is DataFormat.Zarr and shard != chunk:
        raise GeometryError(f"Zarr v2 has no shards: shard_shape {tuple(shard)} must be the chunk_shape {tuple(chunk)}")
    if warn and not all(edge in _GOOD_CHUNKS for edge in chunk):
        warnings.warn(
            f"chunks of {tuple(chunk)} are slow in WEBKNOSSOS; 32 or 64 voxels per axis are best", stacklevel=4
        )
