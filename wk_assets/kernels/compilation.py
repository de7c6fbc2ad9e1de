"""How kernels are compiled: options, the cache on disk, and who compiles when many processes start at once.

Importing this module imports numba (0.8 CPU seconds): only the `compiled_…` modules do, and these are imported at
the first call of a kernel, never earlier. A compiled module never imports another one, because numba notices a
change of a kernel's own file only: code inlined from elsewhere would stay in the cache, stale. What two of them need stands in both.
"""

import warnings
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numba
from filelock import FileLock


def _can_be_cached() -> bool:
    """Tell whether numba finds a writable directory: NUMBA_CACHE_DIR, beside the source, or the user's cache."""
    try:
        numba.njit(cache=True)(_can_be_cached)
    except RuntimeError:
        warnings.warn(
            "no writable directory for compiled kernels: every process compiles them anew, some seconds each. "
            "Point the environment variable NUMBA_CACHE_DIR at a writable directory",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    return True


# nogil: slabs are reduced in threads. numpy's error model: a division needs no branch for ZeroDivisionError
OPTIONS: Final[dict[str, Any]] = {"nogil": True, "boundscheck": False, "error_model": "numpy"}
KERNEL: Final[dict[str, Any]] = {**OPTIONS, "cache": _can_be_cached()}
# A loop with a call in it is not vectorised, and LLVM finds the larger expressions too dear to inline by itself
INLINED: Final[dict[str, Any]] = {**OPTIONS, "forceinline": True}

_ready: set[tuple[object, ...]] = set()
_one_thread_compiles = Lock()


def call(kernel: Any, *arguments: object) -> None:
    """Call a compiled kernel; compile it first, or load it from the cache, if this process has not yet done so.

    One process compiles a kernel at a time, the others wait and load what it made: that saves their CPU, and numba's index
    of cached code forgets, or mixes up, entries that two processes add to one kernel at the same moment.
    """
    signature = tuple(numba.typeof(argument) for argument in arguments)  # type: ignore[no-untyped-call]  # numba's
    key = (kernel, *signature)
    if key not in _ready:
        with _one_thread_compiles, ExitStack() as stack:
            if key not in _ready:
                cache_path = kernel.stats.cache_path
                # a file system without locks is no reason to stop: at worst two processes do the same work
                with suppress(OSError, NotImplementedError):
                    if cache_path is not None:
                        stack.enter_context(FileLock(Path(cache_path) / f"{kernel.__name__}.lock"))
                kernel.compile(signature)
                _ready.add(key)
    kernel(*arguments)
