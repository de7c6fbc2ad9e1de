"""Datasets that the real code makes, and what every other program has to find in them.

A *sample layer* is an array written as TIFF slices and imported; its mags are also computed here, border by border with
numpy, so that a reader's voxels are compared with something that never went through our storage.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray

from tests.operations.layer_on_disk import pyramid
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.mag_ladder import mag_ladder
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.compute import Compute
from wk_assets.operations.datasets.commit_dataset import DatasetRequest, commit_dataset
from wk_assets.operations.layers.layer_plan import plan_layer
from wk_assets.operations.layers.run_layer import run_layer
from wk_assets.operations.records.layer_record import read_layer_record
from wk_assets.operations.records.layer_request import ArraySettings, LayerRequest
from wk_assets.readers.volume import SourceSelection
from wk_assets.storage.array_layout import Layout

Voxels = NDArray[Any]  # (c, x, y, z)
BEYOND_DOUBLE = 2**53  # the first id after which a float64 skips some
ZSTD_LEVEL = 3
CHUNK = Vec3Int(16, 16, 16)
SHARD = Vec3Int(32, 64, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleLayer:
    """One layer to make: `size` and `topleft` x, y, z in mag-1 voxels."""

    name: str
    dtype: str
    size: tuple[int, int, int] = (45, 37, 21)
    topleft: tuple[int, int, int] = (0, 0, 0)
    channels: int = 1
    category: Literal["color", "segmentation"] = "color"

    @property
    def mode(self) -> DownsamplingMode:
        return DownsamplingMode.MODE if self.category == "segmentation" else DownsamplingMode.MEDIAN

    @property
    def box(self) -> BoundingBox:
        return BoundingBox(self.topleft, self.size)

    def voxels(self) -> Voxels:
        """Make mag 1: no two layers alike, no symmetry that hides swapped axes, zeros in one corner."""
        generator = np.random.default_rng(sum(map(ord, self.name)))
        shape = (self.channels, *self.size)
        dtype = np.dtype(self.dtype)
        made: Voxels
        if self.category == "segmentation":
            ids = np.array([0, 7, 200, 255 if dtype.itemsize == 1 else 65_535])
            made = ids[generator.integers(0, 4, shape)].astype(dtype)
            if dtype.itemsize == 8:
                made = np.where(made == 200, BEYOND_DOUBLE + 1, made).astype(dtype)
                made = np.where(made == 65_535, 2**60 + 2**10 + 1, made).astype(dtype)
        elif dtype.kind == "f":
            made = generator.normal(0, 1000, shape).astype(dtype)
        else:
            limits = np.iinfo(dtype)
            made = generator.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
        made[:, :20, :16, :16] = 0  # whole chunks of nothing
        return made

    def mags(self, voxel_size: VoxelSize) -> tuple[Mag, ...]:
        return (Mag(1), *mag_ladder(voxel_size.factor, Mag(1), Mag(4), depth=self.size[2]))


@dataclass(frozen=True, kw_only=True)
class SampleDataset:
    """One dataset to make. `path` is where it lies."""

    path: Path
    name: str
    layers: tuple[SampleLayer, ...]
    voxel_size: VoxelSize
    layout: Layout
    zstd_level: int | None
    times_made: int = 1

    @cached_property
    def voxels(self) -> dict[str, dict[str, Voxels]]:
        """Give the voxels of each layer's box at each mag, computed by numpy alone but for the downsampling itself."""
        return {
            layer.name: pyramid(
                layer.voxels(),
                tuple(mag.to_layer_name() for mag in layer.mags(self.voxel_size)),
                layer.mode,
                layer.topleft,
            )
            for layer in self.layers
        }

    def layer(self, name: str) -> SampleLayer:
        return next(layer for layer in self.layers if layer.name == name)

    def box_in_mag(self, layer: SampleLayer, mag: str) -> BoundingBox:
        return layer.box.align_with_mag(Mag(mag), ceil=True).in_mag(Mag(mag))

    def array_path(self, layer: SampleLayer, mag: str) -> Path:
        record = read_layer_record(self.path, layer.name)
        stored = record.mag(Mag(mag)) if record is not None else None
        assert stored is not None
        return self.path / stored.path

    def whole_array(self, layer: SampleLayer, mag: str, shape_cxyz: tuple[int, ...]) -> Voxels:
        """Give what an array of that shape holds: arrays start at the world's origin, outside of the box there is nothing."""
        voxels = self.voxels[layer.name][mag]
        start, stop = self.box_in_mag(layer, mag).topleft, self.box_in_mag(layer, mag).bottomright
        whole = np.zeros(shape_cxyz, voxels.dtype)
        whole[:, start.x : stop.x, start.y : stop.y, start.z : stop.z] = voxels
        return whole

    def make(self, inbox: Path) -> None:
        """Write the slices, import them, commit the dataset; again from other files as often as it is asked for."""
        for time in range(self.times_made):
            self._make_once(inbox / self.name / str(time))

    def _make_once(self, inbox: Path) -> None:
        compute = Compute(threads=2)
        for layer in self.layers:
            files = write_slices(inbox / layer.name, layer.voxels())
            request = LayerRequest(
                dataset_path=self.path,
                layer_name=layer.name,
                category=layer.category,
                source=SourceSelection(root=inbox.parent, files=files),
                voxel_size=self.voxel_size,
                mags=layer.mags(self.voxel_size),
                mode=layer.mode,
                topleft=Vec3Int(layer.topleft),
                array=ArraySettings(
                    layout=self.layout, chunk_shape=CHUNK, shard_shape=SHARD, zstd_level=self.zstd_level
                ),
            )
            run_layer(plan_layer(request, compute), compute)
        commit_dataset(
            DatasetRequest(
                dataset_path=self.path,
                name=self.name,
                voxel_size=self.voxel_size,
                layer_names=tuple(layer.name for layer in self.layers),
                layout=self.layout,
            )
        )


