"""A dataset's directory as an object: made or opened, its name, voxel size and layers. What adds layers is above.

A handle knows what the metadata said when it last read or changed it; each change is made to what the file says then
(`operations.datasets.change_properties`), so that several processes may change one dataset.
"""

from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Self

from upath import UPath

from wk_assets.dataset.layer import Layer, SegmentationLayer
from wk_assets.dataset.layers_by_name import LayersByName
from wk_assets.errors import DatasetExistsError, PropertiesError, ReadOnlyError
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.operations.datasets.change_properties import change_properties
from wk_assets.operations.datasets.create_dataset import create_dataset
from wk_assets.properties.dataset_properties import FILE_NAME, DatasetProperties
from wk_assets.properties.layer_properties import LayerProperties, SegmentationLayerProperties
from wk_assets.properties.view_configuration import DatasetViewConfiguration
from wk_assets.storage.local_path import local_path
from wk_assets.storage.properties_file import read_properties

Location = str | PathLike[str] | UPath


class OpenedDataset(LayersByName[Layer, SegmentationLayer]):
    """Make a dataset, or open one and offer its layers.

    `voxel_size`: edge lengths x, y, z in nanometers; or `voxel_size_with_unit`. `name`: by default that of the directory.
    `exist_ok`: open what is there, if its voxel size and (if given) name are these.
    Raises DatasetExistsError, PropertiesError without a voxel size, RemoteLocationError for URLs, StorageError.
    """

    _path: Path
    _read_only: bool
    _properties: DatasetProperties
    _layers: dict[str, Layer]

    def __init__(
        self,
        dataset_path: Location,
        voxel_size: tuple[float, float, float] | None = None,
        name: str | None = None,
        exist_ok: bool = False,
        *,
        voxel_size_with_unit: VoxelSize | None = None,
        read_only: bool = False,
    ) -> None:
        path = local_path(dataset_path)
        wanted = _voxel_size(path, voxel_size, voxel_size_with_unit)
        if (path / FILE_NAME).exists():
            if not exist_ok:
                raise DatasetExistsError(
                    f"there is a dataset at {path} already; open it with Dataset.open, or pass exist_ok=True"
                )
            self._load(path, read_only=read_only)
            self._check_is(wanted, name)
        else:
            create_dataset(path, name or path.resolve().name, wanted)
            self._load(path, read_only=read_only)

    @classmethod
    def open(cls, dataset_path: Location, read_only: bool = False) -> Self:
        """Open the dataset in a directory. Raises NotADatasetError, or PropertiesError for its metadata."""
        dataset = cls.__new__(cls)
        dataset._load(local_path(dataset_path), read_only=read_only)  # noqa: SLF001 - of this very class
        return dataset

    # ------------------------------------------------------------------ what it is

    @property
    def path(self) -> Path:
        """The dataset's directory (a `UPath` that is a `Path`)."""
        found: Path = UPath(self._path)  # type: ignore[assignment]  # local UPaths are Paths
        return found

    @property
    def resolved_path(self) -> Path:
        """The same with links followed."""
        return self.path.resolve()

    @property
    def name(self) -> str:
        """The dataset's name; its directory's if the metadata says none. Can be set. Raises ReadOnlyError."""
        return self._properties.name or self.resolved_path.name

    @name.setter
    def name(self, name: str) -> None:
        self.change(
            "renaming of the dataset", lambda stored: stored.model_copy(update={"id": {**stored.id, "name": name}})
        )

    @property
    def voxel_size(self) -> tuple[float, float, float]:
        """Edge lengths x, y, z of a mag-1 voxel in nanometers."""
        return self._properties.scale.to_nanometer()

    @property
    def voxel_size_with_unit(self) -> VoxelSize:
        """Edge lengths x, y, z of a mag-1 voxel in the unit that was given."""
        return self._properties.scale

    @property
    def default_view_configuration(self) -> DatasetViewConfiguration | None:
        """How WEBKNOSSOS shows the dataset at first; can be set. Raises ReadOnlyError."""
        return self._properties.default_view_configuration

    @default_view_configuration.setter
    def default_view_configuration(self, view_configuration: DatasetViewConfiguration | None) -> None:
        self.change(
            "view configuration",
            lambda stored: stored.model_copy(update={"default_view_configuration": view_configuration}),
        )

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        return self._read_only

    # ------------------------------------------------------------------ layers

    @property
    def layers(self) -> Mapping[str, Layer]:
        """All layers by name, in the order in which WEBKNOSSOS lists them."""
        return MappingProxyType(self._layers)

    @property
    def _shown_name(self) -> str:
        return repr(self.name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, path={str(self._path)!r}, layers={list(self._layers)})"

    def __reduce__(self) -> tuple[Callable[..., Self], tuple[str, bool]]:
        return type(self).open, (str(self._path.absolute()), self._read_only)

    # ------------------------------------------------------------------ for layers and mags

    @property
    def properties(self) -> DatasetProperties:
        """What datasource-properties.json says, as far as this handle knows."""
        return self._properties

    def at_path(self, path: Path) -> Self:
        """Open the dataset at another path, or make it there with this one's voxel size."""
        if path.resolve() == self._path.resolve():
            return self
        if (path / FILE_NAME).exists():
            return self.open(path)
        return type(self)(path, voxel_size_with_unit=self.voxel_size_with_unit)

    def change(self, purpose: str, change: Callable[[DatasetProperties], DatasetProperties]) -> None:
        """Change what the metadata says now, through its one door, and let all handles follow. Raises ReadOnlyError."""
        if self.read_only:
            raise ReadOnlyError(f"{self!r} was opened for reading; open it without read_only for the {purpose}")
        self._follow(change_properties(self._path, purpose, change))

    def reload(self) -> None:
        """Read the metadata anew, and let all handles follow."""
        self._follow(read_properties(self._path))

    def follow_renaming(self, old_name: str, new_name: str, layer: Layer) -> None:
        """Let the handle of a renamed layer go on under its new name."""
        self._layers.pop(old_name, None)
        self._layers[new_name] = layer
        self._follow(self._properties)

    # ------------------------------------------------------------------ within

    def _load(self, path: Path, *, read_only: bool) -> None:
        self._path = path
        self._read_only = read_only
        self._layers = {}
        self._follow(read_properties(path))

    def _follow(self, properties: DatasetProperties) -> None:
        known, self._properties = self._layers, properties
        self._layers = {}
        for stored in properties.data_layers:
            layer = known.get(stored.name)
            segmentation = isinstance(stored, SegmentationLayerProperties)
            if layer is None or isinstance(layer, SegmentationLayer) != segmentation:
                layer = self._new_handle(stored)
            layer.adopt(stored)
            self._layers[stored.name] = layer

    def _new_handle(self, stored: LayerProperties) -> Layer:
        if isinstance(stored, SegmentationLayerProperties):
            return SegmentationLayer(self, stored)
        return Layer(self, stored)

    def _check_is(self, voxel_size: VoxelSize, name: str | None) -> None:
        if self.voxel_size_with_unit.to_nanometer() != voxel_size.to_nanometer():
            raise DatasetExistsError(
                f"the dataset at {self._path} has voxel size {self.voxel_size_with_unit}, not {voxel_size}"
            )
        if name is not None and name != self.name:
            raise DatasetExistsError(f"the dataset at {self._path} is called {self.name!r}, not {name!r}")


def _voxel_size(path: Path, in_nanometers: tuple[float, float, float] | None, with_unit: VoxelSize | None) -> VoxelSize:
    if in_nanometers is not None and with_unit is not None:
        raise PropertiesError(f"dataset {path}: voxel_size and voxel_size_with_unit are given; give one of them")
    if with_unit is not None:
        return with_unit
    if in_nanometers is None:
        raise PropertiesError(
            f"dataset {path}: a new dataset needs its voxel size in nanometers, like voxel_size=(11.24, 11.24, 25); "
            "use Dataset.open for one that is there"
        )
    return VoxelSize(in_nanometers)
