"""When the power goes: what was promised is there, what readers see is whole, and the next run ends with the same bytes.

Here the disk is a model of what fsync promises (`disk_model`), which may forget everything else. `test_power_cuts_on_devices`
does the same with real file systems.
"""

import random
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.operations import crash_lab, disk_model, fault_jobs, strace_lab
from tests.operations.disk_model import HARDEST, Data, Disk, Names
from wk_assets.properties.dataset_properties import FILE_NAME

pytestmark = pytest.mark.usefixtures("strace")

EVERY = 41  # of how many moments one is looked at by default


def moments(disk: Disk, logs: list[Path], *, every: int, first: int = 0) -> Iterator[tuple[int, dict[str, bytes]]]:
    """Follow the logs; at each chosen moment yield its number and the lines of journals that are promised by then.

    A line is promised once the `append` of this process is over: after its file, and at first its name, are synced. What a
    killed process had not promised stays unpromised until the next one appends.
    """
    number = 0
    promised: dict[str, bytes] = {}
    for log in logs:
        found = disk.seen("journal.jsonl")
        before: dict[str, bytes] = {}
        for _ in disk.follow(log):
            promised |= before
            now = disk.seen("journal.jsonl")
            before = {path: data for path, data in now.items() if found.get(path) != data}
            if number % every == first:
                yield number, {path: data for path, data in promised.items() if path in now}
            number += 1


