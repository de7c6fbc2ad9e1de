"""What a dataset on a server is made of: ask for it, change it, compare it with what was sent.

The server lets a change take layers, mags and attachments away and describe layers in another way; new layers come empty, mags
and attachments by uploads and references only. Source: `PATCH …/updatePartial` of WEBKNOSSOS' routes.
"""

from collections.abc import Callable, Mapping
from typing import Any

from wk_assets.client.live_metadata import changing
from wk_assets.client.wk_api_client import WkApiClient
from wk_assets.errors import NotInDatasetError, PlanError
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.layer_properties import LayerProperties


def remote_properties(client: WkApiClient, dataset_id: str) -> DatasetProperties:
    """Ask what a dataset is made of; mags and attachments with the paths that the server uses.

    Raises ServerError; PlanError for a dataset that can not be used, with the server's reason.
    """
    described = client.dataset_info(dataset_id=dataset_id)
    if described.status is not None:
        raise PlanError(f"dataset {described.name} ({dataset_id}) can not be used: {described.status}")
    return DatasetProperties.model_validate(described.data_source)


def remote_layer(client: WkApiClient, dataset_id: str, layer_name: str) -> LayerProperties:
    """Ask for one layer. Raises NotInDatasetError, naming the layers that there are, and what `remote_properties` raises."""
    layers = {layer.name: layer for layer in remote_properties(client, dataset_id).data_layers}
    if layer_name not in layers:
        there = ", ".join(layers) or "none"
        raise NotInDatasetError(f"dataset {dataset_id} on the server has no layer {layer_name!r}; it has: {there}")
    return layers[layer_name]


def change_remote_properties(
    client: WkApiClient, dataset_id: str, change: Callable[[DatasetProperties], DatasetProperties]
) -> None:
    """Replace what a dataset is made of by what `change` makes of it; nothing is sent where nothing changes.

    Changes of one process come one after another; of two processes that change one dataset at the same moment the later
    one wins, because the server takes no condition. Raises RequestRefusedError for what the server does not allow, and
    what `change` and `remote_properties` raise.
    """
    with changing:
        before = remote_properties(client, dataset_id)
        after = change(before)
        if after != before:
            client.dataset_update(dataset_id=dataset_id, dataset_updates={"dataSource": after.to_json()})


def difference_on_server(sent: DatasetProperties, source: Mapping[str, Any]) -> str | None:
    """Return how what the server has differs from what was sent: layers, their mags, boxes and types; None: it does not."""
    try:
        there = DatasetProperties.model_validate(source)
    except ValueError as error:
        return str(error)
    layers = {layer.name: layer for layer in there.data_layers}
    for layer in sent.data_layers:
        on_server = layers.get(layer.name)
        if on_server is None:
            return f"layer {layer.name!r} is missing"
        if {view.mag for view in on_server.mags} != {view.mag for view in layer.mags}:
            return f"layer {layer.name!r} has other mags"
        if on_server.bounding_box != layer.bounding_box or on_server.element_class != layer.element_class:
            return f"layer {layer.name!r} has another box or type"
    return None
