"""Zarr v3 arrays of any kind: every law of arrays, over the codecs, keys and axes that are met."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from tests.storage.mag_array_conformance import MagArrayConformance
from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat
from wk_assets.storage.create_mag_array import create_mag_array
from wk_assets.storage.mag_array import ArrayInfo, MagArray, Zarr3Config
from wk_assets.storage.open_mag_array import open_mag_array
from wk_assets.storage.plain_zarr3_array import PlainZarr3Array


class _Plain(MagArrayConformance):
    data_format = DataFormat.Zarr3
    config: ClassVar[Zarr3Config]

    def info(self, *arguments: Any, compress: bool = True, **settings: Any) -> ArrayInfo:
        described = super().info(*arguments, **settings)
        return replace(described, compression_mode=self.config if compress else False)

    def create(self, path: Path, info: ArrayInfo) -> MagArray:
        if info.compression_mode is False:
            return PlainZarr3Array.create(path, info)
        array = create_mag_array(path, info)
        assert isinstance(array, PlainZarr3Array)
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


class TestChunksAsWebknossosKeepsAnnotations(_Plain):
    """Unsharded blosc under keys with dots, as in Zarr v2."""

    def info(self, *arguments: Any, **settings: Any) -> ArrayInfo:
        # fewer files than with the suite's small chunks: each file is killed at several steps
        return super().info(*arguments, **{"chunk_shape": (8, 8, 8)} | settings)

    chunks_per_shard = (1,)
    config = Zarr3Config(
        codecs=(
            {"name": "bytes", "configuration": {"endian": "little"}},
            {
                "name": "blosc",
                "configuration": {"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "typesize": 1, "blocksize": 0},
            },
        ),
        chunk_key_encoding={"name": "v2", "configuration": {"separator": "."}},
    )


class TestGzipInShardsWithDots(_Plain):
    """Sharded gzip, keys with dots, axes y, c, z, x."""

    config = Zarr3Config(
        codecs=(
            {"name": "bytes", "configuration": {"endian": "big"}},
            {"name": "gzip", "configuration": {"level": 1}},
        ),
        chunk_key_encoding={"name": "default", "configuration": {"separator": "."}},
    )

    def info(self, *arguments: Any, **settings: Any) -> ArrayInfo:
        described = super().info(*arguments, **settings)
        first = len(described.dimension_names) - 4
        return replace(described, axis_order={axis: first + place for place, axis in enumerate("yczx")})
