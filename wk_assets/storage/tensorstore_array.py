"""Arrays in N5 and neuroglancer precomputed, through tensorstore: read only. To change one, convert its layer.

N5 counts voxels from the origin. Precomputed volumes start at their `voxel_offset`: what lies before it reads as zeros.
Sources: the N5 file system specification; neuroglancer's "precomputed" volume format, where `info` lists the scales.
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import NotADatasetError, PropertiesError, ReadOnlyError, ShardCorruptError, StorageError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat
from wk_assets.storage.array_axes import ArrayAxes, new_voxels
from wk_assets.storage.chunk_listing import listed_chunks
from wk_assets.storage.mag_array import ArrayInfo
from wk_assets.storage.mag_box import check_box, window_of

_DTYPES = frozenset({*(f"{kind}{bits}" for kind in ("uint", "int") for bits in (8, 16, 32, 64)), "float32", "float64"})
_CHUNK_FILE = re.compile(r"(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)(\.gz|\.br)?")
_PRECOMPUTED_AXES = ("x", "y", "z", "c")
_KEY_PARTS = 4  # a scale's key may name a folder in a folder


class TensorstoreArray:
    """Read one mag in N5 or neuroglancer precomputed. Safe to share between threads."""

    def __init__(self, path: Path, data_format: DataFormat, store: Any, axes: ArrayAxes, metadata: Any) -> None:
        self._path = path
        self._data_format = data_format
        self._store = store
        self._axes = axes
        self._metadata = metadata
        self._start = tuple(int(start) for start in store.domain.inclusive_min)
        self._stop = tuple(int(stop) for stop in store.domain.exclusive_max)
        self._dtype: np.dtype[Any] = np.dtype(store.dtype.numpy_dtype).newbyteorder("=")
        if self._dtype.name not in _DTYPES:
            raise PropertiesError(
                f"{path}: voxels of type {self._dtype.name}; layers hold {', '.join(sorted(_DTYPES))}"
            )

    @property
    def path(self) -> Path:
        """The array's directory."""
        return self._path

    @property
    def info(self) -> ArrayInfo:
        """What the array is. Its box starts at the origin, also where a volume has an offset."""
        layout = self._store.chunk_layout
        return ArrayInfo(
            data_format=self._data_format,
            voxel_type=self._dtype,
            box=self._axes.box(self._stop),
            chunk_shape=self._axes.xyz(layout.read_chunk.shape),
            shard_shape=self._axes.xyz(layout.write_chunk.shape),
            compression_mode=self._is_compressed(),
            axis_order=self._axes.axis_order,
        )

    @classmethod
    def open(
        cls,
        path: Path,
        axis_order: Mapping[str, int] | None = None,
        additional_axes: Sequence[AdditionalAxisProperties] = (),
        *,
        read_only: bool = False,  # noqa: ARG003  # as every array: these are read only in any case
        data_format: DataFormat,
    ) -> Self:
        """Open the array in the directory `path`; of a precomputed volume that is the folder of a scale.

        Without `axis_order`, the axes of an N5 array are those that its attributes name, else (c,) x, y, z. A precomputed
        volume always has x, y, z, c. Raises NotADatasetError if there is no such array, PropertiesError for metadata that can
        not be understood and for axes that do not fit.
        """
        if data_format is DataFormat.N5:
            return cls._open_n5(path, axis_order, additional_axes)
        if data_format is DataFormat.NeuroglancerPrecomputed:
            return cls._open_precomputed(path, additional_axes)
        raise PropertiesError(f"{path}: {data_format.value} is not read through tensorstore")

    @classmethod
    def _open_n5(
        cls, path: Path, axis_order: Mapping[str, int] | None, additional_axes: Sequence[AdditionalAxisProperties]
    ) -> Self:
        metadata = _json(path / "attributes.json", f"{path} holds no N5 array")
        store = _opened({"driver": "n5", "kvstore": _file_store(path)}, path)
        named = [str(label).lower() for label in store.domain.labels]
        if axis_order is None and not additional_axes and {"x", "y", "z"} <= set(named) <= set("cxyz"):
            axes = ArrayAxes(tuple(named))
        else:
            axes = ArrayAxes.of(str(path), store.rank, axis_order, additional_axes)
        return cls(path, DataFormat.N5, store, axes, metadata)

    @classmethod
    def _open_precomputed(cls, path: Path, additional_axes: Sequence[AdditionalAxisProperties]) -> Self:
        if additional_axes:
            raise PropertiesError(
                f"{path}: a precomputed volume has the axes x, y, z and channel only, no "
                f"{', '.join(axis.name for axis in additional_axes)}"
            )
        # a mag may be a link to that of another dataset
        found = _folder_and_key(path) or _folder_and_key(path.resolve())
        if found is None:
            raise NotADatasetError(f"{path} holds no precomputed volume: there is no `info` above it")
        volume, key = found
        metadata = _json(volume / "info", f"{path} holds no precomputed volume")
        try:
            scales = {str(scale["key"]): scale for scale in metadata["scales"]}
        except (KeyError, TypeError) as error:
            raise PropertiesError(f"{volume / 'info'}: it lists no scales with keys ({error!r})") from error
        if key == "." and len(scales) == 1:
            key = next(iter(scales))
        if key not in scales:
            raise NotADatasetError(
                f"{path} is no scale of the precomputed volume {volume}, which has {', '.join(scales) or 'none'}"
            )
        store = _opened(
            {"driver": "neuroglancer_precomputed", "kvstore": _file_store(volume), "scale_metadata": {"key": key}}, path
        )
        return cls(volume / key, DataFormat.NeuroglancerPrecomputed, store, ArrayAxes(_PRECOMPUTED_AXES), scales[key])

    def read_box(self, box_in_mag: NormalizedBoundingBox) -> NDArray[Any]:
        """Return the voxels of a box with its axes, x contiguous; zeros where no chunk is, and beyond the array.

        Raises GeometryError for other axes or a box below the origin, ShardCorruptError for a chunk that can not be decoded,
        StorageError for one that can not be read.
        """
        check_box(self._path, self.info, box_in_mag)
        out = new_voxels(box_in_mag, self._dtype)
        inside = box_in_mag.intersected_with(self._axes.box_between(self._start, self._stop), dont_assert=True)
        if inside.is_empty():
            return out
        target = self._axes.as_stored(out[window_of(inside, box_in_mag)])
        window = tuple(map(slice, self._axes.start(inside), self._axes.stop(inside)))
        try:
            target[...] = self._store[window].read().result()
        except (ValueError, RuntimeError, OSError) as error:
            refused = any(word in str(error) for word in ("PERMISSION_DENIED", "UNAVAILABLE", "RESOURCE_EXHAUSTED"))
            raise (StorageError if refused else ShardCorruptError)(
                f"{self._path}: {_said(error)}. Restore the file from a copy, or convert the layer without this box"
            ) from error
        return out

    def write_box(self, box_in_mag: NormalizedBoundingBox, voxels: NDArray[Any]) -> None:  # noqa: ARG002  # as every array
        """Raise ReadOnlyError."""
        self._refuse()

    def resize(self, box_in_mag: NormalizedBoundingBox) -> None:  # noqa: ARG002  # as every array
        """Raise ReadOnlyError."""
        self._refuse()

    def stored_boxes(self) -> Iterator[NormalizedBoundingBox]:
        """Yield the box of every chunk that is stored, cut to the array.

        Of a precomputed volume with shards only their files are looked at: the boxes are those of all shards.
        """
        if not self._path.is_dir():
            return
        cells = self._n5_cells() if self._data_format is DataFormat.N5 else self._precomputed_cells()
        for start, stop in cells:
            first = [max(a, limit) for a, limit in zip(start, self._start, strict=True)]
            last = [min(b, limit) for b, limit in zip(stop, self._stop, strict=True)]
            if all(a < b for a, b in zip(first, last, strict=True)):
                yield self._axes.box_between(first, last)

    def _n5_cells(self) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
        block = self._store.chunk_layout.write_chunk.shape
        for index in listed_chunks(self._path, self._store.rank, "/"):
            start = [place * length for place, length in zip(index, block, strict=True)]
            yield start, [a + length for a, length in zip(start, block, strict=True)]

    def _precomputed_cells(self) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
        channels = self._stop[-1]
        if self._metadata.get("sharding") is None:
            names = (_CHUNK_FILE.fullmatch(entry.name) for entry in self._path.iterdir())
            for bounds in sorted(tuple(map(int, name.groups()[:6])) for name in names if name):
                yield (*bounds[::2], 0), (*bounds[1::2], channels)
        elif any(entry.suffix in {".shard", ".index", ".data"} for entry in self._path.iterdir()):
            shape = self._store.chunk_layout.write_chunk.shape
            grid = (range(a, b, length) for a, b, length in zip(self._start, self._stop, shape, strict=True))
            for start in itertools.product(*grid):
                yield start, [a + length for a, length in zip(start, shape, strict=True)]

    def _is_compressed(self) -> bool:
        if self._data_format is DataFormat.N5:
            compression = self._metadata.get("compression")
            kind = compression.get("type") if isinstance(compression, dict) else compression
            return kind not in {None, "raw"}
        sharding = self._metadata.get("sharding") or {}
        return bool(self._metadata.get("encoding") != "raw" or sharding.get("data_encoding", "raw") != "raw")

    def _refuse(self) -> NoReturn:
        raise ReadOnlyError(
            f"{self._path}: arrays in {self._data_format.value} are only read; convert the layer to zarr3, zarr or wkw to change it"
        )


