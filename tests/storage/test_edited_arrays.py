"""What only arrays of our own promise when they are edited: losses are noticed, crashes leave whole shards, others see it all."""

import json
import resource
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorstore
import zarr

from tests.storage.edited_arrays import (
    FIRST,
    OME,
    SIZE,
    WHOLE,
    WITHIN,
    box,
    damages,
    described,
    full_array,
    reopened,
    voxels_of,
)
from wk_assets.errors import (
    DiskFullError,
    GeometryError,
    PropertiesError,
    ShardCorruptError,
    ShardMissingError,
    StorageError,
)
from wk_assets.geometry.bounding_box import BoundingBox, NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.storage import bounded_threads, shard_ledger
from wk_assets.storage.manifest import MANIFEST_NAME, Manifest, damaged_shards
from wk_assets.storage.shard_reader import ShardReader
from wk_assets.storage.sharded_array import ShardedArray
from wk_assets.storage.stored_array import StoredArray


@pytest.fixture
def array(tmp_path: Path) -> ShardedArray:
    """Make an array full of voxels other than 0."""
    return full_array(tmp_path / "1")


# Loss


@pytest.mark.parametrize("compact", [False, True], ids=["noted_in_the_log", "noted_in_the_manifest"])
def test_a_lost_shard_raises_and_is_named(array: ShardedArray, compact: bool) -> None:
    if compact:
        assert array.compact()
    (array.path / FIRST).unlink()

    assert damages(array) == [f"{FIRST} is missing"]
    for reader in (array, reopened(array)):
        with pytest.raises(ShardMissingError, match=FIRST):
            reader.read_box(WITHIN)
    with pytest.raises(ShardMissingError, match=FIRST):
        StoredArray.open(array.path).read(BoundingBox((0, 0, 0), (1, 1, 1)))
    with pytest.raises(ShardMissingError, match=FIRST):
        array.write_box(WITHIN, np.ones(tuple(WITHIN.size), "uint16"))


@pytest.mark.parametrize("compression", [True, False])
def test_no_flipped_bit_gets_a_new_checksum(tmp_path: Path, compression: bool) -> None:
    """An edit keeps the bytes of chunks that it does not touch: damage among them must not become what is promised."""
    array = ShardedArray.create(tmp_path / "1", described(compression_mode=compression))
    array.write_box(WHOLE, voxels_of())
    shard = array.path / FIRST
    whole = shard.read_bytes()
    for bit in np.random.default_rng(2).integers(0, 8 * len(whole), 40).tolist():
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        shard.write_bytes(damaged)
        assert damages(array) == [f"{FIRST}: other bytes"]
        with pytest.raises(ShardCorruptError, match=FIRST):
            array.write_box(WITHIN, np.ones(tuple(WITHIN.size), "uint16"))
        assert shard.read_bytes() == damaged


def test_writing_a_whole_shard_repairs_it(array: ShardedArray) -> None:
    for damage in (Path.unlink, lambda path: path.write_bytes(b"x" * 100)):
        damage(array.path / FIRST)
        array.write_box(box((0, 0, 0), (8, 8, 8)), voxels_of()[:, :8, :8, :8])
        assert damages(array) == []
        np.testing.assert_array_equal(reopened(array).read_box(WHOLE), voxels_of())


def test_a_full_disk_leaves_what_was_there(array: ShardedArray) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))  # no shard has room
    try:
        with pytest.raises(DiskFullError, match=r"disk full at .*c/0/0/0/0"):
            array.write_box(WITHIN, np.ones(tuple(WITHIN.size), "uint16"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    np.testing.assert_array_equal(reopened(array).read_box(WHOLE), voxels_of())
    assert damages(array) == []
    assert not [path for path in array.path.rglob("*") if path.suffix in (".part", ".lock")]


# What is touched


def test_chunks_beside_the_box_keep_their_bytes(array: ShardedArray) -> None:
    """They are not encoded again: the array's level of compression has changed since, which would give other bytes."""
    document = json.loads((array.path / "zarr.json").read_bytes())
    codecs = document["codecs"][0]["configuration"]["codecs"]
    codecs[-1]["configuration"]["level"] = 19
    (array.path / "zarr.json").write_text(json.dumps(document, indent=2))
    changed = reopened(array)

    def chunks() -> list[bytes | None]:
        with ShardReader(changed.layout, array.path).open(FIRST) as shard:
            return [shard.read(position) for position in range(8)]

    before = chunks()
    changed.write_box(box((0, 0, 0), (3, 4, 4)), voxels_of((3, 4, 4), seed=5))
    after = chunks()

    assert after[0] != before[0]
    assert after[1:] == before[1:]


def test_writing_the_same_voxels_again_changes_nothing(array: ShardedArray) -> None:
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in array.path.rglob("*") if path.is_file()}
    array.write_box(WHOLE, voxels_of())
    array.write_box(WITHIN, voxels_of()[WITHIN.to_slices()])
    after = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in array.path.rglob("*") if path.is_file()}
    assert after == before


