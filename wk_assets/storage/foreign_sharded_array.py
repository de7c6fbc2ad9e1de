"""Zarr v3 arrays of others that lie as ours do: read and written by our own code, several times faster than by zarr-python.

Those are sharded arrays with zstd, with axes c, z, y, x or c, x, y, z after additional ones, as WEBKNOSSOS' own tools write
them. Nothing proves that a shard is there (see `sharded_array` for what a manifest adds); all else is the same.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wk_assets.errors import PropertiesError
from wk_assets.properties.layer_properties import AdditionalAxisProperties
from wk_assets.storage.array_layout import ArrayLayout
from wk_assets.storage.plain_zarr3_json import in_todays_words
from wk_assets.storage.sharded_array import ShardedArray
from wk_assets.storage.unpromised_shards import UnpromisedShards


class ForeignShardedArray(ShardedArray):
    """One mag in shards that have no manifest, but are cut and encoded like ours."""

    def __init__(self, path: Path, names: tuple[str, ...], *, read_only: bool = False) -> None:
        self._names = names
        super().__init__(path, read_only=read_only)

    def __reduce__(self) -> tuple[Callable[..., "ForeignShardedArray"], tuple[Any, ...]]:
        return _reopened, (self._path, self._names, self._read_only)

    @classmethod
    def open_if_like_ours(
        cls,
        path: Path,
        axis_order: Mapping[str, int] | None,
        additional_axes: Sequence[AdditionalAxisProperties],
        *,
        read_only: bool,
    ) -> "ForeignShardedArray | None":
        """Open the array in the directory `path`; None if it is none, or lies in a way in which ours never do."""
        try:
            document = json.loads((path / "zarr.json").read_bytes())
            names = _names(document, axis_order, additional_axes)
            _layout(document, names)
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return cls(path, names, read_only=read_only)

    def _parsed(self, data: bytes, source: str) -> ArrayLayout:
        try:
            return _layout(json.loads(data), self._names)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PropertiesError(f"{source}: another program changed more than its shape; open it anew") from error

    def _book(self, layout: ArrayLayout) -> UnpromisedShards:
        return UnpromisedShards(self._path, layout)


def _reopened(path: Path, names: tuple[str, ...], read_only: bool) -> ForeignShardedArray:  # noqa: FBT001  # by pickle
    return ForeignShardedArray(path, names, read_only=read_only)


def _names(
    document: Mapping[str, Any],
    axis_order: Mapping[str, int] | None,
    additional_axes: Sequence[AdditionalAxisProperties],
) -> tuple[str, ...]:
    """Return the names of the dimensions: as the dataset says, else as the array does."""
    names = dict(enumerate(document.get("dimension_names") or ()))
    names |= {place: axis for axis, place in (axis_order or {}).items()}
    names |= {axis.index: axis.name for axis in additional_axes}
    return tuple(str(names[place]) for place in range(len(document["shape"])))


def _layout(document: Mapping[str, Any], names: tuple[str, ...]) -> ArrayLayout:
    """Return the layout of an array like ours; raises one of the errors of a wrong document for any other.

    What a document may leave out is filled in, and what only encoding needs is taken for ours, then nothing may differ.
    """
    today = in_todays_words(document)
    (sharding,) = today["codecs"]
    settings = {"index_location": "end"} | sharding["configuration"]
    settings["codecs"] = [_like_ours(codec, document["data_type"]) for codec in settings["codecs"]]
    keys = {"name": today["chunk_key_encoding"]["name"], "configuration": {"separator": "/"}}
    keys["configuration"] |= today["chunk_key_encoding"].get("configuration", {})
    written = {
        **today,
        "chunk_key_encoding": keys,
        "dimension_names": list(names),
        "storage_transformers": today.get("storage_transformers", []),
        "codecs": [{"name": sharding["name"], "configuration": settings}],
    }
    return ArrayLayout.from_zarr_json(json.dumps(written).encode(), "zarr.json")


def _like_ours(codec: Mapping[str, Any], data_type: str) -> Mapping[str, Any]:
    if codec["name"] == "bytes" and data_type in ("uint8", "int8"):
        return {"name": "bytes"}
    if codec["name"] == "zstd":  # every frame says itself whether it has a checksum
        return {"name": "zstd", "configuration": {**codec["configuration"], "checksum": True}}
    return codec
