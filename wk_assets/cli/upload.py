"""`wk-assets upload`: send a dataset to a WEBKNOSSOS server; run again after anything that broke, it goes on."""

from pathlib import Path
from typing import Annotated

import typer

from wk_assets.cli.options import DryRunOption, JsonOption
from wk_assets.cli.progress import shown_count
from wk_assets.cli.quantities import bytes_text
from wk_assets.cli.screen import headline, say, show_json


def upload(
    dataset: Annotated[Path, typer.Argument(help="The dataset's folder.")],
    name: Annotated[
        str | None, typer.Option("--dataset-name", help="Its name on the server. Default: its own.")
    ] = None,
    webknossos_url: Annotated[
        str | None, typer.Option("--webknossos-url", envvar="WK_URL", help="The server's address.")
    ] = None,
    folder: Annotated[str | None, typer.Option("--folder", help="The id of the folder that it is put into.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=32, help="Files that are sent at once.")] = 4,
    json_output: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Send a dataset to a WEBKNOSSOS server. The token comes from WK_TOKEN."""
    from wk_assets.client.context import ServerContext, current_context
    from wk_assets.client.transport import ServerAddress
    from wk_assets.operations.transfer.upload_dataset import UploadSettings, run_upload
    from wk_assets.operations.transfer.upload_plan import plan_upload

    plan = plan_upload(dataset, name=name)
    known = current_context().address
    address = ServerAddress(
        url=(webknossos_url or known.url).rstrip("/"), token=known.token, timeout_seconds=known.timeout_seconds
    )
    if dry_run:
        say(f"would send {len(plan.files)} files, {bytes_text(plan.size_bytes)}, to {address.url} as {plan.name}")
        return
    with shown_count(f"upload of {plan.name}", "bytes", quiet=json_output) as listener:
        result = run_upload(plan, ServerContext(address), UploadSettings(folder_id=folder, threads=jobs), listener)
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
    headline("the server has it already" if result.reused else f"sent {bytes_text(result.sent_bytes)}")
    say(result.url)
