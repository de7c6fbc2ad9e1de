"""One instrument as a person configures it: where it writes, when an acquisition is finished, which files make which layer.

Models only. Listing its folder is in `acquisitions`, choosing files in `layer_files`, judging in `finished`.
"""

import re
from typing import Any

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from wk_assets.errors import ConfigurationError, GeometryError, InputError, InvalidNameError, Problem
from wk_assets.facility.finish_rules import FinishRule
from wk_assets.facility.naming import PLACEHOLDERS, placeholders
from wk_assets.facility.publishing_settings import PublishSettings
from wk_assets.facility.section import HomePath, Pattern, Section, mistake
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.mag_ladder import SamplingMode
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.layers.compression import AUTO, Compression
from wk_assets.operations.records.layer_request import Category
from wk_assets.properties.names import check_dataset_name, check_layer_name
from wk_assets.readers.volume import BadSlicePolicy, MeasuredVoxelSize

FROM_FILES = "from_files"
SEGMENTATION_MODES = (DownsamplingMode.MODE, DownsamplingMode.NEAREST, DownsamplingMode.MAX, DownsamplingMode.MIN)
_AXES = "tczyxs"


def name_mistake(error: InvalidNameError) -> PydanticCustomError:
    """Split the sentence of a bad name into what is wrong and what is allowed."""
    what, _, remedy = str(error).partition("; ")
    return mistake(what, f"{remedy[0].upper()}{remedy[1:]}" if remedy else "Choose another name")


class VoxelSizeSettings(Section):
    """The edge lengths of a mag-1 voxel, given by a person because the files do not say them (or say them wrong)."""

    x: float = Field(gt=0, allow_inf_nan=False, description="the voxel's edge along x, e.g. 260")
    y: float = Field(gt=0, allow_inf_nan=False, description="the voxel's edge along y, e.g. 260")
    z: float = Field(gt=0, allow_inf_nan=False, description="the voxel's edge along z, e.g. 290")
    unit: LengthUnit = Field(default=LengthUnit.NANOMETER, description="nanometer, micrometer, angstrom …")

    @field_validator("unit", mode="before")
    @classmethod
    def _name_or_symbol(cls, unit: Any) -> Any:
        try:
            return LengthUnit.from_text(unit) if isinstance(unit, str) else unit
        except GeometryError as error:
            raise mistake(f"{unit!r} is not a unit of length", "Use nanometer, micrometer or angstrom") from error

    def measured(self) -> MeasuredVoxelSize:
        """Give the value with its source."""
        return MeasuredVoxelSize(
            voxel_size=VoxelSize((self.x, self.y, self.z), self.unit), source="instrument setting 'voxel_size'"
        )


class LayerSettings(Section):
    """Which files of an acquisition are one layer, and how they are read."""

    name: str = Field(description="the layer's name, e.g. nuclei")
    category: Category = Field(default="color", description="color (any image) or segmentation (labels)")
    files: tuple[Pattern, ...] = Field(
        min_length=1, description="the layer's files, a glob like 'nuclei_z*.tif' or a list of globs"
    )
    axes: str | None = Field(
        default=None, description="the axes of files that do not name them, slowest first, e.g. zyx"
    )
    channel: int | None = Field(default=None, ge=0, description="which of several channels, counted from 0, e.g. 1")
    on_bad_slice: BadSlicePolicy = Field(default=BadSlicePolicy.FAIL, description="fail, black or repeat")
    expected_slices: int | None = Field(default=None, ge=1, description="how many slices there must be, e.g. 250")
    mode: DownsamplingMode | None = Field(
        default=None, description="median, mode, max, min, mean or nearest, for this layer alone"
    )

    @field_validator("name")
    @classmethod
    def _legal_name(cls, name: str) -> str:
        try:
            check_layer_name(name)
        except InvalidNameError as error:
            raise name_mistake(error) from error
        return name

    @field_validator("files", mode="before")
    @classmethod
    def _one_or_many(cls, files: Any) -> Any:
        if not isinstance(files, str | list | tuple):
            raise mistake(f"{files!r} is not a pattern", "Write a glob like 'nuclei_z*.tif', or a list of globs")
        return (files,) if isinstance(files, str) else files

    @field_validator("axes")
    @classmethod
    def _legal_axes(cls, axes: str | None) -> str | None:
        if axes is not None and (
            not set(axes) <= set(_AXES) or len(set(axes)) != len(axes) or not {"y", "x"} <= set(axes)
        ):
            raise mistake(
                f"{axes!r} does not name axes",
                f"Use each of the letters {', '.join(_AXES)} at most once, with y and x, slowest first: zyx",
            )
        return axes

    @model_validator(mode="after")
    def _labels_are_never_mixed(self) -> "LayerSettings":
        if self.category == "segmentation" and self.mode is not None and self.mode not in SEGMENTATION_MODES:
            raise mistake(
                f"mode {self.mode.value!r} would invent segment ids that are not in the data",
                f"Use one of {', '.join(SEGMENTATION_MODES)} for a segmentation",
            )
        return self


