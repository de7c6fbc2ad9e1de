"""A layer that the server has already, named so that a new dataset refers to it instead of sending it again."""

from typing import Any, NamedTuple

from wk_assets.client.models import ApiLinkedLayerIdentifier
from wk_assets.dataset.remote_owners import RemoteLayerOwner


class LayerToLink(NamedTuple):
    """Name a layer of another dataset of the same server, and what it is called in the new dataset (None: the same)."""

    dataset_id: str
    layer_name: str
    new_layer_name: str | None = None
    organization_id: str | None = None

    @classmethod
    def from_remote_layer(cls, remote_layer: RemoteLayerOwner[Any], new_layer_name: str | None = None) -> "LayerToLink":
        """Name a layer that is at hand."""
        return cls(remote_layer.dataset.dataset_id, remote_layer.name, new_layer_name)

    @property
    def name_in_dataset(self) -> str:
        """What the layer will be called in the new dataset."""
        return self.new_layer_name or self.layer_name

    def identifier(self) -> ApiLinkedLayerIdentifier:
        """Say it in the server's words; organizations are known to it by the dataset."""
        return ApiLinkedLayerIdentifier(
            dataset_id=self.dataset_id, layer_name=self.layer_name, new_layer_name=self.new_layer_name
        )
