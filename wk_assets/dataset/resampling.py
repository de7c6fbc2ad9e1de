"""Coarser and finer mags of a layer. Thin: `operations.resampling.resample_pyramid` computes them, `remake_mags` those of imports.

Mags of a layer that was imported (its ledger keeps them) are published: they are made as new versions and committed, each
from the next finer one. All others are filled in place.
"""

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wk_assets.dataset.layer_mags import LayerMags
from wk_assets.dataset.mag_view import MagView
from wk_assets.dataset.owners import DatasetWithLayers
from wk_assets.dataset.view_region import Shape
from wk_assets.errors import AlreadyThereError, NotInDatasetError, PlanError, ReadOnlyError
from wk_assets.geometry.bounding_box import BoundingBox, NDBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.mag_ladder import SamplingMode
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.compute import Compute
from wk_assets.operations.datasets.remake_mags import keeping_record, plan_remake, run_remake
from wk_assets.operations.passes.interpolation import downsampling_mode
from wk_assets.operations.records.layer_request import ProgressListener
from wk_assets.operations.resampling.resample_pyramid import downsample_mags, upsample_mags
from wk_assets.operations.resampling.resampling_ladder import check_ascending, coarser_mags, finer_mags, ladder_order
from wk_assets.storage.mag_array import Zarr3Config


