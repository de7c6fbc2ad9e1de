"""`wk-assets compress` for layers that were not imported: each mag that is not compressed, or cut otherwise, is stored anew."""

import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from wk_assets.cli.screen import say, show_table

if TYPE_CHECKING:
    from wk_assets.dataset.mag_view import MagView
    from wk_assets.geometry.vec3_int import Vec3Int


def compress_others(
    views: "Collection[MagView[Any]]",
    *,
    chunk: "Vec3Int | None",
    shard: "Vec3Int | None",
    compressed: bool,
    dry_run: bool,
    quiet: bool,
) -> list[dict[str, Any]]:
    """Store mags anew in place where they are not as asked for; a reader sees the old array or the new one.

    Returns what was done, or would be, as plain JSON values. Raises what `MagView.rechunk` raises.
    """
    from wk_assets.cli.progress import shown_count
    from wk_assets.operations.arrays.rewrite_mag import is_compressed

    todo = [
        view
        for view in views
        if is_compressed(view.info) != compressed
        or (chunk is not None and view.info.chunk_shape != chunk)
        or (shard is not None and view.info.shard_shape != shard)
    ]
    started = time.monotonic()
    if not dry_run:
        with shown_count("compressing", "mag", quiet=quiet) as listener:
            for number, view in enumerate(todo, start=1):
                view.rechunk(chunk_shape=chunk, shard_shape=shard, compress=compressed)
                if listener is not None:
                    listener(number, len(todo))
    state = "to do" if dry_run else "made"
    if not quiet and views:
        rows = [(v.layer.name, v.name, state if v in todo else "as it should be") for v in views]
        show_table(("layer", "mag", "state"), rows)
        if todo and not dry_run:
            say(f"{len(todo)} of {len(views)} mags stored anew in {time.monotonic() - started:.1f} s")
    return [{"layer": view.layer.name, "mag": view.name, "up_to_date": view not in todo} for view in views]
