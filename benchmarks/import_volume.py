"""Import at three sizes, beside the peer library on the same slices: voxels per second, and memory at 1x and 8x depth.

`python -m benchmarks.import_volume`. All mags are made. The peer is run by its own interpreter (--peer-python,
WK_ASSETS_PEER_PYTHON or .venv-peer/bin/python), with its defaults; it is left out, with a reason, where it is absent.
"""

import argparse
from pathlib import Path
from typing import Any

from benchmarks.candidates.task import Task
from benchmarks.machine import machine_facts
from benchmarks.report import megabytes, say, show_table, write_json
from benchmarks.rounds import Candidate, Results, common_options, cpu, interpreters_of, peak, run_rounds, wall, warm_up
from benchmarks.volume_spec import KINDS, VolumeSpec, ensured_volume, parse_size

OURS = Candidate(name="wk-assets convert", program="wk_assets_engine", variant="convert")
OURS_EQUAL = Candidate(name="wk-assets zstd 5", program="wk_assets_engine", zstd_level=5)
PEER = Candidate(name="peer", program="peer_library", environment="peer", needs=("webknossos",))
SIZES = ((256, 256, 256), (512, 512, 512), (1024, 1024, 512))
FLAT = (1024, 1024, 64)  # voxels; the depth is multiplied by 1 and by 8
MAGS = tuple((2**n, 2**n, 2**n) for n in range(6))


def task_of(spec: VolumeSpec, work: Path, threads: int) -> Task:
    """Ask for all mags of a volume."""
    return Task(
        source=ensured_volume(spec, work),
        target=work / "out" / "import",
        mags=MAGS,
        voxel_size=(10, 10, 10),
        label=spec.kind == "labels",
        zstd_level=5,
        threads=threads,
    )


def rows_of(spec: VolumeSpec, results: Results) -> list[tuple[str, ...]]:
    """Return the rows of one volume."""
    x, y, z = spec.size
    rows = []
    for name, runs in results.runs.items():
        ratio = "-"
        if results.runs.get(PEER.name) and name != PEER.name:
            ratio = results.ratio(PEER.name, name, cpu).text(1)
        rows.append(
            (
                f"{x} x {y} x {z}, {name}",
                f"{spec.voxels / 1e6 / results.spread(name, wall).median:.1f}",
                f"{spec.voxels / 1e6 / results.spread(name, cpu).median:.1f}",
                results.spread(name, cpu).text(1),
                results.spread(name, wall).text(1),
                megabytes(results.spread(name, peak).median),
                megabytes(runs[0].output_bytes),
                ratio,
            )
        )
    return rows + [(f"{x} x {y} x {z}, {name}: {reason}", *"-------") for name, reason in results.skipped.items()]


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.import_volume", description=(__doc__ or "").split("\n")[0]
    )
    common_options(parser)
    parser.add_argument("--kind", choices=KINDS, default="em")
    parser.add_argument(
        "--size", action="append", type=parse_size, help="voxels x,y,z; repeatable; default: three sizes"
    )
    parser.add_argument("--flat", type=parse_size, default=FLAT, help="volume whose depth is taken 1 and 8 times")
    parser.add_argument("--no-depth", action="store_true", help="leave out the memory at 1 and 8 times the depth")
    chosen = parser.parse_args()
    interpreters = interpreters_of(chosen)
    candidates = (OURS, OURS_EQUAL, PEER)
    limit = int(chosen.memory_limit * 2**30)
    compression = "zlib" if chosen.kind == "labels" else "none"
    document: dict[str, Any] = {"benchmark": "import_volume", "machine": machine_facts(chosen.work), "volumes": {}}

    def measured(size: tuple[int, int, int], rounds: int) -> tuple[VolumeSpec, Results]:
        spec = VolumeSpec(kind=chosen.kind, size=size, compression=compression)
        say(spec.name)
        task = task_of(spec, chosen.work, chosen.threads)
        results = run_rounds(candidates, task, rounds, interpreters, memory_limit_bytes=limit)
        document["volumes"][spec.name] = {"voxels": spec.voxels, **results.document()}
        write_json(chosen.json, document)
        return spec, results

    if not chosen.no_warm_up:
        small = VolumeSpec(kind=chosen.kind, size=(128, 128, 64), compression=compression)
        warm_up(candidates, task_of(small, chosen.work, chosen.threads), interpreters)
    rows: list[tuple[str, ...]] = []
    for size in chosen.size or SIZES:
        rows += rows_of(*measured(size, chosen.rounds))
    show_table(
        f"import of {chosen.kind}, all mags, {chosen.threads} threads",
        ("volume", "MVox/s", "MVox/CPU s", "CPU s", "wall s", "peak MB", "out MB", "peer's CPU by ours"),
        rows,
        caption=f"{chosen.rounds} interleaved rounds: median (minimum-maximum). MVox/s by the wall clock.",
    )
    if not chosen.no_depth:
        x, y, z = chosen.flat
        flat, deep = measured((x, y, z), 1)[1], measured((x, y, 8 * z), 1)[1]
        growth = []
        for name in flat.runs:
            if deep.runs.get(name):
                before, after = flat.spread(name, peak).median, deep.spread(name, peak).median
                growth.append((name, megabytes(before), megabytes(after), f"{after / before:.2f}"))
        show_table(
            f"peak memory by depth, {x} x {y} voxels wide",
            ("candidate", f"{z} slices, MB", f"{8 * z} slices, MB", "ratio"),
            growth,
        )


if __name__ == "__main__":
    main()
