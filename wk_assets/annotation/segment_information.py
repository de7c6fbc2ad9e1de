"""What somebody noted of a segment of a volume annotation: its name, colour, place and whatever else."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from wk_assets.geometry.vec3_int import Vec3Int, Vec3IntLike
from wk_assets.skeleton.nml_model import MetadataEntry, MetadataValue, Segment

_Value = str | int | float | Sequence[str]


@dataclass(slots=True, kw_only=True)
class SegmentInformation:
    """Describe a segment; to be changed in place.

    `anchor_position`: a voxel of it, x, y, z in mag 1; `color`: red, green, blue, alpha from 0 to 1; `created`: milliseconds
    since 1970; `group_id`: of the volume layer's `segment_groups`.
    """

    name: str | None = None
    anchor_position: Vec3IntLike | None = None
    color: tuple[float, float, float, float] | None = None
    metadata: dict[str, _Value] = field(default_factory=dict)
    created: int | None = None
    group_id: int | None = None
    is_visible: bool | None = None
    _told: Segment | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, told: Segment) -> "SegmentInformation":
        """Take over what an NML file says; fractions of a position are cut off here, and kept in the file."""
        return cls(
            name=told.name,
            anchor_position=_voxel(told),
            color=told.color,
            metadata={entry.key: _listed(entry.value) for entry in told.metadata},
            created=told.created,
            group_id=told.groupId,
            is_visible=told.is_visible,
            _told=told,
        )

    def told(self, segment_id: int) -> Segment:
        """Return what an NML file is to say: what was read, as far as it is the same, with what was changed."""
        known = self._told if self._told is not None else Segment(id=segment_id)
        anchor = None if self.anchor_position is None else Vec3Int(self.anchor_position)
        entries = {entry.key: entry for entry in known.metadata}
        return replace(
            known,
            id=segment_id,
            name=self.name,
            created=self.created,
            groupId=self.group_id,
            is_visible=self.is_visible,
            anchor_position=known.anchor_position if anchor == _voxel(known) else _position(anchor),
            color=self.color,
            metadata=tuple(_entry(entries.get(key), key, value) for key, value in self.metadata.items()),
        )


def _voxel(told: Segment) -> Vec3Int | None:
    return None if told.anchor_position is None else Vec3Int([int(value // 1) for value in told.anchor_position])


def _position(voxel: Vec3Int | None) -> tuple[float, float, float] | None:
    return None if voxel is None else (float(voxel.x), float(voxel.y), float(voxel.z))


def _listed(value: MetadataValue) -> _Value:
    return list(value) if isinstance(value, tuple) else value


def _entry(known: MetadataEntry | None, key: str, value: _Value) -> MetadataEntry:
    kept: MetadataValue = value if isinstance(value, str | int | float) else tuple(value)
    if known is None:
        return MetadataEntry(key=key, value=kept)
    return known if known.value == kept else replace(known, value=kept)
