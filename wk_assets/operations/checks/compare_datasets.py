"""Do two datasets hold the same layers, mags and voxels? Names the first voxel that differs. Reads only, in bounded memory."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wk_assets.errors import NotInDatasetError
from wk_assets.geometry.mag import Mag
from wk_assets.operations.exports.export_request import EXPORT_BYTES
from wk_assets.operations.exports.exported_voxels import ExportedVoxels, open_voxels
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.layer_properties import LayerProperties
from wk_assets.storage.properties_file import read_properties


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Say in what two datasets differ, and where: `layer` and `mag` None for what concerns the whole."""

    layer: str | None
    mag: str | None
    what: str

    def __str__(self) -> str:
        place = f"layer {self.layer}" if self.layer else "the dataset"
        return f"{place}{f', mag {self.mag}' if self.mag else ''}: {self.what}"


def compare_datasets(
    first: Path,
    second: Path,
    layer_names: Collection[str] | None = None,
    listener: Callable[[int, int], None] | None = None,
) -> list[Difference]:
    """Return all differences of two datasets; of each mag the first voxel that differs. Format and encoding do not count.

    `layer_names`: compare these layers alone. `listener` hears how many voxels of how many are compared. NaN is like NaN.
    Raises NotADatasetError, NotInDatasetError for a layer that neither has, and what reading raises.
    """
    one, other = read_properties(first), read_properties(second)
    names = _names(one, other, layer_names, (first, second))
    differences: list[Difference] = []
    if one.scale.to_nanometer() != other.scale.to_nanometer() and layer_names is None:
        differences.append(Difference(layer=None, mag=None, what=f"voxel size {one.scale}, and {other.scale}"))
    pairs: list[tuple[str, Mag, ExportedVoxels, ExportedVoxels]] = []
    for name in names:
        left, right = _layer(one, name), _layer(other, name)
        if left is None or right is None:
            differences.append(Difference(layer=name, mag=None, what=f"is not in {first if left is None else second}"))
            continue
        found = list(_properties_that_differ(left, right))
        differences += found
        if any(not difference.mag for difference in found):
            continue
        shared = {entry.mag for entry in left.mags} & {entry.mag for entry in right.mags}
        for mag in sorted(shared, key=lambda mag: (mag.max_dim, mag.to_tuple())):
            pairs.append((name, mag, open_voxels(first, left, mag, None), open_voxels(second, right, mag, None)))  # noqa: PERF401 -- a comprehension would hide four calls
    total, done = sum(left.box.volume() for *_, left, _ in pairs), 0
    for name, mag, left_voxels, right_voxels in pairs:
        for compared, what in _compare(left_voxels, right_voxels):
            done += compared
            if listener is not None:
                listener(done, total)
            if what is not None:
                differences.append(Difference(layer=name, mag=mag.to_layer_name(), what=what))
                break
    return differences


def _names(
    one: DatasetProperties, other: DatasetProperties, wanted: Collection[str] | None, paths: tuple[Path, Path]
) -> list[str]:
    there = list(dict.fromkeys(layer.name for layer in (*one.data_layers, *other.data_layers)))
    if wanted is None:
        return there
    missing = [name for name in wanted if name not in there]
    if missing:
        raise NotInDatasetError(
            f"neither {paths[0]} nor {paths[1]} has a layer {missing[0]!r}; there are {', '.join(there) or 'none'}"
        )
    return [name for name in there if name in wanted]


def _layer(properties: DatasetProperties, name: str) -> LayerProperties | None:
    return next((layer for layer in properties.data_layers if layer.name == name), None)


def _properties_that_differ(left: LayerProperties, right: LayerProperties) -> Iterator[Difference]:
    for what, one, other in (
        ("category", left.category, right.category),
        ("dtype", left.dtype, right.dtype),
        ("channels", left.num_channels, right.num_channels),
        ("bounding box", str(left.bounding_box.denormalize()), str(right.bounding_box.denormalize())),
    ):
        if one != other:
            yield Difference(layer=left.name, mag=None, what=f"{what} {one}, and {other}")
    mags = [{entry.mag.to_layer_name() for entry in layer.mags} for layer in (left, right)]
    for name in sorted(mags[0] ^ mags[1]):
        yield Difference(layer=left.name, mag=name, what=f"is only in the {'first' if name in mags[0] else 'second'}")


def _compare(left: ExportedVoxels, right: ExportedVoxels) -> Iterator[tuple[int, str | None]]:
    """Yield, band by band, how many voxels were compared, and at the first difference what it is."""
    for slab in left.slabs(EXPORT_BYTES // 2):
        for band in left.bands(slab, EXPORT_BYTES // 2):
            one, other = left.read(band), right.read(band)
            differs = one != other
            if one.dtype.kind == "f":
                differs &= ~(np.isnan(one) & np.isnan(other))
            if not differs.any():
                yield band.volume(), None
                continue
            index = tuple(int(places[0]) for places in np.nonzero(differs))
            where = ", ".join(
                f"{axis} {band.get_bounds(axis)[0] + place}" for axis, place in zip(left.axes, index, strict=True)
            )
            yield band.volume(), f"at {where} (in the mag) {one[index]}, and {other[index]}"
            return
