"""Time the whole way, images to a layer with all its mags, beside every other tool that goes it, on the same input.

`python -m benchmarks.end_to_end` asks four questions (cases): images with isotropic and with 2x2x1 mags, labels with
both. Ratios are CPU seconds by ours (zstd 5, what the peer library writes) of the same round. Where the peer runs,
every voxel of every mag is compared with its result.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.candidates.task import Task, mag_name
from benchmarks.machine import machine_facts
from benchmarks.measured_process import REPOSITORY, clean_environment
from benchmarks.report import megabytes, say, show_table, write_json
from benchmarks.rounds import Candidate, Results, common_options, cpu, interpreters_of, peak, run_rounds, wall, warm_up
from benchmarks.volume_spec import VolumeSpec, ensured_volume, parse_size

OURS = "wk-assets zstd 5"
PEERS = ("peer tuned", "peer default")
CANDIDATES = (
    Candidate(name=OURS, program="wk_assets_engine", zstd_level=5),
    Candidate(name="wk-assets convert", program="wk_assets_engine", variant="convert"),
    Candidate(name="wk-assets zstd 1", program="wk_assets_engine", zstd_level=1),
    Candidate(name="peer tuned", program="peer_library", environment="peer", needs=("webknossos",), variant="tuned"),
    Candidate(name="peer default", program="peer_library", environment="peer", needs=("webknossos",)),
    Candidate(
        name="tensorstore zstd 5", program="tensorstore_by_hand", environment="tensorstore", needs=("tensorstore",)
    ),
    Candidate(
        name="tensorstore zstd 1",
        program="tensorstore_by_hand",
        environment="tensorstore",
        needs=("tensorstore",),
        zstd_level=1,
    ),
    Candidate(name="zarr-python zstd 5", program="zarr_by_hand", environment="zarr", needs=("zarr",)),
    Candidate(name="dask zstd 5", program="dask_coarsen", environment="dask", needs=("dask", "zarr")),
    Candidate(
        name="igneous",
        program="igneous_pipeline",
        environment="igneous",
        needs=("igneous", "cloudvolume", "tifffile"),
    ),
    Candidate(
        name="ngff-zarr", program="ngff_zarr_multiscales", environment="ngff-zarr", needs=("ngff_zarr", "tifffile")
    ),
    Candidate(name="ome-zarr", program="ome_zarr_py", environment="ome-zarr", needs=("ome_zarr", "tifffile")),
)
WARM_UP_SIZE = (256, 256, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One input and one ladder of mags."""

    name: str
    kind: str
    voxel_size: tuple[float, float, float]
    mags: tuple[tuple[int, int, int], ...]

    def task(self, source: Path, target: Path, threads: int, mags: int) -> Task:
        """Ask for this case."""
        return Task(
            source=source,
            target=target,
            mags=self.mags[:mags],
            voxel_size=self.voxel_size,
            label=self.kind == "labels",
            zstd_level=5,
            threads=threads,
        )


ISOTROPIC = tuple((2**n, 2**n, 2**n) for n in range(6))
FLAT_FIRST = ((1, 1, 1), (2, 2, 1), (4, 4, 2), (8, 8, 4), (16, 16, 8), (32, 32, 16))
CASES = (
    Case(name="em", kind="em", voxel_size=(10, 10, 10), mags=ISOTROPIC),
    Case(name="em-2x2x1", kind="em", voxel_size=(11.24, 11.24, 28), mags=FLAT_FIRST),
    Case(name="labels", kind="labels", voxel_size=(10, 10, 10), mags=ISOTROPIC),
    Case(name="labels-2x2x1", kind="labels", voxel_size=(11.24, 11.24, 28), mags=FLAT_FIRST),
)


def compared_with_peer(results: Results) -> dict[str, Any]:
    """Compare every mag of ours with the peer's, after a round that kept both. {} if the peer did not run."""
    peer = next((name for name in PEERS if results.runs.get(name)), None)
    if peer is None or not results.runs.get(OURS):
        return {}
    ours, theirs = (results.runs[name][0].answer["arrays"] for name in (OURS, peer))
    found: dict[str, Any] = {}
    for mag, path in ours.items():
        command = [sys.executable, "-m", "benchmarks.equal_voxels", path, theirs[mag]]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env=clean_environment(), cwd=REPOSITORY
        )
        found[mag] = json.loads(done.stdout)
    differing = sum(mag["differing_voxels"] for mag in found.values())
    compared = sum(mag["compared_voxels"] for mag in found.values())
    say(f"  voxels of mags {', '.join(found)} beside {peer}: {compared} compared, {differing} differ")
    return {"beside": peer, "mags": found}


