"""What changes of a remote dataset need to know of it and of its layers: protocols, so that the imports do not go round."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from wk_assets.client.context import ServerContext
from wk_assets.geometry.mag import Mag, MagLike
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.layer_properties import LayerProperties

_LayerT_co = TypeVar("_LayerT_co", covariant=True)
_MagT_co = TypeVar("_MagT_co", covariant=True)


class RemoteDatasetOwner(Protocol[_LayerT_co]):
    """What `RemoteLayerAdding` and `RemoteDatasetResampling` need of a remote dataset."""

    @property
    def dataset_id(self) -> str:
        """The server's id of the dataset."""
        ...

    @property
    def server(self) -> ServerContext:
        """The server, and as whom it is asked."""
        ...

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        ...

    @property
    def voxel_size(self) -> tuple[float, float, float]:
        """The edge lengths of a mag-1 voxel in nanometers."""
        ...

    @property
    def voxel_size_with_unit(self) -> VoxelSize:
        """The edge lengths of a mag-1 voxel."""
        ...

    @property
    def layers(self) -> Mapping[str, _LayerT_co]:
        """The layers by name."""
        ...

    def get_layer(self, layer_name: str) -> _LayerT_co:
        """Give one layer."""
        ...

    def change(self, purpose: str, change: Callable[[DatasetProperties], DatasetProperties]) -> None:
        """Change what the server says the dataset is made of; handles follow. Raises ReadOnlyError, ServerError."""
        ...

    def reload(self) -> None:
        """Ask the server anew what the dataset is made of; the layers' handles follow."""
        ...


class RemoteLayerOwner(Protocol[_MagT_co]):
    """What `RemoteMagAdding`, `RemoteLayerResampling` and `RemoteAttachments` need of a remote layer."""

    @property
    def dataset(self) -> RemoteDatasetOwner[Any]:
        """The dataset that the layer is in."""
        ...

    @property
    def name(self) -> str:
        """The layer's name."""
        ...

    @property
    def properties(self) -> LayerProperties:
        """What the server said of the layer when it was last asked."""
        ...

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        ...

    @property
    def mags(self) -> Mapping[Mag, _MagT_co]:
        """The layer's mags."""
        ...

    def get_mag(self, mag: MagLike) -> _MagT_co:
        """Give one mag; it has `.mag` and `.array` (a `MagArray`), as a `MagView` has."""
        ...
