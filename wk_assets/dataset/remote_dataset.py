"""A dataset on a server as an object: read its voxels as those of a local one, and change what the server says of it.

    dataset = RemoteDataset.open("https://webknossos.org/datasets/l4_sample-…/view")
    dataset.get_layer("color").get_mag(1).read((64, 64, 64), absolute_offset=(1000, 1000, 100))
    dataset.tags = ["published"]
    local = dataset.download(path="l4_sample", layers="color", bounding_box=BoundingBox((1000, 1000, 100), (512, 512, 64)))

Names are those of the WEBKNOSSOS Python library's reference. Parts: `remote_facts` (name, tags, rights …), `remote_opening`,
`remote_source` (the way to the voxels), `remote_transfer`, `remote_adding`, `remote_resampling`.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Self

from upath import UPath

from wk_assets.client.context import current_context
from wk_assets.client.live_metadata import changing
from wk_assets.client.models import ApiCompactDataset, ApiDatasetExploreAndAddRemote
from wk_assets.dataset.layers_by_name import LayersByName
from wk_assets.dataset.remote_access_mode import RemoteAccessMode
from wk_assets.dataset.remote_adding import RemoteLayerAdding
from wk_assets.dataset.remote_address import is_id
from wk_assets.dataset.remote_folder import RemoteFolder
from wk_assets.dataset.remote_layer import RemoteLayer, RemoteSegmentationLayer
from wk_assets.dataset.remote_opening import asked_without_token, find_source, listed, server_at
from wk_assets.dataset.remote_resampling import RemoteDatasetResampling
from wk_assets.dataset.remote_source import RemoteSource
from wk_assets.dataset.remote_transfer import RemoteTransfer
from wk_assets.errors import InputError, RemoteLocationError
from wk_assets.geometry.mag import MagLike
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.layer_properties import LayerProperties, SegmentationLayerProperties
from wk_assets.properties.view_configuration import DatasetViewConfiguration

if TYPE_CHECKING:
    from wk_assets.dataset.dataset import Dataset


class RemoteDataset(
    LayersByName[RemoteLayer, RemoteSegmentationLayer], RemoteLayerAdding, RemoteDatasetResampling, RemoteTransfer
):
    """Be a dataset on a server. Use `RemoteDataset.open`. Members that ask the server raise ServerError.

    Layers are asked for when they are first needed, and are then as they were; `reload` asks again.
    """

    def __init__(self, source: RemoteSource, *, read_only: bool = False) -> None:
        super().__init__(source, read_only=read_only)
        self._known: DatasetProperties | None = None
        self._layers: dict[str, RemoteLayer] = {}

    # ------------------------------------------------------------------ opening

    @classmethod
    def open(
        cls,
        dataset_name_or_url: str | None = None,
        *,
        organization_id: str | None = None,
        sharing_token: str | None = None,
        webknossos_url: str | None = None,
        dataset_id: str | None = None,
        annotation_id_or_url: str | None = None,
        access_mode: RemoteAccessMode | None = None,
        read_only: bool = False,
        use_zarr_streaming: bool | None = None,
    ) -> Self:
        """Open a dataset by its name, its id, or its address; or as an annotation shows it.

        `organization_id`: where the name is looked for, by default the user's organization. `access_mode`: by default
        ZARR_STREAMING. `use_zarr_streaming` is deprecated. Raises InputError for what names no dataset or names it twice,
        NotOnServerError, NotAuthenticatedError.
        """
        source = find_source(
            dataset_name_or_url,
            organization_id=organization_id,
            sharing_token=sharing_token,
            webknossos_url=webknossos_url,
            dataset_id=dataset_id,
            annotation_id_or_url=annotation_id_or_url,
            access_mode=_access_mode(access_mode, use_zarr_streaming),
        )
        if source.store_url is None:
            with asked_without_token(source.server):
                source = replace(source, store_url=source.describe().data_store.url)
        return cls(source, read_only=read_only)

    def reopen(self, *, access_mode: RemoteAccessMode) -> Self:
        """Give the same dataset with another way to its voxels. Raises InputError for an annotation that is not streamed."""
        return type(self)(replace(self._source, access_mode=RemoteAccessMode(access_mode)), read_only=self._read_only)

    @classmethod
    def list(
        cls,
        organization_id: str | None = None,
        tags: str | Sequence[str] | None = None,
        name: str | None = None,
        folder: RemoteFolder | str | None = None,
        folder_id: RemoteFolder | str | None = None,
    ) -> "Mapping[str, RemoteDataset]":
        """List the datasets that can be used, by id; a dataset is only asked for when it is looked at.

        `tags`: it has all of them. `name`: exactly this one. `folder`: right inside of it; `folder_id` is its deprecated name.
        """
        if folder_id is not None:
            warnings.warn("folder_id is deprecated; use folder", DeprecationWarning, stacklevel=2)
        chosen = folder if folder is not None else folder_id
        return RemoteDatasets(listed(organization_id=organization_id, tags=tags, name=name, folder=chosen))

    @classmethod
    def explore_and_add_remote(
        cls,
        dataset_uri: str | PathLike[str] | UPath,
        dataset_name: str,
        *,
        folder: str | RemoteFolder | None = None,
        folder_path: str | None = None,
    ) -> Self:
        """Let the server look at a place that it can reach, and add what is there as a dataset; nothing is copied.

        `folder`: a folder, its id, or its path from the root. Raises UnknownNameError for a folder that is not there,
        RequestRefusedError if the server finds no dataset.
        """
        if folder_path is not None:
            warnings.warn("folder_path is deprecated; use folder", DeprecationWarning, stacklevel=2)
        chosen = folder if folder is not None else folder_path
        if isinstance(chosen, str):
            chosen = RemoteFolder(chosen) if is_id(chosen) else RemoteFolder.get_by_path(chosen)
        asked = ApiDatasetExploreAndAddRemote(
            remote_uri=str(dataset_uri), dataset_name=dataset_name, folder_id=None if chosen is None else chosen.id
        )
        return cls.open(dataset_id=current_context().client().dataset_explore_and_add_remote(dataset=asked))

    @classmethod
    def trigger_reload_in_datastore(
        cls,
        *,
        dataset_name_or_url: str | None = None,
        organization_id: str | None = None,
        webknossos_url: str | None = None,
        dataset_id: str | None = None,
        organization: str | None = None,
        datastore_url: str | None = None,
        token: str | None = None,
    ) -> None:
        """Let the data store read a dataset's files anew, after they were changed on its disk.

        `organization` is the deprecated name of `organization_id`; `token` is deprecated too: the context has it.
        """
        if organization is not None or token is not None:
            warnings.warn(
                "organization and token are deprecated; use organization_id, and webknossos_context(token=…)",
                DeprecationWarning,
                stacklevel=2,
            )
        source = find_source(
            dataset_name_or_url,
            organization_id=organization_id or organization,
            sharing_token=None,
            webknossos_url=webknossos_url,
            dataset_id=dataset_id,
            annotation_id_or_url=None,
            access_mode=RemoteAccessMode.ZARR_STREAMING,
        )
        described = source.describe()
        store = source.for_reader(token).reader().datastore_client(datastore_url or described.data_store.url)
        store.trigger_reload(organization_id=described.owning_organization, dataset_id=described.id)

    # ------------------------------------------------------------------ what it is made of

    @property
    def voxel_size(self) -> tuple[float, float, float]:
        """Edge lengths x, y, z of a mag-1 voxel in nanometers."""
        return self.properties.scale.to_nanometer()

    @property
    def voxel_size_with_unit(self) -> VoxelSize:
        """Edge lengths x, y, z of a mag-1 voxel in the unit that was given."""
        return self.properties.scale

    @property
    def default_view_configuration(self) -> DatasetViewConfiguration | None:
        """How the dataset is shown at first; can be set. Raises ReadOnlyError."""
        return self.properties.default_view_configuration

    @default_view_configuration.setter
    def default_view_configuration(self, view_configuration: DatasetViewConfiguration | None) -> None:
        self.change(
            "view configuration",
            lambda stored: stored.model_copy(update={"default_view_configuration": view_configuration}),
        )

    @property
    def layers(self) -> Mapping[str, RemoteLayer]:
        """All layers by name, in the server's order."""
        self._load()
        return MappingProxyType(self._layers)

    @property
    def _shown_name(self) -> str:
        return str(self.dataset_id)

    def download_mesh(
        self,
        segment_id: int,
        output_dir: str | PathLike[str] | UPath,
        *,
        layer_name: str | None = None,
        mesh_file_name: str | None = None,
        datastore_url: str | None = None,
        lod: int = 0,
        mapping_name: str | None = None,
        mapping_type: Literal["agglomerate", "json"] | None = None,
        mag: MagLike | None = None,
        seed_position: Vec3Int | None = None,
        token: str | None = None,
        sharing_token: str | None = None,
    ) -> UPath:
        """Save the mesh of one segment; `layer_name` may be left out if there is one segmentation.

        See `RemoteSegmentationLayer.download_mesh`. Raises InputError if the layer is not clear.
        """
        segmentations = self.get_segmentation_layers()
        if layer_name is None and len(segmentations) != 1:
            there = ", ".join(layer.name for layer in segmentations) or "none"
            raise InputError(f"dataset {self.dataset_id} has the segmentations {there}; say which with layer_name")
        layer = segmentations[0] if layer_name is None else self.get_segmentation_layer(layer_name)
        return layer.download_mesh(
            segment_id,
            output_dir,
            mesh_file_name=mesh_file_name,
            datastore_url=datastore_url,
            lod=lod,
            mapping_name=mapping_name,
            mapping_type=mapping_type,
            mag=mag,
            seed_position=seed_position,
            token=token,
            sharing_token=sharing_token,
        )

    # ------------------------------------------------------------------ for layers and mags

    @property
    def path(self) -> Path:
        """Raise RemoteLocationError: the dataset has no directory on this machine."""
        raise RemoteLocationError(f"{self!r} is on a server; it has no path here. `url` is its address there")

    @property
    def properties(self) -> DatasetProperties:
        """What the dataset is made of, as far as this handle knows: formats and paths are those of the access mode."""
        return self._load()

    def reload(self) -> None:
        """Ask the server anew what the dataset is made of; the layers' handles follow."""
        self._follow(self._source.properties())

    def change(self, purpose: str, change: Callable[[DatasetProperties], DatasetProperties]) -> None:
        """Change what the server says the dataset is made of, as it says it now, and let all handles follow.

        Raises ReadOnlyError, and RequestRefusedError for what the server does not let change.
        """
        self.check_may_change(purpose)
        with changing:
            stored = self._source.stored_properties()
            changed = change(stored)
            if changed is not stored:
                update = {"dataSource": changed.to_json()}
                self._client().dataset_update(dataset_id=self.dataset_id, dataset_updates=update)
        self.reload()

    def rename_layer(self, layer: RemoteLayer, new_name: str) -> None:
        """Give a layer another name on the server; its handle goes on under that name."""
        old_name = layer.name
        self._send(f"name of layer {old_name}", layerRenamings=[{"oldName": old_name, "newName": new_name}])
        self.follow_renaming(old_name, new_name, layer)

    def follow_renaming(self, old_name: str, new_name: str, layer: RemoteLayer) -> None:
        """Let the handle of a renamed layer go on under its new name."""
        self._layers.pop(old_name, None)
        self._layers[new_name] = layer
        self.reload()

    def at_path(self, path: Path) -> "Dataset":
        """Open the dataset at a path of this machine, or make it there with this one's voxel size."""
        from wk_assets.dataset.dataset import Dataset  # here: a Dataset opens and gives RemoteDatasets too

        return Dataset(path, voxel_size_with_unit=self.voxel_size_with_unit, exist_ok=True)

    # ------------------------------------------------------------------ within

    def _load(self) -> DatasetProperties:
        if self._known is None:
            self._follow(self._source.properties())
        return self._known  # type: ignore[return-value]  # `_follow` has just set it

    def _follow(self, properties: DatasetProperties) -> None:
        known, self._known = self._layers, properties
        self._layers = {}
        for stored in properties.data_layers:
            layer = known.get(stored.name)
            segmentation = isinstance(stored, SegmentationLayerProperties)
            if layer is None or isinstance(layer, RemoteSegmentationLayer) != segmentation:
                layer = self._new_handle(stored)
            layer.adopt(stored)
            self._layers[stored.name] = layer

    def _new_handle(self, stored: LayerProperties) -> RemoteLayer:
        if isinstance(stored, SegmentationLayerProperties):
            return RemoteSegmentationLayer(self, stored)
        return RemoteLayer(self, stored)

    def __repr__(self) -> str:
        shown = "" if self.annotation_id is None else f", annotation_id={self.annotation_id!r}"
        return (
            f"{type(self).__name__}(dataset_id={self.dataset_id!r}{shown}, server={self.server.address.url!r}, "
            f"access_mode={self._source.access_mode.name})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteDataset) and other._identity == self._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[str, str, str | None, RemoteAccessMode]:
        return self.server.address.url, self.dataset_id, self.annotation_id, self._source.access_mode

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        # without tokens: who unpickles it asks as the user of the context there
        source = self._source
        told = (
            source.server.address.url,
            source.dataset_id,
            source.annotation_id,
            source.access_mode,
            source.store_url,
        )
        return _asked_again, (type(self), *told, self._read_only)


class RemoteDatasets(Mapping[str, RemoteDataset]):
    """Map ids to datasets; a dataset is made when it is looked at, as of the context of that moment."""

    def __init__(self, told: Mapping[str, ApiCompactDataset]) -> None:
        self._told = dict(told)

    def __getitem__(self, dataset_id: str) -> RemoteDataset:
        if dataset_id not in self._told:
            raise KeyError(dataset_id)
        return RemoteDataset.open(dataset_id=dataset_id)

    def __iter__(self) -> Iterator[str]:
        return iter(self._told)

    def __len__(self) -> int:
        return len(self._told)

    def __contains__(self, dataset_id: object) -> bool:
        return dataset_id in self._told

    def __repr__(self) -> str:
        return f"RemoteDatasets({ {told.id: told.name for told in self._told.values()} })"


def _access_mode(access_mode: RemoteAccessMode | None, use_zarr_streaming: bool | None) -> RemoteAccessMode:
    if use_zarr_streaming is not None:
        warnings.warn("use_zarr_streaming is deprecated; use access_mode", DeprecationWarning, stacklevel=3)
        if access_mode is not None:
            raise InputError("access_mode and use_zarr_streaming are given; give access_mode")
        return RemoteAccessMode.ZARR_STREAMING if use_zarr_streaming else RemoteAccessMode.DIRECT_PATH
    return RemoteAccessMode.ZARR_STREAMING if access_mode is None else RemoteAccessMode(access_mode)


def _asked_again(
    kind: type[RemoteDataset],
    url: str,
    dataset_id: str,
    annotation_id: str | None,
    access_mode: RemoteAccessMode,
    store_url: str | None,
    read_only: bool,  # noqa: FBT001  # pickle passes arguments by position
) -> RemoteDataset:
    source = RemoteSource(
        server=server_at(url),
        dataset_id=dataset_id,
        annotation_id=annotation_id,
        access_mode=access_mode,
        store_url=store_url,
    )
    return kind(source, read_only=read_only)
