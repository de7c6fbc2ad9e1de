"""WEBKNOSSOS' name of a voxel type (`elementClass`) and numpy's dtype per channel: one from the other.

Source: `elementClass` in datasource-properties.json names the type of a whole voxel, all channels together: three channels of
uint8 are `uint24`, two are `uint16`, two of float32 are `double`. Only with `numChannels` is it the type of a channel.
"""

import re
from typing import Any

import numpy as np

from wk_assets.errors import PropertiesError

_FLOATS = {32: "float", 64: "double"}
_WRITTEN = frozenset(
    {"uint8", "uint16", "uint24", "uint32", "uint64", "int8", "int16", "int32", "int64", "float", "double"}
)
_COLOR = frozenset({"uint8", "uint16", "uint32", "int8", "int16", "int32", "float32"})
_SEGMENTATION = frozenset({"uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"})


def element_class(dtype: "np.dtype[Any] | type | str", channels: int) -> str:
    """Name the voxel type of `channels` channels of `dtype`; raises PropertiesError where WEBKNOSSOS has no such type."""
    channel = np.dtype(dtype)
    if channels < 1:
        raise PropertiesError(f"a layer has at least one channel, not {channels}")
    bits = channel.itemsize * 8 * channels
    prefix = {"u": "uint", "i": "int", "f": "float"}.get(channel.kind, channel.name)
    name = _FLOATS.get(bits, f"float{bits}") if prefix == "float" else f"{prefix}{bits}"
    if name not in _WRITTEN:
        raise PropertiesError(
            f"{channels} channels of {channel.name} are a voxel type {name!r} that WEBKNOSSOS does not have; "
            f"make one layer per channel, or convert to one of {', '.join(sorted(_WRITTEN))}"
        )
    return name


def dtype_per_channel(name: str, channels: int) -> np.dtype[Any]:
    """Give the native dtype of one channel of an `elementClass`; raises PropertiesError if the channels do not share it evenly."""
    found = re.fullmatch(r"(uint|int|float|double)(\d*)", name)
    if found is None:
        raise PropertiesError(f"elementClass {name!r} is unknown; WEBKNOSSOS has {', '.join(sorted(_WRITTEN))}")
    kind, digits = found.groups()
    bits = int(digits) if digits else {"float": 32, "double": 64}.get(kind, 0)
    per_channel = bits // channels if channels >= 1 and bits % channels == 0 else 0
    kinds = {"uint": ("u", (8, 16, 32, 64)), "int": ("i", (8, 16, 32, 64))}
    letter, widths = kinds.get(kind, ("f", (32, 64)))
    if per_channel not in widths:
        raise PropertiesError(f"elementClass {name!r} can not be shared by {channels} channels; check numChannels")
    return np.dtype(f"{letter}{per_channel // 8}")


def check_layer_dtype(category: str, dtype: "np.dtype[Any] | type | str") -> np.dtype[Any]:
    """Give the dtype back if a new layer of this category may have it; raises PropertiesError.

    Color: integers up to 32 bits and float32. Segmentation: integers up to 64 bits.
    """
    channel = np.dtype(dtype)
    allowed = _SEGMENTATION if category == "segmentation" else _COLOR
    if channel.name not in allowed:
        raise PropertiesError(
            f"a {category} layer can not hold {channel.name}; WEBKNOSSOS takes {', '.join(sorted(allowed))}"
        )
    return channel.newbyteorder("=")
