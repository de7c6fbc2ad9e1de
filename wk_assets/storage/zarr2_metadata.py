"""What `.zarray` of Zarr v2 says: pure JSON to values and back. Opens no file.

Source: the Zarr storage specification, version 2, and what WEBKNOSSOS and its libraries write (`order` "F", separator "/",
zstd level 5, shapes rounded up to whole chunks).
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np

from wk_assets.errors import PropertiesError

ZSTD_LEVEL = 5
_DTYPES = frozenset({*(f"{kind}{bits}" for kind in ("uint", "int") for bits in (8, 16, 32, 64)), "float32", "float64"})
_NAMED_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True, slots=True, kw_only=True)
class Zarr2Metadata:
    """Describe an array. `shape` and `chunks` in the order of its dimensions; `dtype` as stored, with its byte order.

    `compressor` and `filters` are configurations of numcodecs; `separator` stands between the numbers of a chunk's name.
    `document` is the whole file, so that members that are not known here survive.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    order: Literal["C", "F"]
    fill_value: float
    compressor: Mapping[str, Any] | None
    filters: tuple[Mapping[str, Any], ...]
    separator: Literal[".", "/"]
    document: Mapping[str, Any]

    @classmethod
    def for_new_array(
        cls,
        shape: Sequence[int],
        chunks: Sequence[int],
        dtype: np.dtype[Any],
        order: Literal["C", "F"],
        *,
        compress: bool,
    ) -> Self:
        """Describe an array of zeros; its shape is rounded up to whole chunks.

        Raises PropertiesError for a voxel type that no layer has.
        """
        if dtype.name not in _DTYPES:
            raise PropertiesError(f"Zarr arrays of layers do not hold {dtype.name}, only {', '.join(sorted(_DTYPES))}")
        rounded = [math.ceil(length / chunk) * chunk for length, chunk in zip(shape, chunks, strict=True)]
        document = {
            "zarr_format": 2,
            "shape": rounded,
            "chunks": list(chunks),
            "dtype": dtype.newbyteorder("<").str,
            "compressor": {"id": "zstd", "level": ZSTD_LEVEL} if compress else None,
            "fill_value": 0.0 if dtype.kind == "f" else 0,
            "order": order,
            "filters": None,
            "dimension_separator": "/",
        }
        return cls.parse(json.dumps(document).encode(), "a new array")

    @classmethod
    def parse(cls, data: bytes, source: str) -> Self:
        """Read `.zarray`. Raises PropertiesError, naming `source`, for what is none, or holds no voxels of a layer."""
        try:
            document = json.loads(data)
            version = document["zarr_format"]
            shape, chunks = _lengths(document["shape"]), _lengths(document["chunks"])
            dtype = np.dtype(document["dtype"] if isinstance(document["dtype"], str) else "V1")
            order, separator = document["order"], document.get("dimension_separator", ".")
            filters = tuple(document["filters"] or ())
            compressor = document["compressor"]
            named = [*filters, *([compressor] if compressor is not None else [])]
            fill_value = _fill_value(document["fill_value"], dtype)
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise PropertiesError(f"{source}: not the metadata of a Zarr v2 array ({error!r})") from error
        if version != 2 or dtype.name not in _DTYPES:
            raise PropertiesError(
                f"{source}: zarr_format {version!r} and dtype {document['dtype']!r}; needed is 2, and a type that layers "
                f"have: {', '.join(sorted(_DTYPES))}"
            )
        if len(shape) != len(chunks) or min(chunks, default=1) < 1 or min(shape, default=0) < 0:
            raise PropertiesError(f"{source}: shape {list(shape)} and chunks {list(chunks)} do not belong together")
        if order not in {"C", "F"} or separator not in {".", "/"}:
            raise PropertiesError(
                f"{source}: order {order!r} and dimension_separator {separator!r}; known are C and F, '.' and '/'"
            )
        if not all(isinstance(codec, dict) and isinstance(codec.get("id"), str) for codec in named):
            raise PropertiesError(f"{source}: compressor and filters {named} must each have an id")
        return cls(
            shape=shape,
            chunks=chunks,
            dtype=dtype,
            order=order,
            fill_value=fill_value,
            compressor=compressor,
            filters=filters,
            separator=separator,
            document=document,
        )

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a decoded chunk."""
        return math.prod(self.chunks) * self.dtype.itemsize

    def to_bytes(self) -> bytes:
        """Return the bytes of `.zarray`."""
        return json.dumps(self.document, indent=4).encode()

    def with_shape(self, shape: Sequence[int]) -> Self:
        """Let the array end elsewhere, rounded up to whole chunks."""
        rounded = [math.ceil(length / chunk) * chunk for length, chunk in zip(shape, self.chunks, strict=True)]
        return replace(self, shape=tuple(rounded), document={**self.document, "shape": rounded})

    def key(self, index: Sequence[int]) -> str:
        """Return the name of the chunk at a grid position."""
        return self.separator.join(map(str, index))


def _lengths(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(isinstance(length, int) for length in value):
        raise TypeError(f"{value!r} is no list of whole numbers")
    return tuple(value)


def _fill_value(value: Any, dtype: np.dtype[Any]) -> float:
    """Understand what stands for chunks that are not stored: a number, the name of one, or null, which we read as 0."""
    number = _NAMED_FLOATS[value] if isinstance(value, str) else value
    if number is None:
        return 0
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise TypeError(f"fill_value {value!r}")
    if dtype.kind in "iu":
        number = int(number)
        limits = np.iinfo(dtype)
        if number != value or not limits.min <= number <= limits.max:
            raise ValueError(f"fill_value {value!r} is no {dtype.name}")
    return number
