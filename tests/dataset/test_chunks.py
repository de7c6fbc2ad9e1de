"""Views cut into chunks: each voxel once, on any executor, and an error that names its chunk."""

import functools
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.layer import Layer
from wk_assets.dataset.mag_view import MagView
from wk_assets.dataset.view import View
from wk_assets.errors import GeometryError
from wk_assets.geometry.bounding_box import BoundingBox, NDBoundingBox
from wk_assets.geometry.vec3_int import VecInt

BOX = BoundingBox((5, 6, 7), (150, 100, 40))


def add_layer(path: Path, name: str = "em", box: NDBoundingBox = BOX, **settings: Any) -> Layer:
    dataset = Dataset(path, voxel_size=(4, 4, 4), exist_ok=True)
    return dataset.add_layer(name, "segmentation", dtype="uint16", bounding_box=box, **settings)


def add_mag(layer: Layer, mag: int = 1) -> MagView[Layer]:
    return layer.add_mag(mag, chunk_shape=32, shard_shape=64)


def write_number(job: tuple[View, int]) -> None:
    view, number = job
    view.write(np.full(view.read().shape, number + 1, np.uint16))


def voxels_and_process(view: View) -> tuple[int, int]:
    return int(view.read().size), os.getpid()


def fail_at(job: tuple[View, int], number: int) -> None:
    if job[1] == number:
        raise ZeroDivisionError(f"as it was told to, at {number}")


def doubled(job: tuple[View, View, int]) -> None:
    source, target, _ = job
    target.write(source.read()[:, ::2, ::2, ::2] * 2)


@pytest.fixture(scope="module")
def executors() -> Iterator[dict[str, Executor | None]]:
    """Executors by name; processes take a second to start, so they are started once."""
    with ThreadPoolExecutor(3) as threads, ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        yield {"none": None, "threads": threads, "processes": processes}


KINDS = ("none", "threads", "processes")


@pytest.mark.parametrize("kind", KINDS)
def test_every_voxel_is_in_one_chunk_on_every_executor(
    executors: dict[str, Executor | None], tmp_path: Path, kind: str
) -> None:
    view = add_mag(add_layer(tmp_path / "ds"))

    view.for_each_chunk(write_number, executor=executors[kind])
    results = view.map_chunk(voxels_and_process, executor=executors[kind])

    chunks = list(view.chunk((64, 64, 64), chunk_border_alignments=(64, 64, 64)))
    assert len(chunks) == 6
    for number, chunk in enumerate(chunks):
        assert (chunk.read() == number + 1).all()
    assert view.read().all()
    assert sum(size for size, _ in results) == view.bounding_box.volume()
    assert (os.getpid() in {process for _, process in results}) == (kind != "processes")


def test_chunks_begin_at_the_view_or_at_multiples_of_their_alignment(tmp_path: Path) -> None:
    view = add_mag(add_layer(tmp_path / "ds"))

    free = [chunk.bounding_box for chunk in view.chunk((100, 100, 40))]
    aligned = [chunk.bounding_box for chunk in view.chunk((100, 100, 40), chunk_border_alignments=(50, 50, 20))]

    assert free == [BoundingBox((5, 6, 7), (100, 100, 40)), BoundingBox((105, 6, 7), (50, 100, 40))]
    assert [(box.topleft.x, box.bottomright.x) for box in (BoundingBox.from_ndbbox(box) for box in aligned)][:1] == [
        (5, 100)
    ]
    for boxes in (free, aligned):
        assert sum(box.volume() for box in boxes) == BOX.volume()
    assert all(chunk.read_only for chunk in view.chunk((100, 100, 40), read_only=True))
    with pytest.raises(GeometryError, match="multiple"):
        list(add_mag(view.layer, 2).chunk((33, 33, 33)))


def test_small_chunks_of_one_shard_lose_nothing_whoever_writes_them(tmp_path: Path) -> None:
    view = add_mag(add_layer(tmp_path / "ds"))

    with ThreadPoolExecutor(4) as executor:
        view.for_each_chunk(write_number, chunk_shape=(20, 30, 40), executor=executor)

    assert view.read().all()


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_chunk_raises_is_raised_with_its_name_and_ends_the_others(
    executors: dict[str, Executor | None], tmp_path: Path, kind: str
) -> None:
    view = add_mag(add_layer(tmp_path / "ds"))

    with pytest.raises(ZeroDivisionError, match="at 3") as caught:
        view.for_each_chunk(functools.partial(fail_at, number=3), executor=executors[kind])

    assert any("chunk 3, View(x 64..128, y 64..106, z 7..47" in note for note in caught.value.__notes__)


