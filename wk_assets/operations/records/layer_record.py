"""What is published of a layer: one JSON file per layer (`.wk-assets/<layer>.json`), the ledger that a commit reads.

The ledger names, per mag, the directory that holds its current version. Pure model plus reading and writing of that
one file; who may write it holds the layer's ledger lock (see `run_layer`).
"""

import math
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from wk_assets.errors import PropertiesError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.readers.volume import BadSlicePolicy, SliceProblem
from wk_assets.storage.array_layout import Layout
from wk_assets.storage.durable import write_atomically
from wk_assets.storage.locks import exclusive

BOOKKEEPING = ".wk-assets"
_LEDGER_PATIENCE_SECONDS = 60.0


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class BoxRecord(_Record):
    """A half-open box as it stands in the ledger."""

    topleft: tuple[int, int, int]
    size: tuple[int, int, int]

    @classmethod
    def of(cls, box: BoundingBox) -> Self:
        """Take note of a box."""
        x, y, z = box.topleft
        width, height, depth = box.size
        return cls(topleft=(x, y, z), size=(width, height, depth))

    def to_box(self) -> BoundingBox:
        """Return the box."""
        return BoundingBox(self.topleft, self.size)


class SliceFact(_Record):
    """What the import saw of one slice: its voxels in numbers, the digest of its file, what was wrong with it.

    `at`: the slice's position along the layer's additional axes.
    """

    z: int
    at: tuple[int, ...] = ()
    minimum: int | float
    maximum: int | float
    total: int | float
    zeros: int
    nans: int
    count: int
    file: str | None = None
    digest: str | None = None
    problem_file: str | None = None
    problem: str | None = None
    filled_with: str | None = None

    @property
    def mean(self) -> float:
        """Mean of the voxels that are numbers; NaN if there is none."""
        numbers = self.count - self.nans
        return float(self.total) / numbers if numbers else float("nan")

    def to_problem(self) -> SliceProblem | None:
        """Return the problem, if the slice had one."""
        if self.problem is None or self.filled_with is None:
            return None
        return SliceProblem(
            z=self.z,
            at=self.at,
            file=self.problem_file or "",
            reason=self.problem,
            filled_with=BadSlicePolicy(self.filled_with),
        )

    def joined(self, other: "SliceFact") -> "SliceFact":
        """Put together what was seen of two parts of one slice. Sums of floats depend on where a slice is cut."""
        return self.model_copy(
            update={
                "minimum": min((self.minimum, other.minimum), key=_nan_last),
                "maximum": -min((-self.maximum, -other.maximum), key=_nan_last),
                "total": self.total + other.total,
                "zeros": self.zeros + other.zeros,
                "nans": self.nans + other.nans,
                "count": self.count + other.count,
                "file": self.file or other.file,
                "digest": self.digest or other.digest,
            }
        )


def _nan_last(value: float) -> tuple[bool, float]:
    return (math.isnan(value), value)


class LayerStatistics(_Record):
    """The finest mag in numbers, slice by slice, as they were measured while it was imported.

    Slices are in the order of their positions along additional axes, then of z.
    """

    slices: tuple[SliceFact, ...]

    @property
    def minimum(self) -> int | float:
        """Least voxel of the layer."""
        return min(fact.minimum for fact in self.slices)

    @property
    def maximum(self) -> int | float:
        """Greatest voxel of the layer; of a segmentation: the largest segment id."""
        return max(fact.maximum for fact in self.slices)

    @property
    def mean(self) -> float:
        """Mean of all voxels that are numbers."""
        numbers = sum(fact.count - fact.nans for fact in self.slices)
        return float(sum(fact.total for fact in self.slices)) / numbers if numbers else float("nan")


class SourceRecord(_Record):
    """One source file as it was when it was read; `digest` is `xxh3_128:<hex>` of its bytes."""

    relative_path: str
    size_bytes: int
    mtime_ns: int
    digest: str | None


class MagRecord(_Record):
    """One published mag. `path` is posix, relative to the dataset.

    `voxels_key` identifies the values: what they were made from, and how. `key` also identifies how they are cut and
    encoded: the same key means the same bytes. `parent_key`: the `voxels_key` of the finer mag this one was made from.
    """

    mag: str
    path: str
    key: str
    voxels_key: str
    parent_key: str | None
    box_in_mag: BoxRecord
    shards: int
    stored_bytes: int
    raw_bytes: int

    def to_mag(self) -> Mag:
        """Return the mag."""
        return Mag(self.mag)


class LayerRecord(_Record):
    """All that is published of one layer, mags finest first. Boxes say nothing of additional axes: these are stored whole."""

    format: Literal[1] = 1
    layer_name: str
    category: Literal["color", "segmentation"]
    channels: int
    dtype: str
    voxel_size_factor: tuple[float, float, float]
    voxel_size_unit: LengthUnit
    voxel_size_source: str | None
    voxel_size_alternatives: tuple[str, ...] = ()
    box_mag1: BoxRecord
    layout: Layout
    mode: DownsamplingMode
    source_format: str
    additional: tuple[tuple[str, int], ...] = ()  # name and extent of each axis before the channels
    mags: tuple[MagRecord, ...]
    sources: tuple[SourceRecord, ...]
    statistics: LayerStatistics | None

    @property
    def voxel_size(self) -> VoxelSize:
        """Edge lengths of a mag-1 voxel, with their unit."""
        return VoxelSize(self.voxel_size_factor, self.voxel_size_unit)

    @property
    def box(self) -> BoundingBox:
        """The layer's box in mag-1 voxels."""
        return self.box_mag1.to_box()

    @cached_property
    def problems(self) -> tuple[SliceProblem, ...]:
        """Slices that were missing or unreadable and were filled, in order of z."""
        facts = self.statistics.slices if self.statistics else ()
        return tuple(problem for fact in facts if (problem := fact.to_problem()) is not None)

    @property
    def largest_segment_id(self) -> int | None:
        """Greatest label of a segmentation; None if it is not known, or this is no segmentation."""
        if self.category != "segmentation" or self.statistics is None:
            return None
        return int(self.statistics.maximum)

    def mag(self, mag: Mag) -> MagRecord | None:
        """Return what is published of one mag, None if nothing is."""
        return next((record for record in self.mags if record.to_mag() == mag), None)


def layer_record_path(dataset_path: Path, layer_name: str) -> Path:
    """Return where the ledger of a layer lies."""
    return dataset_path / BOOKKEEPING / f"{layer_name}.json"


def read_layer_record(dataset_path: Path, layer_name: str) -> LayerRecord | None:
    """Read the ledger of a layer; None if nothing of it was ever published. Raises PropertiesError."""
    path = layer_record_path(dataset_path, layer_name)
    try:
        return LayerRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise PropertiesError(f"{path}: not a ledger that this version reads: {error}") from error


def ledger_lock(dataset_path: Path, layer_name: str) -> AbstractContextManager[None]:
    """Exclude other writers of a layer's ledger, and of the directories that it names, for a short step."""
    path = dataset_path / BOOKKEEPING / "locks" / layer_name / "ledger.lock"
    return exclusive(path, f"ledger of layer {layer_name}", wait_seconds=_LEDGER_PATIENCE_SECONDS)


def write_layer_record(dataset_path: Path, record: LayerRecord) -> None:
    """Replace the ledger of a layer. The caller holds its lock."""
    text = record.model_dump_json(indent=1)
    write_atomically(layer_record_path(dataset_path, record.layer_name), text.encode())
