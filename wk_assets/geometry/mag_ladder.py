"""Which mags a layer gets: the coarsest one by its size, the ones between by its voxel size.

Integers and edge lengths only. Source: behaviour of WEBKNOSSOS' own tools, so that pyramids made here and there agree.
"""

import math
from collections.abc import Collection, Sequence
from enum import StrEnum

from wk_assets.errors import GeometryError
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int, Vec3IntLike

_COARSEST_EDGE_VOXELS = 100


class SamplingMode(StrEnum):
    """Say which axes are halved from one mag to the next."""

    ANISOTROPIC = "anisotropic"  # those that bring the voxel closest to a cube
    ISOTROPIC = "isotropic"  # all
    CONSTANT_Z = "constant_z"  # x and y

    @classmethod
    def parse(cls, mode: "str | SamplingMode") -> "SamplingMode":
        """Understand a name, in capitals or not; raises GeometryError, naming those that there are."""
        try:
            return cls(str(mode).lower())
        except ValueError:
            raise GeometryError(f"sampling mode {mode!r}: write {', '.join(cls)}") from None


def default_coarsest_mag(size: Vec3IntLike) -> Mag:
    """Choose the isotropic mag at which the wider of x and y is 100 voxels or fewer; at least mag 4.

    `size` is the layer's size x, y, z in mag-1 voxels.
    """
    size = Vec3Int(size)
    edge = max(size.x, size.y)
    factor = 4
    while factor * _COARSEST_EDGE_VOXELS < edge:
        factor *= 2
    return Mag(factor)


def mag_ladder(
    voxel_size_factor: Sequence[float],
    finest: Mag,
    coarsest: Mag,
    sampling: SamplingMode = SamplingMode.ANISOTROPIC,
    existing: Collection[Mag] = (),
    depth: int | None = None,
) -> tuple[Mag, ...]:
    """List the mags after `finest`, each a multiple of the one before, until the greatest factor is that of `coarsest`.

    `voxel_size_factor` are the edge lengths x, y, z of a mag-1 voxel in any unit. `existing` are mags of the dataset's
    other layers: one with twice the greatest factor of the mag before is taken as it is, so that layers share their mags.
    `depth` is the layer's size in z in mag-1 voxels; a layer of one slice is never halved in z.
    Raises GeometryError for edge lengths that are not finite and greater than zero.
    """
    lengths = tuple(float(length) for length in voxel_size_factor)
    if len(lengths) != 3 or not all(math.isfinite(length) and length > 0 for length in lengths):
        raise GeometryError(f"mag ladder: voxel size {lengths!r} must be three finite numbers greater than zero")
    if depth == 1:
        sampling = SamplingMode.CONSTANT_Z
    limit = coarsest.to_vec3_int()
    mags: list[Mag] = []
    emitted = finest
    current = finest.to_vec3_int()
    while emitted.max_dim < coarsest.max_dim:
        shared = _shared_mag(emitted, existing, sampling)
        if shared is not None and shared.max_dim <= coarsest.max_dim:
            following = shared.to_vec3_int()
        else:
            following = _next_factors(current, lengths, sampling).pairmin(limit).pairmax(current)
            if following == current:
                # The limit holds back the very axes that would be halved next: go on with the others.
                following = (current * 2).pairmin(limit).pairmax(current)
                if sampling is SamplingMode.CONSTANT_Z:
                    following = following.with_z(current.z)
                if following == current:
                    break
        current = following
        if max(current) > emitted.max_dim:
            emitted = Mag(current)
            mags.append(emitted)
    return tuple(mags)


def _next_factors(factors: Vec3Int, lengths: tuple[float, ...], sampling: SamplingMode) -> Vec3Int:
    if sampling is SamplingMode.ISOTROPIC:
        return factors * 2
    if sampling is SamplingMode.CONSTANT_Z:
        return factors * (2, 2, 1)
    edges = [factor * length for factor, length in zip(factors, lengths, strict=True)]
    shortest = min(edges)
    # Exact comparison on purpose: 1.0 and 1.0000001 are different edges, as in the tools that this has to agree with.
    chosen = Vec3Int([2 if edge == shortest else 1 for edge in edges])
    all_axes = max(edges) / min(edges)
    some_axes = [edge * factor for edge, factor in zip(edges, chosen, strict=True)]
    return factors * 2 if all_axes < max(some_axes) / min(some_axes) else factors * chosen


def _shared_mag(current: Mag, existing: Collection[Mag], sampling: SamplingMode) -> Mag | None:
    factors = current.to_vec3_int()
    candidates = [
        mag
        for mag in existing
        if mag.max_dim == 2 * current.max_dim
        and (mag.to_vec3_int() % factors) == (0, 0, 0)
        and not (sampling is SamplingMode.CONSTANT_Z and mag.z != current.z)
    ]
    return min(candidates, key=Mag.to_tuple) if candidates else None
