"""`zarr.json` both ways, and the keys of shards."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zarr.core.metadata import ArrayV3Metadata

from wk_assets.errors import GeometryError, PropertiesError
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.storage.array_layout import ArrayLayout, Layout

edges = st.sampled_from([1, 2, 8, 32])


@st.composite
def layouts(draw: st.DrawFn) -> ArrayLayout:
    chunk = Vec3Int(draw(edges), draw(edges), draw(edges))
    shard = chunk * Vec3Int(draw(edges), draw(edges), draw(edges))
    layout = draw(st.sampled_from(list(Layout)))
    size = Vec3Int(*(draw(st.integers(1, 5000)) for _ in range(3)))
    return ArrayLayout(
        layout=layout,
        channels=draw(st.sampled_from([1, 3])),
        size=size if layout is Layout.OME else size.ceildiv(shard) * shard,
        dtype=np.dtype(draw(st.sampled_from(["uint8", "int16", "uint32", "uint64", "float32"]))),
        chunk_shape=chunk,
        shard_shape=shard,
        zstd_level=draw(st.sampled_from([None, 1, 5])),
        additional=draw(st.sampled_from([(), (("t", 7),), (("t", 2), ("angle", 1))])),
    )


@given(layouts())
def test_a_layout_survives_its_own_json(layout: ArrayLayout) -> None:
    assert ArrayLayout.from_zarr_json(layout.to_zarr_json(), "zarr.json") == layout


@given(layouts(), st.tuples(*[st.integers(0, 10_000)] * 3), st.tuples(*[st.integers(0, 50)] * 2))
def test_the_key_of_a_shard_leads_back_to_its_place(
    layout: ArrayLayout, cell: tuple[int, int, int], positions: tuple[int, int]
) -> None:
    leading = positions[: len(layout.additional)]
    key = layout.shard_key(Vec3Int(cell), leading)
    assert layout.shard_cell(key) == Vec3Int(cell)
    assert layout.shard_leading(key) == leading


@given(layouts())
def test_zarr_python_names_shards_as_we_do(layout: ArrayLayout) -> None:
    described = ArrayV3Metadata.from_dict(json.loads(layout.to_zarr_json()))
    leading = tuple(range(1, 1 + len(layout.additional)))
    place = dict(zip((*(name for name, _ in layout.additional), *"cxyz"), (*leading, 0, 5, 6, 7), strict=True))
    assert described.shape == layout.array_shape
    assert described.dimension_names == layout.axes
    assert layout.shard_key(Vec3Int(5, 6, 7), leading) == described.encode_chunk_key(
        tuple(place[axis] for axis in layout.axes)
    )


def test_a_shard_of_a_series_needs_its_position() -> None:
    series = ArrayLayout(
        layout=Layout.OME,
        channels=1,
        size=Vec3Int(8, 8, 8),
        dtype=np.dtype("uint8"),
        chunk_shape=Vec3Int(8, 8, 8),
        shard_shape=Vec3Int(8, 8, 8),
        zstd_level=1,
        additional=(("t", 3),),
    )
    with pytest.raises(GeometryError, match="1 leading"):
        series.shard_key(Vec3Int(0, 0, 0))
    for additional in ((("x", 3),), (("t", 3), ("t", 4)), (("t", 0),)):
        with pytest.raises(PropertiesError, match="additional axes"):
            replace(series, additional=additional)


def test_a_shard_that_is_no_multiple_of_its_chunks_is_refused() -> None:
    with pytest.raises(PropertiesError, match="not a multiple"):
        ArrayLayout(
            layout=Layout.OME,
            channels=1,
            size=Vec3Int(10, 10, 10),
            dtype=np.dtype("uint8"),
            chunk_shape=Vec3Int(32, 32, 32),
            shard_shape=Vec3Int(48, 64, 64),
            zstd_level=1,
        )


@pytest.mark.parametrize(
    "change",
    [{"dimension_names": ["x", "y"]}, {"fill_value": 7}, {"chunk_key_encoding": {"name": "v2"}}, {"codecs": []}],
)
def test_an_array_of_another_writer_is_refused_by_name(change: dict[str, object]) -> None:
    ours = ArrayLayout(
        layout=Layout.OME,
        channels=1,
        size=Vec3Int(10, 10, 10),
        dtype=np.dtype("uint8"),
        chunk_shape=Vec3Int(32, 32, 32),
        shard_shape=Vec3Int(64, 64, 64),
        zstd_level=1,
    )
    document = json.loads(ours.to_zarr_json()) | change
    with pytest.raises(PropertiesError, match=r"somewhere/zarr\.json"):
        ArrayLayout.from_zarr_json(json.dumps(document).encode(), "somewhere/zarr.json")