def show(case: Case, spec: VolumeSpec, mag_names: Sequence[str], results: Results, rounds: int) -> None:
    """Print the table of one case."""
    rows = []
    for name, runs in results.runs.items():
        ratio = results.ratio(name, OURS, cpu) if results.runs.get(OURS) else None
        seconds = results.spread(name, cpu)
        rows.append(
            (
                name,
                seconds.text(1),
                results.spread(name, lambda run: run.work_cpu_seconds).text(1),
                f"{spec.voxels / 1e6 / seconds.median:.1f}",
                results.spread(name, wall).text(1),
                megabytes(results.spread(name, peak).median),
                megabytes(runs[0].output_bytes),
                ratio.text() if ratio else "-",
                runs[0].answer["note"],
            )
        )
    rows += [(name, "-", "-", "-", "-", "-", "-", "-", reason) for name, reason in results.skipped.items()]
    x, y, z = spec.size
    show_table(
        f"{case.name}: {x} x {y} x {z} voxels, {megabytes(spec.raw_bytes)} MB, mags {', '.join(mag_names)}",
        ("candidate", "CPU s", "after imports", "MVox/CPU s", "wall s", "peak MB", "out MB", "CPU by ours", "how"),
        rows,
        caption=f"{rounds} interleaved rounds: median (minimum-maximum). CPU and memory of the whole process tree.",
    )


def chosen_candidates(only: Sequence[str], case: Case, *, peer_default_for_labels: bool) -> list[Candidate]:
    """Return the candidates of a case, ours always among them."""
    wanted = [one for one in CANDIDATES if not only or one.name == OURS or any(part in one.name for part in only)]
    if case.kind == "labels" and not peer_default_for_labels:
        wanted = [one for one in wanted if one.name != "peer default"]
        say(
            "  peer default: left out for labels, it takes more than 14 GB there; --peer-default-for-labels includes it"
        )
    return wanted


def main() -> None:
    """Run the cases."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.end_to_end", description=(__doc__ or "").split("\n")[0])
    common_options(parser)
    parser.add_argument("--size", type=parse_size, default=(1024, 1024, 256), help="voxels x,y,z; multiples of 32")
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES], help="default: all")
    parser.add_argument("--only", action="append", default=[], help="candidates whose name contains this; repeatable")
    parser.add_argument("--mags", type=int, default=6, help="how many mags, the finest included")
    parser.add_argument("--peer-default-for-labels", action="store_true")
    chosen = parser.parse_args()
    interpreters = interpreters_of(chosen)
    document: dict[str, Any] = {"benchmark": "end_to_end", "machine": machine_facts(chosen.work), "cases": {}}
    for case in CASES:
        if chosen.case and case.name not in chosen.case:
            continue
        compression = "zlib" if case.kind == "labels" else "none"
        spec = VolumeSpec(kind=case.kind, size=chosen.size, compression=compression)
        say(f"{case.name}: {spec.name}")
        source = ensured_volume(spec, chosen.work)
        task = case.task(source, chosen.work / "out" / case.name, chosen.threads, chosen.mags)
        candidates = chosen_candidates(chosen.only, case, peer_default_for_labels=chosen.peer_default_for_labels)
        if not chosen.no_warm_up:
            small = ensured_volume(replace(spec, size=WARM_UP_SIZE), chosen.work)
            warm_up(candidates, replace(task, source=small), interpreters)
        results = run_rounds(
            candidates,
            task,
            chosen.rounds,
            interpreters,
            memory_limit_bytes=int(chosen.memory_limit * 2**30),
            after_first_round=compared_with_peer,
        )
        show(case, spec, [mag_name(mag) for mag in task.mags], results, chosen.rounds)
        document["cases"][case.name] = {
            "volume": spec.name,
            "voxels": spec.voxels,
            "mags": [mag_name(mag) for mag in task.mags],
            "equal_to_peer": results.findings,
            "cpu_by_ours": {
                name: results.ratio(name, OURS, cpu).document() for name in results.runs if results.runs.get(OURS)
            },
            **results.document(),
        }
        write_json(chosen.json, document)  # after each case: hours of measuring should survive the next one's failure


if __name__ == "__main__":
    main()
