"""`wk-assets info DATASET`: what lies in a dataset directory. Shows what `operations.checks.inspect_dataset` reports."""

from pathlib import Path
from typing import Annotated

import typer

from wk_assets.cli.options import JsonOption
from wk_assets.cli.quantities import bytes_text, lengths_text, size_text
from wk_assets.cli.screen import headline, say, show_json, show_table, warn


def info(
    dataset: Annotated[Path, typer.Argument(help="The directory with datasource-properties.json.")],
    as_json: JsonOption = False,
) -> None:
    """Describe a dataset: voxel size, layers, mags, shards, bytes, sources."""
    from wk_assets.operations.checks.inspect_dataset import inspect_dataset

    report = inspect_dataset(dataset)
    if as_json:
        show_json(report.to_json())
        return
    headline(f"{report.name} ({report.path})")
    source = f" ({report.voxel_size_source})" if report.voxel_size_source else ""
    say(f"voxel size: {lengths_text(report.voxel_size, report.unit)}{source}")
    for layer in report.layers:
        kind = f"{layer.channels} x {layer.dtype}" if layer.channels > 1 else layer.dtype
        say()
        headline(f"{layer.name}: {layer.category}, {kind}, {layer.data_format}")
        say(f"box: {size_text(layer.size)} voxels at {', '.join(map(str, layer.topleft))}")
        if layer.category == "segmentation":
            unknown = layer.largest_segment_id is None
            say(f"largest segment id: {'unknown' if unknown else layer.largest_segment_id}")
        if layer.sources:
            more = f" and {len(layer.sources) - 3} more" if len(layer.sources) > 3 else ""
            say(f"made from: {', '.join(layer.sources[:3])}{more}")
        if layer.filled_slices:
            warn(f"{layer.filled_slices} slices were missing or unreadable and were filled")
        show_table(
            ("mag", "voxels x, y, z", "shards", "stored", "raw", "ratio", "path"),
            [
                (
                    mag.mag,
                    size_text(mag.shape),
                    "" if mag.shards is None else str(mag.shards),
                    "" if mag.stored_bytes is None else bytes_text(mag.stored_bytes),
                    bytes_text(mag.raw_bytes),
                    "" if mag.ratio is None else f"{mag.ratio:.1f}",
                    mag.path,
                )
                for mag in layer.mags
            ],
            numbers=("shards", "stored", "raw", "ratio"),
        )
        for mag in layer.mags:
            if mag.problem:
                warn(f"mag {mag.mag}: {mag.problem}")
