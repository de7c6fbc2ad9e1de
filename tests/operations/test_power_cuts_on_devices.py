"""Power cuts of real file systems: ext4 and xfs on loop devices are shut down in the middle of an import.

The shutdown ioctl stops the file system at once: nothing more reaches the device, neither data nor, without a flush, the journal. It is
then mounted again, which replays the journal, as after a power cut. Needs root; `make power`. Source of the ioctl:
`EXT4_IOC_SHUTDOWN` and `XFS_IOC_GOINGDOWN` of the Linux kernel, which are the same number.
"""

import errno
import fcntl
import os
import random
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.operations import crash_lab, fault_jobs
from wk_assets.properties.dataset_properties import FILE_NAME
from wk_assets.storage.journal import Journal

pytestmark = [pytest.mark.power, pytest.mark.timeout(900)]

ROUNDS = 10
_SHUTDOWN = 0x8004587D
_FLUSH_JOURNAL, _FLUSH_NOTHING = 1, 2
_IMAGE_BYTES = 320 << 20  # the least that mkfs.xfs takes


class Device:
    """A file system on a loop device, mounted at `folder`."""

    def __init__(self, kind: str, folder: Path, image: Path) -> None:
        self.folder = folder
        folder.mkdir()
        with image.open("wb") as file:
            file.truncate(_IMAGE_BYTES)
        options = ["-q", "-F"] if kind == "ext4" else ["-q", "-f"]
        _run(f"mkfs.{kind}", *options, str(image))
        self.loop = _run("losetup", "--find", "--show", str(image))
        self.mount()

    def mount(self) -> None:
        _run("mount", self.loop, str(self.folder))

    def cut_power(self, how: int) -> None:
        """Stop the file system; what it had not written is gone."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", how))
        finally:
            os.close(descriptor)

    def unmount(self) -> None:
        _run("umount", str(self.folder))


def _run(*command: str) -> str:
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise OSError(errno.EIO, f"{' '.join(command)}: {finished.stderr.strip()}")
    return finished.stdout.strip()


@pytest.fixture(params=["ext4", "xfs"])
def device(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Device]:
    kind: str = request.param
    missing = [tool for tool in ("losetup", "mount", "umount", f"mkfs.{kind}") if shutil.which(tool) is None]
    if os.geteuid() or missing:
        pytest.skip(f"needs root{' and ' + ', '.join(missing) if missing else ''}")
    try:
        made = Device(kind, tmp_path / "disk", tmp_path / "image")
    except OSError as error:
        pytest.skip(f"no {kind} on a loop device here: {error}")
    try:
        yield made
    finally:
        subprocess.run(["umount", "--lazy", str(made.folder)], capture_output=True, check=False)
        subprocess.run(["losetup", "--detach", made.loop], capture_output=True, check=False)


@contextmanager
def running(work: Callable[[], None]) -> Iterator[tuple[int, int]]:
    """Run the work in a child; give its process id and a pipe on which it tells each checkpoint, as `path<TAB>lines`."""
    heard, tell = os.pipe()
    child = os.fork()
    if child == 0:
        append = Journal.append

        def append_and_tell(self: Journal, *record: Any, **parts: Any) -> None:
            append(self, *record, **parts)
            os.write(tell, f"{self._path}\t{len(self.records())}\n".encode())

        Journal.append = append_and_tell  # type: ignore[method-assign] # in the child only, which ends here
        status = 1
        try:
            work()
            os.write(tell, b"done\t0\n")
            status = 0
        finally:
            os._exit(status)
    os.close(tell)
    try:
        yield child, heard
    finally:
        os.close(heard)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def told(heard: int, enough: int | None = None) -> list[tuple[str, int]]:
    """Read what a child tells until it has told `enough`, or has ended."""
    text = b""
    while (enough is None or text.count(b"\n") < enough) and (more := os.read(heard, 1 << 10)):
        text += more
    return [(path, int(lines)) for path, lines in (line.split("\t") for line in text.decode().splitlines())]


@pytest.mark.parametrize("how", [_FLUSH_JOURNAL, _FLUSH_NOTHING], ids=["journal flushed", "nothing flushed"])
@pytest.mark.parametrize("job", ["import", "rewrite"])
def test_no_power_cut_loses_what_was_checkpointed_or_shows_what_is_not_whole(
    device: Device, short_stack: Path, imported: Path, rewritten: Path, how: int, job: str
) -> None:
    target = device.folder / "dataset"
    work = (
        partial(fault_jobs.import_slices, short_stack, target)
        if job == "import"
        else partial(fault_jobs.rewrite, target)
    )
    expected = crash_lab.digest(imported if job == "import" else rewritten)

    def prepare() -> None:
        shutil.rmtree(target, ignore_errors=True)
        if job == "rewrite":
            shutil.copytree(imported, target, copy_function=shutil.copy2)
        os.sync()

    prepare()
    started = time.monotonic()
    work()
    whole_seconds = time.monotonic() - started
    chance = random.Random(5)
    cut_short = with_checkpoints = 0
    for number in range(ROUNDS):
        prepare()
        with running(work) as (child, heard):
            if number % 2:  # at any time; else shortly after the first, second or third checkpoint
                time.sleep(whole_seconds * (number + chance.random()) / ROUNDS)
                promises = []
            else:
                promises = told(heard, number // 2 % 3 + 1)
                time.sleep(whole_seconds * chance.random() / ROUNDS)
            device.cut_power(how)
            os.kill(child, signal.SIGKILL)
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
            promises += told(heard)
        device.unmount()
        device.mount()

        done = ("done", 0) in promises
        cut_short += not done
        with_checkpoints += any(lines for _, lines in promises)
        what = f"round {number}: {promises}"
        for path, lines in promises:
            journal = Path(path)
            if lines and journal.parent.exists():  # else published, and tidied up
                assert len(Journal(journal).records()) >= lines, f"{what}: a checkpoint is gone"
        if done:
            # what was removed may be there again, until the next run; what was made is there
            assert crash_lab.digest(target).items() >= expected.items(), f"{what}: it was done"
        if job == "rewrite":
            assert (target / FILE_NAME).exists(), f"{what}: the old dataset is gone"
        fault_jobs.assert_nothing_is_half_visible(target)
        kept = fault_jobs.checkpointed_shards(target)
        work()
        assert crash_lab.digest(target) == expected, what
        published = fault_jobs.published_shards(target)
        assert {shard: published[shard] for shard in kept} == kept, f"{what}: a finished shard was made again"
    assert cut_short >= ROUNDS // 3
    assert with_checkpoints


def test_a_file_system_that_is_shut_down_forgets_what_was_not_synced(device: Device) -> None:
    """Were the laboratory to cut nothing off, no import could fail in it."""
    (device.folder / "synced").write_bytes(b"x" * 4096)
    os.sync()
    (device.folder / "forgotten").write_bytes(b"x" * 4096)

    device.cut_power(_FLUSH_NOTHING)
    device.unmount()
    device.mount()

    assert (device.folder / "synced").read_bytes() == b"x" * 4096
    forgotten = device.folder / "forgotten"
    assert not forgotten.exists() or forgotten.read_bytes() == b""