def _folder_and_key(path: Path) -> tuple[Path, str] | None:
    """Return the folder of a volume, which has an `info`, and the key of the scale at `path`."""
    for folder in [path, *path.parents][: _KEY_PARTS + 1]:
        if (folder / "info").is_file():
            return folder, path.relative_to(folder).as_posix()
    return None


def _file_store(path: Path) -> dict[str, str]:
    return {"driver": "file", "path": f"{path.resolve()}/"}


def _opened(spec: dict[str, Any], path: Path) -> Any:
    # here, not above: tensorstore takes a tenth of a second to import, and few datasets need it
    import tensorstore

    try:
        return tensorstore.open(spec, open=True, read=True).result()
    except (ValueError, RuntimeError, OSError, NotImplementedError) as error:
        raise PropertiesError(f"{path}: {_said(error)}") from error


def _json(file: Path, otherwise: str) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotADatasetError(f"{otherwise}: there is no {file.name}") from error
    except ValueError as error:
        raise PropertiesError(f"{file}: not JSON ({error})") from error
    if not isinstance(content, dict):
        raise PropertiesError(f"{file}: not a JSON object")
    return content


def _said(error: Exception) -> str:
    """Return what tensorstore says without the description of the whole array that it appends."""
    return str(error).split(" [tensorstore_spec=")[0].split(" [source locations=")[0]
