"""What `end_to_end` asks of a candidate, and what the candidate answers: one JSON document each.

Every candidate is a program of its own, run by the interpreter of an environment that has its tool: a stack of TIFF
slices in, an array for each mag out. Needs the standard library alone: every environment can import it, and the
benchmark that starts the candidates stays small.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

CHUNK = 32  # voxels along each axis; every candidate that can choose uses it


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Ask for a layer: `source` is a folder of slices, `mags` and `voxel_size` are x, y, z, finest mag first.

    `label`: voxels are segment ids. `variant`: which of several ways of using the tool.
    """

    source: Path
    target: Path
    mags: tuple[tuple[int, int, int], ...]
    voxel_size: tuple[float, float, float]
    label: bool
    zstd_level: int
    threads: int
    variant: str = ""

    def to_json(self) -> str:
        """Write the task for a command line."""
        return json.dumps(asdict(self) | {"source": str(self.source), "target": str(self.target)})

    @classmethod
    def parse(cls, text: str) -> "Task":
        """Read what `to_json` wrote."""
        document = json.loads(text)
        return cls(
            **document
            | {
                "source": Path(document["source"]),
                "target": Path(document["target"]),
                "mags": tuple(tuple(mag) for mag in document["mags"]),
                "voxel_size": tuple(document["voxel_size"]),
            }
        )

    def factors(self) -> tuple[tuple[int, int, int], ...]:
        """Return the factors z, y, x from each mag to the next."""
        return tuple(
            (after[2] // before[2], after[1] // before[1], after[0] // before[0])
            for before, after in zip(self.mags, self.mags[1:], strict=False)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Say what a candidate made. `arrays`: directory of the Zarr array of each mag, {} if it is another format.

    `packages`: whose versions matter. `figures`: anything else that was measured inside.
    """

    arrays: dict[str, Path]
    packages: tuple[str, ...]
    note: str = ""
    figures: dict[str, Any] = field(default_factory=dict)


def mag_name(mag: Iterable[int]) -> str:
    """Name a mag: `4` or `8-8-4`."""
    x, y, z = mag
    return str(x) if x == y == z else f"{x}-{y}-{z}"


def answer_task(work: Callable[[Task], Answer]) -> None:
    """Be the program: do the task of the command line, print what came of it and what it cost after the imports."""
    task = Task.parse(sys.argv[1])
    cpu, wall = _cpu_seconds(), time.perf_counter()
    answer = work(task)
    print(
        json.dumps(
            {
                "work_cpu_seconds": _cpu_seconds() - cpu,
                "work_wall_seconds": time.perf_counter() - wall,
                "arrays": {name: str(path) for name, path in answer.arrays.items()},
                "versions": {package: version(package) for package in answer.packages},
                "note": answer.note,
                "figures": answer.figures,
            }
        )
    )


def slices_of(source: Path) -> list[Path]:
    """List the slices in order."""
    return sorted(source.glob("*.tif"))


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
