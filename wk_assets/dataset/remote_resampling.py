"""Coarser and finer mags of layers on a server: read there, made here in a temporary directory, sent one by one."""

from concurrent.futures import Executor
from typing import Any

from wk_assets.dataset.remote_owners import RemoteDatasetOwner, RemoteLayerOwner
from wk_assets.dataset.transfer_mode import TransferMode
from wk_assets.dataset.view_region import Shape
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.mag_ladder import SamplingMode
from wk_assets.storage.mag_array import Zarr3Config


class RemoteDatasetResampling:
    """Make coarser mags of all layers. Base of `RemoteDataset`."""

    __slots__ = ()

    def downsample(
        self: RemoteDatasetOwner[Any],
        *,
        sampling_mode: SamplingMode = SamplingMode.ANISOTROPIC,
        coarsest_mag: Mag | None = None,
        interpolation_mode: str = "default",
        compress: bool | Zarr3Config = True,
        transfer_mode: TransferMode = TransferMode.COPY,
        common_storage_path_prefix: str | None = None,
        overwrite_pending: bool = True,
        executor: Executor | None = None,
    ) -> None:
        """Give coarser mags to every layer that has one mag only."""
        raise NotImplementedError


class RemoteLayerResampling:
    """Make mags of a layer from one another. Base of `RemoteLayer`."""

    __slots__ = ()

    def downsample(
        self: RemoteLayerOwner[Any],
        *,
        from_mag: Mag | None = None,
        coarsest_mag: Mag | None = None,
        interpolation_mode: str = "default",
        compress: bool | Zarr3Config = True,
        sampling_mode: str | SamplingMode = SamplingMode.ANISOTROPIC,
        align_with_other_layers: bool = True,
        buffer_shape: Shape | None = None,
        chunk_shape: Shape | None = None,
        shard_shape: Shape | None = None,
        force_sampling_scheme: bool = False,
        transfer_mode: TransferMode = TransferMode.COPY,
        common_storage_path_prefix: str | None = None,
        overwrite_pending: bool = True,
        executor: Executor | None = None,
    ) -> None:
        """Make all usual mags that are coarser than `from_mag`."""
        raise NotImplementedError

    def upsample(
        self: RemoteLayerOwner[Any],
        from_mag: Mag,
        *,
        finest_mag: Mag = Mag(1),  # noqa: B008  # immutable
        compress: bool | Zarr3Config = True,
        sampling_mode: str | SamplingMode = SamplingMode.ANISOTROPIC,
        align_with_other_layers: bool = True,
        buffer_shape: Shape | None = None,
        transfer_mode: TransferMode = TransferMode.COPY,
        common_storage_path_prefix: str | None = None,
        overwrite_pending: bool = True,
        executor: Executor | None = None,
    ) -> None:
        """Make all usual mags from `finest_mag` up to `from_mag`."""
        raise NotImplementedError
