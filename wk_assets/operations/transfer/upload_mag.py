"""A mag as what is sent to a layer on a server: over the network in pieces, or to the place that the server names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wk_assets.client.models import ApiReserveMagUploadToPathParameters
from wk_assets.client.store_clients import DatastoreApiClient, UploadDomain
from wk_assets.client.wk_api_client import WkApiClient
from wk_assets.geometry.mag import Mag
from wk_assets.operations.transfer.remote_properties import change_remote_properties
from wk_assets.operations.transfer.upload_plan import UploadFile, array_files
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.layer_properties import LayerProperties, MagViewProperties


@dataclass(frozen=True, slots=True, kw_only=True)
class MagUpload:
    """Name an array and the layer that it becomes a mag of. `entry`: how it is to be read (its mag, its axes)."""

    dataset_id: str
    layer_name: str
    source: Path
    entry: MagViewProperties

    @property
    def mag(self) -> Mag:
        """The mag."""
        return self.entry.mag

    @property
    def domain(self) -> UploadDomain:
        """Mags have routes of their own."""
        return "mag"

    @property
    def title(self) -> str:
        """What it is, for people."""
        return f"mag {self.mag.to_layer_name()} of layer {self.layer_name!r}"

    def files(self) -> tuple[UploadFile, ...]:
        """Name the files of the array. Raises NotADatasetError if it is gone."""
        return tuple(array_files(self.source))

    def is_in(self, layer: LayerProperties) -> bool:
        """Say whether a layer has this mag."""
        return any(view.mag == self.mag for view in layer.mags)

    def remove(self, client: WkApiClient) -> None:
        """Take the mag out of the layer on the server."""
        remove_remote_mag(client, self.dataset_id, self.layer_name, self.mag)

    def reserve(
        self, store: DatastoreApiClient, *, upload_id: str, file_count: int, size_bytes: int, overwrite_pending: bool
    ) -> None:
        """Begin to send it."""
        how: dict[str, Any] = {"mag": list(self.mag.to_tuple())}
        how.update(_present(axisOrder=self.entry.axis_order, channelIndex=self.entry.channel_index))
        store.reserve_mag_upload(
            upload_id=upload_id,
            file_count=file_count,
            size_bytes=size_bytes,
            dataset_id=self.dataset_id,
            layer_name=self.layer_name,
            mag=how,
            overwrite_pending=overwrite_pending,
        )

    def reserve_path(self, client: WkApiClient, prefix: str | None, *, overwrite_pending: bool) -> str:
        """Ask where to put it."""
        return client.reserve_mag_upload_to_paths(self.dataset_id, self._parameters(prefix, overwrite_pending))

    def finish_path(self, client: WkApiClient, prefix: str | None, *, overwrite_pending: bool) -> None:
        """Say that it is in its place."""
        client.finish_mag_upload_to_paths(self.dataset_id, self._parameters(prefix, overwrite_pending))

    def _parameters(
        self,
        prefix: str | None,
        overwrite_pending: bool,  # noqa: FBT001  # private
    ) -> ApiReserveMagUploadToPathParameters:
        return ApiReserveMagUploadToPathParameters(
            layer_name=self.layer_name,
            mag=self.mag.to_tuple(),
            axis_order=self.entry.axis_order,
            channel_index=self.entry.channel_index,
            path_prefix=prefix,
            overwrite_pending=overwrite_pending,
        )


def remove_remote_mag(client: WkApiClient, dataset_id: str, layer_name: str, mag: Mag) -> None:
    """Take a mag out of a layer on a server; one that is not there is fine. The server removes files that nobody else names."""

    def without(stored: DatasetProperties) -> DatasetProperties:
        layer = stored.layer(layer_name)
        return stored.with_layer(
            layer.model_copy(update={"mags": tuple(view for view in layer.mags if view.mag != mag)})
        )

    change_remote_properties(client, dataset_id, without)


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