class ResampledLayer(LayerMags):
    """Make mags of a layer from one another.

    Common parameters. `interpolation_mode`: see `operations.passes.interpolation.downsampling_mode`. `compress`, `chunk_shape`,
    `shard_shape`: of new mags, as for `add_mag`; mags that are there keep theirs. `buffer_shape`: voxels of the new mag that
    are computed at a time, by default what fits some megabytes. `executor`: where the work is done, by default on threads of
    this process; mags of imported layers always are. `from_mag_view`: read another layer's mag instead. `compute`: threads and
    memory, by default every core and a gibibyte; `listener` hears how far it is.
    """

    def downsample(
        self,
        *,
        from_mag: Mag | None = None,
        coarsest_mag: Mag | None = None,
        interpolation_mode: str = "default",
        compress: bool | Zarr3Config = True,
        sampling_mode: str | SamplingMode = SamplingMode.ANISOTROPIC,
        align_with_other_layers: bool | DatasetWithLayers = True,
        buffer_shape: Shape | None = None,
        chunk_shape: Shape | None = None,
        shard_shape: Shape | None = None,
        force_sampling_scheme: bool = False,
        allow_overwrite: bool = False,
        only_setup_mags: bool = False,
        from_mag_view: MagView[Any] | None = None,
        executor: Executor | None = None,
        compute: Compute | None = None,
        listener: ProgressListener | None = None,
    ) -> None:
        """Make all usual mags that are coarser than `from_mag`, by default the coarsest one that is there.

        `coarsest_mag`: where to stop, by default the mag with at most 100 voxels in x and y. `align_with_other_layers`: take
        mags of the other layers (or those of another dataset) where they fit. A single slice is never halved in z.
        `force_sampling_scheme` is accepted for the sake of scripts: no scheme made here is invalid. `only_setup_mags`: make
        the arrays and leave them empty.
        Raises NotInDatasetError (a LookupError) without `from_mag`, AlreadyThereError for mags that are there unless
        `allow_overwrite`, GeometryError for an unknown sampling mode, DownsamplingError, StorageError.
        """
        del force_sampling_scheme
        start = from_mag_view.mag if from_mag is None and from_mag_view is not None else from_mag
        start = max(self.mags, key=ladder_order) if start is None and self.mags else start
        if start is None:
            raise NotInDatasetError(f"layer {self.name!r} has no mag to be downsampled; add one, or pass from_mag_view")
        mags = coarser_mags(
            start,
            size=self._box.size,
            voxel_size=self.dataset.voxel_size,
            coarsest=coarsest_mag,
            sampling=SamplingMode.parse(sampling_mode),
            existing=self._mags_to_align_with(align_with_other_layers),
        )
        self._downsample(
            start,
            mags,
            interpolation_mode,
            compress=compress,
            buffer_shape=buffer_shape,
            chunk_shape=chunk_shape,
            shard_shape=shard_shape,
            allow_overwrite=allow_overwrite,
            only_setup=only_setup_mags,
            from_mag_view=from_mag_view,
            executor=executor,
            compute=compute,
            listener=listener,
        )

    def downsample_mag(
        self,
        from_mag: Mag,
        target_mag: Mag,
        *,
        interpolation_mode: str = "default",
        compress: bool | Zarr3Config = True,
        buffer_shape: Shape | None = None,
        chunk_shape: Shape | None = None,
        shard_shape: Shape | None = None,
        allow_overwrite: bool = False,
        only_setup_mag: bool = False,
        from_mag_view: MagView[Any] | None = None,
        executor: Executor | None = None,
    ) -> None:
        """Make one mag from a finer one. Raises PlanError (a ValueError) if it is no multiple; else as `downsample`."""
        self._downsample(
            from_mag,
            (target_mag,),
            interpolation_mode,
            compress=compress,
            buffer_shape=buffer_shape,
            chunk_shape=chunk_shape,
            shard_shape=shard_shape,
            allow_overwrite=allow_overwrite,
            only_setup=only_setup_mag,
            from_mag_view=from_mag_view,
            executor=executor,
        )

    def downsample_mag_list(
        self,
        from_mag: Mag,
        target_mags: list[Mag],
        *,
        interpolation_mode: str = "default",
        compress: bool | Zarr3Config = True,
        buffer_shape: Shape | None = None,
        chunk_shape: Shape | None = None,
        shard_shape: Shape | None = None,
        allow_overwrite: bool = False,
        only_setup_mags: bool = False,
        executor: Executor | None = None,
        compute: Compute | None = None,
        listener: ProgressListener | None = None,
    ) -> None:
        """Make mags in ascending order, the first from `from_mag`, each other from the one before. Raises as `downsample_mag`."""
        self._downsample(
            from_mag,
            tuple(target_mags),
            interpolation_mode,
            compress=compress,
            buffer_shape=buffer_shape,
            chunk_shape=chunk_shape,
            shard_shape=shard_shape,
            allow_overwrite=allow_overwrite,
            only_setup=only_setup_mags,
            from_mag_view=None,
            executor=executor,
            compute=compute,
            listener=listener,
        )

    def redownsample(
        self,
        *,
        interpolation_mode: str = "default",
        compress: bool | Zarr3Config = True,
        buffer_shape: Shape | None = None,
        chunk_shape: Shape | None = None,
        shard_shape: Shape | None = None,
        executor: Executor | None = None,
        bounding_box: NDBoundingBox | None = None,
        compute: Compute | None = None,
        listener: ProgressListener | None = None,
    ) -> None:
        """Make all coarser mags anew after the finest one changed. The mags keep their chunks, shards and compression.

        `bounding_box` (mag 1): what changed; only the shards above it are made, all others stay as they are. Without it a
        layer that was imported is only made anew where it is stale. Raises DownsamplingError, PlanError, StorageError.
        """
        del compress, chunk_shape, shard_shape
        finest, *coarser = self.mags
        mode = downsampling_mode(interpolation_mode, self.category)
        if not coarser:
            return
        self._check_may_change()
        changed = None if bounding_box is None else BoundingBox.from_ndbbox(bounding_box)
        if self._is_kept():
            self._remake(coarser, None if interpolation_mode == "default" else mode, changed, compute, listener)
            return
        downsample_mags(
            self.get_mag(finest).array,
            [(mag, self.get_mag(mag).array) for mag in coarser],
            source_mag=finest,
            layer_box=self.normalized_bounding_box,
            mode=mode,
            fresh=False,
            changed=changed,
            executor=executor,
            buffer_shape=_shape(buffer_shape),
            compute=compute,
            listener=listener,
        )

    def upsample(
        self,
        from_mag: Mag,
        *,
        from_mag_view: MagView[Any] | None = None,
        finest_mag: Mag = Mag(1),  # noqa: B008  # immutable
        compress: bool | Zarr3Config = True,
        sampling_mode: str | SamplingMode = SamplingMode.ANISOTROPIC,
        align_with_other_layers: bool | DatasetWithLayers = True,
        buffer_shape: Shape | None = None,
        chunk_shape: Shape | None = None,
        shard_shape: Shape | None = None,
        executor: Executor | None = None,
        compute: Compute | None = None,
        listener: ProgressListener | None = None,
    ) -> None:
        """Make all usual mags from `finest_mag` up to `from_mag`: each voxel is repeated, whatever the factor.

        Raises NotInDatasetError without `from_mag`, PlanError if it is no multiple of `finest_mag` or if the layer was
        imported (its finest mag is the one that the others are made from), AlreadyThereError, StorageError.
        """
        mags = finer_mags(
            from_mag,
            size=self._box.size,
            voxel_size=self.dataset.voxel_size,
            finest=finest_mag,
            sampling=SamplingMode.parse(sampling_mode),
            existing=self._mags_to_align_with(align_with_other_layers),
        )
        self.upsample_mag_list(
            from_mag,
            list(mags),
            from_mag_view=from_mag_view,
            compress=compress,
            buffer_shape=buffer_shape,
            chunk_shape=chunk_shape,
            shard_shape=shard_shape,
            executor=executor,
            compute=compute,
            listener=listener,
        )

    def upsample_mag_list(
        self,
        from_mag: Mag,
        target_mags: list[Mag],
        *,
        from_mag_view: MagView[Any] | None = None,
        compress: bool | Zarr3Config = True,
        buffer_shape: Shape | None = None,
        chunk_shape: Shape | None = None,
        shard_shape: Shape | None = None,
        executor: Executor | None = None,
        compute: Compute | None = None,
        listener: ProgressListener | None = None,
    ) -> None:
        """Make these finer mags from `from_mag`, each by repeating its voxels. Raises what `upsample` raises."""
        source = self._source(from_mag, from_mag_view)
        for mag in target_mags:
            check_ascending(mag, [from_mag])
        self._check_targets(target_mags, allow_overwrite=False)
        if target_mags and self._is_kept():
            raise PlanError(
                f"layer {self.name!r} was imported: its coarser mags are made from mag {self.get_finest_mag().mag}, so a finer "
                "one can not be added to it. Add another layer, and pass this one's mag as from_mag_view"
            )
        for mag in target_mags:
            self.add_mag(mag, chunk_shape=chunk_shape, shard_shape=shard_shape, compress=compress)
        with self._dropped_on_error(target_mags):
            upsample_mags(
                source.array,
                [(mag, self.get_mag(mag).array) for mag in target_mags],
                source_mag=from_mag,
                layer_box=self.normalized_bounding_box,
                fresh=True,
                executor=executor,
                buffer_shape=_shape(buffer_shape),
                compute=compute,
                listener=listener,
            )

    # ------------------------------------------------------------------ within

    def _downsample(
        self,
        from_mag: Mag,
        mags: Sequence[Mag],
        interpolation_mode: str,
        *,
        compress: bool | Zarr3Config,
        buffer_shape: Shape | None,
        chunk_shape: Shape | None,
        shard_shape: Shape | None,
        allow_overwrite: bool,
        only_setup: bool,
        from_mag_view: MagView[Any] | None,
        executor: Executor | None,
        compute: Compute | None = None,
        listener: ProgressListener | None = None,
    ) -> None:
        mode = downsampling_mode(interpolation_mode, self.category)
        source = self._source(from_mag, from_mag_view)
        check_ascending(from_mag, mags)
        self._check_targets(mags, allow_overwrite=allow_overwrite)
        if self._is_kept():
            if from_mag_view is not None or only_setup or (chunk_shape, shard_shape) != (None, None):
                raise PlanError(
                    f"layer {self.name!r} was imported: its mags are made whole, each from the next finer one, cut as the finest; "
                    "leave out from_mag_view, only_setup_mag, chunk_shape and shard_shape, or make another layer"
                )
            self._remake(mags, None if interpolation_mode == "default" else mode, None, compute, listener)
            return
        new = [mag for mag in mags if mag not in self.mags]
        for mag in new:
            self.add_mag(mag, chunk_shape=chunk_shape, shard_shape=shard_shape, compress=compress)
        if only_setup:
            return
        with self._dropped_on_error(new):
            downsample_mags(
                source.array,
                [(mag, self.get_mag(mag).array) for mag in mags],
                source_mag=from_mag,
                layer_box=self.normalized_bounding_box,
                mode=mode,
                fresh=len(new) == len(mags),
                executor=executor,
                buffer_shape=_shape(buffer_shape),
                compute=compute,
                listener=listener,
            )

    @contextmanager
    def _dropped_on_error(self, mags: Sequence[Mag]) -> Iterator[None]:
        """Take new mags out of the layer again if they can not be filled: half of a mag looks like a whole one."""
        try:
            yield
        except BaseException:
            for mag in mags:
                self.delete_mag(mag)
            raise

    def _remake(
        self,
        mags: Sequence[Mag],
        mode: DownsamplingMode | None,
        changed: BoundingBox | None,
        compute: Compute | None,
        listener: ProgressListener | None,
    ) -> None:
        compute = compute or Compute.of_this_machine()
        plan = plan_remake(Path(self.dataset.path), self.name, compute, mags=mags, mode=mode, region=changed)
        run_remake(plan, compute, listener)
        self.reload()

    def _is_kept(self) -> bool:
        return keeping_record(Path(self.dataset.path), self.properties) is not None

    def _source(self, from_mag: Mag, from_mag_view: MagView[Any] | None) -> MagView[Any]:
        if from_mag_view is None:
            return self.get_mag(from_mag)
        if from_mag_view.mag != from_mag:
            raise PlanError(f"from_mag is {from_mag}, but from_mag_view is of mag {from_mag_view.mag}")
        self._check_same_voxels(from_mag_view)
        return from_mag_view

    def _check_targets(self, mags: Sequence[Mag], *, allow_overwrite: bool) -> None:
        there = [mag.to_layer_name() for mag in mags if mag in self.mags]
        if there and not allow_overwrite:
            raise AlreadyThereError(
                f"layer {self.name!r} has mag {', '.join(there)} already; delete it, or pass allow_overwrite=True"
            )
        if mags:
            self._check_may_change()

    def _check_may_change(self) -> None:
        if self.read_only:
            raise ReadOnlyError(
                f"layer {self.name!r} is only for reading; open the dataset without read_only to change it"
            )

    @property
    def _box(self) -> BoundingBox:
        return BoundingBox.from_ndbbox(self.bounding_box)

    def _mags_to_align_with(self, aligned: bool | DatasetWithLayers) -> Collection[Mag]:
        if aligned is False:
            return ()
        dataset = self.dataset if aligned is True else aligned
        return {mag for layer in dataset.layers.values() for mag in layer.mags}


def _shape(shape: Shape | None) -> Vec3Int | None:
    return None if shape is None else Vec3Int.from_vec_or_int(shape)
