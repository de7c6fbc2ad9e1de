"""`wk-assets push` and `wk-assets pull`: a dataset into object storage, and back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wk_assets.cli.options import DryRunOption, JsonOption
from wk_assets.cli.screen import headline, say, show_json

if TYPE_CHECKING:
    from wk_assets.operations.transfer.store_copy import StoreCopyResult

JobsOption = Annotated[int, typer.Option("--jobs", min=1, max=64, help="How many objects go over the line at once.")]


def push(
    dataset: Annotated[Path, typer.Argument(help="The directory of the dataset.")],
    url: Annotated[str, typer.Argument(metavar="S3_URL", help="s3://BUCKET/FOLDER: where the dataset will be.")],
    jobs: JobsOption = 4,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Copy a dataset into object storage; run again, it puts only what is missing or has changed.

    Readers see the dataset that was there, or the new one. Credentials and endpoint come from the environment.
    """
    from wk_assets.cli.progress import shown_count
    from wk_assets.cli.quantities import bytes_text, counted
    from wk_assets.operations.transfer.store_copy import put_dataset
    from wk_assets.operations.transfer.store_plan import plan_store_copy
    from wk_assets.storage.object_store import ObjectStore

    store = ObjectStore(url)
    plan = plan_store_copy(dataset)
    if dry_run:
        objects = counted(len(plan.files) + 1, "object")
        if as_json:
            show_json({"url": store.url, "objects": len(plan.files) + 1, "bytes": plan.size_bytes})
        else:
            headline(f"{dataset} -> {store.url}")
            say(f"{objects}, {bytes_text(plan.size_bytes)}; what is there already is not put again")
        return
    with shown_count("copying", "byte", quiet=as_json) as listener:
        result = put_dataset(plan, store, threads=jobs, listener=listener)
    _report(f"{dataset} -> {store.url}", result, as_json=as_json)


def pull(
    url: Annotated[str, typer.Argument(metavar="S3_URL", help="s3://BUCKET/FOLDER: where the dataset is.")],
    target: Annotated[Path, typer.Argument(help="The directory of the copy; it must not exist.")],
    jobs: JobsOption = 4,
    as_json: JsonOption = False,
) -> None:
    """Copy a dataset from object storage, every byte compared with what was put; run again, it goes on."""
    from wk_assets.cli.progress import shown_count
    from wk_assets.operations.transfer.store_copy import get_dataset
    from wk_assets.storage.object_store import ObjectStore

    store = ObjectStore(url)
    with shown_count("copying", "byte", quiet=as_json) as listener:
        result = get_dataset(store, target, threads=jobs, listener=listener)
    _report(f"{store.url} -> {target}", result, as_json=as_json)
    if not as_json:
        say(f"look at it: wk-assets info {target}")


def _report(title: str, result: "StoreCopyResult", *, as_json: bool) -> None:
    from wk_assets.cli.quantities import bytes_text, counted

    if as_json:
        show_json(
            {
                "url": result.url,
                "objects": result.objects,
                "copied_bytes": result.copied_bytes,
                "reused_bytes": result.reused_bytes,
                "removed_objects": result.removed,
            }
        )
        return
    headline(title)
    removed = f", {counted(result.removed, 'object')} of earlier contents removed" if result.removed else ""
    say(
        f"{counted(result.objects, 'object')}: {bytes_text(result.copied_bytes)} copied, "
        f"{bytes_text(result.reused_bytes)} were there{removed}; all compared"
    )
