"""Time reading and writing an NML of 100 MB, as a model and as trees, beside the peer library, in interleaved rounds.

`python -m benchmarks.nml` makes a file of 64 trees (a node has all attributes that the server writes), then runs each
candidate in a process of its own. `model`: the document, nodes as values (ours: columns; the peer: named tuples);
`trees`: networkx graphs that can be edited. Ratios are CPU seconds by ours of the same round, imports left out; peak
memory is the kernel's for the whole process, which reads and then writes.
"""

import argparse
import os
import random
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from benchmarks.machine import machine_facts
from benchmarks.measured_process import REPOSITORY, clean_environment, measure
from benchmarks.report import Spread, megabytes, say, show_table, write_json

TREES = 64
BYTES_PER_NODE = 223  # with its edge
PEER_DEFAULT = REPOSITORY / ".venv-peer" / "bin" / "python"


def write_input(path: Path, size_bytes: int) -> int:
    """Write a file of about that size; give how many nodes it has."""
    chance = random.Random(1)
    nodes_per_tree = size_bytes // BYTES_PER_NODE // TREES
    node = 0
    with path.open("w", encoding="utf-8") as stream:
        stream.write(
            '<things>\n  <parameters>\n    <experiment name="big" />\n    <scale x="11.24" y="11.24" z="28.0" />\n'
        )
        stream.write("  </parameters>\n")
        for tree in range(1, TREES + 1):
            stream.write(
                f'  <thing id="{tree}" color.r="0.5" color.g="0.2" color.b="0.1" color.a="1.0" name="tree {tree}">\n'
            )
            stream.write("    <nodes>\n")
            first = node + 1
            for _ in range(nodes_per_tree):
                node += 1
                x, y, z = chance.randrange(200_000), chance.randrange(200_000), chance.randrange(4000)
                stream.write(
                    f'      <node id="{node}" radius="1.0" x="{x}" y="{y}" z="{z}" rotX="0.0" rotY="0.0" rotZ="0.0" inVp="0" '
                    f'inMag="1" bitDepth="8" interpolation="true" time="{1644425520594 + node}" />\n'
                )
            stream.write("    </nodes>\n    <edges>\n")
            stream.writelines(
                f'      <edge source="{end - 1}" target="{end}" />\n' for end in range(first + 1, node + 1)
            )
            stream.write("    </edges>\n  </thing>\n")
        stream.write("  <branchpoints />\n  <comments />\n  <groups />\n</things>\n")
    return node


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer-python", type=Path, default=Path(os.environ.get("WK_ASSETS_PEER_PYTHON", PEER_DEFAULT)))
    parser.add_argument("--json", type=Path, default=None)
    chosen = parser.parse_args()
    interpreters = {"ours": Path(sys.executable), "peer": chosen.peer_python}
    if not chosen.peer_python.exists():
        say(f"the peer is left out: there is no {chosen.peer_python}; `make peer` installs it, --peer-python names one")
        del interpreters["peer"]
    figures: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="wk-assets-nml-") as folder:
        source, target = Path(folder) / "in.nml", Path(folder) / "out.nml"
        nodes = write_input(source, chosen.megabytes * 1_000_000)
        say(f"{megabytes(source.stat().st_size)} MB, {nodes:,} nodes, {TREES} trees, {chosen.rounds} rounds")
        for _ in range(chosen.rounds):
            for what in ("model", "trees"):
                for who, python in interpreters.items():
                    command = [str(python), "-m", f"benchmarks.candidates.nml_{who}", what, str(source), str(target)]
                    measured = measure(command, environment=clean_environment())
                    if not measured.succeeded:
                        raise SystemExit(f"{who} {what} failed: {measured.stopped} {measured.complaints}")
                    answer = measured.document()
                    figures[what, who, "read"].append(answer["read"])
                    figures[what, who, "write"].append(answer["write"])
                    figures[what, who, "peak"].append(measured.peak_process_bytes / 1e6)
    rows = []
    for what in ("model", "trees"):
        for who in interpreters:
            row = [f"{what}, {who}"]
            for figure in ("read", "write", "peak"):
                values, ours = figures[what, who, figure], figures[what, "ours", figure]
                ratio = Spread.of(value / own for value, own in zip(values, ours, strict=True))
                row += [Spread.of(values).text(0 if figure == "peak" else 1), ratio.text(1)]
            rows.append(row)
    columns = ("what, who", "read CPU s", "by ours", "write CPU s", "by ours", "peak MB", "by ours")
    show_table("NML", columns, rows, caption="median (minimum-maximum) of the rounds; ratios within a round")
    document = {
        "machine": machine_facts(Path(tempfile.gettempdir())),
        "nodes": nodes,
        "figures": {" ".join(key): values for key, values in figures.items()},
    }
    write_json(chosen.json, document)


if __name__ == "__main__":
    main()
