"""Look at source files without ever changing them: listing, guarded reading, digests.

Every file is opened read-only and closed at once; what it looked like in the listing is compared before and after.
No format is known here (see `tiff`, `image_files`).
"""

import errno
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

import xxhash

from wk_assets.errors import InputError, MissingSliceError, SourceChangedError, UnreadableSliceError
from wk_assets.readers.natural_order import natural_key
from wk_assets.readers.volume import SourceFile, SourceSelection

DIGEST_BLOCK_BYTES = 1 << 20
_TRIES = 3  # a share sometimes answers EIO once


def list_source_files(selection: SourceSelection) -> tuple[SourceFile, ...]:
    """Stat the selected files, in natural order of their names or as they are given.

    Raises MissingSliceError for no file or one named twice, InputError for one outside of the root, SourceChangedError
    for one that is gone, UnreadableSliceError for one that is no regular file.
    """
    if not selection.files:
        raise MissingSliceError(f"{selection.root}: no file matches the layer's `files`; look at the pattern")
    seen: set[str] = set()
    files = []
    for path in selection.files:
        whole = os.path.abspath(path)  # noqa: PTH100 -- Path.resolve would follow links and name another file
        if whole in seen:
            raise MissingSliceError(f"{path}: the file is listed twice; list each slice once")
        seen.add(whole)
        files.append(_listed(selection.root, Path(whole)))
    if selection.in_given_order:
        return tuple(files)
    return tuple(sorted(files, key=lambda file: natural_key(file.relative_path)))


def _listed(root: Path, path: Path) -> SourceFile:
    base = Path(os.path.abspath(root))  # noqa: PTH100 -- as above
    if not path.is_relative_to(base):
        raise InputError(f"{path} is not below {base}; a layer's files lie in its acquisition's folder")
    try:
        status = path.stat()
    except FileNotFoundError:
        raise SourceChangedError(f"{path}: the file is gone since it was listed; list the folder again") from None
    except OSError as error:
        raise UnreadableSliceError(f"{path}: can not be looked at: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableSliceError(f"{path}: is not a file; a layer is made of image files")
    relative = path.relative_to(base).as_posix()
    return SourceFile(path=path, relative_path=relative, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns)


class OpenedSource:
    """Read one source file at given offsets, for one thread at a time.

    Raises SourceChangedError, on entering and on leaving, if size or mtime are not the listed ones; also when an error
    of reading turns out to come from a change meanwhile.
    """

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self._descriptor = -1

    @property
    def size_bytes(self) -> int:
        """Give the file's size by the listing, which is the true one while the source is open."""
        return self.file.size_bytes

    def __enter__(self) -> Self:
        try:
            self._descriptor = os.open(self.file.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise SourceChangedError(f"{self.file.path}: the file is gone since it was listed") from None
        except OSError as error:
            raise UnreadableSliceError(f"{self.file.path}: can not be opened: {error.strerror}") from error
        try:
            self._check_unchanged()
        except BaseException:
            os.close(self._descriptor)
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if exc is None or isinstance(exc, UnreadableSliceError):
                self._check_unchanged()
        finally:
            os.close(self._descriptor)

    def _check_unchanged(self) -> None:
        status = os.fstat(self._descriptor)
        if (status.st_size, status.st_mtime_ns) != (self.file.size_bytes, self.file.mtime_ns):
            raise SourceChangedError(
                f"{self.file.path}: the file changed since it was listed (it had {self.file.size_bytes} bytes, "
                f"now {status.st_size}); import it when it is at rest"
            )

    def read_into(self, target: memoryview, offset: int) -> None:
        """Fill `target` (bytes) with what stands at `offset`. Raises UnreadableSliceError if the file ends before."""
        done = 0
        while done < len(target):
            count = self._read_once(target[done:], offset + done)
            if count == 0:
                raise UnreadableSliceError(
                    f"{self.file.path}: truncated: needs {offset + len(target)} bytes, has {offset + done}"
                )
            done += count

    def _read_once(self, target: memoryview, offset: int) -> int:
        for remaining in reversed(range(_TRIES)):
            try:
                return os.preadv(self._descriptor, [target], offset)
            except OSError as error:
                if error.errno != errno.EIO or not remaining:
                    raise UnreadableSliceError(
                        f"{self.file.path}: can not be read at byte {offset}: {error.strerror}"
                    ) from error
        raise AssertionError("unreachable: the last try returns or raises")

    def read_at(self, offset: int, size: int) -> memoryview:
        """Read `size` bytes at `offset`."""
        buffer = memoryview(bytearray(size))
        self.read_into(buffer, offset)
        return buffer

    def update_digest(self, digest: "xxhash.xxh3_128", start: int, stop: int) -> None:
        """Feed the bytes from `start` to `stop` into `digest`."""
        buffer = memoryview(bytearray(min(DIGEST_BLOCK_BYTES, max(stop - start, 0))))
        for offset in range(start, stop, DIGEST_BLOCK_BYTES):
            block = buffer[: min(DIGEST_BLOCK_BYTES, stop - offset)]
            self.read_into(block, offset)
            digest.update(block)


def digest_text(digest: "xxhash.xxh3_128") -> str:
    """Write a digest as `xxh3_128:<hex>`."""
    return f"xxh3_128:{digest.hexdigest()}"


def digest_of(data: bytes | memoryview) -> str:
    """Give the digest of bytes that are in memory already."""
    return digest_text(xxhash.xxh3_128(data))


def digest_file(file: SourceFile) -> str:
    """Read a whole file, block by block, for its digest."""
    digest = xxhash.xxh3_128()
    with OpenedSource(file) as source:
        source.update_digest(digest, 0, file.size_bytes)
    return digest_text(digest)
