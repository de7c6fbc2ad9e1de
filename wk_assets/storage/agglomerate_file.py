"""Agglomerate files on disk: which segments are one object, as seven arrays in a Zarr v3 group or an HDF5 file.

Knows arrays and files; what they mean as a graph has `operations.arrays.agglomerate_graph`. Source: the files that WEBKNOSSOS reads
(`AgglomerateViewArtifact`, schema version 4). With n segments 1…n, k agglomerates 1…k and m edges:

    segment_to_agglomerate            (n + 1)   uint64    0 is background
    agglomerate_to_segments           (n)       uint32 or uint64, ids of agglomerate 1, then of 2, …
    agglomerate_to_segments_offsets   (k + 2)   uint64    agglomerate a has [offset[a], offset[a + 1]); the first two are 0
    agglomerate_to_positions          (n, 3)    int32     x, y, z in mag 1, in the order of agglomerate_to_segments
    agglomerate_to_edges              (m, 2)    type of the segments; places within the agglomerate, sorted
    agglomerate_to_edges_offsets      (k + 2)   uint64
    agglomerate_to_affinities         (m)       float32
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil
import tensorstore
from numpy.typing import NDArray

from wk_assets.errors import NotADatasetError, PropertiesError, StorageError
from wk_assets.properties.layer_properties import AttachmentDataFormat
from wk_assets.storage.durable import storage_refusals, write_atomically
from wk_assets.storage.new_path import made_whole

_GROUP = {
    "zarr_format": 3,
    "node_type": "group",
    "attributes": {"voxelytics": {"artifact_schema_version": 4, "artifact_class": "AgglomerateViewArtifact"}},
}
_CHUNK_BYTES = 256 << 10
_OFFSETS_CHUNK_BYTES = 64 << 10
_CHUNKS_PER_SHARD = 4096  # 1 GiB, and 256 MiB of offsets


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AgglomerateArrays:
    """Hold the seven arrays, as the module's docstring describes them."""

    segment_to_agglomerate: NDArray[np.uint64]
    agglomerate_to_segments: NDArray[Any]
    agglomerate_to_segments_offsets: NDArray[np.uint64]
    agglomerate_to_positions: NDArray[np.int32]
    agglomerate_to_edges: NDArray[Any]
    agglomerate_to_edges_offsets: NDArray[np.uint64]
    agglomerate_to_affinities: NDArray[np.float32]


def write_agglomerates(path: Path, arrays: AgglomerateArrays) -> None:
    """Write a Zarr v3 agglomerate file at `path`, which must not exist; it is there once it is whole and on the disk.

    The same arrays give the same bytes. Raises InputError if there is something at `path`, StorageError.
    """
    with made_whole(path) as folder:
        for field in fields(arrays):
            _write_array(folder / field.name, getattr(arrays, field.name))
        write_atomically(folder / "zarr.json", (json.dumps(_GROUP, indent=2) + "\n").encode())


def read_agglomerates(path: Path, data_format: AttachmentDataFormat) -> AgglomerateArrays:
    """Read an agglomerate file as a whole.

    Raises NotADatasetError if there is nothing, PropertiesError, naming the array, if it is not what it should be: no index
    of one array into another leads beyond it.
    """
    arrays = AgglomerateArrays(**_read(path, data_format, [field.name for field in fields(AgglomerateArrays)]))
    _check(path, arrays)
    return arrays


def read_segment_to_agglomerate(path: Path, data_format: AttachmentDataFormat) -> NDArray[np.uint64]:
    """Read of each segment id, from 0, which agglomerate it belongs to. Raises as `read_agglomerates` does."""
    name = "segment_to_agglomerate"
    (found,) = _read(path, data_format, [name]).values()
    _check_form(path, name, found, (), "iu")
    return found.astype(np.uint64, copy=False)


