"""Whether compiled kernels are worth loading: rent numpy's slower loops, or buy numba's start. No loops here.

numba takes a third of a CPU second to import and to look at its first cached kernel. A process that does little never
pays for that; one that says beforehand how much is coming (`expect`) pays at once; any other one pays when it has lost
as much to numpy as loading would have cost, so that it never loses more than twice the least.
"""

import sys
from threading import Lock
from typing import Final

# Measured in one process each, kernels in numba's cache, on a 2.5 GHz core: see benchmarks/README.md.
_LOADING_SECONDS: Final = 0.33
STATISTICS_SECONDS_PER_BYTE: Final = 0.15e-9  # that numpy takes longer, per byte that is read
DOWNSAMPLING_SECONDS_PER_BYTE: Final = 0.7e-9  # the same, small blocks

_lost_seconds = 0.0
_lock = Lock()


def expect(size_bytes: int) -> None:
    """Say that so many bytes of voxels will be measured and downsampled, so that the choice is made at once.

    Many small layers load the kernels, too: what numpy has lost before counts.
    """
    global _lost_seconds  # noqa: PLW0603 - what this process has lost so far is no one's but the process's
    coming = size_bytes * (STATISTICS_SECONDS_PER_BYTE + DOWNSAMPLING_SECONDS_PER_BYTE)
    with _lock:
        if _lost_seconds + coming > _LOADING_SECONDS:
            _lost_seconds = _LOADING_SECONDS


def compiled_pays(size_bytes: int, seconds_per_byte: float) -> bool:
    """Tell whether to use compiled kernels for so many bytes; if not, note what numpy takes longer.

    True from the moment on in which they are loaded, in this process, for whatever reason.
    """
    global _lost_seconds  # noqa: PLW0603 - what this process has lost so far is no one's but the process's
    if "wk_assets.kernels.compilation" in sys.modules:
        return True
    with _lock:
        if _lost_seconds >= _LOADING_SECONDS:
            return True
        _lost_seconds += size_bytes * seconds_per_byte
    return False