def test_each_position_of_a_further_axis_is_a_chunk_of_its_own(tmp_path: Path) -> None:
    box = NDBoundingBox((1, 0, 0, 0), (3, 70, 20, 10), ("t", "x", "y", "z"))
    view = add_mag(add_layer(tmp_path / "ds", box=box))

    boxes = view.map_chunk(lambda chunk: chunk.bounding_box)
    together = [chunk.bounding_box.size for chunk in view.chunk(VecInt(t=3, x=64, y=64, z=64))]

    assert [(chunk.topleft.get("t"), chunk.topleft.x) for chunk in boxes] == [
        (time, x) for time in (1, 2, 3) for x in (0, 64)
    ]
    assert [size.get("t") for size in together] == [3, 3]


def test_zipped_chunks_are_the_same_part_of_the_world(tmp_path: Path) -> None:
    layer = add_layer(tmp_path / "ds")
    fine, coarse = add_mag(layer), add_mag(layer, 2)
    fine.write(np.random.default_rng(0).integers(0, 9, tuple(BOX.size)).astype(np.uint16))
    even = fine.get_view(absolute_bounding_box=BoundingBox((6, 6, 8), (148, 100, 38)))
    target = coarse.get_view(absolute_bounding_box=even.bounding_box)

    even.for_zipped_chunks(doubled, target)

    assert (target.read() == even.read()[:, ::2, ::2, ::2] * 2).all()
    pairs: list[tuple[View, View, int]] = []
    fine.for_zipped_chunks(pairs.append, coarse)
    assert sum(second.bounding_box.volume() for _, second, _ in pairs) == coarse.bounding_box.volume()
    assert all(first.read_only and not second.read_only for first, second, _ in pairs)
    assert all(
        second.bounding_box.align_with_mag(coarse.mag, ceil=True).contains_bbox(first.bounding_box)
        for first, second, _ in pairs
    )
    with pytest.raises(GeometryError, match="sizes must relate"):
        even.for_zipped_chunks(doubled, coarse.get_view((20, 20, 20)))


def test_views_are_equal_where_their_voxels_are(executors: dict[str, Executor | None], tmp_path: Path) -> None:
    first, second = (add_mag(add_layer(tmp_path / "ds", name)) for name in ("first", "second"))
    voxels = np.random.default_rng(0).integers(0, 9, tuple(BOX.size)).astype(np.uint16)
    first.write(voxels)
    second.write(voxels)

    assert first.content_is_equal(second)
    assert first.content_is_equal(second, chunk_shape=(32, 32, 32))
    assert first.content_is_equal(second, executor=executors["processes"])
    assert first.get_view((9, 9, 9)).content_is_equal(second.get_view((9, 9, 9)))
    assert not first.get_view((9, 9, 9)).content_is_equal(second.get_view((9, 9, 8)))
    assert not first.get_view((9, 9, 9)).content_is_equal(second.get_view((9, 9, 9), relative_offset=(1, 0, 0)))
    second.get_view((1, 1, 1), relative_offset=(149, 99, 39)).write(np.array([[[77]]], np.uint16))
    assert not first.content_is_equal(second)


def test_a_bar_is_drawn_only_for_those_who_name_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view = add_mag(add_layer(tmp_path / "ds"))

    view.for_each_chunk(write_number)
    silent = capsys.readouterr().err
    view.for_each_chunk(write_number, progress_desc="Counting chunks")

    assert silent == ""
    assert "Counting chunks" in capsys.readouterr().err


def test_a_mag_is_laid_over_another_where_it_has_shards(tmp_path: Path) -> None:
    """What a person erased is zero in a stored chunk, and must be zero afterwards."""
    base = add_mag(add_layer(tmp_path / "ds", "base", BoundingBox((0, 0, 0), (64, 64, 64))))
    base.write(np.full((64, 64, 64), 7, np.uint16))
    drawn_layer = add_layer(tmp_path / "ds", "drawn", BoundingBox((0, 0, 0), (96, 64, 64)))
    drawn = drawn_layer.add_mag(1, chunk_shape=32, shard_shape=32)
    strokes = np.zeros((96, 64, 64), np.uint16)
    strokes[10:20, :10, :10] = 3
    strokes[70:75] = 4
    drawn.write(strokes)

    with ThreadPoolExecutor(2) as executor:
        base.merge_with_view(drawn, executor)

    merged = base.read()[0]
    expected = np.full((96, 64, 64), 7, np.uint16)
    expected[64:] = strokes[64:]
    expected[:32, :32, :32] = strokes[:32, :32, :32]
    assert (merged == expected).all()
    assert base.layer.bounding_box == BoundingBox((0, 0, 0), (96, 64, 64))
    base.merge_chunk((drawn, BoundingBox((64, 0, 0), (64, 64, 64)), [BoundingBox((64, 0, 0), (32, 32, 32))]))
    assert (base.read()[0] == expected).all()
    with pytest.raises(GeometryError, match="can not be merged"):
        base.merge_with_view(add_mag(drawn_layer, 2))
