"""See whether cost grows with the voxels and with nothing else: CPU per voxel and memory over sizes, threads 1 and 2.

`python -m benchmarks.growth`, `--large` for 4 gigavoxels too. A table row is one size; it should say the same as the
row above it. Work is what is left after the imports: at 0.1 gigavoxel starting Python still shows in the whole.
"""

import argparse
from typing import Any

from benchmarks.candidates.task import Task
from benchmarks.machine import machine_facts
from benchmarks.report import Spread, megabytes, say, show_table, write_json
from benchmarks.rounds import Candidate, Run, common_options, cpu, interpreters_of, peak, run_rounds, wall, warm_up
from benchmarks.volume_spec import KINDS, VolumeSpec, ensured_volume, parse_size

SIZES = ((1024, 1024, 96), (1024, 1024, 512), (1024, 1024, 1024))
LARGE = (2048, 2048, 1024)
MAGS = tuple((2**n, 2**n, 2**n) for n in range(6))


def work_cpu(run: Run) -> float:
    """CPU seconds after the imports."""
    return run.work_cpu_seconds


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=(__doc__ or "").split("\n")[0])
    common_options(parser)
    parser.add_argument("--kind", choices=KINDS, default="em")
    parser.add_argument(
        "--size", action="append", type=parse_size, help="voxels x,y,z; repeatable; default: three sizes"
    )
    parser.add_argument("--large", action="store_true", help="4 gigavoxels too")
    parser.add_argument("--zstd-level", type=int, default=3)
    chosen = parser.parse_args()
    interpreters = interpreters_of(chosen)
    candidates = [
        Candidate(
            name=f"{n} thread{'s' * (n > 1)}", program="wk_assets_engine", zstd_level=chosen.zstd_level, threads=n
        )
        for n in range(1, chosen.threads + 1)
    ]
    document: dict[str, Any] = {"benchmark": "growth", "machine": machine_facts(chosen.work), "volumes": {}}
    rows = []
    first: dict[str, tuple[int, float]] = {}  # by candidate: voxels and CPU seconds of the smallest volume
    warm = chosen.no_warm_up
    for size in [*(chosen.size or SIZES), *([LARGE] if chosen.large else [])]:
        spec = VolumeSpec(kind=chosen.kind, size=size, compression="zlib" if chosen.kind == "labels" else "none")
        say(spec.name)
        task = Task(
            source=ensured_volume(spec, chosen.work),
            target=chosen.work / "out" / "growth",
            mags=MAGS,
            voxel_size=(10, 10, 10),
            label=chosen.kind == "labels",
            zstd_level=chosen.zstd_level,
            threads=chosen.threads,
        )
        if not warm:
            warm_up(candidates[:1], task, interpreters)
            warm = True
        results = run_rounds(candidates, task, chosen.rounds, interpreters)
        for name, runs in results.runs.items():
            per_voxel = Spread.of(work_cpu(run) / spec.voxels * 1e9 for run in runs)
            seconds = results.spread(name, work_cpu).median
            voxels, base = first.setdefault(name, (spec.voxels, seconds))
            beyond = (seconds - base) / (spec.voxels - voxels) * 1e9 if spec.voxels > voxels else None
            speed_up = results.ratio(candidates[0].name, name, wall)
            rows.append(
                (
                    f"{spec.voxels / 1e9:.2f} gigavoxel, {name}",
                    per_voxel.text(),
                    f"{per_voxel.median / (base / voxels * 1e9) - 1:+.1%}",
                    "-" if beyond is None else f"{beyond:.2f}",
                    results.spread(name, cpu).text(1),
                    results.spread(name, wall).text(1),
                    speed_up.text(),
                    megabytes(results.spread(name, peak).median),
                    megabytes(runs[0].answer["figures"]["planned_peak_memory_bytes"]),
                )
            )
        document["volumes"][spec.name] = {"voxels": spec.voxels, **results.document()}
        write_json(chosen.json, document)
    show_table(
        f"growth, {chosen.kind}, zstd {chosen.zstd_level}, all mags",
        (
            "size",
            "ns of CPU per voxel",
            "to the first",
            "of voxels beyond the first",
            "CPU s, whole",
            "wall s",
            "speed by 1 thread",
            "peak MB",
            "planned MB",
        ),
        rows,
        caption=f"{chosen.rounds} interleaved rounds: median (minimum-maximum).",
    )


if __name__ == "__main__":
    main()
