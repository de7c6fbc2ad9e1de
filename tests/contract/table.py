"""Print what works: operation x version of the API x client (ours, the peer's), from real runs against a stand-in.

    python -m tests.contract.table [VERSION …]

Ours: the operations of this folder. The peer's: the flows of tests/standin/peer_flows.py that do the same; they need the peer's
environment (`make peer`, or WK_ASSETS_PEER_PYTHON) and are left out without it. Ends with 1 if anything failed.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.contract import dataset_operations, work_operations
from tests.contract.contract import OPERATIONS, Contract, Sample, run_contract
from tests.contract.sample import make_sample
from wk_assets.client.wk_api_client import WkApiClient
from wk_assets.standin.server import running_standin
from wk_assets.standin.world import Settings

_MODULES = (dataset_operations, work_operations)  # importing them registers their operations
_REPOSITORY = Path(__file__).resolve().parents[2]
_PEER_PYTHON = Path(os.environ.get("WK_ASSETS_PEER_PYTHON", _REPOSITORY / ".venv-peer" / "bin" / "python"))
_FLOWS = _REPOSITORY / "tests" / "standin" / "peer_flows.py"
_PEER_SINCE_14 = {
    "mag_upload",
    "attachment_upload",
    "mag_to_path",
}  # the peer itself refuses them, or needs their result


def ours(version: int, sample: Sample, folder: Path) -> dict[str, str]:
    """Run the operations of our client."""
    with running_standin(folder, settings=Settings(current_version=version)) as standin:
        if standin.seed is None:
            raise FileExistsError(folder)
        return run_contract(
            Contract(
                url=standin.url,
                token=standin.seed.admin,
                version=version,
                sample=sample,
                annotator=standin.seed.annotators[0],
            )
        )


def peers(version: int, folder: Path) -> dict[str, str]:
    """Run the flows of the peer, by operation; nothing where it is not installed."""
    if not _PEER_PYTHON.exists():
        return {}
    with running_standin(folder / "standin", settings=Settings(current_version=version)) as standin:
        if standin.seed is None:
            raise FileExistsError(folder)
        finished = subprocess.run(
            [_PEER_PYTHON, _FLOWS, standin.url, standin.seed.admin, str(folder / "local")],
            capture_output=True,
            text=True,
            check=True,
        )
    (line,) = [one for one in finished.stdout.splitlines() if one.startswith("RESULT ")]
    told: dict[str, str] = json.loads(line.removeprefix("RESULT "))
    refused = _PEER_SINCE_14 if version < 14 else set()
    told |= {flow: "- since version 14" for flow in refused if told.get(flow) != "ok"}
    return {name: _together([told[flow] for flow in flows]) for name, (_, flows) in OPERATIONS.items()}


def _together(flows: list[str]) -> str:
    if not flows:
        return "- no such flow"
    failed = [one for one in flows if one != "ok"]
    return failed[0] if failed else "ok"


def _mark(said: str | None) -> str:
    if said is None:
        return "not run"
    return "ok" if said == "ok" else "-" if said.startswith("- ") else "FAILED"


def main(versions: list[int]) -> int:
    """Print the table, and below it what failed; returns the exit code."""
    results: dict[tuple[int, str], dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sample = make_sample(folder / "sample")
        for version in versions:
            results[version, "ours"] = ours(version, sample, folder / f"ours-{version}")
            results[version, "peer"] = peers(version, folder / f"peer-{version}")
    columns = list(results)
    print("| operation |" + "".join(f" {who} v{version} |" for version, who in columns))  # noqa: T201  # this program prints
    print("|---|" + "---|" * len(columns))  # noqa: T201  # as above
    for operation in OPERATIONS:
        cells = "".join(f" {_mark(results[column].get(operation))} |" for column in columns)
        print(f"| {operation} |{cells}")  # noqa: T201  # as above
    failures = [
        f"{operation}, {who}, version {version}:\n{said}"
        for (version, who), told in results.items()
        for operation, said in told.items()
        if _mark(said) == "FAILED"
    ]
    print("\n".join(["", *failures]))  # noqa: T201  # as above
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main([int(one) for one in sys.argv[1:]] or list(WkApiClient.spoken_versions)))
