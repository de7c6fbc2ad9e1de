"""One entry of the catalogue: where a dataset comes from, and what it will consist of. Pure model <-> JSON.

Files are read and written in `catalogue`, entries are made in `registration`.
"""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from wk_assets.errors import CatalogueError
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.records.layer_request import Category
from wk_assets.properties.names import check_dataset_name, check_layer_name
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


class SampledCompression(_Stored):
    """What a sample of a layer's source decided: made once, so that every mag and every rerun take the same level."""

    choice: str  # what the configuration asked for, e.g. auto
    chunk: tuple[int, int, int]  # voxels x, y, z of the chunks that were encoded
    zstd_level: int
    ratios: dict[int, float]  # by level: raw bytes by stored bytes of the sample
    used_fraction: float = Field(ge=0, le=1)  # of chunks that hold anything but zero

    @property
    def stored_fraction(self) -> float:
        """Give stored bytes by raw bytes of the whole layer, as far as a sample tells."""
        return self.used_fraction / self.ratios[self.zstd_level] if self.ratios else 0.0


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
    compression: SampledCompression | None = None  # None: nothing was sampled, the configuration names the level

    @field_validator("name")
    @classmethod
    def _legal_layer_name(cls, name: str) -> str:
        return check_layer_name(name)

    @field_validator("mags")
    @classmethod
    def _legal_mags(cls, mags: tuple[str, ...]) -> tuple[str, ...]:
        for mag in mags:
            Mag(mag)
        return mags

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

    @field_validator("dataset")
    @classmethod
    def _legal_dataset_name(cls, dataset: str) -> str:
        return check_dataset_name(dataset)

    @property
    def active(self) -> bool:
        """Say whether the dataset is worked on."""
        return self.status is EntryStatus.ACTIVE

    def layer(self, name: str) -> CatalogueLayer:
        """Find a layer by name. Raises CatalogueError naming those that there are."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        known = ", ".join(layer.name for layer in self.layers)
        raise CatalogueError(f"dataset {self.dataset!r} has no layer {name!r}; it has {known}")

    def to_bytes(self) -> bytes:
        """Write the entry as JSON: same entry, same bytes."""
        return (self.model_dump_json(indent=2) + "\n").encode()
