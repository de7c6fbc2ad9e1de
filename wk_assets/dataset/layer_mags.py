"""What gives a layer mags, and takes them away: new ones, copies, references, arrays that are there already.

Thin: arrays are made by storage, copied by operations, named by the dataset's one door.
"""

from concurrent.futures import Executor
from os import PathLike
from pathlib import Path
from typing import Any, Self

from upath import UPath

from wk_assets.dataset.layer_handle import LayerHandle
from wk_assets.dataset.mag_view import MagView
from wk_assets.dataset.progress_bar import progress_listener
from wk_assets.dataset.view_region import Shape
from wk_assets.errors import AlreadyThereError, GeometryError, NotInDatasetError, PropertiesError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.mag import Mag, MagLike
from wk_assets.operations.arrays.copy_mag import copy_mag
from wk_assets.operations.datasets.add_mag import add_array, add_new_mag, adopt_staged, remove_mag, stage_copy
from wk_assets.operations.datasets.array_request import array_info
from wk_assets.operations.datasets.layer_box import with_box_around
from wk_assets.operations.records.mag_lock import mag_lock
from wk_assets.properties.layer_properties import LayerProperties, MagViewProperties
from wk_assets.storage.durable import remove_tree
from wk_assets.storage.local_path import local_path
from wk_assets.storage.mag_array import Zarr3Config
from wk_assets.storage.properties_file import read_properties, stated_location

ForeignMag = str | PathLike[str] | UPath | MagView[Any]


