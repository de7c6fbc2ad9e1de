"""Who may change which shard of an array now: kernel locks in the array's own directory, a few for all shards.

Each shard belongs to one of the locks by its key, so that writers of different shards seldom wait for one another. The
operating system gives a lock back when its holder dies. Locks hold between threads as well as between processes. A lock's
file goes away when its holder is done: whoever opened it meanwhile sees that it has no name any more, and makes another.
"""

import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from wk_assets.errors import LockedError
from wk_assets.storage.durable import storage_refusals

_STRIPES = 64
_POLL_SECONDS = 0.001
# a writer holds a lock while it rewrites one shard
_PATIENCE_SECONDS = 900.0


class ArrayLocks:
    """Hand out the locks of the array at `path`."""

    def __init__(self, path: Path) -> None:
        self._directory = path

    @contextmanager
    def shard(self, key: str) -> Iterator[None]:
        """Keep other writers away from one shard. Raises LockedError after minutes of waiting."""
        with self._hold(f"shards-{zlib.crc32(key.encode()) % _STRIPES}"):
            yield

    @contextmanager
    def bookkeeping(self) -> Iterator[None]:
        """Keep others from writing what says how the array is: its zarr.json, its manifest, its log of edits.

        Whoever holds a shard may ask for this one, never the other way round.
        """
        with self._hold("bookkeeping"):
            yield

    @contextmanager
    def everything(self) -> Iterator[bool]:
        """Keep all writers away if that is possible at once; say whether it was."""
        with ExitStack() as held:
            try:
                for stripe in range(_STRIPES):
                    held.enter_context(self._hold(f"shards-{stripe}", patience_seconds=0.0))
                held.enter_context(self.bookkeeping())
            except LockedError:
                held.close()
                yield False
            else:
                yield True

    @contextmanager
    def _hold(self, name: str, patience_seconds: float = _PATIENCE_SECONDS) -> Iterator[None]:
        lock_path = self._directory / f".{name}.lock"
        lock = FileLock(lock_path, thread_local=False)
        with storage_refusals(lock_path):
            try:
                lock.acquire(timeout=patience_seconds, poll_interval=_POLL_SECONDS)
            except Timeout as error:
                raise LockedError(
                    f"{self._directory}: another writer keeps {lock_path.name} for more than {patience_seconds:.0f} s. "
                    "Wait for it to end, or stop it, and write again"
                ) from error
        try:
            yield
        finally:
            lock_path.unlink(missing_ok=True)  # before the lock is given back: it guards nothing from here on
            lock.release()
