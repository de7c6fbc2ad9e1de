"""Arrays behind http(s), in the format in which they are stored, through tensorstore: read only.

tensorstore asks for the parts of files that it needs, tries again after 429, 5xx and broken connections, and notices bodies that
end early; 404 is a chunk that is not stored. Its own errors repeat the whole specification, headers with tokens too: only
their first words are ever shown, and they are never chained.
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import (
    ForbiddenError,
    NoAnswerError,
    NotADatasetError,
    NotAuthenticatedError,
    PropertiesError,
    ReadOnlyError,
    RemoteLocationError,
    ShardCorruptError,
    WkAssetsError,
)
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat
from wk_assets.storage.array_axes import ArrayAxes, new_voxels
from wk_assets.storage.mag_array import ArrayInfo
from wk_assets.storage.mag_box import check_box, window_of

_METADATA = {DataFormat.Zarr3: "zarr.json", DataFormat.Zarr: ".zarray", DataFormat.N5: "attributes.json"}
_DRIVERS = {DataFormat.Zarr3: "zarr3", DataFormat.Zarr: "zarr", DataFormat.N5: "n5"}
_PRECOMPUTED_AXES = ("x", "y", "z", "c")
_STATUS = re.compile(r"HTTP code (\d{3})")
_USER = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteReading:
    """Say how files are asked for. `headers` may hold a token and are never shown; times in seconds.

    `timeout_seconds`: for one call, which may be many requests.
    """

    headers: tuple[str, ...] = field(default=(), repr=False)
    timeout_seconds: float = 1800.0
    attempts: int = 6
    first_wait_seconds: float = 0.5
    requests_at_once: int = 16


class RemoteArray:
    """Read one mag of a layer whose files lie behind a URL. Safe to share between threads.

    Memory: the voxels that are asked for, and the chunks that are being decoded; nothing is cached.
    """

    def __init__(
        self, url: str, data_format: DataFormat, store: Any, axes: ArrayAxes, metadata: Any, reading: RemoteReading
    ) -> None:
        self._url, self._data_format, self._store, self._axes = _shown(url), data_format, store, axes
        self._metadata, self._reading = metadata, reading
        self._start = tuple(int(start) for start in store.domain.inclusive_min)
        self._stop = tuple(int(stop) for stop in store.domain.exclusive_max)
        self._dtype: np.dtype[Any] = np.dtype(store.dtype.numpy_dtype).newbyteorder("=")

    @classmethod
    def open(
        cls,
        url: str,
        *,
        data_format: DataFormat,
        axis_order: Mapping[str, int] | None = None,
        additional_axes: Sequence[AdditionalAxisProperties] = (),
        reading: RemoteReading = RemoteReading(),  # noqa: B008  # immutable
    ) -> Self:
        """Open the array at `url`; of a precomputed volume that is the folder of a scale, with `info` in the one above it.

        `axis_order` and `additional_axes` as in datasource-properties.json. Raises NotADatasetError if there is no array,
        PropertiesError for one that can not be understood, RemoteLocationError for a format that is only read from disks,
        NotAuthenticatedError, ForbiddenError, NoAnswerError.
        """
        url = url.rstrip("/")
        if data_format is DataFormat.NeuroglancerPrecomputed:
            return cls._open_precomputed(url, reading)
        if data_format not in _DRIVERS:
            raise RemoteLocationError(
                f"{_shown(url)}: arrays in {data_format.value} are not read over the network file by file; let the server decode them "
                "(RemoteAccessMode.ZARR_STREAMING), or download the dataset"
            )
        metadata = _metadata(url, _METADATA[data_format], reading)
        spec = {"driver": _DRIVERS[data_format], "kvstore": _files(url, reading)}
        store = _result(_opening(spec, reading), url, reading)
        named = metadata.get("dimension_names") or metadata.get("axes") or ()
        if axis_order is None and not additional_axes and {"x", "y", "z"} <= set(named) <= set("cxyz"):
            axes = ArrayAxes(tuple(named))
        else:
            axes = ArrayAxes.of(_shown(url), store.rank, axis_order, additional_axes)
        return cls(url, data_format, store, axes, metadata, reading)

    @classmethod
    def _open_precomputed(cls, url: str, reading: RemoteReading) -> Self:
        volume, _, key = url.rpartition("/")
        metadata = _metadata(volume, "info", reading)
        scales = {str(scale.get("key")): scale for scale in metadata.get("scales", ())}
        if key not in scales:
            raise NotADatasetError(
                f"{_shown(url)} is no scale of the precomputed volume above it, which has {', '.join(scales) or 'none'}"
            )
        spec = {
            "driver": "neuroglancer_precomputed",
            "kvstore": _files(volume, reading),
            "scale_metadata": {"key": key},
        }
        store = _result(_opening(spec, reading), url, reading)
        return cls(url, DataFormat.NeuroglancerPrecomputed, store, ArrayAxes(_PRECOMPUTED_AXES), scales[key], reading)

    @property
    def path(self) -> Path:
        """What names the array in errors; nothing lies there on this machine."""
        return Path(self._url)

    @property
    def info(self) -> ArrayInfo:
        """What the array is. Its box starts at the origin, also where a precomputed volume has an offset."""
        layout = self._store.chunk_layout
        return ArrayInfo(
            data_format=self._data_format,
            voxel_type=self._dtype,
            box=self._axes.box(self._stop),
            chunk_shape=self._axes.xyz(layout.read_chunk.shape),
            shard_shape=self._axes.xyz(layout.write_chunk.shape),
            compression_mode=_is_compressed(self._data_format, self._metadata),
            axis_order=self._axes.axis_order,
        )

    def read_box(self, box_in_mag: NormalizedBoundingBox) -> NDArray[Any]:
        """Return the voxels of a box with its axes, x contiguous; zeros where no chunk is stored, and beyond the array.

        Raises GeometryError for other axes or a box below the origin, ShardCorruptError for a chunk that can not be decoded,
        and NoAnswerError, NotAuthenticatedError or ForbiddenError where the server does not give it: never zeros for these.
        """
        check_box(self.path, self.info, box_in_mag)
        out = new_voxels(box_in_mag, self._dtype)
        inside = box_in_mag.intersected_with(self._axes.box_between(self._start, self._stop), dont_assert=True)
        if inside.is_empty():
            return out
        target = self._axes.as_stored(out[window_of(inside, box_in_mag)])
        window = tuple(map(slice, self._axes.start(inside), self._axes.stop(inside)))
        target[...] = _result(self._store[window].read(), self._url, self._reading, decoding=True)
        return out

    def write_box(self, box_in_mag: NormalizedBoundingBox, voxels: NDArray[Any]) -> None:  # noqa: ARG002  # as every array
        """Raise ReadOnlyError."""
        self._refuse()

    def resize(self, box_in_mag: NormalizedBoundingBox) -> None:  # noqa: ARG002  # as every array
        """Raise ReadOnlyError."""
        self._refuse()

    def stored_boxes(self) -> Iterator[NormalizedBoundingBox]:
        """Yield the box of every shard, cut to the array: a server does not tell which of them are stored."""
        shape = self._store.chunk_layout.write_chunk.shape
        grid = (range(a, b, length) for a, b, length in zip(self._start, self._stop, shape, strict=True))
        for start in itertools.product(*grid):
            stop = [min(a + length, end) for a, length, end in zip(start, shape, self._stop, strict=True)]
            yield self._axes.box_between(start, stop)

    def _refuse(self) -> NoReturn:
        raise ReadOnlyError(f"{self._url}: files behind a URL are only read; copy the layer to change it")


# ---------------------------------------------------------------------- tensorstore


@lru_cache(maxsize=8)
def _context(reading: RemoteReading) -> Any:
    import tensorstore  # here, not above: it takes a tenth of a second to import

    return tensorstore.Context(
        {
            "http_request_concurrency": {"limit": reading.requests_at_once},
            "http_request_retries": {
                "max_retries": max(1, reading.attempts - 1),
                "initial_delay": f"{round(1000 * reading.first_wait_seconds)}ms",
                "max_delay": f"{round(60_000 * reading.first_wait_seconds)}ms",
            },
        }
    )


def _files(url: str, reading: RemoteReading) -> dict[str, Any]:
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return {
        "driver": "http",
        "base_url": f"{scheme}://{host}",
        "path": f"/{path}/",
        "headers": list(reading.headers),
    }


def _opening(spec: dict[str, Any], reading: RemoteReading) -> Any:
    import tensorstore  # here, not above: it takes a tenth of a second to import

    return tensorstore.open(spec, open=True, read=True, context=_context(reading))


def _metadata(url: str, name: str, reading: RemoteReading) -> dict[str, Any]:
    import tensorstore  # here, not above: it takes a tenth of a second to import

    folder = _result(tensorstore.KvStore.open(_files(url, reading), context=_context(reading)), url, reading)
    found = _result(folder.read(name), f"{url}/{name}", reading)
    if found.state != "value":
        raise NotADatasetError(f"{_shown(url)} holds no array of this format: there is no {name}")
    try:
        document = json.loads(found.value)
    except ValueError as error:
        raise PropertiesError(f"{_shown(url)}/{name}: not JSON ({error})") from error
    if not isinstance(document, dict):
        raise PropertiesError(f"{_shown(url)}/{name}: not a JSON object")
    return document


def _result(future: Any, url: str, reading: RemoteReading, *, decoding: bool = False) -> Any:
    """Wait for an answer. Errors are made anew, from their first words: the rest may hold tokens."""
    url = _shown(url)
    try:
        return future.result(timeout=reading.timeout_seconds)
    except TimeoutError:
        future.cancel()
        problem: WkAssetsError = NoAnswerError(f"{url}: not read within {reading.timeout_seconds:g} seconds")
    except (ValueError, RuntimeError, OSError, NotImplementedError) as error:
        problem = _own_error(str(error), url, decoding=decoding)
    raise problem


def _shown(url: str) -> str:
    """Return an address as people may see it: without user and password."""
    return _USER.sub("***@", url)


def _own_error(text: str, url: str, *, decoding: bool) -> WkAssetsError:
    said = text.split(" [tensorstore_spec=", maxsplit=1)[0].split(" [source locations=", maxsplit=1)[0]
    status = _STATUS.search(text)
    code = int(status.group(1)) if status else 0
    if code in {401, 403}:
        kind = NotAuthenticatedError if code == 401 else ForbiddenError
        return kind(
            method="GET",
            route=url,
            status=code,
            messages=["the server does not give this file"],
            hint="Use the token of a user who may read the dataset, or a sharing token",
        )
    if code or "retry attempts failed" in said or said.startswith(("UNAVAILABLE", "ABORTED", "DEADLINE_EXCEEDED")):
        return NoAnswerError(f"{url}: {said}")
    if decoding:
        return ShardCorruptError(f"{url}: {said}. Restore the file on the server from a copy")
    return PropertiesError(f"{url}: {said}")


def _is_compressed(data_format: DataFormat, metadata: Mapping[str, Any]) -> bool:
    if data_format is DataFormat.Zarr3:
        text = json.dumps(metadata.get("codecs", ()))
        return any(f'"{codec}"' in text for codec in ("zstd", "gzip", "blosc"))
    if data_format is DataFormat.Zarr:
        return metadata.get("compressor") is not None
    if data_format is DataFormat.N5:
        compression = metadata.get("compression")
        return (compression.get("type") if isinstance(compression, dict) else compression) not in {None, "raw"}
    return metadata.get("encoding") != "raw"
