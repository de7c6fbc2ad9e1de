"""`wk-assets annotations list|download|upload`: what people drew, from a WEBKNOSSOS server and back. The token is WK_TOKEN."""

from pathlib import Path
from typing import Annotated

import typer

from wk_assets.cli.options import DryRunOption, JsonOption
from wk_assets.cli.quantities import bytes_text, counted
from wk_assets.cli.screen import headline, say, show_json, show_table

annotations = typer.Typer(
    name="annotations", help="List, download and upload annotations of a WEBKNOSSOS server.", no_args_is_help=True
)


@annotations.command("list")
def list_annotations(
    finished: Annotated[
        bool | None, typer.Option("--finished/--unfinished", help="Only these. Default: both.", show_default=False)
    ] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="The id of a user. Default: yourself.")] = None,
    task: Annotated[str | None, typer.Option("--task", help="Those of this task, by its id, of all users.")] = None,
    json_output: JsonOption = False,
) -> None:
    """List annotations: your own that are of no task, or all of one task."""
    from wk_assets.annotation.annotation_info import AnnotationInfo, AnnotationState
    from wk_assets.client.context import current_context

    if task is None:
        found = AnnotationInfo.get_remote_annotations(is_finished=finished, owner=owner)
    else:
        told = current_context().client().annotation_infos_by_task(task_id=task)
        every = [AnnotationInfo.of(one) for one in told]
        found = [
            one
            for one in every
            if finished in (None, one.state is AnnotationState.FINISHED) and owner in (None, one.owner_id)
        ]
    if json_output:
        show_json(
            [
                {
                    "id": one.id, "name": one.name, "type": one.type.value, "state": one.state.value,
                    "owner_id": one.owner_id, "modified": one.modified, "duration_seconds": one.duration_in_seconds,
                    "description": one.description,
                }
                for one in found
            ]
        )  # fmt: skip
        return
    show_table(
        ("id", "name", "type", "state", "changed", "worked"),
        [
            (one.id, one.name, one.type.value, one.state.value, _moment(one.modified), _span(one.duration_in_seconds))
            for one in found
        ],
        title=counted(len(found), "annotation"),
        numbers=("worked",),
    )


@annotations.command("download")
def download_annotation(
    annotation: Annotated[str, typer.Argument(help="Its id, or its address in the browser.")],
    target: Annotated[Path, typer.Argument(help="The .nml or .zip that it becomes; or a folder, made if need be.")],
    version: Annotated[
        int | None, typer.Option("--version", min=0, help="A state of it. Default: the newest.", show_default=False)
    ] = None,
    skip_volume_data: Annotated[
        bool, typer.Option("--skip-volume-data", help="Leave the voxels of volume layers there.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    json_output: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Save an annotation of a server as a file."""
    from wk_assets.annotation.annotation import Annotation
    from wk_assets.annotation.annotation_file import file_stem
    from wk_assets.errors import InputError

    is_file = target.suffix.lower() in (".nml", ".zip")
    if is_file and target.exists() and not overwrite:
        raise InputError(f"there is something at {target} already; choose another name, or pass --overwrite")
    if version is None:
        version = Annotation.newest_version(annotation)
    if dry_run:
        say(f"would save version {version} of annotation {annotation.split('?')[0]} to {target}")
        return
    found = Annotation.download(annotation, skip_volume_data=skip_volume_data, version=version)
    path = target
    if not is_file:
        path = target / f"{file_stem(found.name)}.{'zip' if found.get_volume_layer_names() else 'nml'}"
        if path.exists() and not overwrite:
            raise InputError(f"there is something at {path} already; name another folder, or pass --overwrite")
    found.save(path)
    if json_output:
        show_json(
            {
                "path": str(path), "id": found.annotation_id, "version": version, "size_bytes": path.stat().st_size,
                "trees": len(list(found.skeleton.flattened_trees())), "volume_layers": found.get_volume_layer_names(),
            }
        )  # fmt: skip
        return
    headline(f"version {version}, {bytes_text(path.stat().st_size)}")
    say(str(path))


@annotations.command("upload")
def upload_annotation(
    file: Annotated[Path, typer.Argument(help="An .nml or .zip.")],
    dataset_name: Annotated[
        str | None, typer.Option("--dataset-name", help="The dataset that it is put on. Default: as in the file.")
    ] = None,
    json_output: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Make an annotation of no task on a server from a file."""
    from wk_assets.annotation.annotation import Annotation
    from wk_assets.client.context import current_context

    found = Annotation.load(file)
    if dataset_name is not None:
        found.dataset_name, found.dataset_id = dataset_name, None
    trees, volumes = len(list(found.skeleton.flattened_trees())), found.get_volume_layer_names()
    if dry_run:
        say(
            f"would put {counted(trees, 'tree')} and {counted(len(volumes), 'volume layer')} on dataset "
            f"{found.dataset_name} at {current_context().address.url}"
        )
        return
    url = found.upload()
    if json_output:
        show_json({"url": url, "dataset_name": found.dataset_name, "trees": trees, "volume_layers": volumes})
        return
    headline(f"sent {counted(trees, 'tree')} and {counted(len(volumes), 'volume layer')}")
    say(url)


def _moment(milliseconds: int | None) -> str:
    from datetime import UTC, datetime

    return "" if milliseconds is None else f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M}"


def _span(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds / 60:.0f} min"
