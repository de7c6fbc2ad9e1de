"""Read a KNOSSOS mag: cubes of 128 voxels an edge, one raw file each, in folders `x0000/y0000/z0000`.

A cube that is not there is zero. Source: the KNOSSOS data format (`<name>_mag1_x0000_y0000_z0000.raw` in folders by cube
position; voxels x fastest, then y, then z; no header).
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import AxesError, GeometryError, MissingSliceError, UnreadableSliceError
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.readers.filled_rows import ClosedVolume, FilledRows
from wk_assets.readers.source_files import OpenedSource, digest_file, list_source_files
from wk_assets.readers.volume import (
    MeasuredVoxelSize,
    RowAccess,
    SliceRecord,
    SourceFile,
    SourceSelection,
    VolumeDescription,
)

CUBE = 128
_PLACE = re.compile(r"x(\d{4,})/y(\d{4,})/z(\d{4,})")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnossosSource:
    """Name the folder of one KNOSSOS mag, whose voxels are of `dtype` (little-endian)."""

    root: Path
    dtype: np.dtype[Any]
    voxel_size: MeasuredVoxelSize | None = None

    def open(self) -> "KnossosVolume":
        """List the cubes. Raises MissingSliceError for a folder without any, UnreadableSliceError for one of a wrong size."""
        return KnossosVolume(self)

    def identity(self) -> dict[str, Any]:
        """Say what besides the files decides the voxels."""
        return {"knossos": self.dtype.str}


class KnossosVolume(ClosedVolume):
    """Read slices of a KNOSSOS mag. Holds no file and no lock: safe to share between threads.

    The volume begins at cube 0, 0, 0, wherever the first cube is, and ends with the last cube.
    """

    def __init__(self, source: KnossosSource) -> None:
        if source.dtype.kind not in "uif" or source.dtype.itemsize > 8:
            raise AxesError(
                f"{source.root}: dtype {source.dtype} is none that voxels have; give uint8, uint16, uint32 or uint64"
            )
        self._dtype = source.dtype.newbyteorder("<")
        self._cubes = _list_cubes(source.root)
        cube_bytes = CUBE**3 * source.dtype.itemsize
        for file in self._cubes.values():
            if file.size_bytes != cube_bytes:
                raise UnreadableSliceError(
                    f"{file.path}: has {file.size_bytes} bytes, a cube of {CUBE}x{CUBE}x{CUBE} {source.dtype.name} has "
                    f"{cube_bytes}; the file is damaged, or the dtype is another one"
                )
        last = Vec3Int([max(place[axis] for place in self._cubes) + 1 for axis in range(3)])
        self._description = VolumeDescription(
            format="knossos",
            files=tuple(self._cubes[place] for place in sorted(self._cubes)),
            size=last * CUBE,
            channels=1,
            dtype=source.dtype.newbyteorder("="),
            voxel_size=source.voxel_size,
            rows=RowAccess(unit=CUBE),
        )

    @property
    def description(self) -> VolumeDescription:
        """Say what the volume is."""
        return self._description

    def read_slice(self, z: int, out: NDArray[Any], at: tuple[int, ...] = ()) -> SliceRecord:
        """Fill `out` (1, y, x) with slice `z`. Raises UnreadableSliceError, SourceChangedError, GeometryError."""
        size = self._description.size
        if out.shape != (1, size.y, size.x):
            raise GeometryError(f"slice {z} needs an array (1, {size.y}, {size.x}), not {out.shape}")
        return self.fill(z, at, 0, out)

    def open_rows(self, z: int, at: tuple[int, ...] = ()) -> FilledRows:
        """Get ready to read slice `z` in windows of rows."""
        return FilledRows(self, z, at)

    def fill(self, z: int, at: tuple[int, ...], first_row: int, out: NDArray[Any]) -> SliceRecord:
        """Fill `out` (1, rows, x) with the rows from `first_row` on."""
        size, last_row = self._description.size, first_row + out.shape[1]
        if any(at) or not 0 <= z < size.z or first_row < 0 or last_row > size.y or out.shape[2] != size.x:
            raise GeometryError(f"slice {z}, rows {first_row} to {last_row}: the volume has {tuple(size)} voxels")
        out[...] = 0
        for cube_y in range(first_row // CUBE, -(-last_row // CUBE)):
            top, bottom = max(first_row, cube_y * CUBE), min(last_row, (cube_y + 1) * CUBE)
            for cube_x in range(size.x // CUBE):
                file = self._cubes.get((cube_x, cube_y, z // CUBE))
                if file is None:
                    continue
                offset = ((z % CUBE) * CUBE + top - cube_y * CUBE) * CUBE * self._dtype.itemsize
                with OpenedSource(file) as source:
                    read = source.read_at(offset, (bottom - top) * CUBE * self._dtype.itemsize)
                rows = np.frombuffer(read, self._dtype).reshape(bottom - top, CUBE)
                out[0, top - first_row : bottom - first_row, cube_x * CUBE : (cube_x + 1) * CUBE] = rows
        return SliceRecord(z=z)

    def digests(self) -> dict[str, str]:
        """Read every cube once more for its digest."""
        return {file.relative_path: digest_file(file) for file in self._cubes.values()}


def _list_cubes(root: Path) -> dict[tuple[int, int, int], SourceFile]:
    """Find the cubes' files by their folders. Raises MissingSliceError for none, or two for one place."""
    if not root.is_dir():
        raise MissingSliceError(f"{root} is no folder; give the folder of one KNOSSOS mag, which holds x0000, x0001, …")
    files: dict[tuple[int, int, int], Path] = {}
    for folder, folders, names in os.walk(root):
        folders.sort()
        place = _PLACE.fullmatch(Path(folder).relative_to(root).as_posix())
        if place is None:
            continue
        x, y, z = (int(number) for number in place.groups())
        raw = sorted(name for name in names if name.endswith(".raw"))
        if len(raw) > 1:
            raise MissingSliceError(
                f"{folder}: holds {len(raw)} cubes ({raw[0]}, {raw[1]}, …); there is one per folder"
            )
        strange = sorted(name for name in names if name.endswith((".sz.zip", ".png", ".jpg", ".jp2", ".6.8")))
        if strange and not raw:
            raise UnreadableSliceError(
                f"{Path(folder, strange[0])}: compressed KNOSSOS cubes are not read; store them as .raw"
            )
        if raw:
            files[x, y, z] = Path(os.path.abspath(Path(folder, raw[0])))  # noqa: PTH100 -- as in source_files
    if not files:
        raise MissingSliceError(f"{root}: holds no KNOSSOS cube (x0000/y0000/z0000/….raw); give the folder of one mag")
    listed = list_source_files(SourceSelection(root=root, files=tuple(files.values())))
    by_path = {file.path: file for file in listed}
    return {place: by_path[path] for place, path in files.items()}
