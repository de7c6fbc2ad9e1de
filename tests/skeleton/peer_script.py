"""Load and save skeletons with WEBKNOSSOS' own Python library (the peer): a program for an interpreter that has it.

A request on stdin, {"load": path, "save": path or null}; on stdout what the peer sees of the loaded skeleton.
"""

import json
import sys

import webknossos as wk  # type: ignore[import-not-found, unused-ignore]  # noqa: TID251  # this program runs in the peer's environment

request = json.load(sys.stdin)
skeleton = wk.Skeleton.load(request["load"])
if request["save"]:
    skeleton.save(request["save"])
print(  # noqa: T201  # the answer
    json.dumps(
        {
            "dataset": skeleton.dataset_name,
            "voxel_size": list(skeleton.voxel_size_with_unit.factor),
            "unit": skeleton.voxel_size_with_unit.unit.value,
            "groups": sorted([group.id, group.name] for group in skeleton.flattened_groups()),
            "trees": [
                {
                    "id": tree.id,
                    "name": tree.name,
                    "group": tree.group.name,
                    "color": tree.color and list(tree.color),
                    "nodes": sorted(
                        [node.id, list(map(int, node.position)), node.radius, node.comment, node.is_branchpoint]
                        for node in tree.nodes
                    ),
                    "edges": sorted(sorted([source.id, target.id]) for source, target in tree.edges),
                    "visible": tree.is_visible,
                    "metadata": tree.metadata,
                }
                for tree in sorted(skeleton.flattened_trees(), key=lambda tree: tree.id)
            ],
        }
    )
)
