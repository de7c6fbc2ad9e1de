"""Zarr v2 arrays, as all arrays, and what is theirs alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from tests.storage.mag_array_conformance import MagArrayConformance
from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat
from wk_assets.storage.mag_array import ArrayInfo
from wk_assets.storage.zarr2_array import Zarr2Array


class TestZarr2Array(MagArrayConformance):
    data_format = DataFormat.Zarr
    chunks_per_shard: ClassVar[tuple[int, ...]] = (1,)

    def create(self, path: Path, info: ArrayInfo) -> Zarr2Array:
        return Zarr2Array.create(path, info)

    def open(
        self,
        path: Path,
        *,
        axis_order: Mapping[str, int] | None,
        additional_axes: Sequence[AdditionalAxisProperties],
        read_only: bool,
    ) -> Zarr2Array:
        return Zarr2Array.open(path, axis_order, additional_axes, read_only=read_only)
