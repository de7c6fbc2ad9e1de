"""Where a dataset on a server is asked for, as whom, and how its voxels are read: everything that its handles share.

A sharing token stands for a user at the data store, so it goes where a user's token goes: into the header. Only the server's
own description of a dataset takes it as a parameter; it is in no `repr`, and errors and logs show `***`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from wk_assets.client.context import TOKEN_HEADER, ServerContext
from wk_assets.client.models import ApiDataset
from wk_assets.client.store_clients import DatastoreApiClient
from wk_assets.client.wk_api_client import WkApiClient
from wk_assets.dataset.remote_access_mode import RemoteAccessMode
from wk_assets.errors import InputError, PropertiesError, RemoteLocationError
from wk_assets.properties.dataset_properties import FILE_NAME, DatasetProperties
from wk_assets.properties.layer_properties import DataFormat, LayerProperties, MagViewProperties
from wk_assets.storage.mag_array import MagArray
from wk_assets.storage.open_mag_array import open_mag_array
from wk_assets.storage.properties_file import array_location
from wk_assets.storage.remote_array import RemoteArray, RemoteReading
from wk_assets.storage.remote_streamed_array import RemoteStreamedArray

_ON_DISKS_ONLY = frozenset({DataFormat.WKW, DataFormat.NeuroglancerPrecomputed})


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSource:
    """Ask one server for one dataset. Methods raise ServerError.

    `annotation_id`: the dataset as that annotation shows it. `store_url`: the data store that has it, asked for if not given.
    """

    server: ServerContext
    dataset_id: str
    access_mode: RemoteAccessMode = RemoteAccessMode.ZARR_STREAMING
    annotation_id: str | None = None
    sharing_token: str | None = field(default=None, repr=False)
    store_url: str | None = None

    def __post_init__(self) -> None:
        if self.annotation_id is not None and self.access_mode is not RemoteAccessMode.ZARR_STREAMING:
            raise InputError(
                f"annotation {self.annotation_id}: what is painted is only streamed, so access_mode can not be "
                f"{self.access_mode.name}; open the dataset itself for that"
            )

    def client(self) -> WkApiClient:
        """Return the client for descriptions and changes; without a token it sees what is public or shared."""
        return self.server.anonymous_client()

    def describe(self) -> ApiDataset:
        """Ask what the server says of the dataset now."""
        return self.client().dataset_info(dataset_id=self.dataset_id, sharing_token=self.sharing_token)

    def store(self) -> DatastoreApiClient:
        """Return the client of the data store that has the dataset; a sharing token is used instead of the user's."""
        url = self.describe().data_store.url if self.store_url is None else self.store_url
        return self.reader().datastore_client(url)

    def reader(self) -> ServerContext:
        """Return the server as seen by who reads voxels."""
        if self.sharing_token is None:
            return self.server
        return ServerContext(replace(self.server.address, token=self.sharing_token), self.server.api_version)

    def for_reader(self, token: str | None) -> Self:
        """Return the same dataset as asked for with another token; None: as it is."""
        return self if token is None else replace(self, sharing_token=token)

    # ------------------------------------------------------------------ what the dataset is made of

    def stored_properties(self) -> DatasetProperties:
        """Ask for the data source as the server keeps it, with paths in its storage.

        Raises PropertiesError while the dataset can not be used, or if the description is not understood.
        """
        described = self.describe()
        if described.status is not None:
            raise PropertiesError(f"dataset {self._shown(described.name)} can not be read: {described.status}")
        return self._parsed(described.data_source)

    def properties(self) -> DatasetProperties:
        """Ask for the data source as this access mode shows it: formats and paths are those of what will be read."""
        if self.access_mode is RemoteAccessMode.DIRECT_PATH:
            return self.stored_properties()
        described = self.describe()
        if described.status is not None:
            raise PropertiesError(f"dataset {self._shown(described.name)} can not be read: {described.status}")
        store = self.reader().datastore_client(described.data_store.url)
        if self.access_mode is RemoteAccessMode.PROXY_PATH:
            return self._parsed(store.proxied_properties(self.dataset_id))
        if self.annotation_id is not None:
            return self._parsed(store.streamed_properties(self.annotation_id, annotation=True))
        return self._parsed(store.streamed_properties(self.dataset_id))

    def _parsed(self, document: Mapping[str, Any]) -> DatasetProperties:
        return DatasetProperties.parse_text(json.dumps(document), source=f"{self._shown()}, {FILE_NAME}")

    # ------------------------------------------------------------------ voxels

    def streaming_url(self) -> str | None:
        """Return the address of the streamed view; None in another access mode."""
        if self.access_mode is not RemoteAccessMode.ZARR_STREAMING:
            return None
        return self._streaming_url(self.store())

    def open_array(self, layer: LayerProperties, entry: MagViewProperties) -> MagArray:
        """Open one mag of a layer for reading.

        Raises NotADatasetError, PropertiesError, RemoteLocationError for a format or place that this access mode does not
        reach, and ServerError.
        """
        if self.access_mode is RemoteAccessMode.DIRECT_PATH:
            return self._direct(layer, entry)
        store = self.store()
        path = entry.path or f"{layer.name}/{entry.mag.to_layer_name()}"
        if self.access_mode is RemoteAccessMode.PROXY_PATH:
            url = path if "://" in path else store.proxy_url(self.dataset_id, path.removeprefix("./"))
            # the token is for the server's own data store, never for another place that a data source names
            own = urlsplit(url).netloc == urlsplit(store.url_prefix).netloc
            return self._files_at(url, layer, entry, through_proxy=own)
        url = f"{self._streaming_url(store)}/{path.removeprefix('./').rstrip('/')}"
        return RemoteStreamedArray.open(
            url, lambda name: store.file_bytes(f"{url}/{name}"), entry.axis_order, layer.additional_axes or ()
        )

    def _direct(self, layer: LayerProperties, entry: MagViewProperties) -> MagArray:
        if entry.path is not None and entry.path.startswith(("http://", "https://")):
            return self._files_at(entry.path, layer, entry, through_proxy=False)
        where = f"mag {entry.mag.to_layer_name()} of layer {layer.name!r} lies at {entry.path}"
        if entry.path is not None and "://" in entry.path and not entry.path.startswith("file://"):
            raise RemoteLocationError(
                f"{where}, an object store, which is not read directly yet; use RemoteAccessMode.PROXY_PATH or ZARR_STREAMING"
            )
        # paths are relative to the dataset's directory, which only the server knows: it tells absolute ones
        location = array_location(Path("/"), layer.name, entry.mag, entry.path)
        if location is None or not location.is_dir():
            raise RemoteLocationError(
                f"{where}, which this machine does not have. Mount the server's storage at the same place, or use "
                "RemoteAccessMode.PROXY_PATH or ZARR_STREAMING"
            )
        return open_mag_array(
            location,
            data_format=layer.data_format,
            axis_order=entry.axis_order,
            additional_axes=layer.additional_axes or (),
            read_only=True,
        )

    def _files_at(self, url: str, layer: LayerProperties, entry: MagViewProperties, *, through_proxy: bool) -> MagArray:
        if through_proxy and layer.data_format in _ON_DISKS_ONLY:
            raise RemoteLocationError(
                f"layer {layer.name!r} is stored as {layer.data_format.value}, which is not read through the data store's proxy "
                "(wkw: files are read from disks only; precomputed: its `info` lies outside of what the proxy serves); use "
                "RemoteAccessMode.ZARR_STREAMING, or DIRECT_PATH where the storage is mounted"
            )
        address = self.reader().address
        headers = (f"{TOKEN_HEADER}: {address.token}",) if through_proxy and address.token else ()
        return RemoteArray.open(
            url,
            data_format=layer.data_format,
            axis_order=entry.axis_order,
            additional_axes=layer.additional_axes or (),
            reading=RemoteReading(headers=headers, timeout_seconds=address.timeout_seconds),
        )

    def _streaming_url(self, store: DatastoreApiClient) -> str:
        if self.annotation_id is not None:
            return store.stream_url(self.annotation_id, "", annotation=True).rstrip("/")
        return store.stream_url(self.dataset_id, "").rstrip("/")

    def _shown(self, name: str = "") -> str:
        return f"{name + ' ' if name else ''}{self.dataset_id} on {self.server.address.url}"