def test_one_voxel_in_a_large_shard_takes_little_memory(tmp_path: Path) -> None:
    edge = 256
    large = described(
        voxel_type=np.dtype("uint8"),
        box=box((0, 0, 0), (edge,) * 3),
        chunk_shape=Vec3Int(32, 32, 32),
        shard_shape=Vec3Int(edge, edge, edge),
        compression_mode=False,
    )
    array = ShardedArray.create(tmp_path / "1", large)
    array.write_box(large.box, np.random.default_rng(0).integers(0, 255, large.shape).astype("uint8"))
    assert (array.path / FIRST).stat().st_size > 16 << 20

    tracemalloc.start()
    array.write_box(box((5, 5, 5), (1, 1, 1)), np.full((1, 1, 1, 1), 7, "uint8"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 5 << 20  # buffers of 1 MiB: what is read, what waits, what is written


@pytest.mark.parametrize("compression", [True, False])
@pytest.mark.parametrize("axis_order", [{}, OME], ids=["webknossos", "ome"])
def test_an_edited_array_is_read_by_others(tmp_path: Path, axis_order: dict[str, int], compression: bool) -> None:
    series = NormalizedBoundingBox((0, 0, 0, 0, 0), (2, 3, *SIZE), ("t", "c", "x", "y", "z"))
    order = {axis: place + 1 for axis, place in axis_order.items()}
    array = ShardedArray.create(tmp_path / "1", described(box=series, axis_order=order, compression_mode=compression))
    model = np.random.default_rng(3).integers(0, 3, (2, 3, *SIZE)).astype("uint16")
    array.write_box(series, model)
    part = NormalizedBoundingBox((1, 1, 2, 3, 4), (1, 2, 11, 12, 5), series.axes)
    model[part.to_slices()] = 9
    array.write_box(part, model[part.to_slices()])

    by_zarr = np.asarray(zarr.open_array(str(array.path), mode="r")[...])
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(array.path)}}
    by_tensorstore = tensorstore.open(spec).result().read().result()

    for stored in (by_zarr, by_tensorstore):
        as_boxes = stored.transpose(0, 1, 4, 3, 2) if axis_order else stored
        np.testing.assert_array_equal(as_boxes[:, :, : SIZE[0], : SIZE[1], : SIZE[2]], model)


# Others who read or write


def test_other_handles_see_each_edit(array: ShardedArray) -> None:
    reader, model = reopened(array), voxels_of()
    stored = StoredArray.open(array.path)
    np.testing.assert_array_equal(reader.read_box(WHOLE), model)  # its indexes are known from here on
    stored.read(BoundingBox((0, 0, 0), SIZE))

    for number, part in enumerate((WITHIN, box((0, 0, 0), (8, 8, 8)), box((5, 5, 5), (15, 13, 4)))):
        model[part.to_slices()] = number  # the first edit is one of zeros
        array.write_box(part, model[part.to_slices()])
        np.testing.assert_array_equal(reader.read_box(WHOLE), model)
        np.testing.assert_array_equal(stored.read(BoundingBox((0, 0, 0), SIZE)), model)
    array.write_box(WHOLE, np.zeros_like(model))
    assert not reader.read_box(WHOLE).any()
    assert not stored.read(BoundingBox((0, 0, 0), SIZE)).any()
    array.resize(box((0, 0, 0), (40, 18, 9)))
    assert reader.info.box.size_xyz == Vec3Int(40, 24, 16)


def test_readers_have_one_state_of_a_shard_whatever_writers_do(array: ShardedArray) -> None:
    """Shards come, change and go away while others read them, the log is put into the manifest, all the time."""
    states = [np.full((1, 8, 8, 8), value, "uint16") for value in (0, 1, 2)]
    part = box((0, 0, 0), (8, 8, 8))
    array.write_box(part, states[0])
    done = threading.Event()

    def edit() -> None:
        for number in range(60):
            array.write_box(part, states[number % 3])
            if number % 7 == 0:
                array.compact()
        done.set()

    with ThreadPoolExecutor(3) as threads:
        editing = threads.submit(edit)
        reader = reopened(array)
        seen = set()
        while not done.is_set() and not editing.done():
            found = reader.read_box(part)
            assert found.min() == found.max()
            seen.add(int(found[0, 0, 0, 0]))
            assert damaged_shards(array.path, Manifest.load(array.path)) == []
        editing.result()
    assert seen == {0, 1, 2}


