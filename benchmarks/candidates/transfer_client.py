"""Send a dataset to a server or fetch one, with our library or the peer's: the same calls for both, in a process of its own.

`python -m benchmarks.candidates.transfer_client JSON`; the server and the token come from WK_URL and WK_TOKEN. Needs nothing
but the library that is measured: the peer's environment runs this file too.
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

_TRANSFER = "wk_assets.operations.transfer"
_MODULES = {
    "ours": [
        "wk_assets.client.context",
        "wk_assets.properties.dataset_properties",
        *(f"{_TRANSFER}.{name}" for name in ("upload_plan", "upload_dataset", "download_plan", "download_dataset")),
    ],
    "peer": ["webknossos"],
}


def _ours(action: str, folder: Path, dataset: str) -> str:
    context = sys.modules["wk_assets.client.context"].current_context()
    if action == "upload":
        plan = sys.modules[f"{_TRANSFER}.upload_plan"].plan_upload(folder, name=dataset)
        return str(sys.modules[f"{_TRANSFER}.upload_dataset"].run_upload(plan, context).dataset_id)
    server = context.client()
    store_url = server.dataset_info(dataset_id=dataset).data_store.url
    properties = context.datastore_client(store_url).streamed_properties(dataset)
    parsed = sys.modules["wk_assets.properties.dataset_properties"].DatasetProperties.parse_text(
        json.dumps(properties), source="the server"
    )
    plan = sys.modules[f"{_TRANSFER}.download_plan"].plan_download(
        parsed, dataset_id=dataset, server_url=context.address.url, store_url=store_url, name="fetched"
    )
    sys.modules[f"{_TRANSFER}.download_dataset"].run_download(plan, context, folder)
    return dataset


def _peers(action: str, folder: Path, dataset: str) -> str:
    wk = importlib.import_module("webknossos")
    with wk.webknossos_context(url=os.environ["WK_URL"], token=os.environ["WK_TOKEN"]):
        if action == "upload":
            return str(wk.Dataset.open(folder).upload(new_dataset_name=dataset).dataset_id)
        wk.RemoteDataset.open(dataset_id=dataset).download(path=folder)
        return dataset


def main() -> None:
    """Do what the argument asks, and print what it took."""
    task: dict[str, Any] = json.loads(sys.argv[1])
    # what a library imports is paid before the clock starts
    for name in _MODULES[task["library"]]:
        importlib.import_module(name)
    work = _ours if task["library"] == "ours" else _peers
    before, cpu = time.perf_counter(), time.process_time()
    dataset = work(task["action"], Path(task["folder"]), task["dataset"])
    print(
        json.dumps(
            {
                "dataset": dataset,
                "seconds": time.perf_counter() - before,
                "cpu_seconds": time.process_time() - cpu,
            }
        )
    )


if __name__ == "__main__":
    main()
