"""Which mags a layer gets when it is resampled, coarser or finer ones. Integers and edge lengths; opens nothing."""

from collections.abc import Collection, Iterator, Sequence

from wk_assets.errors import PlanError
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.mag_ladder import SamplingMode, default_coarsest_mag, mag_ladder
from wk_assets.geometry.vec3_int import Vec3Int


def coarser_mags(
    from_mag: Mag,
    *,
    size: Vec3Int,
    voxel_size: Sequence[float],
    coarsest: Mag | None = None,
    sampling: SamplingMode = SamplingMode.ANISOTROPIC,
    existing: Collection[Mag] = (),
) -> tuple[Mag, ...]:
    """List the mags after `from_mag`, each a multiple of the one before.

    `size`: the layer's, mag-1 voxels. `voxel_size`: edges of a mag-1 voxel. `coarsest` None: chosen by the size.
    `existing`: mags of other layers, taken where they fit. Raises GeometryError for a voxel size that is none.
    """
    limit = default_coarsest_mag(size) if coarsest is None else coarsest
    return mag_ladder(voxel_size, from_mag, limit, sampling, existing=existing, depth=size.z)


def finer_mags(
    from_mag: Mag,
    *,
    size: Vec3Int,
    voxel_size: Sequence[float],
    finest: Mag = Mag(1),  # noqa: B008  # immutable
    sampling: SamplingMode = SamplingMode.ANISOTROPIC,
    existing: Collection[Mag] = (),
) -> tuple[Mag, ...]:
    """List the mags before `from_mag` down to `finest`, coarsest first, so that downsampling from there would give them.

    With constant z, the finest has the z of `from_mag`. Raises PlanError if `from_mag` is no multiple of the finest.
    """
    sampling = SamplingMode.CONSTANT_Z if size.z == 1 else sampling
    if sampling is SamplingMode.CONSTANT_Z:
        finest = Mag(finest.to_vec3_int().with_z(from_mag.z))
    if any(coarse % fine for fine, coarse in zip(finest.to_vec3_int(), from_mag.to_vec3_int(), strict=True)):
        raise PlanError(f"mag {from_mag} can not be upsampled to mag {finest}: it is no multiple of it")
    if finest == from_mag:
        return ()
    if sampling is SamplingMode.CONSTANT_Z:
        between = list(_doublings_in_plane(finest, from_mag))
    else:
        ladder = mag_ladder(voxel_size, finest, from_mag, sampling, existing=existing)
        between = [mag for mag in ladder if mag.max_dim < from_mag.max_dim and _divides(mag, from_mag)]
    return (*reversed(between), finest)


def check_ascending(from_mag: Mag, mags: Sequence[Mag]) -> None:
    """Raise PlanError unless each mag is a multiple of the one before, and another one."""
    chain = [from_mag, *mags]
    for fine, coarse in zip(chain, mags, strict=False):
        if fine == coarse or not _divides(fine, coarse):
            raise PlanError(
                f"mag {coarse} can not be made from mag {fine}: each mag must be a multiple of the one before, in ascending "
                f"order, not {', '.join(mag.to_layer_name() for mag in chain)}"
            )


def ladder_order(mag: Mag) -> tuple[int, tuple[int, int, int]]:
    """Return what sorts mags from fine to coarse, of two with the same greatest factor in a fixed order."""
    return mag.max_dim, mag.to_tuple()


def _doublings_in_plane(finest: Mag, from_mag: Mag) -> Iterator[Mag]:
    """Yield the mags between two of the same z; a ladder by the greatest factor would miss those below z."""
    factors = finest.to_vec3_int() * (2, 2, 1)
    while Mag(factors) != from_mag and _divides(Mag(factors), from_mag):
        yield Mag(factors)
        factors = factors * (2, 2, 1)


def _divides(fine: Mag, coarse: Mag) -> bool:
    return not any(large % small for small, large in zip(fine.to_vec3_int(), coarse.to_vec3_int(), strict=True))
