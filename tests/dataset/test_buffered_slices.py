from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.layer import Layer
from wk_assets.dataset.mag_view import MagView
from wk_assets.errors import GeometryError
from wk_assets.geometry.bounding_box import BoundingBox

SIZE = (20, 50, 70)
RNG = np.random.default_rng(8)


def view_of(path: Path, channels: int = 1, corner: tuple[int, int, int] = (3, 5, 7)) -> MagView[Layer]:
    dataset = Dataset(path, voxel_size=(1, 1, 1))
    layer = dataset.add_layer(
        "em", "color", dtype="uint8", num_channels=channels, bounding_box=BoundingBox(corner, SIZE)
    )
    return layer.add_mag(1, chunk_shape=32, shard_shape=32)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("dimension", "buffer_size"), [("x", None), ("y", None), ("z", None), (0, 7), (1, 7), (2, 7), ("x", 1), ("z", 500)]
)
def test_slices_come_back_as_they_were_sent(
    tmp_path: Path, dimension: str | int, buffer_size: int | None, channels: int
) -> None:
    view = view_of(tmp_path / "ds", channels)
    axis = "xyz".index(dimension) if isinstance(dimension, str) else dimension
    voxels = RNG.integers(1, 255, (channels, *SIZE)).astype(np.uint8)
    slices = list(np.moveaxis(voxels, 1 + axis, 0))

    with view.get_buffered_slice_writer(buffer_size, dimension, allow_unaligned=buffer_size is not None) as writer:
        for one in slices:
            writer.send(one[0] if channels == 1 else one)
    with view.get_buffered_slice_reader(buffer_size, dimension) as reader:
        read = list(reader)

    assert (view.read() == voxels).all()
    assert len(read) == SIZE[axis]
    assert all((made == sent).all() for made, sent in zip(read, slices, strict=True))


def test_a_writer_may_reuse_the_array_that_it_sends(tmp_path: Path) -> None:
    view, one = view_of(tmp_path / "ds"), np.zeros(SIZE[:2], np.uint8)

    with view.get_buffered_slice_writer() as writer:
        for z in range(SIZE[2]):
            one[:] = z
            writer.send(one)

    assert view.read()[0, 4, 4].tolist() == list(range(SIZE[2]))


def test_slices_of_a_place_go_to_that_place(tmp_path: Path) -> None:
    places: list[dict[str, Any]] = [
        {"relative_offset": (2, 3, 4)},
        {"absolute_offset": (5, 8, 11)},
        {"absolute_bounding_box": BoundingBox((5, 8, 11), (6, 7, 2))},
        {"relative_bounding_box": BoundingBox((2, 3, 4), (6, 7, 2))},
    ]
    for number, place in enumerate(places):
        view = view_of(tmp_path / str(number))
        with view.get_buffered_slice_writer(allow_unaligned=True, **place) as writer:
            for _ in range(2):
                writer.send(np.ones((6, 7), np.uint8))
        assert view.read(absolute_offset=(5, 8, 11), size=(6, 7, 2)).all()
        assert view.read().sum() == 84


def test_smaller_slices_are_filled_up_with_zeros(tmp_path: Path) -> None:
    view = view_of(tmp_path / "ds", corner=(0, 0, 0))

    with view.get_buffered_slice_writer(allow_unaligned=True) as writer:
        for z in range(3):
            writer.send(np.full((20 - z, 50), z + 1, np.uint8))

    assert view.read((20, 50, 3))[0, 17:, 0].tolist() == [[1, 2, 3], [1, 2, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    ("slices", "words"),
    [
        ([np.ones((20, 50), np.uint8)] * 71, "reach beyond the region"),
        ([np.ones((21, 50), np.uint8)], "reach beyond the region"),
        ([np.ones((2, 20, 50), np.uint8)], "does not fit 1 channels"),
    ],
)
def test_slices_beyond_the_region_are_refused(tmp_path: Path, slices: list[Any], words: str) -> None:
    view = view_of(tmp_path / "ds")

    with pytest.raises(GeometryError, match=words), view.get_buffered_slice_writer(allow_unaligned=True) as writer:  # noqa: PT012 - which of them is refused is no matter
        for one in slices:
            writer.send(one)


def test_a_block_that_ends_with_an_error_writes_no_more(tmp_path: Path) -> None:
    view = view_of(tmp_path / "ds")

    with pytest.raises(ZeroDivisionError), view.get_buffered_slice_writer() as writer:  # noqa: PT012 - all of it is meant
        writer.send(np.ones(SIZE[:2], np.uint8))
        raise ZeroDivisionError

    assert not view.read().any()
    with pytest.raises(GeometryError, match="dimension 't'"):
        view.get_buffered_slice_reader(dimension="t")
    with pytest.raises(GeometryError, match="buffer_size is 0"):
        view.get_buffered_slice_reader(0)
