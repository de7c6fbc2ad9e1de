"""Which mags of which layers `wk-assets downsample` makes: those that its options ask for, planned and then made.

Layers that were imported are planned by their ledger (what is stale is found, versions are published and committed);
all others are filled in place through the object interface.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from wk_assets.cli.resampling_report import MagToMake
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.layer import Layer
from wk_assets.errors import InputError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.mag_ladder import SamplingMode
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.compute import Compute
from wk_assets.operations.datasets.array_request import array_info
from wk_assets.operations.datasets.remake_mags import plan_remake
from wk_assets.operations.layers.layer_plan import LayerPlan
from wk_assets.operations.passes.interpolation import downsampling_mode
from wk_assets.operations.passes.tile_pass import TilePlan
from wk_assets.operations.records.layer_record import LayerRecord
from wk_assets.operations.records.layer_request import ProgressListener
from wk_assets.operations.resampling.resample_layer import plan_downsampling
from wk_assets.operations.resampling.resample_pyramid import plan_new_mags
from wk_assets.operations.resampling.resampling_ladder import coarser_mags

Work = Callable[[ProgressListener | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoarserMags:
    """What the options ask for. `mags` empty: the usual ones from `from_mag` (None: of what is there) to `coarsest`."""

    mags: tuple[Mag, ...] = ()
    from_mag: Mag | None = None
    coarsest: Mag | None = None
    sampling: SamplingMode = SamplingMode.ANISOTROPIC
    interpolation_mode: str = "default"
    region: BoundingBox | None = None
    redo: bool = False


def plan_imported(record: LayerRecord, dataset: Dataset, wanted: CoarserMags, compute: Compute) -> LayerPlan:
    """Plan the coarser mags of a layer that has a ledger: those that are missing, and those that are stale.

    Raises PlanError, DownsamplingError, NotADatasetError.
    """
    mags = wanted.mags or coarser_mags(
        wanted.from_mag or record.mags[0].to_mag(),
        size=record.box.size,
        voxel_size=record.voxel_size.to_nanometer(),
        coarsest=wanted.coarsest,
        sampling=wanted.sampling,
    )
    there = [mag.to_mag() for mag in record.mags[1:]]
    # unless mags are named, those that are there are looked at too: they may be stale, and new ones are made from them
    chosen = mags if wanted.mags else tuple({*mags, *there})
    own = wanted.interpolation_mode == "default"
    return plan_remake(
        dataset.path,
        record.layer_name,
        compute,
        mags=chosen,
        mode=None if own else downsampling_mode(wanted.interpolation_mode, record.category),
        region=wanted.region,
    )


def plan_others(layer: Layer, wanted: CoarserMags, compute: Compute) -> tuple[list[MagToMake], Work]:
    """Say which mags of a layer without a ledger will be made, and return what makes them. Raises what `Layer` raises."""
    if wanted.redo or wanted.region is not None:
        return _plan_redo(layer, wanted, compute)
    if not layer.mags:
        return [], _nothing
    start = wanted.from_mag or max(layer.mags, key=lambda mag: (mag.max_dim, mag.to_tuple()))
    if wanted.mags:
        finer = [mag for mag in layer.mags if mag < min(wanted.mags)]
        start = wanted.from_mag or (max(finer) if finer else start)
    dataset = layer.dataset
    mags = tuple(sorted(wanted.mags)) or coarser_mags(
        start,
        size=BoundingBox.from_ndbbox(layer.bounding_box).size,
        voxel_size=dataset.voxel_size,
        coarsest=wanted.coarsest,
        sampling=wanted.sampling,
        existing={mag for other in dataset.layers.values() for mag in other.mags},
    )
    mags = tuple(mag for mag in mags if mag not in layer.mags)
    if not mags:
        return [], _nothing
    infos = [(mag, array_info(layer.properties, mag)) for mag in mags]
    plans = plan_new_mags(
        layer.get_mag(start).array,
        infos,
        source_mag=start,
        layer_box=layer.normalized_bounding_box,
        mode=downsampling_mode(wanted.interpolation_mode, layer.category),
        compute=compute,
    )
    made = [mag_to_make(layer, mag, plan, info.shard_shape) for (mag, info), plan in zip(infos, plans, strict=True)]

    def work(listener: ProgressListener | None) -> None:
        layer.downsample_mag_list(
            start,
            list(mags),
            interpolation_mode=wanted.interpolation_mode,
            compute=compute,
            listener=listener,
        )

    return made, work


def _plan_redo(layer: Layer, wanted: CoarserMags, compute: Compute) -> tuple[list[MagToMake], Work]:
    if wanted.mags or wanted.from_mag or wanted.coarsest:
        raise InputError(
            f"layer {layer.name!r}: --redo and --region make all coarser mags anew that are there; "
            "leave out --mag, --from-mag and --coarsest-mag"
        )
    views = list(layer.mags.values())
    changed = (
        None if wanted.region is None else wanted.region.align_with_mag(views[0].mag, ceil=True).in_mag(views[0].mag)
    )
    made = []
    for source, target in pairwise(views):
        step = plan_downsampling(
            source.array,
            target.array,
            source_mag=source.mag,
            target_mag=target.mag,
            layer_box=layer.normalized_bounding_box,
            mode=downsampling_mode(wanted.interpolation_mode, layer.category),
            changed_in_source=changed,
            compute=compute,
        )
        changed = None if changed is None else step.changed_in_mag
        made.append(mag_to_make(layer, target.mag, step.tiles, target.info.shard_shape, in_part=changed is not None))

    def work(listener: ProgressListener | None) -> None:
        layer.redownsample(
            interpolation_mode=wanted.interpolation_mode,
            bounding_box=wanted.region,
            compute=compute,
            listener=listener,
        )

    return made, work


def mag_to_make(layer: Layer, mag: Mag, plan: TilePlan, shard_shape: Vec3Int, *, in_part: bool = False) -> MagToMake:
    """Describe a mag that will be made."""
    size = plan.boxes[0].size_xyz if plan.boxes else Vec3Int(0, 0, 0)
    return MagToMake(
        layer_name=layer.name,
        mag=mag.to_layer_name(),
        size=size,
        shards=len(plan.shards(shard_shape)),
        raw_bytes=plan.raw_bytes,
        peak_memory_bytes=plan.peak_memory_bytes,
        in_part=in_part,
    )


def _nothing(listener: ProgressListener | None) -> None:
    """There is nothing to be made."""
    del listener
