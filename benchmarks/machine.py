"""What a measurement was made on and with: processor, memory, file system, versions, and how busy the machine was."""

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

PACKAGES = ("numpy", "numba", "zstandard", "tifffile", "imagecodecs", "zarr", "tensorstore")


def machine_facts(work: Path, packages: Sequence[str] = PACKAGES) -> dict[str, Any]:
    """Return the facts that a reader needs to judge a table. `work`: where the benchmark reads and writes."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": psutil.virtual_memory().total,
        "file_system": _file_system(work),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "wk_assets_commit": _commit(),
        "versions": versions(packages),
    }


def load_average() -> float:
    """Return the load of the last minute: above the number of cores, wall seconds mean nothing."""
    return round(os.getloadavg()[0], 2)


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the installed version of each package that is there."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _file_system(work: Path) -> str:
    place = work.absolute()
    mounts = {partition.mountpoint: partition.fstype for partition in psutil.disk_partitions(all=True)}
    while str(place) not in mounts and place != place.parent:
        place = place.parent
    return mounts.get(str(place), "unknown")


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