def write_slices(folder: Path, voxels: Voxels) -> tuple[Path, ...]:
    """Write one TIFF per slice."""
    folder.mkdir(parents=True)
    files = []
    for z in range(voxels.shape[3]):
        path = folder / f"slice_{z:03}.tif"
        image = voxels[..., z].transpose(2, 1, 0)  # y, x, c
        if image.shape[2] == 3:
            tifffile.imwrite(path, image, photometric="rgb")
        else:
            tifffile.imwrite(path, image[..., 0])
        files.append(path)
    return tuple(files)


EVERY_TYPE = (
    SampleLayer(name="em", dtype="uint8"),
    SampleLayer(name="nuclei", dtype="uint16", topleft=(7, 9, 3)),
    SampleLayer(name="difference", dtype="int8"),
    SampleLayer(name="counts", dtype="uint32"),
    SampleLayer(name="measured", dtype="float32", size=(33, 17, 9), topleft=(1, 0, 5)),
    SampleLayer(name="stain", dtype="uint8", channels=3),
    SampleLayer(name="cells", dtype="uint64", category="segmentation"),
    SampleLayer(name="bodies", dtype="uint32", category="segmentation", topleft=(7, 9, 3)),
)
RAW = (
    SampleLayer(name="em", dtype="uint16", topleft=(0, 5, 0)),
    SampleLayer(name="stain", dtype="uint8", channels=3, size=(35, 34, 5)),
    SampleLayer(name="cells", dtype="uint32", category="segmentation"),
)
SECTION = (
    SampleLayer(name="section", dtype="uint16", size=(101, 83, 1)),
    SampleLayer(name="cells", dtype="uint8", size=(101, 83, 1), category="segmentation"),
)
NANOMETER = VoxelSize((11.24, 11.24, 28.0))
MICROMETER = VoxelSize((0.26, 0.26, 0.78), LengthUnit.MICROMETER)


def sample_datasets(folder: Path) -> tuple[SampleDataset, ...]:
    """List the datasets, each in both layouts: every type, raw chunks, a single section, one that was imported again."""
    datasets = []
    for layout in Layout:
        for name, layers, voxel_size, zstd_level, times_made in (
            ("compressed", EVERY_TYPE, NANOMETER, ZSTD_LEVEL, 1),
            ("raw", RAW, MICROMETER, None, 1),
            ("flat", SECTION, MICROMETER, ZSTD_LEVEL, 1),
            ("remade", RAW, MICROMETER, ZSTD_LEVEL, 2),
        ):
            full_name = f"{name}_{layout.value}"
            datasets.append(
                SampleDataset(
                    path=folder / full_name,
                    name=full_name,
                    layers=layers,
                    voxel_size=voxel_size,
                    layout=layout,
                    zstd_level=zstd_level,
                    times_made=times_made,
                )
            )
    return tuple(datasets)
