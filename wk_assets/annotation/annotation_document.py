"""What an annotation says beside its voxels: the fields that people read and set, from an NML document and back.

What the document holds and no field stands for (unknown attributes and elements, the active node, segment groups …) is kept
and written again. Opens no file (see `annotation_file`) and asks nobody (see `server_annotation`).
"""

import time as clock
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Self

from wk_assets.annotation.volume_data import VolumeData
from wk_assets.annotation.volume_layer import VolumeLayer
from wk_assets.errors import InputError
from wk_assets.geometry.bounding_box import BoundingBox, NDBoundingBox
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.skeleton.nml_model import Meta, Nml, UserBoundingBox, Vector3, Volume
from wk_assets.skeleton.skeleton import Skeleton

_OWNER, _ID = "username", "annotationId"


class AnnotationDocument:
    """Hold an annotation: a new one, if `skeleton` or `dataset_name` and a voxel size are given.

    name: its name. skeleton: its trees; also holds the dataset's name and id, the organization, the description and the voxel
    size, which can be read and set here as well. owner_name: who drew. annotation_id: on the server, None: on none.
    time: milliseconds since 1970. edit_position: a place in mag-1 voxels; edit_rotation: degrees; zoom_level: as the server
    writes it. metadata: texts by key. task_bounding_box, user_bounding_boxes: in mag-1 voxels.
    voxel_size: in nanometers; voxel_size_with_unit: in another unit. Raises InputError for neither or both of them.
    """

    def __init__(
        self,
        name: str,
        skeleton: Skeleton | None = None,
        annotation_id: str | None = None,
        *,
        owner_name: str | None = None,
        time: int | None = None,
        edit_position: Vector3 | None = None,
        edit_rotation: Vector3 | None = None,
        zoom_level: float | None = None,
        metadata: Mapping[str, str] | None = None,
        task_bounding_box: NDBoundingBox | None = None,
        user_bounding_boxes: Iterable[NDBoundingBox] | None = None,
        dataset_name: str | None = None,
        voxel_size: Vector3 | None = None,
        organization_id: str | None = None,
        description: str | None = None,
        dataset_id: str | None = None,
        voxel_size_with_unit: VoxelSize | None = None,
    ) -> None:
        if skeleton is None:
            skeleton = _new_skeleton(name, dataset_name, voxel_size, voxel_size_with_unit)
            skeleton.organization_id, skeleton.description = organization_id, description
            skeleton.dataset_id = dataset_id
        elif any(
            one is not None
            for one in (dataset_name, voxel_size, organization_id, description, dataset_id, voxel_size_with_unit)
        ):
            raise InputError(
                f"annotation {name!r}: a skeleton is given, which holds dataset, voxel size, organization and description; "
                "set them there"
            )
        self._name = name
        self.skeleton = skeleton
        self.annotation_id = annotation_id
        self.owner_name = owner_name
        self.time: int | None = clock.time_ns() // 1_000_000 if time is None else time
        self.edit_position = edit_position
        self.edit_rotation = edit_rotation
        self.zoom_level = zoom_level
        self.metadata: dict[str, str] = dict(metadata or {})
        self.task_bounding_box = task_bounding_box
        self.user_bounding_boxes: list[NDBoundingBox] = list(user_bounding_boxes or ())
        self._volume_layers: list[VolumeLayer] = []
        self._told: Nml | None = None

    # ------------------------------------------------------------------ what the skeleton holds

    @property
    def name(self) -> str:
        """The annotation's name. Can be set."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = name

    @property
    def dataset_name(self) -> str:
        """The name of the dataset that it is of. Can be set."""
        return self.skeleton.dataset_name

    @dataset_name.setter
    def dataset_name(self, dataset_name: str) -> None:
        self.skeleton.dataset_name = dataset_name

    @property
    def dataset_id(self) -> str | None:
        """The id of that dataset, None: not known. Can be set."""
        return self.skeleton.dataset_id

    @dataset_id.setter
    def dataset_id(self, dataset_id: str | None) -> None:
        self.skeleton.dataset_id = dataset_id

    @property
    def organization_id(self) -> str | None:
        """The id of the organization that it belongs to. Can be set."""
        return self.skeleton.organization_id

    @organization_id.setter
    def organization_id(self, organization_id: str | None) -> None:
        self.skeleton.organization_id = organization_id

    @property
    def description(self) -> str | None:
        """What it is about. Can be set."""
        return self.skeleton.description

    @description.setter
    def description(self, description: str | None) -> None:
        self.skeleton.description = description

    @property
    def voxel_size(self) -> tuple[float, float, float]:
        """Edge lengths x, y, z of a mag-1 voxel in nanometers."""
        return self.skeleton.voxel_size_with_unit.to_nanometer()

    @property
    def voxel_size_with_unit(self) -> VoxelSize:
        """The same in the unit that was given."""
        return self.skeleton.voxel_size_with_unit

    # ------------------------------------------------------------------ from and to NML

    @classmethod
    def of_nml(cls, nml: Nml, name: str, volumes: Mapping[str, VolumeData], source: str) -> Self:
        """Take over a document. `volumes`: voxels by `location`. Raises NmlError, AnnotationFileError."""
        told = nml.parameters
        metadata = {key: content for key, content in _first(nml.meta).items() if key not in (_OWNER, _ID)}
        found = cls(
            name,
            Skeleton.from_nml(nml),
            nml.get_meta(_ID),
            owner_name=nml.get_meta(_OWNER),
            time=told.time,
            edit_position=told.editPosition,
            edit_rotation=told.editRotation,
            zoom_level=told.zoomLevel,
            metadata=metadata,
            task_bounding_box=None if told.taskBoundingBox is None else told.taskBoundingBox.box,
            user_bounding_boxes=[one.box for one in told.userBoundingBoxes],
        )
        found.time = told.time
        found._told = replace(nml, trees=(), branchpoints=(), comments=(), groups=(), volumes=())
        found._volume_layers = [
            VolumeLayer.of(volume, told.scale, volumes.get(volume.location or ""), source) for volume in nml.volumes
        ]
        return found

    def to_nml(self) -> tuple[Nml, list[tuple[str, VolumeData]]]:
        """Return the document, and the voxels by the `location` that it names them by."""
        skeleton = self.skeleton.to_nml()
        known = self._told if self._told is not None else Nml(parameters=skeleton.parameters)
        boxes = tuple(self._box(box, known) for box in self.user_bounding_boxes)
        parameters = replace(
            known.parameters,
            name=self.dataset_name,
            scale=self.voxel_size_with_unit,
            description=self.skeleton.description,
            organization=self.organization_id,
            dataset_id=self.dataset_id,
            time=self.time,
            editPosition=self.edit_position,
            editRotation=self.edit_rotation,
            zoomLevel=self.zoom_level,
            taskBoundingBox=self._task_box(known),
            userBoundingBoxes=_numbered(boxes),
        )
        volumes: list[Volume] = []
        data: list[tuple[str, VolumeData]] = []
        for layer in self._volume_layers:
            location = _location(layer, [place for place, _ in data]) if layer.data is not None else None
            volumes.append(layer.told(location))
            if location is not None and layer.data is not None:
                data.append((location, layer.data))
        nml = replace(skeleton, parameters=parameters, meta=self._meta(known), volumes=tuple(volumes))
        return replace(nml, attributes=known.attributes, elements=known.elements), data

    def _meta(self, known: Nml) -> tuple[Meta, ...]:
        own = {_OWNER: self.owner_name, _ID: self.annotation_id}
        wanted = self.metadata | {key: value for key, value in own.items() if value is not None}
        before, kept, changed = _first(known.meta), [], set()
        for meta in known.meta:
            content = wanted.get(meta.name)
            if content is not None and content == before[meta.name]:
                kept.append(meta)  # also the second of one name, which no dictionary holds
            elif content is not None and meta.name not in changed:
                changed.add(meta.name)
                kept.append(replace(meta, content=content))
        return (*kept, *(Meta(name=name, content=text) for name, text in wanted.items() if name not in before))

    def _task_box(self, known: Nml) -> UserBoundingBox | None:
        told = known.parameters.taskBoundingBox
        if self.task_bounding_box is None or (told is not None and told.box == self.task_bounding_box):
            return None if self.task_bounding_box is None else told
        return UserBoundingBox(box=_three_axes(self.task_bounding_box))

    def _box(self, box: NDBoundingBox, known: Nml) -> UserBoundingBox:
        """Give a box the id and the unknown attributes that it had, also if it was renamed or colored anew."""
        wanted = _three_axes(box)
        told = known.parameters.userBoundingBoxes
        for one in told:
            if one.box == wanted:
                return one
        for one in told:
            if (one.box.topleft, one.box.size) == (wanted.topleft, wanted.size):
                return replace(one, box=wanted)
        return UserBoundingBox(box=wanted)


def _first(meta: Iterable[Meta]) -> dict[str, str]:
    """Give the content of the first element of each name."""
    found: dict[str, str] = {}
    for one in meta:
        found.setdefault(one.name, one.content)
    return found


def _new_skeleton(
    name: str, dataset_name: str | None, voxel_size: Vector3 | None, with_unit: VoxelSize | None
) -> Skeleton:
    if dataset_name is None:
        raise InputError(f"annotation {name!r}: give a skeleton, or dataset_name and voxel_size")
    if (voxel_size is None) == (with_unit is None):
        raise InputError(
            f"annotation {name!r}: give its voxel size, either voxel_size in nanometers or voxel_size_with_unit"
        )
    scale = with_unit if with_unit is not None else VoxelSize(voxel_size or ())
    return Skeleton(scale, dataset_name)


def _three_axes(box: NDBoundingBox) -> BoundingBox:
    return box if isinstance(box, BoundingBox) else BoundingBox.from_ndbbox(box)


def _numbered(boxes: tuple[UserBoundingBox, ...]) -> tuple[UserBoundingBox, ...]:
    """Give each box an id of its own; those that have one keep it, the first of two that have the same."""
    taken: set[int] = set()
    kept = []
    for one in boxes:
        known = None if one.id in taken else one.id
        taken |= set() if known is None else {known}
        kept.append(replace(one, id=known))
    numbered = []
    for one in kept:
        number = one.id
        if number is None:
            number = max(taken, default=0) + 1
            taken.add(number)
        numbered.append(replace(one, id=number))
    return tuple(numbered)


def _location(layer: VolumeLayer, taken: list[str]) -> str:
    """Name the file of a layer's voxels; no two layers have the same."""
    return layer.location if layer.location not in taken else f"data_{layer.id}_{len(taken)}.zip"
