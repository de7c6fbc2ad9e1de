"""See how far the engine is from the limit: what the codec, reading and copying alone take, by what the engine takes.

`python -m benchmarks.limit`. Three programs in turns: the least work (each part alone, one thread, nothing written),
the engine with accounts, and the engine without fsync. The accounts say where the distance is; wall seconds with and
without fsync say what durability costs. Kernels are loaded beforehand: `benchmarks.startup` measures that.
"""

import argparse
from collections.abc import Callable
from typing import Any

from benchmarks.candidates.task import Task
from benchmarks.machine import machine_facts
from benchmarks.report import Spread, megabytes, say, show_table, write_json
from benchmarks.rounds import Candidate, Results, Run, common_options, interpreters_of, run_rounds, warm_up
from benchmarks.volume_spec import KINDS, VolumeSpec, ensured_volume, parse_size

MAGS = tuple((2**n, 2**n, 2**n) for n in range(6))
LEAST_PARTS = ("encode", "read", "copy", "downsample")


def candidates_of(level: int) -> tuple[Candidate, Candidate, Candidate]:
    """Return the least work, the engine, and the engine that waits for no disk."""
    return (
        Candidate(name=f"least work {level}", program="least_work", zstd_level=level),
        Candidate(name=f"engine {level}", program="engine_accounts", zstd_level=level),
        Candidate(name=f"engine unsynced {level}", program="engine_accounts", variant="unsynced", zstd_level=level),
    )


def figure(*path: str) -> Callable[[Run], float]:
    """Return a function that takes one figure of a candidate's answer."""

    def taken(run: Run) -> float:
        value: Any = run.answer["figures"]
        for name in path:
            value = value.get(name, 0.0)
        return float(value)

    return taken


def show_distance(level: int, results: Results) -> dict[str, Any]:
    """Print how much of the engine's CPU the parts alone are, cumulated from the codec on."""
    least, engine, _ = candidates_of(level)
    rows = []
    document: dict[str, Any] = {}
    for number, part in enumerate(LEAST_PARTS, 1):
        parts = LEAST_PARTS[:number]
        alone = [
            sum(figure("cpu_seconds", name)(one) for name in parts) / figure("engine_cpu_seconds")(other)
            for one, other in zip(results.runs[least.name], results.runs[engine.name], strict=True)
        ]
        percent = Spread.of(100 * value for value in alone)
        document[" + ".join(parts)] = percent.document()
        rows.append(
            (
                " + ".join(parts),
                results.spread(least.name, figure("cpu_seconds", part)).text(),
                percent.text(1),
            )
        )
    rows.append(("engine", results.spread(engine.name, figure("engine_cpu_seconds")).text(), "100"))
    show_table(
        f"zstd {level}: distance to the limit", ("what alone", "CPU s of the last part", "% of the engine"), rows
    )
    return document


def show_accounts(level: int, results: Results) -> dict[str, Any]:
    """Print where the engine's CPU goes."""
    _, engine, _ = candidates_of(level)
    runs = results.runs[engine.name]
    total = results.spread(engine.name, figure("engine_cpu_seconds"))
    names = sorted(
        {name for run in runs for name in run.answer["figures"]["cpu_seconds"]},
        key=lambda name: -results.spread(engine.name, figure("cpu_seconds", name)).median,
    )
    rows = []
    for name in names:
        spent = results.spread(engine.name, figure("cpu_seconds", name))
        calls = results.spread(engine.name, figure("calls", name)).median
        rows.append((name, spent.text(), f"{100 * spent.median / total.median:.1f}", f"{calls:,.0f}"))
    rest = Spread.of(
        figure("engine_cpu_seconds")(run) - sum(run.answer["figures"]["cpu_seconds"].values()) for run in runs
    )
    rows.append(("the rest: threads, handing over", rest.text(), f"{100 * rest.median / total.median:.1f}", ""))
    missing = sorted({name for run in runs for name in run.answer["figures"]["missing"]})
    show_table(
        f"zstd {level}: the engine's accounts",
        ("part", "CPU s", "%", "calls"),
        rows,
        caption=f"not found, so in another account: {', '.join(missing)}" if missing else "",
    )
    return {"rest": rest.document(), "missing": missing}


def show_durability(level: int, results: Results) -> dict[str, Any]:
    """Print what waiting for the disk costs."""
    _, engine, unsynced = candidates_of(level)
    synced, loose = (results.spread(name, figure("engine_wall_seconds")) for name in (engine.name, unsynced.name))
    stopped = Spread.of(
        100 * figure("wall_seconds_of_threads", "checkpoint")(run) / figure("engine_wall_seconds")(run)
        for run in results.runs[engine.name]
    )
    share = Spread.of(
        100 * (1 - figure("engine_wall_seconds")(other) / figure("engine_wall_seconds")(one))
        for one, other in zip(results.runs[engine.name], results.runs[unsynced.name], strict=True)
    )
    show_table(
        f"zstd {level}: durability",
        ("wall s", "wall s without fsync", "% of wall by difference", "% of wall in checkpoints"),
        [(synced.text(), loose.text(), share.text(1), stopped.text(1))],
    )
    return {"percent_by_difference": share.document(), "percent_in_checkpoints": stopped.document()}


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limit", description=(__doc__ or "").split("\n")[0])
    common_options(parser)
    parser.add_argument("--kind", choices=KINDS, default="em")
    parser.add_argument("--size", type=parse_size, default=(1024, 1024, 512), help="voxels x,y,z")
    parser.add_argument("--level", action="append", type=int, help="zstd level; repeatable; default: 5 and 1")
    chosen = parser.parse_args()
    levels = chosen.level or [5, 1]
    interpreters = interpreters_of(chosen)
    spec = VolumeSpec(kind=chosen.kind, size=chosen.size, compression="zlib" if chosen.kind == "labels" else "none")
    task = Task(
        source=ensured_volume(spec, chosen.work),
        target=chosen.work / "out" / "limit",
        mags=MAGS,
        voxel_size=(10, 10, 10),
        label=chosen.kind == "labels",
        zstd_level=5,
        threads=chosen.threads,
    )
    candidates = [candidate for level in levels for candidate in candidates_of(level)]
    if not chosen.no_warm_up:
        warm_up(candidates[:2], task, interpreters)
    say(f"{spec.name}, {megabytes(spec.raw_bytes)} MB")
    results = run_rounds(candidates, task, chosen.rounds, interpreters)
    found = {
        str(level): {
            "percent_of_the_engine": show_distance(level, results),
            "accounts": show_accounts(level, results),
            "durability": show_durability(level, results),
        }
        for level in levels
    }
    write_json(
        chosen.json,
        {
            "benchmark": "limit",
            "machine": machine_facts(chosen.work),
            "volume": spec.name,
            "voxels": spec.voxels,
            "levels": found,
            **results.document(),
        },
    )


if __name__ == "__main__":
    main()