def cut_and_finish(
    disk: Disk, logs: list[Path], *, every: int, work: Callable[[], None], whole: Path, with_a_dataset: bool
) -> int:
    """Cut the power at moments of the logs, in several ways; look; run again; compare every byte. Count the cuts."""
    expected = crash_lab.digest(whole)
    target = disk.root / "dataset"
    chance = random.Random(11)
    cuts = 0
    for number, promised in moments(disk, logs, every=every, first=every // 2):
        for names, data in HARDEST if every == 1 else [HARDEST[number // every % len(HARDEST)]]:
            state = disk.cut(data, names, chance)
            shutil.rmtree(disk.root)
            disk.root.mkdir()
            disk_model.lay_out(state, disk.root)
            what = f"power cut after call {number}, names {names}, data {data}"
            for journal, lines in promised.items():
                if (
                    names is Names.LOST or (disk.root / journal).exists()
                ):  # else the whole staging was removed in between
                    kept = state.get(journal) or b""
                    assert kept.startswith(lines), f"{what}: a checkpoint is gone"
            if with_a_dataset:
                assert (target / FILE_NAME).exists(), f"{what}: the old dataset is gone"
            fault_jobs.assert_nothing_is_half_visible(target)
            kept_shards = fault_jobs.checkpointed_shards(target)
            assert crash_lab.run_for(60, work), f"{what}: the next run fails"
            assert crash_lab.digest(target) == expected, what
            published = fault_jobs.published_shards(target)
            assert {shard: published[shard] for shard in kept_shards} == kept_shards, f"{what}: made again"
            cuts += 1
    return cuts


@pytest.mark.parametrize("every", [EVERY, pytest.param(1, marks=[pytest.mark.exhaustive, pytest.mark.timeout(1800)])])
def test_no_power_cut_harms_an_import(short_stack: Path, imported: Path, tmp_path: Path, every: int) -> None:
    root = tmp_path / "disk"
    root.mkdir()
    disk = Disk(root)
    work = partial(fault_jobs.import_slices, short_stack, root / "dataset")
    assert disk_model.record(work, tmp_path / "calls.log").status == 0

    assert cut_and_finish(disk, [tmp_path / "calls.log"], every=every, work=work, whole=imported, with_a_dataset=False)


@pytest.mark.parametrize("every", [EVERY, pytest.param(1, marks=[pytest.mark.exhaustive, pytest.mark.timeout(1800)])])
def test_no_power_cut_harms_a_rewrite_or_the_dataset_that_it_replaces(
    imported: Path, rewritten: Path, tmp_path: Path, every: int
) -> None:
    root = tmp_path / "disk"
    shutil.copytree(imported, root / "dataset", copy_function=shutil.copy2)
    disk = Disk(root)
    work = partial(fault_jobs.rewrite, root / "dataset")
    assert disk_model.record(work, tmp_path / "calls.log").status == 0

    assert cut_and_finish(disk, [tmp_path / "calls.log"], every=every, work=work, whole=rewritten, with_a_dataset=True)


@pytest.mark.parametrize(
    ("first_kill", "step", "every"),
    [
        (62, 1000, EVERY),
        pytest.param(1, 6, 5, marks=[pytest.mark.exhaustive, pytest.mark.timeout(1800)]),
    ],
)
def test_no_power_cut_harms_an_import_that_goes_on_after_a_kill(
    short_stack: Path, imported: Path, tmp_path: Path, first_kill: int, step: int, every: int
) -> None:
    """What the killed process had not synced looks finished to the next one, and still is not on the disk."""
    root = tmp_path / "disk"
    work = partial(fault_jobs.import_slices, short_stack, root / "dataset")
    logs = [tmp_path / "killed.log", tmp_path / "resumed.log"]
    for number in range(first_kill, 70, step):
        root.mkdir()
        disk = Disk(root)
        assert disk_model.record(work, logs[0], until=strace_lab.Point("fsync", number)).killed
        assert disk_model.record(work, logs[1]).status == 0

        cut_and_finish(disk, logs, every=every, work=work, whole=imported, with_a_dataset=False)
        shutil.rmtree(root)


# ---------------------------------------------------------------------- the laboratory itself


def replace_without_syncing(folder: Path) -> None:
    (folder / "new").write_bytes(b"bytes")
    (folder / "new").rename(folder / "file")


def state_after(work: Callable[[Path], None], tmp_path: Path, names: Names, data: Data) -> dict[str, bytes | None]:
    root = tmp_path / "disk"
    root.mkdir()
    (root / "file").write_bytes(b"old")
    disk = Disk(root)
    assert disk_model.record(partial(work, root), tmp_path / "log").status == 0
    for _ in disk.follow(tmp_path / "log"):
        pass
    return disk.cut(data, names, random.Random(0))


@pytest.mark.parametrize(
    ("names", "data", "left"),
    [
        (Names.LOST, Data.LOST, {"file": b"old"}),
        (Names.KEPT, Data.LOST, {"file": b""}),
        (Names.KEPT, Data.ZEROS, {"file": bytes(5)}),
        (Names.KEPT, Data.KEPT, {"file": b"bytes"}),
    ],
)
def test_the_modelled_disk_forgets_what_was_not_synced(
    tmp_path: Path, names: Names, data: Data, left: dict[str, bytes]
) -> None:
    assert state_after(replace_without_syncing, tmp_path, names, data) == left


@pytest.mark.parametrize("names", Names)
@pytest.mark.parametrize("data", Data)
def test_the_modelled_disk_keeps_what_was_synced(tmp_path: Path, names: Names, data: Data) -> None:
    def work(folder: Path) -> None:
        from wk_assets.storage.durable import make_directory, write_atomically

        make_directory(folder / "a" / "b")
        write_atomically(folder / "a" / "b" / "file", b"bytes")
        write_atomically(folder / "file", b"new")

    assert state_after(work, tmp_path, names, data) == {
        "file": b"new",
        "a": None,
        "a/b": None,
        "a/b/file": b"bytes",
    }


def test_an_import_that_syncs_nothing_is_found_out(
    short_stack: Path, imported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were the laboratory blind, it would pass this import too."""
    root = tmp_path / "disk"
    root.mkdir()
    disk = Disk(root)
    work = partial(fault_jobs.import_slices, short_stack, root / "dataset")
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        assert disk_model.record(work, tmp_path / "calls.log").status == 0
    for _ in disk.follow(tmp_path / "calls.log"):
        pass
    shutil.rmtree(root)
    root.mkdir()
    disk_model.lay_out(disk.cut(Data.LOST, Names.KEPT, random.Random(0)), root)

    with pytest.raises(Exception, match=r"line 1|not a|Expecting|empty|missing"):
        fault_jobs.assert_nothing_is_half_visible(root / "dataset")
