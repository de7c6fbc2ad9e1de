"""What will be downloaded from a server, as a value: which layers, mags and boxes, in which blocks. Asks nobody.

A block is what is fetched, written, checked and noted at once: whole shards of the new array, so that blocks never share one.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wk_assets.errors import PlanError, ReadOnlyError
from wk_assets.geometry.bounding_box import BoundingBox, NormalizedBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.datasets.array_request import array_info
from wk_assets.operations.datasets.layer_box import box_in_mag
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.layer_properties import (
    AttachmentsProperties,
    BoundingBoxProperties,
    DataFormat,
    LayerProperties,
    SegmentationLayerProperties,
)
from wk_assets.storage.mag_array import ArrayInfo

# A block has at least this many voxels per axis: each is a request, a write and a line in the journal.
_LEAST_BLOCK = Vec3Int(128, 128, 128)
# Of each block there are the answer, its voxels, its bytes that are summed up, and what they become when encoded.
_COPIES_OF_A_BLOCK = 4
_WRITTEN = (DataFormat.Zarr3, DataFormat.Zarr, DataFormat.WKW)


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadBlock:
    """One block of one mag. `number` counts from 0 in the mag; `box_in_mag`: all channels, voxels of the mag.

    `shape`: voxels x, y, z of a block that lies inside; borders of blocks are multiples of it.
    """

    layer_name: str
    mag: Mag
    number: int
    box_in_mag: NormalizedBoundingBox
    shape: Vec3Int


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadMag:
    """One mag of one layer. `info`: the new array; `box_in_mag`: what of it will be fetched."""

    layer_name: str
    mag: Mag
    info: ArrayInfo
    box_in_mag: NormalizedBoundingBox

    @property
    def block_shape(self) -> Vec3Int:
        """Voxels x, y, z of a block that lies inside."""
        return self.info.shard_shape.pairmax(_LEAST_BLOCK)

    @property
    def block_bytes(self) -> int:
        """Bytes of the voxels of the largest block."""
        size = self.box_in_mag.size_xyz.pairmin(self.block_shape)
        return math.prod(size) * self.info.num_channels * self.info.voxel_type.itemsize

    @property
    def size_bytes(self) -> int:
        """Bytes of all voxels."""
        return self.box_in_mag.volume() * self.info.num_channels * self.info.voxel_type.itemsize

    @property
    def block_count(self) -> int:
        """How many blocks there are."""
        return math.prod(len(places) for places in self._places())

    def blocks(self) -> Iterator[DownloadBlock]:
        """Yield all blocks, x fastest; cut to the box, their borders are multiples of `block_shape` from the origin."""
        columns, rows, planes = self._places()
        number = 0
        for z in planes:
            for y in rows:
                for x in columns:
                    cell = BoundingBox((x, y, z), self.block_shape).normalize_axes(self.info.num_channels)
                    yield DownloadBlock(
                        layer_name=self.layer_name,
                        mag=self.mag,
                        number=number,
                        box_in_mag=cell.intersected_with(self.box_in_mag, dont_assert=True),
                        shape=self.block_shape,
                    )
                    number += 1

    def _places(self) -> tuple[range, range, range]:
        box, shape = self.box_in_mag, self.block_shape
        first, last = box.topleft_xyz, box.bottomright_xyz
        x, y, z = (range(a // edge * edge, b, edge) for a, b, edge in zip(first, last, shape, strict=True))
        return x, y, z


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadPlan:
    """Everything that a download will fetch. `properties`: the new dataset, its layers without their mags.

    `fingerprint` identifies what was asked for: the same download goes on where it stopped.
    """

    dataset_id: str
    server_url: str
    store_url: str
    properties: DatasetProperties
    mags: tuple[DownloadMag, ...]
    fingerprint: str

    @property
    def size_bytes(self) -> int:
        """Bytes of all voxels, as they are fetched: not compressed."""
        return sum(mag.size_bytes for mag in self.mags)

    @property
    def block_count(self) -> int:
        """How many blocks there are."""
        return sum(mag.block_count for mag in self.mags)

    def blocks(self) -> Iterator[DownloadBlock]:
        """Yield all blocks, mag by mag."""
        for mag in self.mags:
            yield from mag.blocks()

    def threads_within(self, memory_bytes: int, threads: int) -> int:
        """Return how many of `threads` may have a block at once. Raises PlanError if not even one fits."""
        of_one = _COPIES_OF_A_BLOCK * max((mag.block_bytes for mag in self.mags), default=1)
        if of_one > memory_bytes:
            raise PlanError(
                f"the download needs {of_one} bytes of memory for one block, and may use {memory_bytes}; allow it more"
            )
        return min(threads, memory_bytes // of_one)


def plan_download(
    properties: DatasetProperties,
    *,
    dataset_id: str,
    server_url: str,
    store_url: str,
    name: str,
    layers: Sequence[str] | None = None,
    mags: Sequence[Mag] | None = None,
    box: BoundingBox | None = None,
    data_format: DataFormat = DataFormat.Zarr3,
) -> DownloadPlan:
    """Plan to download a dataset that the server describes by `properties`, or some layers, mags and a box (mag-1 voxels).

    A box is rounded outward to whole voxels of each mag. Layers that are not named are left out if they have none of the mags,
    or nothing in the box. Attachments are not downloaded. Raises PlanError for a layer, mag or box that is not there, and for
    layers with additional axes, ReadOnlyError for a format that can only be read.
    """
    if data_format not in _WRITTEN:
        raise ReadOnlyError(f"arrays in {data_format.value} are only read; choose {', '.join(_WRITTEN)}")
    there = {layer.name: layer for layer in properties.data_layers}
    missing = [one for one in layers or () if one not in there]
    if missing:
        raise PlanError(f"dataset {dataset_id} has no layer {', '.join(missing)}; it has {', '.join(there) or 'none'}")
    planned: list[DownloadMag] = []
    kept: list[LayerProperties] = []
    left_out: list[str] = []
    for layer in there.values():
        if layers is not None and layer.name not in layers:
            continue
        reason = _why_not(layer, mags, box)
        if reason is not None:
            if layers is not None:
                raise PlanError(f"layer {layer.name!r} of dataset {dataset_id} {reason}")
            left_out.append(f"{layer.name!r} {reason}")
            continue
        new = _new_layer(layer, box, data_format)
        kept.append(new)
        planned.extend(_mags_of(layer, new, mags))
    if not kept:
        raise PlanError(
            f"nothing of dataset {dataset_id} is left to download: {'; '.join(left_out) or 'it has no layers'}"
        )
    result = properties.model_copy(
        update={"data_layers": tuple(kept), "id": {**properties.id, "name": name, "team": ""}}
    )
    return DownloadPlan(
        dataset_id=dataset_id,
        server_url=server_url,
        store_url=store_url,
        properties=result,
        mags=tuple(planned),
        fingerprint=_fingerprint(server_url, dataset_id, planned),
    )


def _why_not(layer: LayerProperties, mags: Sequence[Mag] | None, box: BoundingBox | None) -> str | None:
    """Return why there is nothing to download of a layer. Raises PlanError for a layer that can not be fetched."""
    there = [entry.mag for entry in layer.mags]
    if not there:
        return "has no mags"
    if mags is not None and not set(there) & set(mags):
        return f"has none of the mags {', '.join(map(str, mags))}; it has {', '.join(map(str, there))}"
    inside = layer.box if box is None else layer.box.intersected_with(box, dont_assert=True)
    if inside.is_empty():
        return f"has nothing in {box}; its box is {layer.box}" if box is not None else "has an empty box"
    if layer.additional_axes:
        axes = ", ".join(axis.name for axis in layer.additional_axes)
        raise PlanError(
            f"layer {layer.name!r} has the axes {axes}, which a server's voxels are not asked for by; leave it out, or open the "
            "dataset with RemoteAccessMode.PROXY_PATH and copy it with Dataset.add_layer_as_copy"
        )
    return None


def _new_layer(layer: LayerProperties, box: BoundingBox | None, data_format: DataFormat) -> LayerProperties:
    inside = layer.box if box is None else layer.box.intersected_with(box, dont_assert=True)
    update: dict[str, Any] = {
        "mags": (),
        "data_format": data_format,
        "box_properties": BoundingBoxProperties.of(inside),
    }
    if isinstance(layer, SegmentationLayerProperties):
        update["attachments"] = AttachmentsProperties()
    return layer.model_copy(update=update)


def _mags_of(layer: LayerProperties, new: LayerProperties, mags: Sequence[Mag] | None) -> Iterator[DownloadMag]:
    for entry in sorted(layer.mags, key=lambda one: (one.mag.max_dim, one.mag.to_tuple())):
        if mags is None or entry.mag in mags:
            yield DownloadMag(
                layer_name=layer.name,
                mag=entry.mag,
                info=array_info(new, entry.mag, compression=True),
                box_in_mag=box_in_mag(new.bounding_box, entry.mag),
            )


def _fingerprint(server_url: str, dataset_id: str, mags: Sequence[DownloadMag]) -> str:
    told = [
        [
            mag.layer_name, mag.mag.to_long_layer_name(), np.dtype(mag.info.voxel_type).name, mag.info.data_format.value,
            list(mag.box_in_mag.topleft), list(mag.box_in_mag.size), list(mag.block_shape),
        ]
        for mag in mags
    ]  # fmt: skip
    return hashlib.sha256(json.dumps([server_url, dataset_id, told]).encode()).hexdigest()[:32]
