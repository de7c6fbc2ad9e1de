"""Which voxel size a dataset has: from the settings, else from its files, never from the air.

Pure. Where the values come from is the readers' and the settings' business; nothing is converted here but to compare.
"""

from collections.abc import Iterable, Mapping
from math import isclose

from wk_assets.errors import VoxelSizeError
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.readers.volume import MeasuredVoxelSize, VolumeDescription

TOLERANCE = 1e-3
"""Relative difference below which two sources say the same: formats round."""


def decide_voxel_size(
    instrument: str,
    acquisition: str,
    described: Mapping[str, VolumeDescription],
    given: MeasuredVoxelSize | None,
) -> tuple[MeasuredVoxelSize, tuple[MeasuredVoxelSize, ...]]:
    """Decide the voxel size of a dataset from its layers' descriptions and the instrument's setting (which wins).

    Returns the value with its source, and what files say differently. Raises VoxelSizeError if nobody says it, or if
    no setting decides between layers that contradict one another.
    """
    told = {name: one.voxel_size for name, one in described.items() if one.voxel_size is not None}
    chosen = given if given is not None else next(iter(told.values()), None)
    setting = (
        f"'voxel_size: {{x: ..., y: ..., z: ..., unit: nanometer}}' of instrument {instrument!r} in wk_assets.yaml"
    )
    if chosen is None:
        raise VoxelSizeError(
            f"acquisition {acquisition!r}: no file of the layers {', '.join(described)} says how large a voxel is. "
            f"Give it with {setting}"
        )
    if given is None:
        for name, other in told.items():
            if not same_voxel_size(other.voxel_size, chosen.voxel_size):
                raise VoxelSizeError(
                    f"acquisition {acquisition!r}: layers contradict one another: {next(iter(told))!r} has voxels of "
                    f"{chosen.voxel_size} ({chosen.source}), {name!r} of {other.voxel_size} ({other.source}). "
                    f"Decide with {setting}"
                )
    others = [*told.values(), *(other for one in described.values() for other in one.voxel_size_alternatives)]
    return chosen, tuple(_different(chosen, others))


def same_voxel_size(one: VoxelSize, other: VoxelSize) -> bool:
    """Say whether two voxel sizes are the same length on every axis, whatever their units."""
    pairs = zip(one.to_nanometer(), other.to_nanometer(), strict=True)
    return all(isclose(a, b, rel_tol=TOLERANCE) for a, b in pairs)


def _different(chosen: MeasuredVoxelSize, others: Iterable[MeasuredVoxelSize]) -> list[MeasuredVoxelSize]:
    """Keep what disagrees with the chosen value, each value once."""
    kept: list[MeasuredVoxelSize] = []
    for other in others:
        if not any(same_voxel_size(other.voxel_size, known.voxel_size) for known in (chosen, *kept)):
            kept.append(other)
    return kept
