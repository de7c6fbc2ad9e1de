"""Between a dataset on a server and this machine: download it or a part of it, send new images."""

import tempfile
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from upath import UPath

from wk_assets.client.context import ServerContext, current_context, server_context
from wk_assets.dataset.layer_adding import DEFAULT_DATA_FORMAT
from wk_assets.dataset.remote_address import is_id
from wk_assets.dataset.remote_facts import RemoteDatasetFacts
from wk_assets.dataset.remote_folder import RemoteFolder
from wk_assets.dataset.remote_opening import server_at
from wk_assets.dataset.remote_source import RemoteSource
from wk_assets.dataset.view_region import Shape
from wk_assets.errors import InputError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.operations.transfer.download_dataset import run_download
from wk_assets.operations.transfer.download_plan import DownloadPlan, plan_download
from wk_assets.operations.transfer.upload_dataset import UploadSettings, run_upload
from wk_assets.operations.transfer.upload_plan import plan_upload
from wk_assets.properties.layer_properties import DataFormat
from wk_assets.properties.names import check_dataset_name
from wk_assets.storage.local_path import local_path

if TYPE_CHECKING:
    from wk_assets.dataset.dataset import Dataset

_MOST_LAYERS = 20


class RemoteTransfer(RemoteDatasetFacts):
    """Bring voxels from a server, and to it. Base of `RemoteDataset`."""

    def download(
        self,
        *,
        sharing_token: str | None = None,
        bounding_box: BoundingBox | None = None,
        bbox: BoundingBox | None = None,
        layers: Sequence[str] | str | None = None,
        mags: Sequence[Mag] | None = None,
        data_format: DataFormat | None = None,
        path: str | PathLike[str] | UPath | None = None,
        exist_ok: bool = False,
    ) -> "Dataset":
        """Download the dataset, or chosen layers, mags and a box (mag-1 voxels) of it, to `path` (default: its name).

        The same call goes on where an interrupted one stopped; a dataset shows up at `path` when all of it is there.
        `exist_ok`: add the layers to a dataset that is there. `bbox` is the deprecated name of `bounding_box`.
        Raises DatasetExistsError, AlreadyThereError, PlanError for what can not be downloaded, StorageError.
        """
        from wk_assets.dataset.dataset import Dataset  # here: a Dataset opens and gives RemoteDatasets too

        if bbox is not None:
            warnings.warn("bbox is deprecated; use bounding_box", DeprecationWarning, stacklevel=2)
        plan = self.plan_download(
            sharing_token=sharing_token,
            bounding_box=bounding_box if bounding_box is not None else bbox,
            layers=[layers] if isinstance(layers, str) else layers,
            mags=mags,
            data_format=DataFormat.Zarr3 if data_format is None else DataFormat(data_format),
        )
        # what a server calls a dataset is no path to follow
        target = local_path(check_dataset_name(plan.properties.name) if path is None else path)
        run_download(plan, self._source.for_reader(sharing_token).reader(), target, exist_ok=exist_ok)
        return Dataset.open(target)

    def plan_download(
        self,
        *,
        sharing_token: str | None = None,
        bounding_box: BoundingBox | None = None,
        layers: Sequence[str] | None = None,
        mags: Sequence[Mag] | None = None,
        data_format: DataFormat = DataFormat.Zarr3,
    ) -> DownloadPlan:
        """Plan what `download` does, for who wants to know how much it is, or to run it with other settings.

        Raises InputError for a dataset that is seen through an annotation, PlanError, ServerError.
        """
        if self.annotation_id is not None:
            raise InputError(f"{self!r} shows an annotation; download the annotation, or open its dataset itself")
        source = self._source.for_reader(sharing_token)
        described = source.describe()
        return plan_download(
            source.stored_properties(),
            dataset_id=self.dataset_id,
            server_url=self.server.address.url,
            store_url=described.data_store.url,
            name=described.name,
            layers=layers,
            mags=mags,
            box=bounding_box,
            data_format=data_format,
        )

    @classmethod
    def from_images(
        cls,
        input_path: str | PathLike[str] | UPath,
        voxel_size: tuple[float, float, float] | None = None,
        name: str | None = None,
        *,
        map_filepath_to_layer_name: Any = None,
        z_slices_sort_key: Callable[[Path], Any] | None = None,
        voxel_size_with_unit: VoxelSize | None = None,
        layer_name: str | None = None,
        layer_category: str | None = None,
        data_format: str | DataFormat = DEFAULT_DATA_FORMAT,
        chunk_shape: Shape | None = None,
        shard_shape: Shape | None = None,
        chunks_per_shard: Shape | None = None,
        compress: bool = True,
        swap_xy: bool = False,
        flip_x: bool = False,
        flip_y: bool = False,
        flip_z: bool = False,
        use_bioformats: bool = False,
        max_layers: int = _MOST_LAYERS,
        batch_size: int | None = None,
        executor: Executor | None = None,
        url: str | None = None,
        token: str | None = None,
        folder: str | RemoteFolder | None = None,
    ) -> Self:
        """Make a dataset from images in a temporary place, and send it; see `Dataset.from_images` for the images.

        `url`, `token`: of the server, by default those of the context. `folder`: a folder, its id or its path from the root.
        An upload that breaks is begun anew by the next call: to go on with one, make the dataset with `Dataset.from_images` and
        send it with `Dataset.upload`. Raises what these raise.
        """
        from wk_assets.dataset.dataset import Dataset  # here: a Dataset opens and gives RemoteDatasets too

        mapping = (
            {} if map_filepath_to_layer_name is None else {"map_filepath_to_layer_name": map_filepath_to_layer_name}
        )
        with server_context(_server(url, token)) as server, tempfile.TemporaryDirectory(prefix="wk-assets-") as scratch:
            if isinstance(folder, str):
                folder = RemoteFolder(folder) if is_id(folder) else RemoteFolder.get_by_path(folder)
            made = Dataset.from_images(
                local_path(input_path),
                Path(scratch) / "dataset",
                voxel_size,
                name or local_path(input_path).stem,
                z_slices_sort_key=z_slices_sort_key,
                voxel_size_with_unit=voxel_size_with_unit,
                layer_name=layer_name,
                layer_category=layer_category,
                data_format=data_format,
                chunk_shape=chunk_shape,
                shard_shape=shard_shape,
                chunks_per_shard=chunks_per_shard,
                compress=compress,
                swap_xy=swap_xy,
                flip_x=flip_x,
                flip_y=flip_y,
                flip_z=flip_z,
                use_bioformats=use_bioformats,
                max_layers=max_layers,
                batch_size=batch_size,
                executor=executor,
                **mapping,
            )
            settings = UploadSettings(folder_id=None if folder is None else folder.id)
            sent = run_upload(plan_upload(Path(made.path)), server, settings)
        return cls(RemoteSource(server=server, dataset_id=sent.dataset_id))


def _server(url: str | None, token: str | None) -> ServerContext:
    server = server_at(url) if url is not None else current_context()
    return server if token is None else ServerContext(replace(server.address, token=token), server.api_version)
