"""What somebody drew on a dataset, as an object: a skeleton, volume layers, boxes; on disk and to and from a server."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from os import PathLike
from typing import Any

from numpy.typing import DTypeLike
from upath import UPath

from wk_assets.annotation.segment_information import SegmentInformation
from wk_assets.annotation.volume_layer import VolumeLayer
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.layer import Layer, SegmentationLayer
from wk_assets.geometry.voxel_size import VoxelSize

Location = str | PathLike[str] | UPath


class Annotation:
    """Hold an annotation: `Annotation.load`, `Annotation.download`, or a new one."""

    name: str
    skeleton: Any
    annotation_id: str | None
    owner_name: str | None
    time: int | None
    edit_position: tuple[float, float, float] | None
    edit_rotation: tuple[float, float, float] | None
    zoom_level: float | None
    metadata: dict[str, str]
    task_bounding_box: Any
    user_bounding_boxes: list[Any]
    dataset_id: str | None
    dataset_name: str
    organization_id: str | None
    description: str | None
    voxel_size: tuple[float, float, float]
    voxel_size_with_unit: VoxelSize

    @classmethod
    def load(cls, annotation_path: Location) -> "Annotation":
        """Load an annotation from an `.nml` or a `.zip`."""
        raise NotImplementedError

    def save(self, path: Location) -> None:
        """Save the annotation as `.nml` or `.zip`, at once; the same annotation gives the same bytes."""
        raise NotImplementedError

    @classmethod
    def download(
        cls,
        annotation_id_or_url: str,
        webknossos_url: str | None = None,
        *,
        skip_volume_data: bool = False,
        retry_count: int = 5,
        version: int | None = None,
    ) -> "Annotation":
        """Download an annotation; `version` pins one of its states (`newest_version`)."""
        raise NotImplementedError

    @staticmethod
    def newest_version(annotation_id_or_url: str, webknossos_url: str | None = None) -> int:
        """Return the number of an annotation's newest state, which `download(…, version=…)` takes."""
        raise NotImplementedError

    def upload(self) -> str:
        """Make an annotation of this on the current server and return its URL."""
        raise NotImplementedError

    def add_volume_layer(
        self,
        name: str,
        dtype: DTypeLike,
        fallback_layer: Layer | str | None = None,
        volume_layer_id: int | None = None,
    ) -> VolumeLayer:
        """Add an empty volume layer."""
        raise NotImplementedError

    def delete_volume_layer(self, volume_layer_name: str | None = None, volume_layer_id: int | None = None) -> None:
        """Remove a volume layer."""
        raise NotImplementedError

    def get_volume_layer(self, volume_layer_name: str | None = None, volume_layer_id: int | None = None) -> VolumeLayer:
        """Give a volume layer."""
        raise NotImplementedError

    def get_volume_layer_names(self) -> list[str]:
        """Return the names of all volume layers."""
        raise NotImplementedError

    def get_volume_layer_segments(
        self, volume_layer_name: str | None = None, volume_layer_id: int | None = None
    ) -> dict[int, SegmentInformation]:
        """Return what is known of segments, by id; changes are kept."""
        raise NotImplementedError

    @contextmanager
    def temporary_volume_layer_copy(
        self,
        volume_layer_name: str | None = None,
        volume_layer_id: int | None = None,
        read_only: bool = True,
    ) -> Iterator[SegmentationLayer]:
        """Offer a volume layer as a layer of a temporary dataset; without `read_only` its changes are taken over."""
        raise NotImplementedError

    def export_volume_layer_to_dataset(
        self,
        dataset: Dataset,
        layer_name: str = "volume_layer",
        volume_layer_name: str | None = None,
        volume_layer_id: int | None = None,
    ) -> SegmentationLayer:
        """Copy a volume layer into a dataset."""
        raise NotImplementedError

    def merge_fallback_layer(
        self,
        target: Location,
        dataset_directory: Location,
        volume_layer_name: str | None = None,
        executor: Executor | None = None,
    ) -> None:
        """Make a dataset of the fallback layer with the annotation over it."""
        raise NotImplementedError
