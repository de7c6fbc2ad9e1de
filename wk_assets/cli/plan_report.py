"""A plan as a table for people and as a document for programs. Computes nothing but sums."""

from collections.abc import Sequence
from typing import Any

from wk_assets.cli.quantities import bytes_text, counted, size_text
from wk_assets.cli.screen import say, show_table
from wk_assets.operations.layer_plan import LayerPlan


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
    return {
        "up_to_date": all(plan.up_to_date for plan in plans),
        "read_bytes": sum(plan.read_bytes for plan in plans),
        "written_bytes_at_most": sum(plan.raw_bytes for plan in plans),
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


def _type_text(plan: LayerPlan) -> str:
    return f"{plan.channels} x {plan.dtype}" if plan.channels > 1 else str(plan.dtype)
