"""All trees of an annotation: the root of its groups, and what the file says of dataset and voxel size.

From NML and back is in `skeleton_nml`, graphs of others in `foreign_graphs`, tables in `tables`, SWC in `swc`. Volume
layers, boxes and everything else of an annotation belong to `annotation`.
"""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from wk_assets.errors import SkeletonError
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.skeleton.foreign_graphs import add_graphs
from wk_assets.skeleton.group import Group
from wk_assets.skeleton.nml import read_nml, write_nml
from wk_assets.skeleton.nml_archive import read_archived_nml, write_archived_nml
from wk_assets.skeleton.nml_model import Nml, Parameters, Vector3
from wk_assets.skeleton.node import Ids
from wk_assets.skeleton.skeleton_nml import add_nml, nml_branchpoints, nml_comments, nml_trees
from wk_assets.skeleton.tree import Tree

ROOT_ID: Final = 0


class Skeleton(Group):
    """Hold all trees and groups of an annotation.

    `voxel_size`: edge lengths in nanometers, or a VoxelSize with another unit. Raises GeometryError for one that is none.
    Two skeletons are equal if dataset, voxel size, description and all trees and groups are.
    """

    def __init__(
        self,
        voxel_size: VoxelSize | Iterable[float] | NDArray[Any],
        dataset_name: str,
        dataset_id: str | None = None,
        organization_id: str | None = None,
        description: str | None = None,
        enforced_id: int | None = None,
    ) -> None:
        self.ids = Ids()
        self.all_trees: dict[int, Tree] = {}
        self.all_groups: dict[int, Group] = {}
        super().__init__("Root", self, ROOT_ID if enforced_id is None else enforced_id)
        self.voxel_size_with_unit = voxel_size if isinstance(voxel_size, VoxelSize) else VoxelSize(voxel_size)
        self.dataset_name = dataset_name
        self.dataset_id = dataset_id
        self.organization_id = organization_id
        self.description = description
        self._rest: Nml | None = None

    @property
    def voxel_size(self) -> Vector3:
        """Give the edge lengths of a voxel in nanometers."""
        return self.voxel_size_with_unit.to_nanometer()

    @voxel_size.setter
    def voxel_size(self, voxel_size: Iterable[float] | NDArray[Any]) -> None:
        self.voxel_size_with_unit = VoxelSize(voxel_size)

    # The whole is known here, where a group would have to look through all trees

    def tree_with_node(self, node_id: int) -> Tree | None:
        """Give the tree that has a node, or None."""
        return next((tree for tree in self.all_trees.values() if tree.has_node_id(node_id)), None)

    def get_tree_by_id(self, tree_id: int) -> Tree:
        """Give a tree; raises SkeletonError."""
        if tree_id not in self.all_trees:
            raise SkeletonError(f"there is no tree {tree_id!r}; there are {_some(self.all_trees)}")
        return self.all_trees[tree_id]

    def has_tree_id(self, tree_id: int) -> bool:
        """Say whether there is such a tree."""
        return tree_id in self.all_trees

    def get_group_by_id(self, group_id: int) -> Group:
        """Give a group; raises SkeletonError."""
        if group_id not in self.all_groups:
            raise SkeletonError(f"there is no group {group_id!r}; there are {_some(self.all_groups)}")
        return self.all_groups[group_id]

    def add_nx_graphs(self, tree_dict: list[Any] | dict[str, list[Any]]) -> None:
        """Add networkx graphs as trees; see `foreign_graphs.add_graphs` for what of them is kept and what is raised."""
        add_graphs(self, tree_dict)

    # Files

    @classmethod
    def load(cls, file_path: str | os.PathLike[str]) -> "Skeleton":
        """Load the trees of an .nml file, or of the NML in a .zip file.

        Raises FileNotFoundError, SkeletonError for another suffix, NmlError for what is no NML, or no archive with one.
        """
        path = Path(file_path)
        if _suffix(path) == ".zip":
            return cls.from_nml(read_archived_nml(path))
        return cls.from_nml(read_nml(path))

    def save(self, out_path: str | os.PathLike[str]) -> None:
        """Save all trees as .nml, or as a .zip file with one; the old file stays until the new one is whole.

        A skeleton that was loaded keeps what else the file said, but for volume layers: these are the annotation's.
        Raises SkeletonError for another suffix and OSError where the place can not be written.
        """
        path = Path(out_path)
        suffix = _suffix(path)
        nml = self.to_nml()
        draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
        try:
            with draft.open("wb") as stream:
                if suffix == ".zip":
                    write_archived_nml(nml, stream, f"{path.stem}.nml")
                else:
                    write_nml(nml, stream)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    @classmethod
    def from_nml(cls, nml: Nml) -> "Skeleton":
        """Make the skeleton of an NML document; raises NmlError where trees, groups and marks contradict one another."""
        parameters = nml.parameters
        skeleton = cls(
            parameters.scale,
            parameters.name,
            dataset_id=parameters.dataset_id,
            organization_id=parameters.organization,
            description=parameters.description,
        )
        add_nml(skeleton, skeleton, nml)
        skeleton._rest = replace(nml, trees=(), comments=(), branchpoints=(), groups=(), volumes=())
        return skeleton

    def to_nml(self, base: Nml | None = None) -> Nml:
        """Make the NML document: trees, groups, marks and dataset from here, everything else from `base`.

        `base` is what the skeleton was made from, without volume layers, unless another is given.
        """
        rest = base or self._rest or Nml(parameters=Parameters(name="", scale=self.voxel_size_with_unit))
        trees = self.all_trees.values()
        return replace(
            rest,
            parameters=replace(
                rest.parameters,
                name=self.dataset_name,
                scale=self.voxel_size_with_unit,
                dataset_id=self.dataset_id,
                organization=self.organization_id,
                description=self.description,
            ),
            trees=tuple(nml_trees(iter(trees), self)),
            branchpoints=tuple(nml_branchpoints(iter(trees))),
            comments=tuple(nml_comments(iter(trees))),
            groups=tuple(group.as_nml_group() for group in self.groups),
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Skeleton):
            return NotImplemented
        return self._about() == other._about() and super().__eq__(other)

    __hash__ = None  # what it holds, and so what it equals, changes

    def _about(self) -> tuple[Any, ...]:
        identity = (self.dataset_name, self.dataset_id, self.organization_id)
        return *identity, self.description, self.voxel_size_with_unit


def _suffix(path: Path) -> str:
    if path.suffix not in {".nml", ".zip"}:
        raise SkeletonError(f"{path}: the name of a skeleton's file ends with .nml or .zip, not {path.suffix!r}")
    return path.suffix


def _some(numbers: Iterable[int]) -> str:
    known = sorted(numbers)
    return f"{', '.join(map(str, known[:10]))}{' …' if len(known) > 10 else ''}" if known else "none"
