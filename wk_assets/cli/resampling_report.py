"""What resampling a layer that was not imported would do, and did: as a table for people and as a document for programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from wk_assets.cli.quantities import bytes_text, counted, seconds_text, size_text, voxels_text
from wk_assets.cli.screen import say, show_table
from wk_assets.geometry.vec3_int import Vec3Int


@dataclass(frozen=True, slots=True, kw_only=True)
class MagToMake:
    """One mag that will be made, or was. `size`, in voxels of the mag, and `shards`: of what is written."""

    layer_name: str
    mag: str
    size: Vec3Int
    shards: int
    raw_bytes: int
    peak_memory_bytes: int
    in_part: bool = False


def mag_documents(mags: Sequence[MagToMake]) -> list[dict[str, Any]]:
    """Describe layers with their mags as plain JSON values."""
    names = list(dict.fromkeys(mag.layer_name for mag in mags))
    return [
        {
            "layer": name,
            "mags": [
                {
                    "mag": mag.mag,
                    "size": list(mag.size),
                    "shards": mag.shards,
                    "raw_bytes": mag.raw_bytes,
                    "in_part": mag.in_part,
                }
                for mag in mags
                if mag.layer_name == name
            ],
            "peak_memory_bytes": max(mag.peak_memory_bytes for mag in mags if mag.layer_name == name),
        }
        for name in names
    ]


def show_mags(mags: Sequence[MagToMake], *, seconds: float | None = None) -> None:
    """Print one row per mag and the sum; `seconds`: how long it took, None: it was not done."""
    if not mags:
        say("nothing to do: every mag is there. To make coarser ones anew say --redo, or --region for a part")
        return
    show_table(
        ("layer", "mag", "voxels x, y, z", "shards", "raw bytes", "state"),
        [
            (
                mag.layer_name,
                mag.mag,
                size_text(tuple(mag.size)),
                str(mag.shards),
                bytes_text(mag.raw_bytes),
                ("to do" if seconds is None else "made") + (" in part" if mag.in_part else ""),
            )
            for mag in mags
        ],
        numbers=("shards", "raw bytes"),
    )
    voxels, count = sum(prod(mag.size) for mag in mags), counted(len(mags), "mag")
    if seconds is None:
        peak = max(mag.peak_memory_bytes for mag in mags)
        say(f"to do: {count} in {counted(sum(mag.shards for mag in mags), 'shard')}, peak memory {bytes_text(peak)}")
    else:
        rate = voxels_text(voxels / max(seconds, 1e-9))
        say(f"{count} with {voxels_text(voxels)} in {seconds_text(seconds)} ({rate}/s)")
