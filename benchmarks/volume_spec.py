"""Name a test volume, and have it made if it is not there.

Light on purpose: a benchmark holds nothing when it starts what it measures, because the kernel counts what a process
holds as its child's. The voxels are made by `benchmarks.volumes`, in a process of its own.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

KINDS = ("em", "labels")
DESCRIPTION = "volume.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSpec:
    """Name a volume: the same spec is the same voxels on every machine. `size` in voxels x, y, z."""

    kind: str
    size: tuple[int, int, int]
    seed: int = 7
    compression: str = "none"  # of the TIFF slices: none, zlib, lzw or zstd

    @property
    def name(self) -> str:
        """Folder that holds the slices."""
        x, y, z = self.size
        return f"{self.kind}_{x}x{y}x{z}_{self.compression}_{self.seed}"

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        x, y, z = self.size
        return x * y * z

    @property
    def raw_bytes(self) -> int:
        """Bytes of the voxels, not compressed."""
        return self.voxels * (1 if self.kind == "em" else 4)


def ensured_volume(spec: VolumeSpec, work: Path) -> Path:
    """Return the folder of the volume's slices below `work`; make it, in a process of its own, if it is not there."""
    folder = work / spec.name
    if not (folder / DESCRIPTION).exists():
        command = [sys.executable, "-m", "benchmarks.volumes", str(folder), "--kind", spec.kind]
        command += ["--size", ",".join(map(str, spec.size))]
        command += ["--seed", str(spec.seed), "--compression", spec.compression]
        subprocess.run(command, check=True, cwd=Path(__file__).resolve().parent.parent, stdout=subprocess.DEVNULL)
    return folder / "slices"


def parse_size(text: str) -> tuple[int, int, int]:
    """Read x,y,z. Raises ValueError for anything but three numbers."""
    x, y, z = (int(part) for part in text.replace("x", ",").split(","))
    return x, y, z
