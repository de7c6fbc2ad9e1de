"""How fast the kernels are: GB of source voxels per CPU second, beside a memory copy and numpy's reshape and reduce.

    python benchmarks/kernels.py [--json FILE] [--modes median,mode] [--dtypes uint8] [--factors 2-2-2,2-2-1]

Every case is measured in rounds: copy, kernel, numpy, again and again, so that another program's load falls on all
alike. CPU time of the calling thread; the median over the rounds, of ratios the median of each round's ratio.
Voxels: noise for images; for the mode labels in boxes of 24 x 24 x 12 voxels, each twentieth voxel another label.
Factors are written as mags are, x-y-z.
"""

import argparse
import json
import math
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from wk_assets.kernels.downsample import downsample
from wk_assets.kernels.loading import expect
from wk_assets.kernels.modes import DTYPES, DownsamplingMode
from wk_assets.kernels.statistics import slice_statistics

SHAPE_ZYX = (16, 1024, 1024)
NUMPY_SLICES = 4  # numpy is up to 300 times slower: it gets a part of the block
DEFAULT_FACTORS = "2-2-2,2-2-1,2-1-2,1-2-2,2-1-1,1-1-2,4-4-2,4-4-4"

Factors = tuple[int, int, int]
Reduction = Callable[[NDArray[Any]], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Throughputs in GB of source per CPU second; ratios are kernel : other."""

    name: str  # a mode, or "statistics"
    dtype: str
    factors_xyz: str
    first_call_seconds: float
    kernel: float
    copy: float
    numpy: float | None
    ratio_to_copy: float
    ratio_to_numpy: float | None


def voxels(mode: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    random = np.random.default_rng(0)
    if mode != "mode":
        return random.integers(0, 120, SHAPE_ZYX).astype(dtype)
    z, y, x = (np.arange(length) // box for length, box in zip(SHAPE_ZYX, (12, 24, 24), strict=True))
    labels = (z[:, None, None] * 89 + y[:, None] * 31 + x) % 97 + 1
    return np.where(random.random(SHAPE_ZYX) < 0.05, random.integers(1, 98, SHAPE_ZYX), labels).astype(dtype)


def numpy_reduction(mode: str, factors: Factors) -> Reduction | None:
    fz, fy, fx = factors
    reductions: dict[str, Callable[..., Any]] = {
        "median": np.median, "max": np.max, "min": np.min, "mean": np.mean
    }  # fmt: skip
    if mode == "nearest":
        return lambda block: block[::fz, ::fy, ::fx].copy()
    if mode not in reductions:
        return None

    def reduce(block: NDArray[Any]) -> object:
        depth, height, width = block.shape
        split = block.reshape(depth // fz, fz, height // fy, fy, width // fx, fx)
        return reductions[mode](split, axis=(1, 3, 5)).astype(block.dtype)

    return reduce


def cpu_seconds(run: Callable[[], object]) -> float:
    start = time.thread_time()
    run()
    return max(time.thread_time() - start, 1e-9)


def measure(
    name: str, factors_xyz: str, block: NDArray[Any], kernel: Callable[[], object], numpy: Reduction | None, rounds: int
) -> Measurement:
    copy = np.empty_like(block)
    part = block[:NUMPY_SLICES]
    first_call = cpu_seconds(kernel)
    np.copyto(copy, block)
    times = [
        (
            cpu_seconds(lambda: np.copyto(copy, block)),
            cpu_seconds(kernel),
            cpu_seconds(lambda: numpy(part)) * len(block) / len(part) if numpy is not None else math.nan,
        )
        for _ in range(rounds)
    ]
    copies, kernels, numpys = zip(*times, strict=True)
    gigabytes = block.nbytes / 1e9
    return Measurement(
        name=name,
        dtype=block.dtype.name,
        factors_xyz=factors_xyz,
        first_call_seconds=round(first_call, 3),
        kernel=round(gigabytes / statistics.median(kernels), 2),
        copy=round(gigabytes / statistics.median(copies), 2),
        numpy=None if numpy is None else round(gigabytes / statistics.median(numpys), 3),
        ratio_to_copy=round(statistics.median(c / k for c, k in zip(copies, kernels, strict=True)), 2),
        ratio_to_numpy=(
            None if numpy is None else round(statistics.median(n / k for n, k in zip(numpys, kernels, strict=True)), 1)
        ),
    )


def measure_mode(mode: str, dtype: np.dtype[Any], factors_xyz: str, block: NDArray[Any], rounds: int) -> Measurement:
    x, y, z = (int(factor) for factor in factors_xyz.split("-"))
    factors = (z, y, x)
    out = np.empty([length // factor for length, factor in zip(SHAPE_ZYX, factors, strict=True)], dtype)
    chosen = DownsamplingMode(mode)
    return measure(
        mode,
        factors_xyz,
        block,
        lambda: downsample(block, factors, chosen, out),
        numpy_reduction(mode, factors),
        rounds,
    )


def measure_statistics(dtype: np.dtype[Any], rounds: int) -> Measurement:
    block = voxels("max", dtype)

    def numpy(part: NDArray[Any]) -> object:
        return part.min((1, 2)), part.max((1, 2)), part.sum((1, 2)), np.count_nonzero(part == 0, (1, 2))

    return measure("statistics", "-", block, lambda: slice_statistics(block[None]), numpy, rounds)


def table_of(measurements: list[Measurement]) -> Table:
    table = Table(title="GB of source per CPU second, and the kernel's multiple of it")
    for heading in ("kernel", "dtype", "factors", "first call s", "kernel", "copy", "ratio", "numpy", "ratio"):
        table.add_column(heading, justify="left" if heading == "dtype" else "right")
    for m in measurements:
        slower = "[red]" if m.ratio_to_copy < 0.8 else ""
        numpy = ("-", "-") if m.numpy is None else (f"{m.numpy:.3f}", f"{m.ratio_to_numpy}")
        table.add_row(
            m.name, m.dtype, m.factors_xyz, f"{m.first_call_seconds:.2f}", f"{m.kernel:.1f}", f"{m.copy:.1f}",
            f"{slower}{m.ratio_to_copy:.2f}", *numpy,
        )  # fmt: skip
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, help="write the measurements to this file, too")
    parser.add_argument("--modes", default=",".join(DownsamplingMode) + ",statistics")
    parser.add_argument("--dtypes", default=",".join(dtype.name for dtype in DTYPES))
    parser.add_argument("--factors", default=DEFAULT_FACTORS, help="x-y-z, several with commas")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    expect(1 << 40)  # compiled kernels are what is measured
    dtypes = [np.dtype(name) for name in arguments.dtypes.split(",")]
    measurements = []
    cases = [(mode, dtype) for mode in arguments.modes.split(",") for dtype in dtypes]
    for mode, dtype in track(cases, "measuring", console=Console(stderr=True)):
        if mode == "statistics":
            measurements.append(measure_statistics(dtype, arguments.rounds))
            continue
        block = voxels(mode, dtype)
        measurements += [
            measure_mode(mode, dtype, factors, block, arguments.rounds) for factors in arguments.factors.split(",")
        ]

    console = Console()
    console.print(table_of(measurements))
    at_copy_speed = sum(m.ratio_to_copy >= 0.8 for m in measurements)
    console.print(f"{at_copy_speed} of {len(measurements)} at 0.8 of the speed of a copy, or above")
    if arguments.json is not None:
        report = {
            "unit": "GB of source per CPU second",
            "shape_zyx": SHAPE_ZYX,
            "rounds": arguments.rounds,
            "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}, numpy {np.__version__}",
            "measurements": [asdict(m) for m in measurements],
        }
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
