"""Arrays of our own that are edited: every law of arrays, and what only they promise: losses are noticed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.storage.mag_array_conformance import MagArrayConformance
from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat
from wk_assets.storage.create_mag_array import create_mag_array
from wk_assets.storage.mag_array import ArrayInfo, MagArray
from wk_assets.storage.open_mag_array import open_mag_array
from wk_assets.storage.sharded_array import ShardedArray


class _Sharded(MagArrayConformance):
    data_format = DataFormat.Zarr3

    def create(self, path: Path, info: ArrayInfo) -> MagArray:
        array = create_mag_array(path, info)
        assert isinstance(array, ShardedArray)
        return array

    def open(
        self,
        path: Path,
        *,
        axis_order: Mapping[str, int] | None,
        additional_axes: Sequence[AdditionalAxisProperties],
        read_only: bool,
    ) -> MagArray:
        return open_mag_array(
            path,
            data_format=DataFormat.Zarr3,
            axis_order=axis_order,
            additional_axes=additional_axes,
            read_only=read_only,
        )


class TestArraysThatLieLikeWebknossosOwn(_Sharded):
    """Axes c, x, y, z."""


class TestArraysThatLieLikeOmeZarr(_Sharded):
    """Axes c, z, y, x."""

    # whoever disturbs whom does not depend on how the axes lie: the class above has these
    test_processes_that_write_at_the_same_time_lose_nothing = None  # type: ignore[assignment]
    test_a_killed_writer_leaves_old_or_new_shards_and_the_next_one_finishes = None  # type: ignore[assignment]

    def info(self, *arguments: Any, **settings: Any) -> ArrayInfo:
        described = super().info(*arguments, **settings)
        first = len(described.dimension_names) - 4
        return replace(described, axis_order={axis: first + place for place, axis in enumerate("czyx")})
