"""A disk that forgets: what a power cut may leave of the system calls that a process made.

The calls are recorded by strace from the real process, with every byte it wrote. Promised is only what the manual pages of fsync
promise: data once the file is synced, names once their directory is. Everything else may be there or not, in any
combination that keeps two changes of the same name in their order: new files of length zero, or full of zeros, renames
undone, renames done whose data is lost. Real file systems keep more than that (ext4 and xfs write names in order); a program
that survives this survives them. After ALICE (Pillai et al., OSDI 2014), which finds such states the same way.
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tests.operations import strace_lab

_WATCHED = (
    *("open", "openat", "creat", "close", "lseek", "write", "pwrite64", "ftruncate", "truncate"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat", "fsync", "fdatasync"),
)
# What would change a disk in a way that is not modelled: it must not happen unnoticed.
_UNKNOWN = (
    *("writev", "pwritev", "pwritev2", "fallocate", "copy_file_range", "sendfile", "splice", "link", "linkat"),
    *("symlink", "symlinkat", "dup", "dup2", "dup3", "syncfs", "sync_file_range", "io_uring_setup"),
)
_LINE = re.compile(r"^(\d+) +(.*)$")
_CALL = re.compile(r"^(\w+)\((.*)\) += (-?\d+)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_CWD = "AT_FDCWD"
_BLOCK = 64  # bytes; real ones are larger, and so are real files


class Data(StrEnum):
    """What becomes of bytes that were written and not synced."""

    LOST = "lost"
    ZEROS = "zeros"
    KEPT = "kept"
    TORN = "torn"
    HOLES = "holes"


class Names(StrEnum):
    """What becomes of names that were made, changed or removed and whose directory was not synced."""

    LOST = "lost"
    KEPT = "kept"
    SOME = "some"


HARDEST = [
    (Names.LOST, Data.LOST),  # only what was synced
    (Names.KEPT, Data.LOST),  # every name, files of length zero: what ext4 and xfs did to data that nobody synced
    (Names.KEPT, Data.ZEROS),
    (Names.LOST, Data.KEPT),
    (Names.SOME, Data.TORN),
    (Names.KEPT, Data.HOLES),
]


@dataclass(slots=True)
class _Inode:
    directory: bool
    now: bytearray = field(default_factory=bytearray)
    synced: bytes = b""
    entries: dict[str, int] = field(default_factory=dict)  # as the process sees them


@dataclass(slots=True)
class _Change:
    """One change of names: (directory, name) becomes an inode, or nothing."""

    sets: tuple[tuple[int, str, int | None], ...]
    committed: bool = False

    @property
    def keys(self) -> set[tuple[int, str]]:
        return {(directory, name) for directory, name, _ in self.sets}


@dataclass(slots=True)
class _Open:
    inode: int
    offset: int = 0
    append: bool = False


class Disk:
    """Follow the calls of a process below `root`; give the states that a power cut may leave."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._inodes = {0: _Inode(directory=True)}
        self._changes: list[_Change] = []
        self._open: dict[int, _Open] = {}
        self._load(root, 0)
        for change in self._changes:
            change.committed = True  # what is there before is on the disk

    def _load(self, folder: Path, inode: int) -> None:
        for path in sorted(folder.iterdir()):
            new = self._new(directory=path.is_dir())
            self._set((inode, path.name, new))
            if path.is_dir():
                self._load(path, new)
            else:
                self._inodes[new].synced = path.read_bytes()
                self._inodes[new].now[:] = self._inodes[new].synced

    # ------------------------------------------------------------------ following

    def follow(self, log: Path) -> Iterator[str]:
        """Apply the calls of a log one by one; yield a description after each that changed or synced something."""
        self._open.clear()
        begun: dict[str, str] = {}
        for line in log.read_text().splitlines():
            found = _LINE.match(line)
            if found is None:
                raise ValueError(f"not a line of strace: {line[:200]}")
            thread, text = found.groups()
            if text.endswith("<unfinished ...>"):
                begun[thread] = text.removesuffix("<unfinished ...>")
                continue
            if text.startswith("<... "):
                text = begun.pop(thread) + text.split("resumed>", 1)[1]
            call = _CALL.match(text)
            if call is None or int(call.group(3)) < 0:
                continue  # a signal, an exit, a call that failed
            name, arguments, result = call.group(1), call.group(2), int(call.group(3))
            said = self._apply(name, arguments, result)
            if said is not None:
                yield said

    def _apply(self, name: str, arguments: str, result: int) -> str | None:  # noqa: C901, PLR0911, PLR0912 - a table of system calls
        texts = [_bytes_of(text) for text in _TEXT.findall(arguments)]
        words = [word.strip() for word in _TEXT.sub("T", arguments).split(",")]
        if name in {"open", "openat", "creat"}:
            self._opened(self._place(words, texts[0].decode(), first=name == "openat"), arguments, result)
            return None
        if name == "close":
            self._open.pop(int(words[0]), None)
            return None
        if name == "lseek":
            if int(words[0]) in self._open:
                self._open[int(words[0])].offset = result
            return None
        if name in {"write", "pwrite64"}:
            file = self._open.get(int(words[0]))
            if file is None:
                return None
            now = self._inodes[file.inode].now
            offset = int(words[3]) if name == "pwrite64" else len(now) if file.append else file.offset
            now.extend(bytes(max(0, offset + result - len(now))))
            now[offset : offset + result] = texts[0][:result]
            if name == "write":
                file.offset = offset + result
            return None
        if name in {"fsync", "fdatasync"}:
            file = self._open.get(int(words[0]))
            return None if file is None else self._sync(file.inode)
        if name in {"ftruncate", "truncate"}:
            inode = self._truncated(name, words, texts)
            if inode is not None:
                now, length = self._inodes[inode].now, int(words[1])
                now.extend(bytes(max(0, length - len(now))))
                del now[length:]
            return None
        if name in {"mkdir", "mkdirat"}:
            place = self._place(words, texts[0].decode(), first=name == "mkdirat")
            return None if place is None else self._set((*place, self._new(directory=True)))
        if name in {"unlink", "unlinkat", "rmdir"}:
            place = self._place(words, texts[0].decode(), first=name == "unlinkat")
            return None if place is None else self._set((*place, None))
        if name in {"rename", "renameat", "renameat2"}:
            at = name != "rename"
            old = self._place(words[:2] if at else words[:1], texts[0].decode(), first=at)
            new = self._place(words[2:4] if at else words[1:2], texts[1].decode(), first=at)
            if old is None and new is None:
                return None
            if old is None or new is None:
                raise ValueError("something is renamed into the watched folder, or out of it")
            return self._set((*old, None), (*new, self._inodes[old[0]].entries[old[1]]))
        self._refuse_what_is_ours(name, arguments, words, texts)
        return None

    def _refuse_what_is_ours(self, name: str, arguments: str, words: list[str], texts: list[bytes]) -> None:
        ours = any(word.isdigit() and int(word) in self._open for word in words)
        if ours or any(text.startswith(str(self.root).encode()) for text in texts):
            raise ValueError(f"the model does not know {name}({arguments[:200]}…)")

    def _opened(self, place: tuple[int, str] | None, arguments: str, descriptor: int) -> None:
        self._open.pop(descriptor, None)
        if place is None:
            return
        directory, name = place
        inode = directory if name == "" else self._inodes[directory].entries.get(name)
        if inode is None:
            inode = self._new(directory=False)
            self._set((directory, name, inode))
        if "O_TRUNC" in arguments:
            self._inodes[inode].now.clear()
        self._open[descriptor] = _Open(inode, append="O_APPEND" in arguments)

    def _truncated(self, name: str, words: list[str], texts: list[bytes]) -> int | None:
        if name == "ftruncate":
            file = self._open.get(int(words[0]))
            return None if file is None else file.inode
        place = self._place(words, texts[0].decode(), first=False)
        return None if place is None else self._inodes[place[0]].entries[place[1]]

    def _place(self, words: list[str], text: str, *, first: bool) -> tuple[int, str] | None:
        """Find (directory, name) of a path; None if it is not below the root. `first`: the first word is a directory."""
        path = Path(text)
        if path.is_absolute() or not first or words[0] == _CWD:
            if not path.is_relative_to(self.root):
                return None
            directory, parts = 0, path.relative_to(self.root).parts
        else:
            held = self._open.get(int(words[0]))
            if held is None:
                return None
            directory, parts = held.inode, path.parts
        for part in parts[:-1]:
            directory = self._inodes[directory].entries[part]
        return directory, parts[-1] if parts else ""

    def _new(self, *, directory: bool) -> int:
        self._inodes[len(self._inodes)] = _Inode(directory=directory)
        return len(self._inodes) - 1

    def _set(self, *sets: tuple[int, str, int | None]) -> str:
        for directory, name, inode in sets:
            if inode is None:
                del self._inodes[directory].entries[name]
            else:
                self._inodes[directory].entries[name] = inode
        self._changes.append(_Change(sets))
        return ", ".join(f"{name} {'removed' if inode is None else 'made'}" for _, name, inode in sets)

    def _sync(self, inode: int) -> str:
        if not self._inodes[inode].directory:
            self._inodes[inode].synced = bytes(self._inodes[inode].now)
            return "a file synced"
        wanted: set[tuple[int, str]] = set()
        for change in reversed(self._changes):
            if change.keys & wanted or any(directory == inode for directory, _ in change.keys):
                change.committed = True
                wanted |= change.keys  # what came before it under the same name is settled with it
        return "a directory synced"

    # ------------------------------------------------------------------ states

    def cut(self, data: Data, names: Names, chance: random.Random) -> dict[str, bytes | None]:
        """Give every path below the root after a power cut now: bytes of a file, None for a directory."""
        entries: dict[int, dict[str, int]] = {number: {} for number in self._inodes}
        left_out: set[tuple[int, str]] = set()
        for change in self._changes:
            stays = change.committed or names is Names.KEPT or (names is Names.SOME and chance.random() < 0.5)
            if not stays or (change.keys & left_out and not change.committed):
                left_out |= change.keys
                continue
            for directory, name, inode in change.sets:
                if inode is None:
                    entries[directory].pop(name, None)
                else:
                    entries[directory][name] = inode
        found: dict[str, bytes | None] = {}
        self._walk(0, "", entries, lambda inode: self._bytes_left(inode, data, chance), found)
        return found

    def seen(self, name: str) -> dict[str, bytes]:
        """Give the synced bytes of every file called `name` that the process sees now, by path."""
        found: dict[str, bytes | None] = {}
        entries = {number: inode.entries for number, inode in self._inodes.items()}
        self._walk(0, "", entries, lambda inode: inode.synced, found)
        return {path: data for path, data in found.items() if data is not None and path.rsplit("/", 1)[-1] == name}

    def _walk(
        self,
        directory: int,
        prefix: str,
        entries: dict[int, dict[str, int]],
        bytes_of: Callable[[_Inode], bytes],
        found: dict[str, bytes | None],
    ) -> None:
        for name, number in entries[directory].items():
            inode = self._inodes[number]
            if inode.directory:
                found[prefix + name] = None
                self._walk(number, f"{prefix}{name}/", entries, bytes_of, found)
            else:
                found[prefix + name] = bytes_of(inode)

    @staticmethod
    def _bytes_left(inode: _Inode, data: Data, chance: random.Random) -> bytes:
        synced, now = inode.synced, bytes(inode.now)
        if data is Data.LOST or synced == now:
            return synced
        if data is Data.KEPT:
            return now
        sure = next(
            (place for place, pair in enumerate(zip(synced, now, strict=False)) if pair[0] != pair[1]),
            min(len(synced), len(now)),
        )
        if data is Data.ZEROS:
            return now[:sure] + bytes(len(now) - sure)
        if data is Data.HOLES:
            blocks = (now[at : at + _BLOCK] for at in range(sure, len(now), _BLOCK))
            return now[:sure] + b"".join(block if chance.random() < 0.5 else bytes(len(block)) for block in blocks)
        written = chance.randint(sure, max(len(now), len(synced)))
        return now[:written] + synced[written:]


def record(work: Callable[[], None], log: Path, *, until: strace_lab.Point | None = None) -> strace_lab.Outcome:
    """Run the work, or let it be killed at a point, and write every call that changes a disk into `log`."""
    calls = ",".join(f"?{name}" for name in (*_WATCHED, *_UNKNOWN))
    options = ["-f", "-xx", "-s", str(1 << 24), "-e", f"trace={calls}"]
    if until is not None:
        options += ["-e", f"inject={until.call}:signal=SIGKILL:when={until.number}"]
    return strace_lab.run_traced(work, options, log)


def lay_out(state: dict[str, bytes | None], root: Path) -> None:
    """Make an empty folder hold a state."""
    for path, data in state.items():
        if data is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(data)


def _bytes_of(hexadecimal: str) -> bytes:
    return bytes.fromhex(hexadecimal.replace("\\x", ""))
