"""Kill a real process in the middle of an import, again and again: the laboratory of `test_crashes`.

The process imports everything once and is then forked per experiment, so that a kill costs a tenth of a second. A
*point* is one call that changes the disk (write, fsync, rename, unlink, …); a child counts them and dies, or is told
of a failing disk, right at the chosen one.
"""

import hashlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.compute import Compute
from wk_assets.operations.datasets.commit_dataset import DatasetRequest, commit_dataset
from wk_assets.operations.layers.layer_plan import plan_layer
from wk_assets.operations.layers.run_layer import run_layer
from wk_assets.operations.records.layer_request import ArraySettings, LayerRequest
from wk_assets.readers.volume import SourceSelection
from wk_assets.storage.array_layout import Layout

POINTS = ("fsync", "rename", "replace", "unlink", "rmdir", "mkdir", "pwrite", "truncate")
_FAILED = 3


def write_slices(folder: Path, depth: int, *, seed: int = 0) -> None:
    """Lay out `depth` TIFF slices of 48 x 40 voxels."""
    folder.mkdir(parents=True, exist_ok=True)
    voxels = np.random.default_rng(seed).integers(0, 200, (depth, 40, 48)).astype("uint8")
    for z, image in enumerate(voxels):
        path = folder / f"slice_{z:03}.tif"
        tifffile.imwrite(path, image)
        os.utime(path, ns=(1_700_000_000_000_000_000 + seed, 1_700_000_000_000_000_000 + seed))


def request_of(source: Path, target: Path) -> LayerRequest:
    """Ask for a layer of three mags in small shards, so that there are many of them."""
    return LayerRequest(
        dataset_path=target,
        layer_name="color",
        category="color",
        source=SourceSelection(root=source, files=tuple(source.glob("*.tif"))),
        voxel_size=VoxelSize((10, 10, 10)),
        mags=(Mag(1), Mag(2), Mag(4)),
        mode=DownsamplingMode.MEDIAN,
        array=ArraySettings(chunk_shape=Vec3Int(8, 8, 8), shard_shape=Vec3Int(16, 32, 16), zstd_level=1),
    )


def make_dataset(source: Path, target: Path) -> None:
    """Import the slices and commit the dataset."""
    request = request_of(source, target)
    compute = Compute(threads=2)
    run_layer(plan_layer(request, compute), compute, checkpoint_bytes=1 << 14)
    commit_dataset(
        DatasetRequest(
            dataset_path=target,
            name="crash",
            voxel_size=request.voxel_size,
            layer_names=("color",),
            layout=Layout.OME,
        )
    )


def digest(folder: Path) -> dict[str, str]:
    """Map every file of the dataset to a digest of its bytes; the locks are no part of it."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "locks" not in path.parts and path.suffix not in (".lock", ".holder")
    }


def count_points(work: Callable[[], None]) -> int:
    """Return how many calls of `POINTS` the work makes."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        counted = [0]
        _tap(lambda _name: counted.__setitem__(0, counted[0] + 1))
        _run_and_exit(work, lambda: os.write(write_end, str(counted[0]).encode()))
    os.close(write_end)
    _, status = os.waitpid(child, 0)
    if status:
        raise RuntimeError("the undisturbed run failed")
    return int(os.read(read_end, 100))


def run_until(point: int, work: Callable[[], None], *, error: int | None = None) -> bool:
    """Run the work in a child that is killed at its `point`-th call, or is given `error` there; say if it came through."""
    child = os.fork()
    if child == 0:
        left = [point]

        def reached(name: str) -> None:
            left[0] -= 1
            if left[0] == 0:
                if error is not None:
                    raise OSError(error, os.strerror(error), name)
                os.kill(os.getpid(), signal.SIGKILL)

        _tap(reached)
        _run_and_exit(work, lambda: None, quiet=error is not None)
    return os.waitpid(child, 0)[1] == 0


def run_for(seconds: float, work: Callable[[], None]) -> bool:
    """Run the work in a child that is killed after some time; say whether it was done before."""
    child = os.fork()
    if child == 0:
        _run_and_exit(work, lambda: None)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _run_and_exit(work: Callable[[], None], then: Callable[[], object], *, quiet: bool = False) -> None:
    status = 0
    try:
        work()
        then()
    except BaseException:  # noqa: BLE001 - the child must end here, whatever happened
        status = _FAILED
        if not quiet:
            traceback.print_exc()
            sys.stderr.flush()
    os._exit(status)


def _tap(listener: Callable[[str], None]) -> None:
    """Call `listener` with its name before each call that changes the disk. For a child process that ends soon."""
    for name in POINTS:
        setattr(os, name, _tapped(name, getattr(os, name), listener))


def _tapped(name: str, original: Callable[..., Any], listener: Callable[[str], None]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        listener(name)
        return original(*args, **kwargs)

    return call
