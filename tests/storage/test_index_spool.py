"""Indexes in a file are what they would be in memory."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.storage.array_layout import ArrayLayout, Layout
from wk_assets.storage.index_spool import IndexSpool
from wk_assets.storage.shard import ShardBuilder

CHUNKS = 64


def layout_of(layout: Layout) -> ArrayLayout:
    return ArrayLayout(
        layout=layout,
        channels=1,
        size=Vec3Int(32, 32, 32),
        dtype=np.dtype("uint8"),
        chunk_shape=Vec3Int(8, 8, 8),
        shard_shape=Vec3Int(32, 32, 32),
        zstd_level=1,
    )


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_shards_whose_index_is_spooled_are_the_shards_of_others(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    layout = layout_of(data.draw(st.sampled_from(list(Layout))))
    spool = IndexSpool(folder / "spool", CHUNKS)
    for turn in range(2):  # slots are used again
        keys = [f"c/0/{turn}/0/{x}" for x in range(3)]
        held = [ShardBuilder(layout, folder / "held", key) for key in keys]
        spooled = [ShardBuilder(layout, folder / "spooled", key, spool) for key in keys]
        free = {key: list(range(CHUNKS)) for key in keys}
        for _ in range(data.draw(st.integers(1, 6))):
            number = data.draw(st.integers(0, 2))
            rest = free[keys[number]]
            if not rest:
                continue
            positions = data.draw(st.lists(st.sampled_from(rest), min_size=1, max_size=9, unique=True))
            free[keys[number]] = [position for position in rest if position not in positions]
            sizes = [1 + position % 5 for position in positions]
            chunks = bytes(range(sum(sizes)))
            for builder in (held[number], spooled[number]):
                builder.append(positions, sizes, chunks)
        for one, other in zip(held, spooled, strict=True):
            np.testing.assert_array_equal(one.index, other.index)
            assert [one.read(position) for position in range(CHUNKS)] == [
                other.read(position) for position in range(CHUNKS)
            ]
            assert one.finish() == other.finish()
            if one.length:
                assert one.final_path.read_bytes() == other.final_path.read_bytes()
    spool.close()
    assert not (folder / "spool").exists()
