import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.layers.chunk_blocks import boxes_around, chunk_blocks

boxes = st.builds(
    BoundingBox,
    st.tuples(*[st.integers(0, 12)] * 3),
    st.tuples(*[st.integers(0, 14)] * 3),
)
chunks = st.builds(Vec3Int, *[st.sampled_from([1, 2, 4, 8])] * 3)


def painted(parts: list[BoundingBox]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    canvas = np.zeros((30, 30, 30), np.int64)
    for part in parts:
        canvas[part.to_slices()] += 1
    return canvas


@given(boxes, chunks, st.integers(1, 9))
def test_blocks_cover_a_box_once_and_end_at_borders_of_chunks(box: BoundingBox, chunk: Vec3Int, edge: int) -> None:
    blocks = chunk_blocks(box, chunk, edge)

    assert (painted(list(blocks)) == painted([box])).all()
    for block in blocks:
        assert all(size <= max(edge, part) for size, part in zip(block.size, chunk, strict=True))
        for end, limit, part in zip(block.bottomright, box.bottomright, chunk, strict=True):
            assert end == limit or end % part == 0


@given(boxes, boxes)
def test_boxes_around_a_box_are_what_it_leaves_of_the_other(outer: BoundingBox, other: BoundingBox) -> None:
    inner = outer.intersected_with(other, dont_assert=True)

    parts = list(boxes_around(outer, inner))

    assert len(parts) <= 6
    assert (painted([*parts, inner]) == painted([outer])).all()
