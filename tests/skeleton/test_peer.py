"""WEBKNOSSOS' own Python library (the peer) and we read one another's NML, and see the same in it.

The peer runs in an environment of its own (`make peer`); `make oracle` runs these tests with it.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from wk_assets.skeleton.node import Node
from wk_assets.skeleton.skeleton import Skeleton

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(300)]

_REPOSITORY = Path(__file__).resolve().parents[2]
# read here: a test's environment has none of a person's own settings
_PEER_PYTHON = Path(os.environ.get("WK_ASSETS_PEER_PYTHON", _REPOSITORY / ".venv-peer" / "bin" / "python"))
_SCRIPT = Path(__file__).with_name("peer_script.py")


def seen_by_the_peer(path: Path, save: Path | None = None) -> Any:
    """Run the peer's program; skips where there is no peer."""
    if not _PEER_PYTHON.exists():
        pytest.skip(
            f"the peer library is not at {_PEER_PYTHON}; `make peer` installs it, WK_ASSETS_PEER_PYTHON names one"
        )
    request = json.dumps({"load": str(path), "save": save and str(save)})
    finished = subprocess.run([_PEER_PYTHON, _SCRIPT], input=request, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr[-4000:]
    return json.loads(finished.stdout.rstrip().rsplit("\n", 1)[-1])


def seen_by_us(skeleton: Skeleton) -> Any:
    """Describe a skeleton as the peer's program does: it cuts positions off after the point."""
    described = {
        "dataset": skeleton.dataset_name,
        "voxel_size": list(skeleton.voxel_size_with_unit.factor),
        "unit": skeleton.voxel_size_with_unit.unit.value,
        "groups": sorted([group.id, group.name] for group in skeleton.flattened_groups()),
        "trees": [
            {
                "id": tree.id,
                "name": tree.name,
                "group": tree.group.name,
                "color": tree.color,
                "nodes": sorted(described_node(node) for node in tree.nodes),
                "edges": sorted(sorted([source.id, target.id]) for source, target in tree.edges),
                "visible": tree.is_visible,
                "metadata": tree.metadata,
            }
            for tree in sorted(skeleton.flattened_trees(), key=lambda tree: tree.id)
        ],
    }
    return json.loads(json.dumps(described))


def described_node(node: Node) -> list[Any]:
    return [node.id, [int(value) for value in node.position], node.radius, node.comment, node.is_branchpoint]


def made() -> Skeleton:
    skeleton = Skeleton((11.24, 11.24, 28), "made", description="ä <&>", organization_id="o")
    tree = skeleton.add_tree(
        "Baum 樹", color=(0.1, 0.2, 0.3, 1), metadata={"kind": "axon", "count": 3, "tags": ["x", "y"]}
    )
    one = tree.add_node((1, 2, 3), comment='two\nlines "quoted" & more', is_branchpoint=True, branchpoint_time=7)
    two = tree.add_node(
        (4, 5, 6), radius=1.5, rotation=(1.0, 2.0, 3.0), inVp=1, inMag=2, bitDepth=8, interpolation=True, time=9
    )
    tree.add_edge(two, one)
    skeleton.add_group("outer").add_group("inner").add_tree("no color", is_visible=False).add_node((0.9, 0, 0))
    return skeleton


def test_the_peer_sees_what_we_wrote(tmp_path: Path) -> None:
    skeleton = made()
    for name in ("ours.nml", "ours.zip"):
        skeleton.save(tmp_path / name)
        seen = seen_by_the_peer(tmp_path / name)

        assert seen == seen_by_us(skeleton), name


def test_we_see_what_the_peer_wrote(tmp_path: Path) -> None:
    made().save(tmp_path / "ours.nml")
    seen = seen_by_the_peer(tmp_path / "ours.nml", tmp_path / "peer.nml")

    loaded = Skeleton.load(tmp_path / "peer.nml")

    for tree, theirs in zip(sorted(loaded.flattened_trees(), key=lambda tree: tree.id), seen["trees"], strict=True):
        if theirs["color"] is None:
            assert tree.color is not None  # it draws one by chance when it writes
            tree.color = None
    assert seen_by_us(loaded) == seen


def test_real_files_are_the_same_for_both_and_again_after_we_wrote_them(shared_data: Path, tmp_path: Path) -> None:
    found = [*sorted(shared_data.rglob("*.nml")), *sorted((shared_data / "webknossos-annotations").glob("*.zip"))]
    assert found
    for path in found:
        ours = Skeleton.load(path)
        seen = seen_by_the_peer(path)
        ours.save(tmp_path / "again.nml")

        assert seen_by_us(ours) == seen, path.name
        assert seen_by_the_peer(tmp_path / "again.nml") == seen, path.name
