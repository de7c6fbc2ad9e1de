"""See what a small volume costs from the command line: how much of it is Python starting, importing, loading kernels.

`python -m benchmarks.startup`. Stages in turns, each a process of its own that does what the one before it does and
one thing more, so that their differences are the parts.
"""

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import load_average, machine_facts
from benchmarks.measured_process import Measurement, measure
from benchmarks.report import Spread, megabytes, say, show_table, write_json
from benchmarks.rounds import common_options
from benchmarks.volume_spec import KINDS, VolumeSpec, ensured_volume, parse_size

PROGRAM = "import sys; from wk_assets.cli.main import run; sys.argv[0] = 'wk-assets'; run()"


def stages_of(source: Path, target: Path, category: str) -> dict[str, list[str]]:
    """Return the command of each stage, cheapest first."""
    python = sys.executable
    convert = [python, "-c", PROGRAM, "convert", str(source), str(target), "--voxel-size", "10,10,10"]
    convert += ["--category", category]
    return {
        "python alone": [python, "-c", "pass"],
        "import numpy": [python, "-c", "import numpy"],
        "wk-assets --version": [python, "-c", PROGRAM, "--version"],
        "convert --dry-run": [*convert, "--dry-run"],
        "convert, one mag": [*convert, "--no-downsample"],
        "convert": convert,
        "import numba, beside": [python, "-c", "import numba"],
    }


def spread(measured: list[Measurement], figure: Callable[[Measurement], float]) -> Spread:
    """Spread of a figure over the rounds."""
    return Spread.of(figure(one) for one in measured)


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=(__doc__ or "").split("\n")[0])
    common_options(parser)
    parser.set_defaults(rounds=5)
    parser.add_argument("--kind", choices=KINDS, default="em")
    parser.add_argument("--size", type=parse_size, default=(250, 250, 250), help="voxels x,y,z")
    chosen = parser.parse_args()
    spec = VolumeSpec(kind=chosen.kind, size=chosen.size)
    source = ensured_volume(spec, chosen.work)
    target = chosen.work / "out" / "startup"
    stages = stages_of(source, target, "segmentation" if chosen.kind == "labels" else "color")
    measured: dict[str, list[Measurement]] = {name: [] for name in stages}
    for number in range(chosen.rounds + (not chosen.no_warm_up)):
        for name, command in stages.items():
            shutil.rmtree(target, ignore_errors=True)
            one = measure(command, interval_seconds=0.02)
            if not one.succeeded:
                raise SystemExit(f"{name} failed: {one.complaints}")
            if number or chosen.no_warm_up:
                measured[name].append(one)
        say(f"  round {number}{'' if number or chosen.no_warm_up else ' (warming up)'}: load {load_average()}")
    shutil.rmtree(target, ignore_errors=True)
    rows = []
    before = 0.0
    for name, runs in measured.items():
        cpu = spread(runs, lambda one: one.cpu_seconds)
        more = "-" if name.endswith("beside") else f"{cpu.median - before:+.2f}"
        before = cpu.median
        rows.append(
            (
                name,
                cpu.text(),
                more,
                spread(runs, lambda one: one.wall_seconds).text(),
                megabytes(spread(runs, lambda one: one.peak_bytes).median),
            )
        )
    show_table(
        f"start-up and {spec.name}",
        ("stage", "CPU s", "more than the one above", "wall s", "peak MB"),
        rows,
        caption=f"{chosen.rounds} interleaved rounds: median (minimum-maximum).",
    )
    document: dict[str, Any] = {"benchmark": "startup", "machine": machine_facts(chosen.work), "volume": spec.name}
    document["stages"] = {
        name: {
            "cpu_seconds": [one.cpu_seconds for one in runs],
            "wall_seconds": [one.wall_seconds for one in runs],
            "peak_bytes": [one.peak_bytes for one in runs],
        }
        for name, runs in measured.items()
    }
    write_json(chosen.json, document)


if __name__ == "__main__":
    main()