class PyramidSettings(Section):
    """Which mags are made below the finest, and how a block of voxels becomes one."""

    sampling: SamplingMode = Field(default=SamplingMode.ANISOTROPIC, description="anisotropic, isotropic or constant_z")
    coarsest: str = Field(default="auto", description="auto, or the coarsest mag, e.g. 16 or 16-16-4")
    mode: DownsamplingMode | None = Field(
        default=None,
        description="auto (median for color, mode for segmentation), or median, mode, max, min, mean, nearest for color",
    )

    @field_validator("coarsest", mode="before")
    @classmethod
    def _a_mag(cls, coarsest: Any) -> Any:
        text = str(coarsest)
        if text != "auto":
            try:
                Mag(text)
            except ValueError as error:
                raise mistake(f"{coarsest!r} is not a mag", "Write auto, or powers of two: 16 or '16-16-4'") from error
        return text

    @field_validator("mode", mode="before")
    @classmethod
    def _auto(cls, mode: Any) -> Any:
        return None if mode == "auto" else mode

    @property
    def coarsest_mag(self) -> Mag | None:
        """Give the coarsest mag, None for auto."""
        return None if self.coarsest == "auto" else Mag(self.coarsest)

    def mode_of(self, layer: LayerSettings) -> DownsamplingMode:
        """Choose the mode of a layer: its own, else the pyramid's for color, else median or mode by category."""
        if layer.mode is not None:
            return layer.mode
        if layer.category == "segmentation":
            return DownsamplingMode.MODE
        return DownsamplingMode.MEDIAN if self.mode is None else self.mode


def _powers_of_two(edges: Any) -> Any:
    values = (edges,) * 3 if isinstance(edges, int) else tuple(edges) if isinstance(edges, list | tuple) else ()
    if len(values) != 3 or not all(
        isinstance(v, int) and not isinstance(v, bool) and 1 <= v <= 4096 and v & (v - 1) == 0 for v in values
    ):
        raise mistake(
            f"{edges!r} is not an edge length in voxels", "Write a power of two like 32, or three like [32, 32, 16]"
        )
    return values


class ArrayFormSettings(Section):
    """How the voxels are cut and encoded on disk."""

    chunk: tuple[int, int, int] = Field(default=(32, 32, 32), description="voxels per chunk edge, e.g. 32")
    shard: tuple[int, int, int] = Field(default=(256, 256, 256), description="voxels per shard edge, e.g. 256")
    compression: str = Field(default=AUTO, description="auto, fast, compact, webknossos, none, or {zstd: 7}")

    _edges = field_validator("chunk", "shard", mode="before")(_powers_of_two)

    @field_validator("compression", mode="before")
    @classmethod
    def _known_compression(cls, compression: Any) -> Any:
        """Take `fast` as it is, and `{zstd: 7}` as `zstd:7`."""
        match compression:
            case dict() if len(compression) == 1:
                text = ":".join(str(part) for part in next(iter(compression.items())))
            case _:
                text = str(compression)
        try:
            return str(Compression.parse(text))
        except InputError as error:
            raise mistake(
                f"{compression!r} is not a way to compress",
                "Write auto, fast, compact, webknossos, none, or {zstd: LEVEL} with a level from 1 to 22",
            ) from error

    @model_validator(mode="after")
    def _whole_chunks(self) -> "ArrayFormSettings":
        if any(shard < chunk for shard, chunk in zip(self.shard, self.chunk, strict=True)):
            raise mistake(
                f"the shard {self.shard} is smaller than its chunks {self.chunk}",
                "Make 'shard' a multiple of 'chunk', e.g. 256 and 32",
            )
        return self

    @property
    def chunk_shape(self) -> Vec3Int:
        """Give the chunk's shape in voxels, x, y, z."""
        return Vec3Int(self.chunk)

    @property
    def shard_shape(self) -> Vec3Int:
        """Give the shard's shape in voxels, x, y, z."""
        return Vec3Int(self.shard)

    @property
    def chosen_compression(self) -> Compression:
        """Give the compression as operations take it."""
        return Compression.parse(self.compression)