def _read(path: Path, data_format: AttachmentDataFormat, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    reading = {AttachmentDataFormat.Zarr3: _read_zarr, AttachmentDataFormat.HDF5: _read_hdf5}
    if data_format not in reading:
        raise PropertiesError(f"{path}: agglomerates do not come as {data_format.value!r}, but as zarr3 and hdf5")
    if not path.exists():
        raise NotADatasetError(f"there is no agglomerate file at {path}")
    return reading[data_format](path, names)


def _write_array(path: Path, values: NDArray[Any]) -> None:
    length, width = values.shape[0], values[:1].nbytes or values.dtype.itemsize * int(np.prod(values.shape[1:]))
    wanted = _OFFSETS_CHUNK_BYTES if path.name.endswith("offsets") else _CHUNK_BYTES
    chunk = max(1, min(wanted // width, length))
    shard = chunk * max(1, min(_CHUNKS_PER_SHARD, -(-length // chunk)))
    with storage_refusals(path, values.nbytes):
        try:
            array = tensorstore.open(
                {
                    "driver": "zarr3",
                    "kvstore": {"driver": "file", "path": str(path)},
                    "metadata": _metadata(values, chunk, shard),
                    "create": True,
                }
            ).result()
            for begin in range(0, length, shard):
                end = min(begin + shard, length)
                array[begin:end].write(values[begin:end]).result()
        except ValueError as error:  # what tensorstore makes of the operating system's refusals
            raise StorageError(f"writing {path} failed: {error}") from error


def _metadata(values: NDArray[Any], chunk: int, shard: int) -> dict[str, Any]:
    rest = list(values.shape[1:])
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    return {
        "shape": list(values.shape),
        "data_type": values.dtype.name,
        "fill_value": 0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [shard, *rest]}},
        "chunk_key_encoding": {"name": "default"},
        "codecs": [
            {
                "name": "sharding_indexed",
                "configuration": {
                    "chunk_shape": [chunk, *rest],
                    "codecs": [little, {"name": "zstd", "configuration": {"level": 5, "checksum": True}}],
                    "index_codecs": [little, {"name": "crc32c"}],
                },
            }
        ],
    }


def _read_zarr(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    found = {}
    for name in names:
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path / name)}}
        try:
            array = tensorstore.open(spec, read=True).result()
            _refuse_what_does_not_fit(path / name, array.shape, array.dtype.numpy_dtype)
            found[name] = np.asarray(array.read().result())
        except ValueError as error:
            if isinstance(error, PropertiesError):
                raise
            raise PropertiesError(f"{path / name}: not an array of an agglomerate file: {error}") from error
    return found


def _read_hdf5(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    found = {}
    try:
        with h5py.File(path, "r") as file:
            for name in names:
                array = file[name]
                _refuse_what_does_not_fit(path / name, array.shape, array.dtype)
                found[name] = np.asarray(array[()])
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise PropertiesError(f"{path}: not an agglomerate file in HDF5: {error}") from error
    return found


def _refuse_what_does_not_fit(path: Path, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
    """Refuse an array that claims to be larger than the memory: what is not stored costs a hostile file nothing."""
    size, available = prod(map(int, shape)) * dtype.itemsize, psutil.virtual_memory().available
    if size > available:
        raise PropertiesError(
            f"{path}: its shape {tuple(shape)} takes {size} bytes of memory, {available} are available"
        )


def _check_form(path: Path, name: str, array: NDArray[Any], rest: tuple[int, ...], kind: str) -> None:
    if array.ndim != 1 + len(rest) or array.shape[1:] != rest or array.dtype.kind not in kind:
        wanted = ", ".join(["n", *map(str, rest)])
        raise PropertiesError(f"{path}: {name} is {array.dtype.name} of shape {array.shape}; expected ({wanted})")


def _check(path: Path, arrays: AgglomerateArrays) -> None:
    _check_form(path, "segment_to_agglomerate", arrays.segment_to_agglomerate, (), "iu")
    _check_form(path, "agglomerate_to_segments", arrays.agglomerate_to_segments, (), "u")
    _check_form(path, "agglomerate_to_positions", arrays.agglomerate_to_positions, (3,), "iu")
    _check_form(path, "agglomerate_to_edges", arrays.agglomerate_to_edges, (2,), "iu")
    _check_form(path, "agglomerate_to_affinities", arrays.agglomerate_to_affinities, (), "f")
    segments, edges = arrays.agglomerate_to_segments, arrays.agglomerate_to_edges
    sizes = _sizes(path, "agglomerate_to_segments_offsets", arrays.agglomerate_to_segments_offsets, len(segments))
    counts = _sizes(path, "agglomerate_to_edges_offsets", arrays.agglomerate_to_edges_offsets, len(edges))
    if len(sizes) != len(counts):
        raise PropertiesError(f"{path}: segments of {len(sizes)} agglomerates, but edges of {len(counts)}")
    if len(arrays.agglomerate_to_positions) != len(segments) or len(arrays.agglomerate_to_affinities) != len(edges):
        raise PropertiesError(
            f"{path}: agglomerate_to_positions of {len(arrays.agglomerate_to_positions)} segments and "
            f"agglomerate_to_affinities of {len(arrays.agglomerate_to_affinities)} edges; there are {len(segments)} segments "
            f"and {len(edges)} edges"
        )
    if len(edges) and (edges.min() < 0 or (edges.max(axis=1) >= np.repeat(sizes, counts)).any()):
        raise PropertiesError(f"{path}: agglomerate_to_edges names segments beyond the end of their agglomerate")


def _sizes(path: Path, name: str, offsets: NDArray[Any], total: int) -> NDArray[np.int64]:
    """Return how many entries each agglomerate has, from 0; checks that the offsets rise from 0 to the total."""
    if offsets.ndim != 1 or len(offsets) < 1 or offsets.dtype.kind not in "iu" or int(offsets.max()) > total:
        raise PropertiesError(
            f"{path}: {name} is {offsets.dtype.name} of shape {offsets.shape}, or leads beyond {total}"
        )
    signed = offsets.astype(np.int64)
    sizes: NDArray[np.int64] = signed[1:] - signed[:-1]
    if offsets[0] != 0 or (sizes < 0).any() or int(offsets[-1]) != total:
        raise PropertiesError(f"{path}: {name} does not rise from 0 to {total}")
    return sizes
