"""wk-assets itself, with accounts: how many CPU seconds its threads spend in which part. Variant `unsynced`: no fsync.

Functions of the engine are wrapped; an account holds what its own code takes, without accounts that it calls. Kernels
are loaded before, on a small layer, so that the pass alone is measured (what loading takes is told apart).
"""

import importlib
import os
import shutil
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

from benchmarks.candidates.task import Answer, Task, answer_task, slices_of
from benchmarks.candidates.wk_assets_engine import MEMORY_BYTES, layer_request
from wk_assets.kernels.loading import expect
from wk_assets.operations.compute import Compute
from wk_assets.operations.layers.layer_plan import plan_layer
from wk_assets.operations.layers.run_layer import run_layer
from wk_assets.operations.passes.slab_sources import ImageSource, LoadTask
from wk_assets.operations.records.layer_request import LayerResult

# Where it is defined, its name there, its account. What is gone is told in the answer, so that a stale list is seen.
PLACES = (
    ("wk_assets.kernels.statistics", "slice_statistics", "statistics"),
    ("wk_assets.kernels.pack", "pack_chunks", "pack"),
    ("wk_assets.kernels.downsample", "downsample", "downsample"),
    ("wk_assets.storage.chunk_codec", "ChunkCodec.encode", "encode"),
    ("wk_assets.storage.shard", "ShardBuilder.append", "write and checksum"),
    ("wk_assets.storage.shard", "ShardBuilder.finish", "write and checksum"),
    ("wk_assets.storage.durable", "sync_file", "sync"),
    ("wk_assets.storage.durable", "sync_directory", "sync"),
    ("wk_assets.operations.passes.engine", "Engine._row", "glue of rows"),
    ("wk_assets.operations.passes.engine", "Engine._append", "glue of appending"),
    ("wk_assets.operations.passes.engine", "Engine._checkpoint", "checkpoint"),
    ("wk_assets.operations.passes.engine", "Engine._prepare", "prepare"),
    ("wk_assets.operations.layers.layer_plan", "plan_layer", "plan"),
    ("wk_assets.operations.layers.run_layer", "run_layer", "publishing"),
)
READING = "read and digest"


class Accounts:
    """Sum up CPU and wall seconds by account, over all threads."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = defaultdict(float)
        self.wall: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self._lock = threading.Lock()
        self._local = threading.local()

    def wrapped(self, function: Callable[..., Any], account: str) -> Callable[..., Any]:
        """Return the function with an account."""

        @wraps(function)
        def counted(*arguments: Any, **named: Any) -> Any:
            inner_before = getattr(self._local, "inner", 0.0)
            self._local.inner = 0.0
            wall, cpu = time.perf_counter(), time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                spent = time.thread_time() - cpu
                with self._lock:
                    self.cpu[account] += spent - self._local.inner
                    self.wall[account] += time.perf_counter() - wall
                    self.calls[account] += 1
                self._local.inner = inner_before + spent

        return counted

    def install(self) -> list[str]:
        """Wrap every place; return those that are not there."""
        missing = []
        for module_name, name, account in PLACES:
            owner: Any = importlib.import_module(module_name)
            *classes, attribute = name.split(".")
            for one in classes:
                owner = getattr(owner, one, None)
            original = getattr(owner, attribute, None)
            if original is None:
                missing.append(f"{module_name}.{name}")
                continue
            counted = self.wrapped(original, account)
            for place in [owner] if classes else importers(attribute, original):
                setattr(place, attribute, counted)
        self._wrap_loads()
        return missing

    def _wrap_loads(self) -> None:
        """Reading happens in the tasks that a source hands out."""
        load_tasks = ImageSource.load_tasks

        @wraps(load_tasks)
        def counted_tasks(*arguments: Any) -> list[LoadTask]:
            return [replace(task, fill=self.wrapped(task.fill, READING)) for task in load_tasks(*arguments)]

        setattr(ImageSource, "load_tasks", counted_tasks)  # noqa: B010  # a method is replaced on purpose


def importers(name: str, function: Any) -> list[Any]:
    """Return every loaded module that holds the function by its name: each looks it up in itself."""
    modules = [*sys.modules.values()]
    return [module for module in modules if getattr(module, name, None) is function]


def make_layer(task: Task) -> LayerResult:
    """Plan and run."""
    compute = Compute(threads=task.threads, memory_bytes=MEMORY_BYTES)
    return run_layer(plan_layer(layer_request(task), compute), compute)


def load_kernels(task: Task) -> float:
    """Make a layer of the first slices, so that everything is compiled and loaded; return the CPU seconds of it."""
    started = time.process_time()
    small = replace(task, source=task.target / "small", target=task.target / "loading")
    small.source.mkdir(parents=True)
    for path in slices_of(task.source)[:64]:
        (small.source / path.name).symlink_to(path.resolve())
    make_layer(small)
    shutil.rmtree(task.target)
    return time.process_time() - started


def work(task: Task) -> Answer:
    """Load, then measure."""
    expect(1 << 40)  # compiled kernels, whatever they are worth
    loading = load_kernels(task)
    accounts = Accounts()
    missing = accounts.install()
    if task.variant == "unsynced":
        os.fsync = _nothing
    cpu, wall = time.process_time(), time.perf_counter()
    result = make_layer(task)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Answer(
        arrays={mag.mag.to_layer_name(): mag.path for mag in result.mags},
        packages=("zstandard",),
        figures={
            "loading_cpu_seconds": loading,
            "engine_cpu_seconds": cpu,
            "engine_wall_seconds": wall,
            "cpu_seconds": dict(accounts.cpu),
            "wall_seconds_of_threads": dict(accounts.wall),
            "calls": dict(accounts.calls),
            "missing": missing,
            "shards": sum(mag.shards for mag in result.mags),
        },
    )


def _nothing(fd: Any) -> None:
    """Stand in for fsync: nothing waits for the disk."""


if __name__ == "__main__":
    answer_task(work)