class LayerMags(LayerHandle):
    """Add mags to a layer and delete them."""

    def add_mag(
        self,
        mag: MagLike,
        *,
        chunk_shape: Shape | None = None,
        shard_shape: Shape | None = None,
        chunks_per_shard: Shape | None = None,
        compress: bool | Zarr3Config = True,
    ) -> MagView[Self]:
        """Make an empty array for a mag. Shapes in voxels of the mag: chunks of 32³ in shards of 256³ by default.

        Raises AlreadyThereError, GeometryError for shapes that are no powers of two, PropertiesError for what the format can
        not hold, ReadOnlyError for formats that are only read and for a read-only layer, StorageError.
        """
        wanted = Mag(mag)

        def changed(stored: LayerProperties) -> LayerProperties:
            info = array_info(
                stored,
                wanted,
                chunk_shape=chunk_shape,
                shard_shape=shard_shape,
                chunks_per_shard=chunks_per_shard,
                compression=compress,
            )
            return add_new_mag(Path(self._dataset.path), stored, wanted, info)

        self.change(f"adding of mag {wanted}", changed)
        return self.get_mag(wanted)

    def get_or_add_mag(
        self,
        mag: MagLike,
        *,
        chunk_shape: Shape | None = None,
        shard_shape: Shape | None = None,
        chunks_per_shard: Shape | None = None,
        compress: bool | Zarr3Config | None = None,
    ) -> MagView[Self]:
        """Give a mag, or make it as `add_mag` does. Raises GeometryError if it is there and cut or encoded otherwise."""
        if Mag(mag) not in self.mags:
            return self.add_mag(
                mag,
                chunk_shape=chunk_shape,
                shard_shape=shard_shape,
                chunks_per_shard=chunks_per_shard,
                compress=True if compress is None else compress,
            )
        there = self.get_mag(mag)
        wanted = array_info(
            self.properties,
            there.mag,
            chunk_shape=chunk_shape,
            shard_shape=shard_shape,
            chunks_per_shard=chunks_per_shard,
            compression=compress,
            like=there.info,
        )
        for what, asked, is_there in (
            ("chunk_shape", wanted.chunk_shape, there.info.chunk_shape),
            ("shard_shape", wanted.shard_shape, there.info.shard_shape),
            ("compression", bool(wanted.compression_mode), bool(there.info.compression_mode)),
        ):
            if asked != is_there:
                raise GeometryError(f"mag {there.name} of layer {self.name!r} has {what} {is_there}, not {asked}")
        return there

    def add_mag_as_copy(
        self,
        foreign_mag_view_or_path: ForeignMag,
        *,
        extend_layer_bounding_box: bool = True,
        chunk_shape: Shape | None = None,
        shard_shape: Shape | None = None,
        chunks_per_shard: Shape | None = None,
        compress: bool | Zarr3Config | None = None,
        exists_ok: bool = False,
        executor: Executor | None = None,
        progress_desc: str | None = None,
    ) -> MagView[Self]:
        """Copy a mag, of any dataset and format, into this layer; what is not given stays as it is there.

        An array that stays as it is is copied file by file and compared with its manifest; others are decoded and encoded,
        a few shards at a time. `exists_ok`: a mag that is there is written over. Raises AlreadyThereError, GeometryError,
        PlanError for other voxels than the layer's, StorageError.
        """
        foreign = self._foreign_mag(foreign_mag_view_or_path)
        if foreign.mag in self.mags and not exists_ok:
            raise AlreadyThereError(
                f"layer {self.name!r} has a mag {foreign.name} already; delete it, or pass exists_ok=True"
            )
        self._check_same_voxels(foreign)
        self.check_may_change()
        path, planned = Path(self._dataset.path), self.properties
        extends = extend_layer_bounding_box and not foreign.layer.normalized_bounding_box.is_empty()
        if extends:
            planned = with_box_around(planned, foreign.layer.bounding_box)
        info = array_info(
            planned,
            foreign.mag,
            chunk_shape=chunk_shape,
            shard_shape=shard_shape,
            chunks_per_shard=chunks_per_shard,
            compression=compress,
            like=foreign.info,
        )
        with progress_listener(progress_desc) as listener:
            if foreign.mag in self.mags:
                if extends:
                    self.extend_box(foreign.layer.bounding_box)
                there = self.get_mag(foreign.mag)
                box = foreign.box_in_mag.intersected_with(there.box_in_mag, dont_assert=True)
                copy_mag(foreign.array, there.array, box, executor=executor, listener=listener, fresh=False)
                return there
            with mag_lock(path, self.name, foreign.mag, "copy"):
                staged = stage_copy(
                    path,
                    planned,
                    foreign.mag,
                    foreign.array,
                    foreign.box_in_mag,
                    info,
                    executor=executor,
                    listener=listener,
                )
                try:
                    if extends:
                        self.extend_box(foreign.layer.bounding_box)
                    self.change(
                        f"adding of mag {foreign.mag}",
                        lambda stored: adopt_staged(path, stored, foreign.mag, staged),
                    )
                finally:
                    remove_tree(staged.path)
        return self.get_mag(foreign.mag)

    def add_mag_as_ref(
        self,
        foreign_mag_view_or_path: ForeignMag,
        *,
        mag: MagLike | None = None,
        extend_layer_bounding_box: bool = True,
    ) -> MagView[Self]:
        """Name the array of another dataset as a mag of this layer; nothing is copied, and it is only read from here.

        `mag`: what it is in this layer, by default what it is there. Raises AlreadyThereError, PropertiesError for another
        format or other voxels than the layer's, InputError for a mag of this very dataset.
        """
        foreign = self._foreign_mag(foreign_mag_view_or_path)
        wanted = foreign.mag if mag is None else Mag(mag)
        if foreign.data_format is not self.data_format:
            raise PropertiesError(
                f"a mag in {foreign.data_format} can not be named in layer {self.name!r}, which is {self.data_format}; copy it"
            )
        self._check_same_voxels(foreign)
        if Path(foreign.layer.dataset.path).resolve() == self._dataset.path.resolve() and wanted == foreign.mag:
            raise GeometryError(f"mag {foreign.name} lies in this dataset already; a reference leads to another one")
        entry = foreign.properties.model_copy(
            update={"mag": wanted, "path": stated_location(Path(self._dataset.path), foreign.path.resolve())}
        )
        box = foreign.layer.normalized_bounding_box
        if wanted != foreign.mag:
            box = box.align_with_mag(foreign.mag, ceil=True).in_mag(foreign.mag).from_mag_to_mag1(wanted)
        self._name_array(entry, box if extend_layer_bounding_box else None)
        return self.get_mag(wanted)

    def add_mag_from_zarrarray(
        self,
        mag: MagLike,
        path: str | PathLike[str] | UPath,
        *,
        move: bool = False,
        extend_layer_bounding_box: bool = True,
    ) -> MagView[Self]:
        """Copy, or `move`, a Zarr array into this layer as a mag; its files stay as they are.

        The array begins at the world's origin and must be of the layer's format and voxels; its axes are those that it names,
        else those of the layer. Raises AlreadyThereError, NotADatasetError, PropertiesError, StorageError.
        """
        wanted = Mag(mag)

        def changed(stored: LayerProperties) -> LayerProperties:
            return add_array(
                Path(self._dataset.path),
                stored,
                wanted,
                local_path(path),
                move=move,
                extend_box=extend_layer_bounding_box,
            )

        self.change(f"adding of mag {wanted}", changed)
        return self.get_mag(wanted)

    def delete_mag(self, mag: MagLike) -> None:
        """Take a mag out of the layer, and remove its array; an array of another dataset stays.

        Raises NotInDatasetError, ReadOnlyError, StorageError.
        """
        view = self.get_mag(mag)
        self.check_may_change()
        self.change(f"deletion of mag {view.name}", lambda stored: _without_mag(stored, view.mag))
        self._mags.pop(view.mag, None)
        remove_mag(Path(self._dataset.path), self.name, view.mag, view.own_location)

    def is_mag_view_foreign(self, mag: MagView[Any]) -> bool:
        """Say whether a mag's array lies outside of this layer's dataset."""
        root = self._dataset.path.resolve()
        return mag.is_foreign or not mag.path.resolve().is_relative_to(root)

    # ------------------------------------------------------------------ within

    def _foreign_mag(self, mag_view_or_path: ForeignMag) -> MagView[Any]:
        if isinstance(mag_view_or_path, MagView):
            return mag_view_or_path
        path = local_path(mag_view_or_path)
        layer_name, dataset_path = path.parent.name, path.parent.parent
        for stored in read_properties(dataset_path).data_layers:
            if stored.name == layer_name:
                layer = self._dataset.at_path(dataset_path).layers[layer_name]
                view: MagView[Any] = layer.get_mag(path.name)
                return view
        raise NotInDatasetError(f"{path} is no mag: the dataset {dataset_path} has no layer {layer_name!r}")

    def _check_same_voxels(self, foreign: MagView[Any]) -> None:
        if (foreign.get_dtype(), foreign.num_channels) != (self.dtype, self.num_channels):
            raise PropertiesError(
                f"mag {foreign.name} holds {foreign.num_channels} x {foreign.get_dtype()}, layer {self.name!r} "
                f"{self.num_channels} x {self.dtype}: a mag of a layer holds the layer's voxels"
            )

    def _name_array(self, entry: MagViewProperties, box: NormalizedBoundingBox | None) -> None:
        def changed(stored: LayerProperties) -> LayerProperties:
            if any(other.mag == entry.mag for other in stored.mags):
                raise AlreadyThereError(f"layer {stored.name!r} has a mag {entry.mag} already; delete it first")
            return stored.model_copy(update={"mags": (*stored.mags, entry)})

        self.change(f"adding of mag {entry.mag}", changed)
        if box is not None and not box.is_empty():
            self.extend_box(box)


def _without_mag(layer: LayerProperties, mag: Mag) -> LayerProperties:
    return layer.model_copy(update={"mags": tuple(entry for entry in layer.mags if entry.mag != mag)})
