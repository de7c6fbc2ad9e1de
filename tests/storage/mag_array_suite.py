"""What the conformance suite of arrays is made of: small arrays, random voxels, boxes; and how an array is made and opened."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat
from wk_assets.storage.mag_array import ArrayInfo, MagArray

INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")

# the suite is inherited by several classes on purpose; files make examples slow, not large
few = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def values(dtype: "np.dtype[Any] | str", shape: Sequence[int], seed: int) -> NDArray[Any]:
    """Give voxels of the whole range of a type, one in four of them 0."""
    kind = np.dtype(dtype)
    generator = np.random.default_rng(seed)
    if kind.kind == "f":
        made = generator.normal(0, 1e6, tuple(shape)).astype(kind)
    else:
        limits = np.iinfo(kind)
        made = generator.integers(limits.min, limits.max, tuple(shape), dtype=kind, endpoint=True)
    made[generator.random(tuple(shape)) < 0.25] = 0
    return made


def boxes_inside(outer: NormalizedBoundingBox, margin: int = 0) -> st.SearchStrategy[NormalizedBoundingBox]:
    """Draw boxes that are not empty and lie in `outer`, which starts at 0, or reach up to `margin` voxels beyond x, y, z."""

    def interval(axis: str) -> st.SearchStrategy[tuple[int, int]]:
        end = outer.get_shape(axis) + (margin if axis in "xyz" else 0)
        return st.tuples(st.integers(0, end - 1), st.integers(1, end)).map(
            lambda pair: (min(pair[0], pair[1] - 1), max(pair[0] + 1, pair[1]))
        )

    def box(bounds: tuple[tuple[int, int], ...]) -> NormalizedBoundingBox:
        return NormalizedBoundingBox([a for a, _ in bounds], [b - a for a, b in bounds], outer.axes)

    return st.tuples(*map(interval, outer.axes)).map(box)


def expected_voxels(written: NDArray[Any], box: NormalizedBoundingBox) -> NDArray[Any]:
    """Cut a box from an array in memory that starts at the origin; beyond its end there are zeros."""
    found = np.zeros(tuple(box.size), written.dtype)
    inside = written[box.to_slices()]
    found[tuple(slice(length) for length in inside.shape)] = inside
    return found


def additional_axes_of(info: ArrayInfo) -> tuple[AdditionalAxisProperties, ...]:
    """Describe the axes before the channels as datasource-properties.json does."""
    return tuple(
        AdditionalAxisProperties(name=axis, bounds=(0, info.box.get_shape(axis)), index=place)
        for place, axis in enumerate(info.box.axes[:-4])
    )


def leftovers(path: Path) -> list[str]:
    """Name what writers forgot: locks, notes about their holders, halves of files."""
    return [str(file) for file in path.rglob("*") if file.suffix in {".lock", ".holder", ".partial"}]


class ArraySuite(ABC):
    """Say how arrays of a format are made and opened, and what the format can not do."""

    data_format: ClassVar[DataFormat]
    dtypes: ClassVar[tuple[str, ...]] = (*INTEGERS, "float32", "float64")
    chunks_per_shard: ClassVar[tuple[int, ...]] = (1, 2, 4)  # along each axis; (1,) where a file holds one chunk
    cubes_only: ClassVar[bool] = False  # chunks and shards have three equal edges
    has_additional_axes: ClassVar[bool] = True
    keeps_extent: ClassVar[bool] = True  # the array knows where it ends, also when it is opened anew

    @abstractmethod
    def create(self, path: Path, info: ArrayInfo) -> MagArray:
        """Make an empty array."""

    @abstractmethod
    def open(
        self,
        path: Path,
        *,
        axis_order: Mapping[str, int] | None,
        additional_axes: Sequence[AdditionalAxisProperties],
        read_only: bool,
    ) -> MagArray:
        """Open an array."""

    # What the tests are made of

    def info(
        self,
        size: Sequence[int] = (21, 13, 10),
        *,
        dtype: str = "uint16",
        channels: int = 1,
        additional: Mapping[str, int] | None = None,
        chunk_shape: Sequence[int] | None = None,
        shard_shape: Sequence[int] | None = None,
        compress: bool = True,
    ) -> ArrayInfo:
        """Describe an array; by default with shards of 8³ voxels, of two chunks along each axis where the format has those."""
        extra = additional or {}
        shard = Vec3Int(shard_shape or (8, 8, 8))
        return ArrayInfo(
            data_format=self.data_format,
            voxel_type=np.dtype(dtype),
            box=NormalizedBoundingBox(
                [0] * (len(extra) + 4), [*extra.values(), channels, *size], (*extra, "c", "x", "y", "z")
            ),
            chunk_shape=Vec3Int(chunk_shape or shard // min(2, max(self.chunks_per_shard))),
            shard_shape=shard,
            compression_mode=compress,
        )

    def box(self, topleft: Sequence[int], size: Sequence[int], channels: int = 1) -> NormalizedBoundingBox:
        """Give a box of all channels."""
        return NormalizedBoundingBox((0, *topleft), (channels, *size), ("c", "x", "y", "z"))

    def reopened(self, array: MagArray, *, read_only: bool = False) -> MagArray:
        """Open an array anew, as its layer's properties describe it."""
        info = array.info
        return self.open(
            array.path,
            axis_order=info.axis_order or None,
            additional_axes=additional_axes_of(info),
            read_only=read_only,
        )

    def check_stored_boxes(self, array: MagArray, model: NDArray[Any]) -> None:
        """Every voxel other than 0 lies in one stored box, and no stored box is without one."""
        stored = list(array.stored_boxes())
        covered = np.zeros(array.info.shape, np.int64)
        for box in stored:
            assert array.info.box.contains_bbox(box)
            covered[box.to_slices()] += 1
            assert expected_voxels(model, box).any()
        assert covered.max(initial=0) <= 1
        assert (covered[tuple(slice(length) for length in model.shape)][model != 0] == 1).all()
        if self.keeps_extent:
            assert stored == list(self.reopened(array).stored_boxes())
