"""Run several candidates in turns, round after round, so that a busy minute of the machine hits all of them alike.

Each run is a process of its own; figures of one candidate are compared with another's of the same round.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.candidates.task import Task
from benchmarks.machine import load_average
from benchmarks.measured_process import REPOSITORY, Measurement, clean_environment, measure
from benchmarks.report import Spread, say, tree_bytes

PEER_VARIABLE = "WK_ASSETS_PEER_PYTHON"
PEER_DEFAULT = REPOSITORY / ".venv-peer" / "bin" / "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Name one way to do a task: which program, in whose environment. `needs`: modules that must be there."""

    name: str
    program: str  # module in benchmarks.candidates
    environment: str = "wk-assets"  # key of the interpreters
    needs: tuple[str, ...] = ()
    variant: str = ""
    zstd_level: int = 5
    threads: int | None = None  # None: as the task says
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run of one candidate cost, and what it left. `answer`: what the candidate said of itself."""

    candidate: str
    measurement: Measurement
    answer: dict[str, Any]
    output_bytes: int
    load: float

    @property
    def work_cpu_seconds(self) -> float:
        """CPU seconds after the imports."""
        return float(self.answer["work_cpu_seconds"])

    def document(self) -> dict[str, Any]:
        """Return what the JSON says."""
        return {
            "candidate": self.candidate,
            "cpu_seconds": round(self.measurement.cpu_seconds, 3),
            "wall_seconds": round(self.measurement.wall_seconds, 3),
            "peak_bytes": self.measurement.peak_bytes,
            "peak_tree_bytes": self.measurement.peak_tree_bytes,
            "peak_process_bytes": self.measurement.peak_process_bytes,
            "output_bytes": self.output_bytes,
            "load_average": self.load,
            **{key: value for key, value in self.answer.items() if key != "arrays"},
        }


@dataclass(slots=True)
class Results:
    """Collect the runs of a table, why candidates are not in it, and what was found in the outputs of the first round."""

    runs: dict[str, list[Run]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    findings: dict[str, Any] = field(default_factory=dict)

    def spread(self, name: str, figure: Callable[[Run], float]) -> Spread:
        """Spread of a figure over the rounds. Raises ValueError if the candidate never ran."""
        return Spread.of(figure(run) for run in self.runs.get(name, ()))

    def ratio(self, name: str, to: str, figure: Callable[[Run], float]) -> Spread:
        """Spread of a candidate's figure by another's of the same round."""
        return Spread.of(
            figure(run) / figure(other) for run, other in zip(self.runs[name], self.runs[to], strict=False)
        )

    def document(self) -> dict[str, Any]:
        """Return what the JSON says."""
        return {"runs": [run.document() for runs in self.runs.values() for run in runs], "skipped": self.skipped}


def cpu(run: Run) -> float:
    """CPU seconds of the whole process tree."""
    return run.measurement.cpu_seconds


def wall(run: Run) -> float:
    """Wall seconds of the process."""
    return run.measurement.wall_seconds


def peak(run: Run) -> float:
    """Peak memory of the whole process tree, bytes."""
    return run.measurement.peak_bytes


def run_rounds(
    candidates: Sequence[Candidate],
    task: Task,
    rounds: int,
    interpreters: Mapping[str, Path],
    *,
    memory_limit_bytes: int | None = None,
    timeout_seconds: float = 3600,
    after_first_round: Callable[[Results], dict[str, Any]] | None = None,
) -> Results:
    """Let every candidate do the task `rounds` times, in turns; outputs go below `task.target` and are removed after.

    A candidate that fails is not tried again. `after_first_round` looks at the outputs of the first round.
    """
    results = Results()
    for candidate in candidates:
        reason = why_not(candidate, interpreters)
        if reason is None:
            results.runs[candidate.name] = []
        else:
            results.skipped[candidate.name] = reason
            say(f"  {candidate.name}: skipped, {reason}")
    for number in range(rounds):
        for candidate in candidates:
            if candidate.name in results.skipped:
                continue
            target = task.target / candidate.name.replace(" ", "_").replace(",", "")
            shutil.rmtree(target, ignore_errors=True)
            load = load_average()
            measured = _measured(
                candidate, replace(task, target=target), interpreters, memory_limit_bytes, timeout_seconds
            )
            reason = _failure(measured)
            if reason is not None:
                results.skipped[candidate.name] = reason
                if not results.runs[candidate.name]:
                    del results.runs[candidate.name]
                say(f"  round {number + 1} {candidate.name}: {reason}")
                continue
            run = Run(
                candidate=candidate.name,
                measurement=measured,
                answer=measured.document(),
                output_bytes=tree_bytes(target),
                load=load,
            )
            results.runs[candidate.name].append(run)
            say(
                f"  round {number + 1} {candidate.name}: {cpu(run):.2f} CPU s, {wall(run):.2f} s, "
                f"{peak(run) / 1e6:.0f} MB peak, load {load}"
            )
        if number == 0 and after_first_round is not None:
            results.findings = after_first_round(results)
    shutil.rmtree(task.target, ignore_errors=True)
    return results


def warm_up(candidates: Sequence[Candidate], task: Task, interpreters: Mapping[str, Path]) -> None:
    """Let every candidate do a small task once: bytecode and compiled kernels are written, libraries are in memory."""
    say("warming up")
    for candidate in candidates:
        if why_not(candidate, interpreters) is None:
            target = task.target / "warm_up"
            shutil.rmtree(target, ignore_errors=True)
            _measured(candidate, replace(task, target=target), interpreters, None, 900)
            shutil.rmtree(target, ignore_errors=True)


def _measured(
    candidate: Candidate,
    task: Task,
    interpreters: Mapping[str, Path],
    memory_limit_bytes: int | None,
    timeout_seconds: float,
) -> Measurement:
    task.target.parent.mkdir(parents=True, exist_ok=True)
    own = replace(
        task,
        variant=candidate.variant,
        zstd_level=candidate.zstd_level,
        threads=task.threads if candidate.threads is None else candidate.threads,
    )
    command = [
        str(interpreters[candidate.environment]),
        "-m",
        f"benchmarks.candidates.{candidate.program}",
        own.to_json(),
    ]
    return measure(
        command,
        environment=clean_environment(**candidate.variables),
        memory_limit_bytes=memory_limit_bytes,
        timeout_seconds=timeout_seconds,
    )


def _failure(measured: Measurement) -> str | None:
    if measured.stopped is not None:
        return measured.stopped
    if measured.exit_code != 0:
        last = " / ".join(line.strip() for line in measured.complaints.strip().splitlines()[-3:])
        return f"failed with exit code {measured.exit_code}: {last[-300:]}"
    return None


def why_not(candidate: Candidate, interpreters: Mapping[str, Path]) -> str | None:
    """Say why a candidate can not run here, None if it can."""
    interpreter = interpreters.get(candidate.environment)
    if interpreter is None or not interpreter.exists():
        return f"no environment of {candidate.environment} (say --python {candidate.environment}=PATH)"
    probe = f"import importlib.util as u; print([n for n in {list(candidate.needs)!r} if u.find_spec(n) is None])"
    done = subprocess.run(
        [str(interpreter), "-c", probe], check=False, capture_output=True, text=True, env=clean_environment()
    )
    missing = done.stdout.strip()
    if done.returncode != 0:
        return f"{candidate.environment}'s interpreter does not start"
    return None if missing == "[]" else f"not installed there: {missing}"


def common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every benchmark of processes has."""
    parser.add_argument("--rounds", type=int, default=3, help="interleaved repetitions; the noise is their spread")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(tempfile.gettempdir()) / "wk-assets-benchmarks",
        help="where inputs are made (and kept for the next time) and outputs are written (and removed)",
    )
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write every single figure here")
    parser.add_argument("--peer-python", type=Path, default=None, help=f"default: ${PEER_VARIABLE} or .venv-peer")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="interpreter of another tool's environment, e.g. igneous=/opt/igneous/bin/python",
    )
    parser.add_argument("--memory-limit", type=float, default=14.0, help="GiB at which a candidate is stopped")
    parser.add_argument("--no-warm-up", action="store_true")


def interpreters_of(chosen: argparse.Namespace) -> dict[str, Path]:
    """Return the interpreter of each environment; ours is the one that runs this, and the default of all but the peer."""
    own = Path(sys.executable)
    found = dict.fromkeys(("wk-assets", "tensorstore", "zarr", "dask", "igneous", "ngff-zarr", "ome-zarr"), own)
    found["peer"] = chosen.peer_python or Path(os.environ.get(PEER_VARIABLE, PEER_DEFAULT))
    for option in chosen.python:
        name, _, path = option.partition("=")
        found[name] = Path(path)
    return found
