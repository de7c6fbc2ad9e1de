"""`wk-assets upload`: send a dataset to a WEBKNOSSOS server; run again after anything that broke, it goes on."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from wk_assets.cli.options import DryRunOption, JsonOption
from wk_assets.cli.progress import shown_count
from wk_assets.cli.quantities import bytes_text
from wk_assets.cli.screen import headline, say, show_json
from wk_assets.errors import InputError

if TYPE_CHECKING:
    from wk_assets.client.models import ApiLinkedLayerIdentifier
    from wk_assets.operations.transfer.upload_dataset import UploadResult

_LINK = re.compile(r"(?P<dataset>[0-9a-f]{24})/(?P<layer>[^/=]+)(=(?P<new>[^/=]+))?")
_HTTP = "http"


def upload(
    dataset: Annotated[Path, typer.Argument(help="The dataset's folder.")],
    name: Annotated[
        str | None, typer.Option("--dataset-name", help="Its name on the server. Default: its own.")
    ] = None,
    webknossos_url: Annotated[
        str | None, typer.Option("--webknossos-url", envvar="WK_URL", help="The server's address.")
    ] = None,
    folder: Annotated[
        str | None, typer.Option("--folder", help="The folder that it is put into: its id, or its path from the root.")
    ] = None,
    link_layer: Annotated[
        list[str] | None,
        typer.Option(
            "--link-layer",
            help="A layer that the server has already: DATASET-ID/LAYER, or DATASET-ID/LAYER=NAME-HERE. A layer of that name "
            "is not sent. May be given several times.",
        ),
    ] = None,
    transfer_mode: Annotated[
        Literal["http", "copy", "symlink", "move+symlink"],
        typer.Option(
            "--transfer-mode",
            help="http: through the server. Others: files are copied, linked or moved to where the server keeps them, on disks "
            "that this machine and the server reach.",
        ),
    ] = "http",
    path_prefix: Annotated[
        str | None, typer.Option("--path-prefix", help="Which of the server's storages, if files are put there.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=32, help="Files that are sent at once.")] = 4,
    json_output: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Send a dataset to a WEBKNOSSOS server. The token comes from WK_TOKEN."""
    from wk_assets.client.context import ServerContext, current_context, server_context
    from wk_assets.client.transport import ServerAddress
    from wk_assets.dataset.uploading import folder_by
    from wk_assets.operations.transfer.paths_plan import plan_paths
    from wk_assets.operations.transfer.place_files import Placement
    from wk_assets.operations.transfer.upload_dataset import UploadSettings, run_upload
    from wk_assets.operations.transfer.upload_plan import plan_upload
    from wk_assets.operations.transfer.upload_to_paths import PathsSettings, run_upload_to_paths

    if path_prefix is not None and transfer_mode == _HTTP:
        raise InputError("--path-prefix chooses where files are put; with --transfer-mode http the server chooses")
    links = tuple(_link(text) for text in link_layer or ())
    linked = [link.new_layer_name or link.layer_name for link in links]
    known = current_context().address
    address = ServerAddress(
        url=(webknossos_url or known.url).rstrip("/"), token=known.token, timeout_seconds=known.timeout_seconds
    )
    context = ServerContext(address)
    with server_context(context):
        if transfer_mode == _HTTP:
            plan = plan_upload(dataset, name=name, leave_out=linked)
            if dry_run:
                say(
                    f"would send {len(plan.files)} files, {bytes_text(plan.size_bytes)}, to {address.url} as {plan.name}"
                )
                return
            settings = UploadSettings(folder_id=folder_by(folder), layers_to_link=links, threads=jobs)
            with shown_count(f"upload of {plan.name}", "bytes", quiet=json_output) as listener:
                result = run_upload(plan, context, settings, listener)
        else:
            places = plan_paths(dataset, name=name, leave_out=linked)
            if dry_run:
                parts = len(places.sources)
                say(f"would place {parts} mags and attachments ({transfer_mode}) for {address.url} as {places.name}")
                return
            placing = PathsSettings(
                placement=Placement(transfer_mode),
                path_prefix=path_prefix,
                folder_id=folder_by(folder),
                layers_to_link=links,
            )
            with shown_count(f"placing of {places.name}", "parts", quiet=json_output) as listener:
                result = run_upload_to_paths(places, context, placing, listener)
    _show(result, json_output=json_output, verb="sent" if transfer_mode == _HTTP else "placed")


def _show(result: "UploadResult", *, json_output: bool, verb: str) -> None:
    if json_output:
        show_json(
            {
                "dataset_id": result.dataset_id,
                "url": result.url,
                "sent_bytes": result.sent_bytes,
                "skipped_bytes": result.skipped_bytes,
                "reused": result.reused,
            }
        )
        return
    headline("the server has it already" if result.reused else f"{verb} {bytes_text(result.sent_bytes)}")
    say(result.url)


def _link(text: str) -> "ApiLinkedLayerIdentifier":
    """Understand a layer to link. Raises InputError, naming the form."""
    from wk_assets.client.models import ApiLinkedLayerIdentifier

    found = _LINK.fullmatch(text)
    if found is None:
        raise InputError(
            f"--link-layer {text!r}: write DATASET-ID/LAYER or DATASET-ID/LAYER=NAME-HERE; the id has 24 digits and letters a-f"
        )
    return ApiLinkedLayerIdentifier(dataset_id=found["dataset"], layer_name=found["layer"], new_layer_name=found["new"])
