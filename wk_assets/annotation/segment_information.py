"""What somebody noted of a segment of a volume annotation: its name, colour, place and whatever else."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from wk_assets.geometry.vec3_int import Vec3Int


@dataclass(slots=True, kw_only=True)
class SegmentInformation:
    """Describe a segment; to be changed in place.

    `anchor_position`: a voxel of it, x, y, z in mag 1; `color`: red, green, blue, alpha from 0 to 1.
    """

    name: str | None = None
    anchor_position: Vec3Int | None = None
    color: tuple[float, float, float, float] | None = None
    metadata: dict[str, str | int | float | Sequence[str]] = field(default_factory=dict)
