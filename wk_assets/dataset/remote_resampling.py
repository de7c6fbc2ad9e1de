"""Coarser and finer mags of layers on a server: read there, made here in a temporary folder, sent one by one.

A run that breaks off leaves whole mags only: call it again, and it goes on from the coarsest mag that the layer has. The folder
is made where the environment wants temporary files (TMPDIR); it holds all new mags of one layer at a time.
"""

from collections.abc import Collection
from concurrent.futures import Executor
from typing import Any

from wk_assets.dataset.remote_owners import RemoteDatasetOwner, RemoteLayerOwner
from wk_assets.dataset.remote_sending import refuse_links, send_mag, stored_layer, temporary_layer
from wk_assets.dataset.transfer_mode import TransferMode
from wk_assets.dataset.view_region import Shape
from wk_assets.errors import AlreadyThereError, NotInDatasetError, ReadOnlyError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.mag_ladder import SamplingMode
from wk_assets.operations.resampling.resampling_ladder import coarser_mags, finer_mags, ladder_order
from wk_assets.storage.mag_array import Zarr3Config


class RemoteDatasetResampling:
    """Make coarser mags of all layers. Base of `RemoteDataset`. Parameters: see `RemoteLayerResampling`."""

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
        """Give coarser mags to every layer that has one mag only. Raises what `RemoteLayer.downsample` raises."""
        for layer in tuple(self.layers.values()):
            if len(layer.mags) == 1:
                layer.downsample(
                    sampling_mode=sampling_mode,
                    coarsest_mag=coarsest_mag,
                    interpolation_mode=interpolation_mode,
                    compress=compress,
                    transfer_mode=transfer_mode,
                    common_storage_path_prefix=common_storage_path_prefix,
                    overwrite_pending=overwrite_pending,
                    executor=executor,
                )


class RemoteLayerResampling:
    """Make mags of a layer from one another. Base of `RemoteLayer`.

    Common parameters: those of `Layer.downsample`, and how mags get to the server. `transfer_mode`: HTTP sends through the
    server; the others put files where the server keeps them, on disks that both reach, `common_storage_path_prefix` chooses
    among them. `overwrite_pending`: unfinished uploads of the same mags are forgotten.
    """

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
        """Make all usual mags that are coarser than `from_mag`, by default the coarsest one that is there.

        The first is made from the voxels on the server, each other from the one before. Raises NotInDatasetError without
        `from_mag`, AlreadyThereError for mags that are there, ReadOnlyError (also for formats that are only read),
        GeometryError, DownsamplingError, InputError for transfer mode SYMLINK, and what `add_mag_as_copy` raises.
        """
        if from_mag is None and not self.mags:
            raise NotInDatasetError(f"layer {self.name!r} has no mag to be downsampled; add one first")
        start = max(self.mags, key=ladder_order) if from_mag is None else from_mag
        source = self.get_mag(start)
        wanted = coarser_mags(
            start,
            size=BoundingBox.from_ndbbox(self.properties.bounding_box).size,
            voxel_size=self.dataset.voxel_size,
            coarsest=coarsest_mag,
            sampling=SamplingMode.parse(sampling_mode),
            existing=_mags_to_align_with(self, align_with_other_layers),
        )
        _check_targets(self, wanted)
        refuse_links(transfer_mode, f"each new mag of layer {self.name!r}")
        with temporary_layer(self.dataset, self.properties, stored_layer(self).data_format) as local:
            local.downsample(
                from_mag=start,
                from_mag_view=source,
                coarsest_mag=coarsest_mag,
                interpolation_mode=interpolation_mode,
                compress=compress,
                sampling_mode=sampling_mode,
                align_with_other_layers=self.dataset if align_with_other_layers else False,
                buffer_shape=buffer_shape,
                chunk_shape=chunk_shape,
                shard_shape=shard_shape,
                force_sampling_scheme=force_sampling_scheme,
                executor=executor,
            )
            for mag in sorted(local.mags, key=ladder_order):
                send_mag(
                    self,
                    local.get_mag(mag),
                    transfer_mode,
                    path_prefix=common_storage_path_prefix,
                    overwrite_pending=overwrite_pending,
                )

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
        """Make all usual mags from `finest_mag` up to `from_mag`: each voxel of the server's mag is repeated.

        The coarsest of them is sent first. Raises NotInDatasetError without `from_mag`, PlanError if it is no multiple of
        `finest_mag`, AlreadyThereError, ReadOnlyError, InputError for transfer mode SYMLINK, and what `add_mag_as_copy` raises.
        """
        source = self.get_mag(from_mag)
        wanted = finer_mags(
            from_mag,
            size=BoundingBox.from_ndbbox(self.properties.bounding_box).size,
            voxel_size=self.dataset.voxel_size,
            finest=finest_mag,
            sampling=SamplingMode.parse(sampling_mode),
            existing=_mags_to_align_with(self, align_with_other_layers),
        )
        _check_targets(self, wanted)
        refuse_links(transfer_mode, f"each new mag of layer {self.name!r}")
        with temporary_layer(self.dataset, self.properties, stored_layer(self).data_format) as local:
            local.upsample(
                from_mag,
                from_mag_view=source,
                finest_mag=finest_mag,
                compress=compress,
                sampling_mode=sampling_mode,
                align_with_other_layers=self.dataset if align_with_other_layers else False,
                buffer_shape=buffer_shape,
                executor=executor,
            )
            for mag in sorted(local.mags, key=ladder_order, reverse=True):
                send_mag(
                    self,
                    local.get_mag(mag),
                    transfer_mode,
                    path_prefix=common_storage_path_prefix,
                    overwrite_pending=overwrite_pending,
                )


def _check_targets(layer: RemoteLayerOwner[Any], mags: Collection[Mag]) -> None:
    if layer.read_only:
        raise ReadOnlyError(
            f"layer {layer.name!r} was opened for reading; open the dataset without read_only to change it"
        )
    there = [mag.to_layer_name() for mag in mags if mag in layer.mags]
    if there:
        raise AlreadyThereError(
            f"layer {layer.name!r} on the server has mag {', '.join(there)} already; delete it, or begin at a coarser one"
        )


def _mags_to_align_with(layer: RemoteLayerOwner[Any], aligned: bool) -> Collection[Mag]:  # noqa: FBT001  # private
    return {mag for one in layer.dataset.layers.values() for mag in one.mags} if aligned else ()