def test_no_edit_is_lost_while_the_log_is_put_into_the_manifest(
    array: ShardedArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_ledger, "_LONG_LOG_LINES", 3)
    model = voxels_of(seed=8)

    def write(x: int) -> None:
        reopened(array).write_box(box((x, 0, 0), (1, *SIZE[1:])), model[:, x : x + 1])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(SIZE[0])))

    np.testing.assert_array_equal(array.read_box(WHOLE), model)
    assert damages(array) == []
    assert len(Manifest.load(array.path).shards) == len(list(array.stored_boxes())) == 18


def test_a_shard_that_another_program_added_is_read_and_kept(tmp_path: Path) -> None:
    array = ShardedArray.create(tmp_path / "1", described())
    theirs = zarr.open_array(str(array.path), mode="r+")
    model = np.zeros(array.info.shape, "uint16")
    model[:, :6, :6, :6] = 5
    theirs[:, :6, :6, :6] = 5

    np.testing.assert_array_equal(array.read_box(array.info.box), model)
    model[WITHIN.to_slices()] = 8
    array.write_box(WITHIN, model[WITHIN.to_slices()])
    np.testing.assert_array_equal(array.read_box(array.info.box), model)
    assert damages(array) == []
    theirs[:, :1, :1, :1] = 9
    with pytest.raises(ShardCorruptError, match="another program"):
        array.write_box(WITHIN, model[WITHIN.to_slices()])


def test_work_on_threads_gives_the_same_bytes_and_its_errors_are_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = described(
        box=box((0, 0, 0), (100, 100, 80)), chunk_shape=Vec3Int(16, 16, 16), shard_shape=Vec3Int(64, 64, 64)
    )
    model = voxels_of((100, 100, 80))
    assert model.nbytes > bounded_threads._WORTH_THREADS_BYTES  # noqa: SLF001  # else nothing is tested
    made = []
    for threads in (4, 1):
        monkeypatch.setattr(bounded_threads, "_MOST_THREADS", threads)
        array = ShardedArray.create(tmp_path / str(threads), large)
        array.write_box(large.box, model)
        array.write_box(box((1, 1, 1), (63, 62, 61)), model[:, 7:70, 1:63, 1:62])
        made.append({shard.key: shard for shard in Manifest.load(array.path).shards})
        expected = model.copy()
        expected[:, 1:64, 1:63, 1:62] = model[:, 7:70, 1:63, 1:62]
        np.testing.assert_array_equal(array.read_box(large.box), expected)
    assert made[0] == made[1]

    monkeypatch.setattr(bounded_threads, "_MOST_THREADS", 4)
    array = ShardedArray.open(tmp_path / "4")
    (array.path / "c/0/1/1/1").unlink()
    with pytest.raises(ShardMissingError, match="c/0/1/1/1"):
        array.read_box(large.box)
    with pytest.raises(ShardMissingError, match="c/0/1/1/1"):
        array.write_box(box((1, 1, 1), (98, 98, 78)), model[:, :98, :98, :78])


# What it is


@pytest.mark.parametrize(("axis_order", "end"), [({}, (24, 16, 8)), (OME, (17, 9, 3))], ids=["webknossos", "ome"])
def test_a_resized_array_keeps_everything_else_in_its_metadata(
    tmp_path: Path, axis_order: dict[str, int], end: tuple[int, int, int]
) -> None:
    array = ShardedArray.create(tmp_path / "1", described(axis_order=axis_order))
    document = json.loads((array.path / "zarr.json").read_bytes())
    document["attributes"] = {"kept": True}
    (array.path / "zarr.json").write_text(json.dumps(document, indent=2))

    array.resize(box((1, 1, 1), (16, 8, 2)))

    after = json.loads((array.path / "zarr.json").read_bytes())
    assert array.info.box.size_xyz == Vec3Int(end)
    assert after["attributes"] == {"kept": True}
    assert {**after, "shape": None} == {**document, "shape": None}
    with pytest.raises(GeometryError, match="channels"):
        array.resize(NormalizedBoundingBox((0, 0, 0, 0), (3, 8, 8, 8), ("c", "x", "y", "z")))


def test_an_array_is_not_made_over_something_else(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ShardedArray.create(tmp_path / "empty", described())
    with pytest.raises(StorageError, match="not empty"):
        ShardedArray.create(tmp_path / "empty", described())
    assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == [MANIFEST_NAME, "zarr.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_axes_that_contradict_the_array_are_refused(array: ShardedArray) -> None:
    with pytest.raises(PropertiesError, match="c, x, y, z"):
        ShardedArray.open(array.path, OME)
    with pytest.raises(PropertiesError, match="t"):
        ShardedArray.open(array.path, {"t": 0, "c": 1, "x": 2, "y": 3, "z": 4})
