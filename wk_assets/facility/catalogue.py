"""The catalogue: which datasets there are, one small JSON file each. The asset graph is built from it.

Reads and writes `<folder>/<dataset>.json`. Opens no image and no dataset (see `registration`, `operations`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from wk_assets.errors import Problem
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.layer_request import Category
from wk_assets.readers.volume import MeasuredVoxelSize


class EntryStatus(StrEnum):
    """Say whether a dataset is worked on (it has assets) or archived (its files and history stay)."""

    ACTIVE = "active"
    ARCHIVED = "archived"


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StoredVoxelSize(_Stored):
    """A voxel size with its birth certificate."""

    x: float = Field(gt=0, allow_inf_nan=False)
    y: float = Field(gt=0, allow_inf_nan=False)
    z: float = Field(gt=0, allow_inf_nan=False)
    unit: LengthUnit
    source: str

    def measured(self) -> MeasuredVoxelSize:
        """Give the value that readers and operations take."""
        return MeasuredVoxelSize(voxel_size=self.value, source=self.source)

    @property
    def value(self) -> VoxelSize:
        """Give the voxel size alone."""
        return VoxelSize((self.x, self.y, self.z), self.unit)

    @classmethod
    def of(cls, measured: MeasuredVoxelSize) -> "StoredVoxelSize":
        """Store a measured voxel size."""
        x, y, z = measured.voxel_size.factor
        return cls(x=x, y=y, z=z, unit=measured.voxel_size.unit, source=measured.source)


class CatalogueLayer(_Stored):
    """One layer of a dataset: what its source's headers said when it was registered."""

    name: str
    category: Category
    channels: int = Field(ge=1)
    dtype: str
    size: tuple[int, int, int]  # voxels x, y, z
    mags: tuple[str, ...] = Field(min_length=1)  # finest first
    mode: DownsamplingMode
    files: int = Field(ge=1)  # how many source files
    source_bytes: int = Field(ge=0)
    signature: str  # digest over the layer's own files

    @property
    def mag_values(self) -> tuple[Mag, ...]:
        """Give the mags, finest first."""
        return tuple(Mag(mag) for mag in self.mags)

    @property
    def size_in_voxels(self) -> Vec3Int:
        """Give the size in voxels, x, y, z."""
        return Vec3Int(self.size)


class CatalogueEntry(_Stored):
    """One dataset: where it comes from, what it will consist of.

    `folder` is the acquisition's folder, posix, relative to the home where it lies inside (see `requests.source_folder`).
    """

    format: Literal[1] = 1
    dataset: str
    instrument: str
    acquisition: str
    folder: str
    signature: str
    status: EntryStatus = EntryStatus.ACTIVE
    voxel_size: StoredVoxelSize
    voxel_size_alternatives: tuple[StoredVoxelSize, ...] = ()  # what the files say differently
    layers: tuple[CatalogueLayer, ...] = Field(min_length=1)

    @property
    def active(self) -> bool:
        """Say whether the dataset is worked on."""
        return self.status is EntryStatus.ACTIVE

    def layer(self, name: str) -> CatalogueLayer:
        """Find a layer by name. Raises CatalogueError naming those that there are."""
        raise NotImplementedError

    def to_bytes(self) -> bytes:
        """Write the entry as JSON: same entry, same bytes."""
        return (self.model_dump_json(indent=2) + "\n").encode()


@dataclass(frozen=True, slots=True)
class CatalogueSurvey:
    """Everything that was found in the catalogue's folder: readable entries by dataset, and what is wrong with the others."""

    entries: Mapping[str, CatalogueEntry]
    problems: tuple[Problem, ...]


class Catalogue:
    """The catalogue's folder. Cheap to build, keeps nothing in memory; safe to use from several processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def survey(self) -> CatalogueSurvey:
        """Read every entry, and collect what is wrong instead of raising. A missing folder is an empty catalogue."""
        raise NotImplementedError

    def entries(self) -> tuple[CatalogueEntry, ...]:
        """Read every entry, archived ones too, sorted by dataset. Raises CatalogueError naming all unreadable files."""
        raise NotImplementedError

    def active(self) -> tuple[CatalogueEntry, ...]:
        """Read the entries that are worked on, sorted by dataset. Raises CatalogueError."""
        raise NotImplementedError

    def get(self, dataset: str) -> CatalogueEntry | None:
        """Read one entry, None if there is none. Raises CatalogueError if its file can not be understood."""
        raise NotImplementedError

    def find(self, instrument: str, acquisition: str) -> CatalogueEntry | None:
        """Find the entry of an acquisition."""
        raise NotImplementedError

    def put(self, entry: CatalogueEntry) -> bool:
        """Write an entry atomically; say whether anything changed (the same entry again writes nothing).

        Raises CatalogueError if another acquisition has the dataset's name, LockedError if the catalogue stays locked.
        """
        raise NotImplementedError

    def archive(self, dataset: str) -> CatalogueEntry:
        """Move an entry to the archived ones. Raises CatalogueError if there is none."""
        raise NotImplementedError

    def activate(self, dataset: str) -> CatalogueEntry:
        """Bring an archived entry back. Raises CatalogueError if there is none."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Digest the names, sizes and mtimes of all entries: a cheap answer to 'has anything changed?'."""
        raise NotImplementedError
