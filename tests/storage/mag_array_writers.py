"""Writers for the conformance suite of arrays: several at once, and one that is killed at every step that it takes.

Those that fork (POSIX) run in a process of their own, which has no threads: its copies write, and kill themselves.
"""

import os
import signal
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.storage.mag_array import MagArray

_STEPS = ("fsync", "replace", "rename", "unlink")  # of the module `os`: what changes a name, or makes a change durable
_MOST_STEPS = 200


def fill_stripes(array: MagArray, model: NDArray[Any], stripe: int, worker: int, workers: int) -> None:
    """Write every stripe along x that is the worker's, each by itself."""
    width = model.shape[1]
    for number, start in enumerate(range(0, width, stripe)):
        if number % workers == worker:
            end = min(start + stripe, width)
            box = NormalizedBoundingBox((0, start, 0, 0), (1, end - start, *model.shape[2:]), ("c", "x", "y", "z"))
            array.write_box(box, model[:, start:end])


def fill_from_two_processes(
    jobs: Sequence[tuple[Callable[[], MagArray], int]], model: NDArray[Any], answers: Any
) -> None:
    """Let two processes at a time write the stripes of an array between them; answer with their exit codes.

    `jobs`: how to open an array, and the width of its stripes.
    """
    exit_codes = []
    for open_array, stripe in jobs:
        waits, starts = os.pipe()
        writers = []
        for worker in range(2):
            writer = os.fork()
            if writer == 0:
                try:
                    array = open_array()
                    os.close(starts)
                    os.read(waits, 1)  # ends when nobody holds the other end any more
                    fill_stripes(array, model, stripe, worker, workers=2)
                except BaseException:  # noqa: BLE001  # a copy of a process must never return into its parent's code
                    traceback.print_exc()
                    os._exit(1)
                os._exit(0)
            writers.append(writer)
        os.close(starts)
        os.close(waits)
        exit_codes += [os.waitstatus_to_exitcode(os.waitpid(writer, 0)[1]) for writer in writers]
    answers.put(exit_codes)


def crash_at_every_step(open_array: Callable[[], MagArray], old: NDArray[Any], new: NDArray[Any], answers: Any) -> None:
    """Answer with (how many writers were killed, what was wrong afterwards).

    The box that is written starts and ends within shards. Each killed writer leaves a state in which every shard holds the
    old voxels or the new ones; the next writer, which is not killed, brings the old ones back.
    """
    size = old.shape[1:]
    whole = NormalizedBoundingBox((0, 0, 0, 0), old.shape, ("c", "x", "y", "z"))
    part = NormalizedBoundingBox((0, 1, 1, 0), (1, size[0] - 2, size[1] - 1, size[2]), ("c", "x", "y", "z"))
    wanted = old.copy()
    wanted[part.to_slices()] = new[part.to_slices()]
    problems: list[str] = []
    for step in range(_MOST_STEPS):
        open_array().write_box(whole, old)
        writer = os.fork()
        if writer == 0:
            _write_and_die(open_array, part, new[part.to_slices()], step)
        status = os.waitstatus_to_exitcode(os.waitpid(writer, 0)[1])
        problems += _problems(open_array, old, wanted, f"killed at step {step}", complete=status == 0)
        if status != -signal.SIGKILL:
            if status != 0:
                problems.append(f"the writer failed with {status} instead of being killed at step {step}")
            answers.put((step, problems))
            return
    answers.put((_MOST_STEPS, [*problems, f"the writer takes more than {_MOST_STEPS} steps"]))


def _write_and_die(
    open_array: Callable[[], MagArray], box: NormalizedBoundingBox, voxels: NDArray[Any], step: int
) -> None:
    """Never return: die before the step of that number, or end with exit code 0 if there are fewer."""
    taken = 0

    def deadly(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal taken
            if taken == step:
                os.kill(os.getpid(), signal.SIGKILL)
            taken += 1
            return real(*arguments, **options)

        return call

    try:
        array = open_array()
        for name in _STEPS:
            setattr(os, name, deadly(getattr(os, name)))
        array.write_box(box, voxels)
    except BaseException:  # noqa: BLE001  # a copy of a process must never return into its parent's code
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _problems(
    open_array: Callable[[], MagArray], old: NDArray[Any], new: NDArray[Any], when: str, *, complete: bool
) -> list[str]:
    try:
        array = open_array()
        info = array.info
        whole = NormalizedBoundingBox((0, 0, 0, 0), old.shape, ("c", "x", "y", "z"))
        found = array.read_box(whole)
    except Exception as error:  # noqa: BLE001  # whatever it is, it belongs into the report
        return [f"{when}: {error!r}"]
    if complete:
        return [] if np.array_equal(found, new) else [f"{when}: the write ended, its voxels are others"]
    return [
        f"{when}: the shard {shard.topleft}..{shard.bottomright} is a mixture"
        for shard in whole.chunk(info.shard_shape, info.shard_shape)
        if not any(np.array_equal(found[shard.to_slices()], state[shard.to_slices()]) for state in (old, new))
    ]
