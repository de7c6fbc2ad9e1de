"""One volume layer of an annotation: what its NML says of it, and its voxels, which can be looked at and edited."""

import re
import shutil
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from wk_assets.annotation.checked_archive import DEFAULT_LIMITS
from wk_assets.annotation.segment_information import SegmentInformation
from wk_assets.annotation.volume_data import LAYER_NAME, Scratch, VolumeData
from wk_assets.annotation.volume_packing import drawn_cells, editable_copy, is_packed_form, pack
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.layer import SegmentationLayer
from wk_assets.errors import AnnotationFileError
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.operations.arrays.merge_arrays import merge_arrays
from wk_assets.skeleton.nml_model import Group, Volume

_UNNAMED = "Volume"  # what servers call a layer whose file gives it no name
_NO_FILE_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_USUAL_DTYPE = np.dtype("uint32")  # of a layer without voxels and without a type


@dataclass(slots=True, kw_only=True, eq=False)
class VolumeLayer:
    """Describe a volume layer; the fields can be set.

    `fallback_layer_name`: the layer of the dataset that shows where nothing is drawn. `largest_segment_id` None: unknown.
    `segments`: what is known of segments, by id. `segment_groups`: how they are grouped. `data`: the voxels, None if there
    are none here. `voxel_size`: that of the annotation.
    """

    id: int
    name: str
    voxel_size: VoxelSize
    fallback_layer_name: str | None = None
    largest_segment_id: int | None = None
    segments: dict[int, SegmentInformation] = field(default_factory=dict)
    segment_groups: tuple[Group, ...] = ()
    data: VolumeData | None = None
    _dtype: "np.dtype[Any] | None" = None
    _told: Volume | None = field(default=None, repr=False)

    @classmethod
    def of(cls, told: Volume, voxel_size: VoxelSize, data: VolumeData | None, source: str) -> "VolumeLayer":
        """Take over what an NML file says. Raises AnnotationFileError for a segment that stands there twice."""
        segments: dict[int, SegmentInformation] = {}
        for segment in told.segments:
            if segment.id in segments:
                raise AnnotationFileError(
                    f"{source}: segment {segment.id} of volume layer {told.id} stands there twice; remove one of them"
                )
            segments[segment.id] = SegmentInformation.of(segment)
        return cls(
            id=told.id,
            name=told.name if told.name is not None else _UNNAMED,
            voxel_size=voxel_size,
            fallback_layer_name=told.fallback_layer,
            largest_segment_id=told.largest_segment_id,
            segments=segments,
            segment_groups=told.groups,
            data=data,
            _told=told,
        )

    def told(self, location: str | None) -> Volume:
        """Return what an NML file is to say; `location`: the file of the voxels beside it, None if there are none."""
        known = self._told if self._told is not None else Volume(id=self.id)
        unnamed = known.name is None and self._told is not None and self.name == _UNNAMED
        written = None if self.data is None else self.data.look()[1]
        return replace(
            known,
            id=self.id,
            location=location,
            name=None if unnamed else self.name,
            fallback_layer=self.fallback_layer_name,
            format=known.format if location is None or self.data is None else (written or known.format),
            largest_segment_id=self.largest_segment_id,
            segments=tuple(one.told(segment_id) for segment_id, one in self.segments.items()),
            groups=self.segment_groups,
        )

    @property
    def dtype(self) -> "np.dtype[Any] | None":
        """The type of a voxel; None if nobody says: there is no array, and the layer was not added here."""
        if self._dtype is None and self.data is not None:
            self._dtype = self.data.look()[0]
        return self._dtype

    @property
    def location(self) -> str:
        """The file of the voxels in a zip: as it was called, or as the peer calls it."""
        told = None if self._told is None else self._told.location
        if told is not None and told.lower().endswith(".zip"):
            return told
        return f"data_{self.id}_{_NO_FILE_NAME.sub('_', self.name).strip('._')[:80]}.zip"

    @property
    def has_data(self) -> bool:
        """Whether there are voxels here; not so if they were left out of the download, or nobody has drawn."""
        return self.data is not None

    @contextmanager
    def opened(self) -> Iterator[SegmentationLayer]:
        """Offer the voxels as a layer of a temporary dataset, for reading; without voxels it has no mags and an empty box.

        Raises AnnotationFileError, PropertiesError for voxels that can not be understood, StorageError.
        """
        scratch = Scratch()
        yield Dataset.open(self._stored(scratch.path / "stored").path, read_only=True).get_segmentation_layer(
            LAYER_NAME
        )

    @contextmanager
    def edit(self) -> Iterator[SegmentationLayer]:
        """Offer the voxels as a layer of a temporary dataset; at the end of the block what it holds then is the volume layer's.

        If the block raises, the volume layer stays as it was. What is drawn at one mag does not show at another: call the
        layer's `redownsample()`. Chunks (32 x 32 x 32) that were stored and are erased stay erased; zeros where nothing was
        stored mean that nothing is drawn there. `largest_segment_id` follows. Raises what `opened` raises.
        """
        scratch = Scratch()
        layer = self._stored(scratch.path / "stored").get_segmentation_layer(LAYER_NAME)
        drawn = drawn_cells(layer)
        if not is_packed_form(layer):
            layer = editable_copy(layer, self._dataset(scratch.path / "editable"))
        yield layer
        layer = Dataset.open(layer.dataset.path).get_segmentation_layer(LAYER_NAME)
        if self.data is None and not layer.mags:
            return  # nobody has drawn
        if not is_packed_form(layer):  # mags were added, in the form of datasets
            layer = editable_copy(layer, self._dataset(scratch.path / "packed"))
        layer.largest_segment_id = self._largest_of(layer)
        target = scratch.path / "data.zip"
        pack(layer, target, drawn)
        self.largest_segment_id, self._dtype = layer.largest_segment_id, layer.dtype
        self.data = VolumeData(
            path=target,
            scratch=scratch,
            source=f"edited volume layer {self.name!r}",
            packed_bytes=target.stat().st_size,
            limits=replace(DEFAULT_LIMITS, ratio=1_000_000),  # it was made here
        )
        for folder in scratch.path.iterdir():
            if folder != target:
                shutil.rmtree(folder)

    def export_to_dataset(
        self, dataset: Dataset, layer_name: str, *, executor: Executor | None = None
    ) -> SegmentationLayer:
        """Copy the voxels into a new layer of a dataset, as shards of the usual kind; only what is stored is looked at.

        Raises AnnotationFileError if there are no voxels here, AlreadyThereError, StorageError.
        """
        if self.data is None:
            raise AnnotationFileError(
                f"volume layer {self.name!r} has no voxels here; download the annotation with its volume data"
            )
        with self.opened() as source:
            layer = dataset.add_layer(
                layer_name,
                "segmentation",
                dtype=source.dtype,
                num_channels=source.num_channels,
                bounding_box=source.bounding_box,
                largest_segment_id=source.largest_segment_id,
            ).as_segmentation_layer()
            for view in source.mags.values():
                merge_arrays(layer.add_mag(view.mag).array, view.array, view.box_in_mag, executor=executor)
        return layer

    # ------------------------------------------------------------------ within

    def _dataset(self, path: Path) -> Dataset:
        return Dataset(path, name=LAYER_NAME, voxel_size_with_unit=self.voxel_size)

    def _stored(self, path: Path) -> Dataset:
        if self.data is None:
            dataset = self._dataset(path)
        else:
            dataset = self.data.unpack(path, voxel_size=self.voxel_size, largest_segment_id=self.largest_segment_id)
        if LAYER_NAME not in dataset.layers:
            dataset.add_layer(
                LAYER_NAME,
                "segmentation",
                dtype=self.dtype or _USUAL_DTYPE,
                largest_segment_id=self.largest_segment_id,
            )
        return dataset

    def _largest_of(self, layer: SegmentationLayer) -> int | None:
        """Return the greatest id that is known or drawn: new ids of the server start after it."""
        largest = max(layer.largest_segment_id or 0, self.largest_segment_id or 0)
        for view in layer.mags.values():
            for box in view.array.stored_boxes():
                largest = max(largest, int(view.array.read_box(box).max(initial=0)))
        return largest if largest or self.largest_segment_id is not None else None
