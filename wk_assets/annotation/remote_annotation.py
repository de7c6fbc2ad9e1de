"""An annotation that stays on its server: name and description are live, everything else is as it was when it was opened.

Voxels are downloaded when they are asked for, once. What is drawn can not be changed from here: download the annotation, change
it, and upload it as a new one.
"""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from typing import Any, Literal, NoReturn

from numpy.typing import DTypeLike
from upath import UPath

from wk_assets.annotation.agglomerate_message import parse_agglomerate_graph
from wk_assets.annotation.annotation import Annotation
from wk_assets.annotation.server_annotation import ServerAnnotation
from wk_assets.annotation.volume_layer import VolumeLayer
from wk_assets.client.context import ServerContext, server_context
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.layer import SegmentationLayer
from wk_assets.dataset.remote_dataset import RemoteDataset
from wk_assets.dataset.remote_mesh import Mesh
from wk_assets.errors import InputError, ReadOnlyError, UnexpectedAnswerError
from wk_assets.geometry.bounding_box import NDBoundingBox
from wk_assets.geometry.mag import MagLike
from wk_assets.geometry.vec3_int import Vec3IntLike
from wk_assets.operations.arrays.agglomerate_graph import AgglomerateGraphData
from wk_assets.skeleton.nml_model import Vector3
from wk_assets.skeleton.skeleton import Skeleton
from wk_assets.storage.durable import make_directory, write_atomically
from wk_assets.storage.local_path import local_path

Location = str | PathLike[str] | UPath


