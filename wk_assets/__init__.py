"""wk-assets: microscope output becomes WEBKNOSSOS datasets, as a lineage of Dagster assets.

The public names are offered lazily (PEP 562), so that importing one leaf of the package stays fast and
importing the library never imports dagster. Everything else has one canonical import path: its module.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from wk_assets.version import __version__

_PUBLIC = {
    "BoundingBox": "wk_assets.geometry.bounding_box",
    "Dataset": "wk_assets.dataset.dataset",
    "LengthUnit": "wk_assets.geometry.length_unit",
    "Mag": "wk_assets.geometry.mag",
    "Vec3Int": "wk_assets.geometry.vec3_int",
    "VoxelSize": "wk_assets.geometry.voxel_size",
}

__all__ = ["BoundingBox", "Dataset", "LengthUnit", "Mag", "Vec3Int", "VoxelSize", "__version__"]

if TYPE_CHECKING:
    from wk_assets.dataset.dataset import Dataset
    from wk_assets.geometry.bounding_box import BoundingBox
    from wk_assets.geometry.length_unit import LengthUnit
    from wk_assets.geometry.mag import Mag
    from wk_assets.geometry.vec3_int import Vec3Int
    from wk_assets.geometry.voxel_size import VoxelSize


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'wk_assets' has no attribute {name!r}; it offers {', '.join(sorted(_PUBLIC))}")
    return getattr(import_module(_PUBLIC[name]), name)
