"""Let WEBKNOSSOS' own Python library (the peer) resample layers: a program for an interpreter that has it. Never imported by a test.

stdin: {"jobs": [{"path", "layer", "call", "arguments"}, ...]}; `call` is a method of Layer, mags in the arguments are
{"mag": "2-2-1"}. stdout: per job the mags of the layer, with the SHA-256 of their voxels in the order c, x, y, z.
"""

import json
import sys
from typing import Any

import cluster_tools  # type: ignore[import-not-found, unused-ignore]  # comes with the peer
import webknossos as wk  # type: ignore[import-not-found, unused-ignore]  # noqa: TID251  # this program runs in the peer's environment
from peer_voxels import digest  # type: ignore[import-not-found, unused-ignore]  # beside this program

IN_THIS_PROCESS = cluster_tools.get_executor("sequential")  # else each job starts a process that imports for seconds


def main() -> None:
    """Answer the request on stdin."""
    sys.stdout.write(json.dumps([work(job) for job in json.loads(sys.stdin.read())["jobs"]]))


def work(job: dict[str, Any]) -> dict[str, str]:
    """Resample one layer in place, and describe its mags."""
    layer = wk.Dataset.open(job["path"]).get_layer(job["layer"])
    arguments = {name: decoded(value) for name, value in job["arguments"].items()}
    getattr(layer, job["call"])(executor=IN_THIS_PROCESS, **arguments)
    return {mag.to_layer_name(): digest(view.read_cxyz()) for mag, view in layer.mags.items()}


def decoded(value: Any) -> Any:
    """Turn what stands for a mag into one."""
    return wk.Mag(value["mag"]) if isinstance(value, dict) else value


main()