class RemoteAnnotation(Annotation):
    """Be an annotation on a server; made by `Annotation.open_remote`. Members raise ServerError."""

    def __init__(
        self,
        annotation_id: str,
        organization_id: str,
        dataset_id: str | None = None,
        *,
        name: str,
        skeleton: Skeleton,
        owner_name: str,
        time: int | None = None,
        edit_position: Vector3 | None = None,
        edit_rotation: Vector3 | None = None,
        zoom_level: float | None = None,
        task_bounding_box: NDBoundingBox | None = None,
        user_bounding_boxes: list[NDBoundingBox] | None = None,
        metadata: dict[str, str] | None = None,
        place: ServerAnnotation | None = None,
    ) -> None:
        super().__init__(
            name,
            skeleton,
            annotation_id,
            owner_name=owner_name,
            time=time,
            edit_position=edit_position,
            edit_rotation=edit_rotation,
            zoom_level=zoom_level,
            metadata=metadata,
            task_bounding_box=task_bounding_box,
            user_bounding_boxes=user_bounding_boxes,
        )
        self.skeleton.organization_id, self.skeleton.dataset_id = organization_id, dataset_id
        self._place = place or ServerAnnotation.find(annotation_id)
        self._downloaded: Annotation | None = None

    @classmethod
    def at(cls, place: ServerAnnotation) -> "RemoteAnnotation":
        """Open the annotation at a place on a server."""
        told = place.info()
        extra: dict[str, Any] = told.model_extra or {}
        with server_context(place.server):
            seen = Annotation.download(place.annotation_id, skip_volume_data=True)
        opened = cls(
            place.annotation_id,
            str(extra.get("organization") or seen.organization_id or ""),
            extra.get("datasetId") or seen.dataset_id,
            name=told.name,
            skeleton=seen.skeleton,
            owner_name=seen.owner_name
            or ("" if told.owner is None else f"{told.owner.first_name} {told.owner.last_name}"),
            time=seen.time,
            edit_position=seen.edit_position,
            edit_rotation=seen.edit_rotation,
            zoom_level=seen.zoom_level,
            task_bounding_box=seen.task_bounding_box,
            user_bounding_boxes=seen.user_bounding_boxes,
            metadata=seen.metadata,
            place=place,
        )
        opened._volume_layers = list(seen.volume_layers)
        return opened

    # ------------------------------------------------------------------ live

    @property
    def name(self) -> str:
        """The name that the annotation has on the server now. Can be set there."""
        return self._place.info().name

    @name.setter
    def name(self, name: str) -> None:
        self._place.edit(name=name)

    @property
    def description(self) -> str | None:
        """The description that the annotation has on the server now. Can be set there."""
        return self._place.info().description

    @description.setter
    def description(self, description: str | None) -> None:
        self._place.edit(description=description or "")

    @property
    def url(self) -> str:
        """The annotation's address."""
        return self._place.url

    # ------------------------------------------------------------------ what is downloaded for it

    def save(self, path: Location) -> None:
        """Download the annotation as it is now, with its voxels, and save it. Raises what `Annotation.save` raises too."""
        self._whole(anew=True).save(path)

    def to_file(self) -> tuple[str, bytes]:
        """Download the annotation as it is now, and return name and bytes of a file that a server takes."""
        return self._whole(anew=True).to_file()

    def as_base(self) -> tuple[str, bytes] | str:
        """Return what a task goes on from: the id, because the annotation is on the server already."""
        return self._place.annotation_id

    def upload(self) -> str:
        """Make another annotation of this one on the current server; returns the address of that one."""
        return self._whole(anew=True).upload()

    @contextmanager
    def temporary_volume_layer_copy(
        self,
        volume_layer_name: str | None = None,
        volume_layer_id: int | None = None,
        read_only: bool = True,
    ) -> Iterator[SegmentationLayer]:
        """Offer a volume layer as a layer of a temporary dataset, for reading. Raises ReadOnlyError without `read_only`."""
        if not read_only:
            self._refuse("its voxels")
        with self._whole().temporary_volume_layer_copy(volume_layer_name, volume_layer_id) as layer:
            yield layer

    def export_volume_layer_to_dataset(
        self,
        dataset: Dataset,
        layer_name: str = "volume_layer",
        volume_layer_name: str | None = None,
        volume_layer_id: int | None = None,
        *,
        executor: Executor | None = None,
    ) -> SegmentationLayer:
        """Copy the voxels of a volume layer into a new layer of a dataset; see `Annotation`."""
        return self._whole().export_volume_layer_to_dataset(
            dataset, layer_name, volume_layer_name, volume_layer_id, executor=executor
        )

    def merge_fallback_layer(
        self,
        target: Location,
        dataset_directory: Location,
        volume_layer_name: str | None = None,
        executor: Executor | None = None,
        *,
        volume_layer_id: int | None = None,
        zeros_are_unpainted: bool = False,
    ) -> None:
        """Make a dataset of the fallback layer with what was drawn over it; see `Annotation`."""
        self._whole().merge_fallback_layer(
            target,
            dataset_directory,
            volume_layer_name,
            executor,
            volume_layer_id=volume_layer_id,
            zeros_are_unpainted=zeros_are_unpainted,
        )

    # ------------------------------------------------------------------ what can not be done from here

    def add_volume_layer(
        self, name: str, dtype: DTypeLike, fallback_layer: Any = None, volume_layer_id: int | None = None
    ) -> VolumeLayer:
        """Refuse: what is drawn can not be changed from here. Raises ReadOnlyError."""
        del dtype, fallback_layer, volume_layer_id
        self._refuse(f"its layers (adding {name!r})")

    def delete_volume_layer(self, volume_layer_name: str | None = None, volume_layer_id: int | None = None) -> None:
        """Refuse: what is drawn can not be changed from here. Raises ReadOnlyError."""
        del volume_layer_name, volume_layer_id
        self._refuse("its layers")

    # ------------------------------------------------------------------ what only a server has

    def get_remote_annotation_dataset(self) -> RemoteDataset:
        """Open the dataset as the annotation shows it."""
        with server_context(self._place.server):
            return RemoteDataset.open(annotation_id_or_url=self._place.annotation_id)

    def get_remote_base_dataset(
        self, sharing_token: str | None = None, webknossos_url: str | None = None
    ) -> RemoteDataset:
        """Open the dataset that the annotation is of."""
        with server_context(self._place.server):
            return super().get_remote_base_dataset(sharing_token, webknossos_url)

    def get_agglomerate_graph_data(self, agglomerate_id: int) -> AgglomerateGraphData:
        """Return which segments belong to an agglomerate, where they are, and which touch which.

        Works for proofreading annotations with one volume layer. Raises InputError for an id below 1 or another number of
        volume layers, UnexpectedStatusError if there is no such agglomerate or no proofreading.
        """
        if agglomerate_id < 1:
            raise InputError(f"agglomerate {agglomerate_id}: ids begin with 1, 0 is background")
        layers = [one for one in self._place.info().annotation_layers or () if one.typ == "Volume"]
        if len(layers) != 1:
            raise InputError(
                f"annotation {self.annotation_id} has {len(layers)} volume layers; agglomerates are those of exactly one"
            )
        store = self._place.server.anonymous_client().tracing_store()
        client = self._place.server.tracingstore_client(store.url)
        return parse_agglomerate_graph(
            client.agglomerate_graph(tracing_id=layers[0].tracing_id, agglomerate_id=agglomerate_id)
        )

    def get_agglomerate_graph(self, agglomerate_id: int) -> AgglomerateGraphData:
        """Return the same as `get_agglomerate_graph_data`, its newer name."""
        return self.get_agglomerate_graph_data(agglomerate_id)

    def download_mesh(
        self,
        segment_id: int,
        output_dir: Location,
        tracing_id: str,
        mesh_file_name: str | None = None,
        lod: int = 0,
        mapping_name: str | None = None,
        mapping_type: Literal["agglomerate", "json"] | None = None,
        mag: MagLike | None = None,
        seed_position: Vec3IntLike | None = None,
        token: str | None = None,
    ) -> UPath:
        """Write the mesh of a segment of the volume layer `tracing_id` as `<segment id>.stl` into a folder; returns where.

        From a mesh file, or, without one, made for the occasion from the voxels of `mag` around `seed_position` (mag-1
        voxels). `token`: another one than the context's. Raises InputError unless it is one of both, StorageError.
        """
        mesh = Mesh.of(
            segment_id,
            mesh_file_name=mesh_file_name,
            lod=lod,
            mapping_name=mapping_name,
            mapping_type=mapping_type,
            mag=mag,
            seed_position=seed_position,
        )
        server = self._place.server
        if token is not None:  # into the header, never into the address
            server = ServerContext(replace(server.address, token=token), server.api_version)
        client = server.tracingstore_client(server.anonymous_client().tracing_store().url)
        stl = client.download_mesh(tracing_id=tracing_id, mesh=mesh.body)
        if not stl:
            raise UnexpectedAnswerError(f"the mesh of segment {segment_id} of {tracing_id}: the answer is empty")
        folder = local_path(output_dir)
        make_directory(folder)
        write_atomically(folder / f"{segment_id}.stl", stl)
        return UPath(folder / f"{segment_id}.stl")

    # ------------------------------------------------------------------ within

    def _whole(self, *, anew: bool = False) -> Annotation:
        """Return the annotation with its voxels, downloaded once."""
        if self._downloaded is None or anew:
            with server_context(self._place.server):
                self._downloaded = Annotation.download(self._place.annotation_id)
        return self._downloaded

    def _refuse(self, what: str) -> NoReturn:
        raise ReadOnlyError(
            f"annotation {self.annotation_id} is on the server, where {what} can not be changed from here; download it "
            "(Annotation.download), change that, and upload it as a new one"
        )
