"""Voxel types: the name for all channels together and the dtype of one say the same."""

import numpy as np
import pytest

from wk_assets.errors import PropertiesError
from wk_assets.properties.element_class import check_layer_dtype, dtype_per_channel, element_class

DTYPES = ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 8])
def test_a_voxel_type_that_can_be_written_reads_back(dtype: str, channels: int) -> None:
    try:
        name = element_class(dtype, channels)
    except PropertiesError:
        assert channels > 1
    else:
        assert dtype_per_channel(name, channels) == np.dtype(dtype)


@pytest.mark.parametrize(
    ("dtype", "channels", "name"),
    [
        ("uint8", 1, "uint8"),
        ("uint8", 3, "uint24"),
        ("uint8", 2, "uint16"),
        ("int8", 1, "int8"),
        ("uint64", 1, "uint64"),
        ("float32", 1, "float"),
        ("float64", 1, "double"),
        ("float32", 2, "double"),
        (np.uint16, 1, "uint16"),
        (np.dtype(">u2"), 1, "uint16"),
    ],
)
def test_voxel_types_have_the_names_of_webknossos(dtype: str, channels: int, name: str) -> None:
    assert element_class(dtype, channels) == name


@pytest.mark.parametrize(
    ("dtype", "channels"),
    [("uint16", 3), ("float32", 3), ("float16", 1), ("bool", 1), ("complex64", 1), ("uint8", 0), ("S1", 1)],
)
def test_a_voxel_type_that_webknossos_does_not_have_is_refused(dtype: str, channels: int) -> None:
    with pytest.raises(PropertiesError):
        element_class(dtype, channels)


@pytest.mark.parametrize(
    ("name", "channels"),
    [("uint24", 1), ("uint24", 2), ("uint8", 3), ("float16", 1), ("uint", 1), ("text", 1), ("uint8", 0)],
)
def test_a_name_that_the_channels_can_not_share_is_refused(name: str, channels: int) -> None:
    with pytest.raises(PropertiesError, match=repr(name)):
        dtype_per_channel(name, channels)


def test_new_layers_take_the_types_of_their_category() -> None:
    color = [dtype for dtype in DTYPES if dtype not in ("uint64", "int64", "float64")]
    segmentation = [dtype for dtype in DTYPES if not dtype.startswith("float")]

    for category, allowed in (("color", color), ("segmentation", segmentation)):
        for dtype in DTYPES:
            if dtype in allowed:
                assert check_layer_dtype(category, dtype) == np.dtype(dtype)
            else:
                with pytest.raises(PropertiesError, match=f"a {category} layer can not hold {dtype}"):
                    check_layer_dtype(category, dtype)
    assert check_layer_dtype("color", ">u2").isnative
