"""The log of edits beside a manifest: what it makes of crashes, of other manifests, and what it makes an array's key."""

from pathlib import Path

import numpy as np
import pytest

from tests.storage.edited_arrays import FIRST, WHOLE, WITHIN, box, damages, described, full_array, reopened, voxels_of
from wk_assets.errors import PropertiesError, ShardMissingError
from wk_assets.storage.edit_log import EDIT_LOG_NAME, beginning, ending
from wk_assets.storage.manifest import MANIFEST_NAME, Manifest
from wk_assets.storage.sharded_array import ShardedArray


@pytest.fixture
def array(tmp_path: Path) -> ShardedArray:
    """Make an array full of voxels other than 0."""
    return full_array(tmp_path / "1")


def test_each_content_has_a_key_of_its_own_wherever_its_edits_are_noted(tmp_path: Path) -> None:
    """Raw chunks end with their own crc32c, so that the crc32c of the shard is always the same: it tells nothing apart."""
    for compression in (True, False):
        array = ShardedArray.create(tmp_path / str(compression), described(compression_mode=compression))
        keys = [Manifest.load(array.path).content_key]
        for value in (1, 2):
            array.write_box(WITHIN, np.full(tuple(WITHIN.size), value, "uint16"))
            in_log = Manifest.load(array.path)
            keys.append(in_log.content_key)
            assert in_log.edited_from == keys[0]
            assert array.compact()
            assert Manifest.load(array.path) == in_log
            assert not (array.path / EDIT_LOG_NAME).exists()
        assert len(set(keys)) == 3
        assert not array.compact() or Manifest.load(array.path) == in_log


@pytest.mark.parametrize("renamed", [False, True], ids=["before_the_rename", "after_the_rename"])
def test_a_shard_whose_edit_was_cut_off_is_what_it_was_or_what_it_becomes(array: ShardedArray, renamed: bool) -> None:
    log = array.path / EDIT_LOG_NAME
    was = next(shard for shard in Manifest.load(array.path).shards if shard.key == FIRST)
    old, told = (array.path / FIRST).read_bytes(), log.read_bytes()
    model = voxels_of()
    expected = model.copy()
    expected[WITHIN.to_slices()] = 7
    array.write_box(WITHIN, expected[WITHIN.to_slices()])
    becomes = next(shard for shard in Manifest.load(array.path).shards if shard.key == FIRST)
    # as a writer leaves it that is killed between the steps, in the middle of a line
    log.write_bytes(told + beginning(FIRST, was, becomes) + ending(FIRST, becomes)[:20])
    if not renamed:
        (array.path / FIRST).write_bytes(old)

    for reader in (array, reopened(array)):
        np.testing.assert_array_equal(reader.read_box(WHOLE), expected if renamed else model)
    assert damages(array) == []
    array.write_box(box((0, 0, 0), (1, 1, 1)), np.full((1, 1, 1, 1), 5, "uint16"))
    (expected if renamed else model)[0, 0, 0, 0] = 5
    np.testing.assert_array_equal(reopened(array).read_box(WHOLE), expected if renamed else model)
    assert damages(array) == []
    assert array.compact()
    assert damages(array) == []


def test_what_killed_writers_left_goes_away_with_the_log(array: ShardedArray) -> None:
    leftover = array.path / "c/0/1/1/1.part"
    leftover.write_bytes(b"half a shard")
    (array.path / ".shards-3.lock").touch()
    boxes = list(array.stored_boxes())

    assert array.compact()

    assert not leftover.exists()
    assert [path.name for path in array.path.iterdir() if path.name.startswith(".")] == [MANIFEST_NAME]
    assert list(array.stored_boxes()) == boxes
    np.testing.assert_array_equal(array.read_box(WHOLE), voxels_of())


def test_a_shard_that_is_neither_what_it_was_nor_what_it_becomes_is_damaged(array: ShardedArray) -> None:
    was = next(shard for shard in Manifest.load(array.path).shards if shard.key == FIRST)
    with (array.path / EDIT_LOG_NAME).open("ab") as log:
        log.write(beginning(FIRST, was, was))
    (array.path / FIRST).unlink()
    assert damages(array) == [f"{FIRST} is missing"]
    with pytest.raises(ShardMissingError, match=FIRST):
        reopened(array).read_box(WITHIN)


def test_a_log_of_an_older_manifest_tells_nothing(array: ShardedArray) -> None:
    """A compaction that was killed between its two steps: the manifest has it all, the log is still there."""
    log = (array.path / EDIT_LOG_NAME).read_bytes()
    assert array.compact()
    whole = Manifest.load(array.path)
    (array.path / EDIT_LOG_NAME).write_bytes(log)

    assert Manifest.load(array.path) == whole
    array.write_box(WITHIN, np.ones(tuple(WITHIN.size), "uint16"))
    assert len((array.path / EDIT_LOG_NAME).read_bytes().splitlines()) == 3
    assert (reopened(array).read_box(WITHIN) == 1).all()


def test_a_line_that_is_none_of_a_log_is_named(array: ShardedArray) -> None:
    with (array.path / EDIT_LOG_NAME).open("ab") as log:
        log.write(b'{"key": 3}\n')
    with pytest.raises(PropertiesError, match=r"manifest\.log.*key"):
        reopened(array)