class Instrument(Section):
    """One microscope: its watch folder holds one sub-folder per acquisition."""

    name: str = Field(description="the instrument's name, e.g. lightsheet")
    watch: HomePath = Field(description="the folder in which acquisitions appear, e.g. inbox")
    acquisitions: Pattern = Field(default="*", description="which sub-folders are acquisitions, a glob like 'run_*'")
    finished: FinishRule = Field(description="when an acquisition is finished, e.g. {rule: marker, file: DONE}")
    ignore: tuple[Pattern, ...] = Field(
        default=(), description="files that do not count, globs like 'thumbs/**' or '*.log'"
    )
    dataset: str = Field(
        default="{acquisition}", min_length=1, description="the dataset's name, e.g. '{instrument}-{acquisition}'"
    )
    voxel_size: VoxelSizeSettings | None = Field(
        default=None, description="from_files, or {x: 260, y: 260, z: 290, unit: nanometer}"
    )
    layers: tuple[LayerSettings, ...] = Field(
        min_length=1, description="one entry per layer, e.g. {name: nuclei, files: 'nuclei_z*.tif'}"
    )
    pyramid: PyramidSettings = Field(
        default_factory=dict, validate_default=True, description="e.g. {sampling: anisotropic}"
    )
    array: ArrayFormSettings = Field(
        default_factory=dict, validate_default=True, description="e.g. {chunk: 32, shard: 256}"
    )
    publish: PublishSettings = Field(
        default_factory=lambda: {"enabled": False},
        validate_default=True,
        description="true, false, or e.g. {folder: raw}",
    )

    @field_validator("name")
    @classmethod
    def _legal_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
            raise mistake(
                f"{name!r} is not a name for an instrument",
                "Use up to 64 letters, digits, '-', '_', '.', and begin with one of the first two",
            )
        return name

    @field_validator("acquisitions")
    @classmethod
    def _fixed_depth(cls, pattern: str) -> str:
        if "**" in pattern:
            raise mistake(
                f"{pattern!r} does not say how deep acquisitions lie", "Write '*', or '*/*' for one folder above them"
            )
        return pattern

    @field_validator("voxel_size", mode="before")
    @classmethod
    def _from_files_or_given(cls, voxel_size: Any) -> Any:
        if voxel_size == FROM_FILES:
            return None
        if not isinstance(voxel_size, dict) and voxel_size is not None:
            raise mistake(
                f"{voxel_size!r} is not a voxel size", "Write from_files, or {x: 260, y: 260, z: 290, unit: nanometer}"
            )
        return voxel_size

    @field_validator("dataset")
    @classmethod
    def _legal_template(cls, template: str) -> str:
        allowed = " and ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        try:
            used = placeholders(template)
        except ValueError as error:
            raise mistake(f"{template!r} is not a naming template ({error})", f"Use {allowed}") from error
        for name in used:
            if name not in PLACEHOLDERS:
                raise mistake(f"unknown placeholder {{{name}}} in {template!r}", f"Use {allowed}")
        if "acquisition" not in used:
            raise mistake(f"{template!r} gives every acquisition the same name", "Put {acquisition} into it")
        try:
            check_dataset_name(template.format_map(dict.fromkeys(PLACEHOLDERS, "xxx")))
        except InvalidNameError as error:
            raise name_mistake(error) from error
        return template

    def layer(self, name: str) -> LayerSettings:
        """Find a layer's settings. Raises ConfigurationError naming those that there are."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        known = ", ".join(layer.name for layer in self.layers)
        remedy = f"There are: {known}. Add it to the file, or register the acquisition again"
        problem = Problem(f"layers of instrument {self.name!r}", f"there is no layer {name!r} any more", remedy)
        raise ConfigurationError("wk_assets.yaml", [problem])
