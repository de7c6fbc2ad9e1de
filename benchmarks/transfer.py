"""Send a dataset to a stand-in and fetch it again, ours beside the peer on the same server: throughput, and memory at 1x and 4x.

`python -m benchmarks.transfer`. The stand-in is a process of its own on this machine, so both clients wait for the same Python
server: ratios of one round say something, megabytes per second do not. Voxels are noise, which no codec makes smaller.
The peer is left out, with a reason, where its environment is absent (--peer-python, WK_ASSETS_PEER_PYTHON, .venv-peer).
"""

import argparse
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.candidates.transfer_volume import PLANE
from benchmarks.machine import load_average, machine_facts
from benchmarks.measured_process import Measurement, clean_environment, measure
from benchmarks.report import Spread, megabytes, say, show_table, write_json
from benchmarks.rounds import common_options, interpreters_of

OURS, PEER = "ours", "peer"
DEPTHS = (256, 1024)  # 1x and 4x: 32 and 128 MiB
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one transfer took."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    load: float


def volume(action: str, *arguments: object) -> None:
    """Let a process of its own make, copy or compare volumes: what this one holds would count as the clients'."""
    command = [sys.executable, "-m", "benchmarks.candidates.transfer_volume", action, *map(str, arguments)]
    subprocess.run(command, check=True, env=clean_environment())


def free_port() -> int:
    """Return a port that nothing listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def served(folder: Path) -> Iterator[dict[str, str]]:
    """Run a stand-in in a process of its own; gives the variables that name it."""
    port, token = free_port(), secrets.token_urlsafe(24)
    variables = {"WK_URL": f"http://127.0.0.1:{port}", "WK_TOKEN": token}
    program = "from wk_assets.cli.main import run; run()"
    command = [sys.executable, "-c", program, "standin", str(folder), "--port", str(port)]
    process = subprocess.Popen(
        command, env=clean_environment(WK_TOKEN=token), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(variables["WK_URL"]):
            if process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"the stand-in does not answer at {variables['WK_URL']}")
            time.sleep(0.1)
        yield variables
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=_START_SECONDS)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/health", timeout=1).is_success
    except httpx.HTTPError:
        return False


def transfer(
    library: str, interpreter: Path, action: str, folder: Path, dataset: str, server: Mapping[str, str]
) -> tuple[str, Run]:
    """Run one transfer; returns the dataset's id and what it took. Raises RuntimeError with what a failed one said."""
    task = {"library": library, "action": action, "folder": str(folder), "dataset": dataset}
    load = load_average()
    measured: Measurement = measure(
        [str(interpreter), "-m", "benchmarks.candidates.transfer_client", json.dumps(task)],
        environment=clean_environment(**server),
        timeout_seconds=600,
    )
    if not measured.succeeded:
        raise RuntimeError(f"{action} by {library}: {measured.stopped or measured.complaints[-600:]}")
    answer: dict[str, Any] = measured.document()
    run = Run(seconds=answer["seconds"], cpu_seconds=measured.cpu_seconds, peak_bytes=measured.peak_bytes, load=load)
    say(
        f"  {action} by {library}: {run.seconds:.2f} s, {run.cpu_seconds:.2f} CPU s, "
        f"{run.peak_bytes / 1e6:.0f} MB peak, load {load}"
    )
    return str(answer["dataset"]), run


def measured_size(
    depth: int, rounds: int, clients: Mapping[str, Path], work: Path, server: Mapping[str, str]
) -> dict[tuple[str, str], list[Run]]:
    """Send and fetch one volume, in turns; whoever fetches, fetches what ours sent in this round."""
    source = work / f"noise_{depth}"
    volume("make", source, depth)
    runs: dict[tuple[str, str], list[Run]] = {}
    for number in range(rounds):
        sent: dict[str, str] = {}
        for library, interpreter in clients.items():
            # each upload begins from nothing, without our bookkeeping: the peer sends its empty files and is refused for them
            fresh = work / "sending"
            volume("copy", source, fresh)
            name = f"{library}-{depth}-{number}"
            sent[library], run = transfer(library, interpreter, "upload", fresh, name, server)
            runs.setdefault(("upload", library), []).append(run)
            shutil.rmtree(fresh)
        for library, interpreter in clients.items():
            target = work / "fetched" / library
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            _, run = transfer(library, interpreter, "download", target, sent[OURS], server)
            runs.setdefault(("download", library), []).append(run)
            if number == 0:
                volume("compare", source, target)
            shutil.rmtree(target)
        for dataset in sent.values():
            headers = {"X-Auth-Token": server["WK_TOKEN"]}
            httpx.delete(f"{server['WK_URL']}/api/v16/datasets/{dataset}", headers=headers).raise_for_status()
    return runs


def rows_of(depth: int, runs: Mapping[tuple[str, str], list[Run]]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of one volume."""
    size_megabytes = PLANE[0] * PLANE[1] * depth / 1e6
    for (action, library), own in runs.items():
        ours = runs[action, OURS]
        ratio = Spread.of(one.seconds / mine.seconds for one, mine in zip(own, ours, strict=True)).text(2)
        cpu = Spread.of(one.cpu_seconds / mine.cpu_seconds for one, mine in zip(own, ours, strict=True)).text(2)
        yield (
            f"{action}, {size_megabytes:.0f} MB, {library}",
            f"{size_megabytes / Spread.of(one.seconds for one in own).median:.0f}",
            "1" if library == OURS else ratio,
            "1" if library == OURS else cpu,
            megabytes(max(one.peak_bytes for one in own)),
        )


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transfer", description=(__doc__ or "").split("\n")[0])
    common_options(parser)
    parser.add_argument("--depth", action="append", type=int, help=f"slices of {PLANE[0]} x {PLANE[1]}; repeatable")
    chosen = parser.parse_args()
    interpreters = interpreters_of(chosen)
    clients = {OURS: interpreters["wk-assets"]}
    if os.access(interpreters["peer"], os.X_OK):
        clients[PEER] = interpreters["peer"]
    else:
        say(f"the peer is left out: it is not at {interpreters['peer']}")
    work = chosen.work / "transfer"
    document: dict[str, Any] = {"benchmark": "transfer", "machine": machine_facts(chosen.work), "volumes": {}}
    rows: list[tuple[str, ...]] = []
    shutil.rmtree(work / "standin", ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    with served(work / "standin") as server:
        for depth in chosen.depth or DEPTHS:
            say(f"{PLANE[0]} x {PLANE[1]} x {depth}")
            runs = measured_size(depth, chosen.rounds, clients, work, server)
            rows += rows_of(depth, runs)
            document["volumes"][depth] = {
                f"{action} {library}": [
                    {"seconds": one.seconds, "cpu_seconds": one.cpu_seconds, "peak_bytes": one.peak_bytes}
                    for one in own
                ]
                for (action, library), own in runs.items()
            }
    shutil.rmtree(work / "standin", ignore_errors=True)
    columns = ("transfer", "MB/s", "time by ours", "CPU by ours", "peak MB")
    show_table("Sent to and fetched from the same stand-in", columns, rows)
    write_json(chosen.json, document)


if __name__ == "__main__":
    main()
