"""One layer of a dataset on a server at one mag: read as any other mag, never written.

Which array stands behind it, the dataset's access mode decides (`remote_source`). A view travels to other processes by what it
is of, and is asked for again there, as the user of that process.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from upath import UPath

from wk_assets.dataset.mag_view import MagView
from wk_assets.dataset.view import View
from wk_assets.errors import PropertiesError, ReadOnlyError, RemoteLocationError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.properties.layer_properties import MagViewProperties
from wk_assets.storage.mag_array import MagArray

if TYPE_CHECKING:
    from wk_assets.dataset.remote_layer import RemoteLayer


class RemoteMagView(MagView["RemoteLayer"]):
    """Show one layer of a dataset on a server at one mag. Use `RemoteLayer.get_mag`."""

    def __init__(self, layer: "RemoteLayer", properties: MagViewProperties) -> None:
        super().__init__(layer, properties.mag, _place(properties), read_only=True, properties=properties)

    @property
    def read_only(self) -> bool:
        """Always True: voxels on a server are not written in place."""
        return True

    @property
    def path(self) -> Path:
        """The array's directory, where it is read as it lies (DIRECT_PATH). Raises RemoteLocationError otherwise."""
        path = self.array.path
        if path.is_dir():
            found: Path = UPath(path)  # type: ignore[assignment]  # local UPaths are Paths
            return found
        raise RemoteLocationError(f"mag {self.name} of layer {self._layer.name!r} is on a server; it has no path here")

    @property
    def is_foreign(self) -> bool:
        """Always True: the array lies on the server."""
        return True

    @property
    def own_location(self) -> Path | None:
        """None: nothing of it lies on this machine."""
        return None

    def adopt(self, properties: MagViewProperties, *, resized: bool = False) -> None:
        """Take note of what the server says now."""
        if resized or properties != self._properties:
            self._properties, self._axis_order, self._opened = properties, properties.axis_order, None
            self._path = _place(properties)

    def get_zarr_array(self) -> Any:
        """Raise PropertiesError: the array would show the token to whoever prints it."""
        raise PropertiesError(
            f"mag {self.name} of layer {self._layer.name!r} is on a server; read() gives its voxels, and "
            "RemoteDataset.download an array on this machine"
        )

    def _open(self) -> MagArray:
        return self._layer.open_array(self._properties)

    def _part(self, box: NormalizedBoundingBox, *, read_only: bool) -> View:  # noqa: ARG002  # always so
        return RemoteView(self, box)

    def _check_writable(self) -> NoReturn:
        raise ReadOnlyError(_REFUSED.format(self))


class RemoteView(View):
    """Show a part of a mag on a server."""

    def __init__(self, whole: RemoteMagView, box: NormalizedBoundingBox) -> None:
        super().__init__(
            _place(whole.properties),
            box,
            whole.mag,
            whole.data_format,
            read_only=True,
            axis_order=whole.properties.axis_order,
            additional_axes=whole.layer.additional_axes,
        )
        self._whole = whole

    def _open(self) -> MagArray:
        return self._whole.array

    def _part(self, box: NormalizedBoundingBox, *, read_only: bool) -> View:  # noqa: ARG002  # always so
        return RemoteView(self._whole, box)

    def _check_writable(self) -> NoReturn:
        raise ReadOnlyError(_REFUSED.format(self))


_REFUSED = (
    "{!r}: voxels on a server are not written in place; send a new mag with RemoteLayer.add_mag_as_copy, or let people paint in "
    "an annotation"
)


def _place(properties: MagViewProperties) -> Path:
    return Path(properties.path or ".")
