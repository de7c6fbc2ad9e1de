"""A plan as a table for people and as a document for programs. Computes nothing but sums."""

from collections.abc import Sequence
from typing import Any

from wk_assets.cli.quantities import bytes_text, counted, seconds_text, size_text
from wk_assets.cli.screen import say, show_table
from wk_assets.operations.layers.layer_plan import LayerPlan
from wk_assets.operations.records.layer_request import LayerEstimate


def layer_documents(plans: Sequence[LayerPlan]) -> list[dict[str, Any]]:
    """Describe the plans of layers as plain JSON values; sizes in voxels x, y, z."""
    return [
        {
            "layer": plan.request.layer_name,
            "category": plan.request.category,
            "dtype": str(plan.dtype),
            "channels": plan.channels,
            "size": list(plan.box.size),
            "format": None if plan.description is None else plan.description.format,
            "source_files": 0 if plan.description is None else len(plan.description.files),
            "read_bytes": plan.read_bytes,
            "written_bytes_at_most": plan.raw_bytes,
            "compression": compression_text(plan),
            "estimate": None
            if plan.estimate is None
            else {
                "stored_bytes": plan.estimate.stored_bytes,
                "seconds": None if plan.estimate.seconds is None else round(plan.estimate.seconds, 1),
                "sampled_chunks": plan.estimate.chunks,
            },
            "peak_memory_bytes": plan.peak_memory_bytes,
            "up_to_date": plan.up_to_date,
            "mode": str(plan.request.mode),
            "mags": [
                {
                    "mag": mag.mag.to_layer_name(),
                    "size": list(mag.size),
                    "shards": mag.shards,
                    "raw_bytes": mag.raw_bytes,
                    "up_to_date": mag.up_to_date,
                }
                for mag in plan.mags
            ],
        }
        for plan in plans
    ]


def total_document(plans: Sequence[LayerPlan]) -> dict[str, Any]:
    """Add up what the plans will do."""
    todo = [mag for plan in plans for mag in plan.mags if not mag.up_to_date]
    estimates = [plan.estimate for plan in plans if plan.estimate is not None]
    times = [round(one.seconds, 1) for one in estimates if one.seconds is not None]
    return {
        "up_to_date": all(plan.up_to_date for plan in plans),
        "read_bytes": sum(plan.read_bytes for plan in plans),
        "written_bytes_at_most": sum(plan.raw_bytes for plan in plans),
        "estimated_bytes": sum(one.stored_bytes for one in estimates) if len(estimates) == len(plans) else None,
        "estimated_seconds": sum(times) if len(times) == len(plans) else None,
        "mags": len(todo),
        "shards": sum(mag.shards for mag in todo),
        "peak_memory_bytes": max((plan.peak_memory_bytes for plan in plans), default=0),
    }


def show_layers(plans: Sequence[LayerPlan]) -> None:
    """Print one row per mag and the sum."""
    show_table(
        ("layer", "mag", "voxels x, y, z", "type", "shards", "raw bytes", "state"),
        [
            (
                plan.request.layer_name if index == 0 else "",
                mag.mag.to_layer_name(),
                size_text(tuple(mag.size)),
                _type_text(plan) if index == 0 else "",
                str(mag.shards),
                bytes_text(mag.raw_bytes),
                "up to date" if mag.up_to_date else "to do",
            )
            for plan in plans
            for index, mag in enumerate(plan.mags)
        ],
        numbers=("shards", "raw bytes"),
    )
    total = total_document(plans)
    if total["up_to_date"]:
        say("everything is up to date: nothing would be read or written")
        return
    say(
        f"to do: {counted(total['mags'], 'mag')} in {counted(total['shards'], 'shard')}; "
        f"reads {bytes_text(total['read_bytes'])}, writes at most {bytes_text(total['written_bytes_at_most'])}, "
        f"peak memory {bytes_text(total['peak_memory_bytes'])}"
    )
    for plan in plans:
        if plan.estimate is not None and not plan.up_to_date:
            say(_estimate_text(plan, plan.estimate))


def compression_text(plan: LayerPlan) -> str:
    """Say how chunks are encoded, e.g. 'zstd 3'."""
    level = plan.request.array.zstd_level
    return "none" if level is None else f"zstd {level}"


def _estimate_text(plan: LayerPlan, estimate: LayerEstimate) -> str:
    ratio = f" ({plan.raw_bytes / estimate.stored_bytes:.1f} times smaller)" if estimate.stored_bytes else ""
    took = "" if estimate.seconds is None else f" in about {seconds_text(estimate.seconds)} of free cores"
    basis = f"a sample of {counted(estimate.chunks, 'chunk')}" if estimate.chunks else "what is stored of the layer"
    return (
        f"estimate for {plan.request.layer_name}: {compression_text(plan)}, {bytes_text(estimate.stored_bytes)} "
        f"stored{ratio}{took}; judged by {basis}"
    )


def _type_text(plan: LayerPlan) -> str:
    return f"{plan.channels} x {plan.dtype}" if plan.channels > 1 else str(plan.dtype)
