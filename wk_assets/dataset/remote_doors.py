"""The doors from `Dataset` to servers: open, list and download datasets there. What they open is a `RemoteDataset`."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING

from upath import UPath

from wk_assets.dataset.remote_access_mode import RemoteAccessMode
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag

# What speaks with servers takes a tenth of a second to import, and most datasets are only on disks.
if TYPE_CHECKING:
    from wk_assets.dataset.dataset import Dataset
    from wk_assets.dataset.remote_dataset import RemoteDataset
    from wk_assets.dataset.remote_folder import RemoteFolder


class RemoteDoors:
    """Open, list and download datasets of a server. Base of `Dataset`."""

    @classmethod
    def open_remote(
        cls,
        dataset_name_or_url: str | None = None,
        *,
        organization_id: str | None = None,
        sharing_token: str | None = None,
        webknossos_url: str | None = None,
        dataset_id: str | None = None,
        annotation_id: str | None = None,
        access_mode: RemoteAccessMode | None = None,
        read_only: bool = False,
        use_zarr_streaming: bool | None = None,
    ) -> "RemoteDataset":
        """Open a dataset on a server. See `RemoteDataset.open`."""
        from wk_assets.dataset.remote_dataset import RemoteDataset  # here: a RemoteDataset downloads to a Dataset

        return RemoteDataset.open(
            dataset_name_or_url,
            organization_id=organization_id,
            sharing_token=sharing_token,
            webknossos_url=webknossos_url,
            dataset_id=dataset_id,
            annotation_id_or_url=annotation_id,
            access_mode=access_mode,
            read_only=read_only,
            use_zarr_streaming=use_zarr_streaming,
        )

    @classmethod
    def get_remote_datasets(
        cls,
        *,
        organization_id: str | None = None,
        tags: str | Sequence[str] | None = None,
        name: str | None = None,
        folder_id: "RemoteFolder | str | None" = None,
    ) -> "Mapping[str, RemoteDataset]":
        """List datasets on the server by id. See `RemoteDataset.list`."""
        from wk_assets.dataset.remote_dataset import RemoteDataset  # here: a RemoteDataset downloads to a Dataset

        return RemoteDataset.list(organization_id=organization_id, tags=tags, name=name, folder=folder_id)

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
        """Let a data store read a dataset's files anew. See `RemoteDataset.trigger_reload_in_datastore`."""
        from wk_assets.dataset.remote_dataset import RemoteDataset  # here: a RemoteDataset downloads to a Dataset

        RemoteDataset.trigger_reload_in_datastore(
            dataset_name_or_url=dataset_name_or_url,
            organization_id=organization_id,
            webknossos_url=webknossos_url,
            dataset_id=dataset_id,
            organization=organization,
            datastore_url=datastore_url,
            token=token,
        )

    @classmethod
    def download(
        cls,
        dataset_name_or_url: str,
        *,
        organization_id: str | None = None,
        sharing_token: str | None = None,
        webknossos_url: str | None = None,
        bbox: BoundingBox | None = None,
        layers: Sequence[str] | str | None = None,
        mags: Sequence[Mag] | None = None,
        path: str | PathLike[str] | UPath | None = None,
        exist_ok: bool = False,
    ) -> "Dataset":
        """Download a dataset, or a part of it, to `path` (default: its name). `bbox`: mag-1 voxels.

        See `RemoteDataset.download`, and `RemoteDataset.open` for how a dataset is named.
        """
        opened = cls.open_remote(
            dataset_name_or_url,
            organization_id=organization_id,
            sharing_token=sharing_token,
            webknossos_url=webknossos_url,
        )
        return opened.download(bounding_box=bbox, layers=layers, mags=mags, path=path, exist_ok=exist_ok)
