"""The folders of a server: a tree that holds datasets, says who sees them, and carries metadata.

A handle is an id; everything else is asked for, and sent, when it is used, as the user of the current context
(`client.context`). Several folders may have one name.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from wk_assets.client.context import current_context
from wk_assets.client.live_metadata import LiveMetadata, MetadataValue, changing
from wk_assets.client.models import ApiFolder, ApiFolderUpdate, ApiFolderWithParent
from wk_assets.errors import InputError, UnknownNameError
from wk_assets.people.members import Team

if TYPE_CHECKING:
    from wk_assets.dataset.remote_dataset import RemoteDataset


class FolderMetadata(LiveMetadata):
    """Map keys of a folder's metadata to texts, numbers and lists of texts; live."""


class RemoteFolder:
    """Be a folder on a server. All members raise ServerError: NotOnServerError once the folder is gone."""

    __slots__ = ("_id",)

    def __init__(self, id: str) -> None:  # noqa: A002  # the reference's name
        self._id = id

    # ------------------------------------------------------------------ finding

    @classmethod
    def get_root(cls) -> "RemoteFolder":
        """Return the folder that holds all others."""
        return cls(current_context().client().folder_root().id)

    @classmethod
    def get_by_id(cls, folder_id: str) -> "RemoteFolder":
        """Return a folder by its id. Raises NotOnServerError."""
        return cls(current_context().client().folder_get(folder_id=folder_id).id)

    @classmethod
    def get_by_path(cls, path: str) -> "RemoteFolder":
        """Return a folder by the names from the root to it, `"organization/project/raw"`.

        Raises UnknownNameError if there is none, or if several have one name; the error names those that there are.
        """
        tree = current_context().client().folder_tree()
        names = path.strip("/").split("/")
        beside, place = [one for one in tree if one.parent is None], "the top"
        for name in names:
            found = [one for one in beside if one.name == name]
            if len(found) != 1:
                raise UnknownNameError(_no_such_folder(path, name, place, beside, found))
            place = repr(name)
            beside = [one for one in tree if one.parent == found[0].id]
        return cls(found[0].id)

    def get_subfolders(self) -> "tuple[RemoteFolder, ...]":
        """Return the folders right inside this one, by name."""
        inside = [one for one in current_context().client().folder_tree() if one.parent == self._id]
        return tuple(RemoteFolder(one.id) for one in sorted(inside, key=lambda one: (one.name, one.id)))

    def get_dataset_ids(self) -> tuple[str, ...]:
        """Return the ids of the datasets right inside this folder."""
        client = current_context().client()
        found = client.dataset_list(is_active=None, organization_id=None, name=None, folder_id=self._id)
        return tuple(one.id for one in found if one.folder_id in {None, self._id})

    def get_datasets(self) -> "Mapping[str, RemoteDataset]":
        """Return the datasets right inside this folder that can be used, by id. See `RemoteDataset.list`."""
        from wk_assets.dataset.remote_dataset import RemoteDataset  # here: a RemoteDataset is in a RemoteFolder

        return RemoteDataset.list(folder=self)

    # ------------------------------------------------------------------ live properties

    @property
    def id(self) -> str:
        """The folder's id."""
        return self._id

    @property
    def name(self) -> str:
        """The folder's name; setting it renames the folder."""
        return self._now().name

    @name.setter
    def name(self, name: str) -> None:
        if not name.strip() or "/" in name:
            raise InputError(f"{name!r} is no name for a folder; take a text without '/' that is not empty")
        self._change(name=name)

    @property
    def allowed_teams(self) -> tuple[Team, ...]:
        """The teams that may see what is in the folder, without those of the folders that hold it."""
        return tuple(Team.of(told) for told in self._now().allowed_teams)

    @allowed_teams.setter
    def allowed_teams(self, allowed_teams: Iterable[str | Team]) -> None:
        if isinstance(allowed_teams, str | Team):
            raise InputError(f"the allowed teams of a folder are a list; write [{allowed_teams!r}]")
        self._change(allowed_teams=tuple(dict.fromkeys(Team.meant_by(team).id for team in allowed_teams)))

    @property
    def metadata(self) -> FolderMetadata:
        """The folder's metadata; changes go to the server at once, and setting it replaces all of it."""
        return FolderMetadata(
            read=lambda: self._now().metadata or (), write=lambda entries: self._change(metadata=entries)
        )

    @metadata.setter
    def metadata(self, metadata: Mapping[str, MetadataValue]) -> None:
        self.metadata.replace(dict(metadata.items()))

    @property
    def parent(self) -> "RemoteFolder | None":
        """The folder that holds this one, None for the root; setting it moves the folder with all that is in it."""
        for one in current_context().client().folder_tree():
            if one.id == self._id:
                return None if one.parent is None else RemoteFolder(one.parent)
        raise UnknownNameError(f"folder {self._id} is not in the tree that this user sees; it may have been deleted")

    @parent.setter
    def parent(self, parent: "RemoteFolder | None") -> None:
        if parent is None:
            raise InputError("a folder can not be taken out of the tree; give it another folder as its parent")
        current_context().client().folder_move(folder_id=self._id, new_parent_id=parent.id)

    # ------------------------------------------------------------------ changing the tree

    def add_subfolder(self, name: str) -> "RemoteFolder":
        """Make a folder inside this one; another of the same name does not hinder it."""
        return RemoteFolder(current_context().client().folder_add(folder_name=name, parent_id=self._id).id)

    def delete(self) -> None:
        """Delete the folder. Raises RequestRefusedError for the root, and for a folder that holds something."""
        current_context().client().folder_delete(folder_id=self._id)

    def _now(self) -> ApiFolder:
        return current_context().client().folder_get(folder_id=self._id)

    def _change(self, **changes: Any) -> None:
        """Send a folder as a whole, as the server demands, with everything as it is now but the changes."""
        with changing:
            now = self._now()
            as_it_is = {
                "name": now.name,
                "allowed_teams": tuple(team.id for team in now.allowed_teams),
                "metadata": now.metadata,
            }
            wanted = ApiFolderUpdate(**{**as_it_is, **changes})
            current_context().client().folder_update(folder_id=self._id, folder=wanted)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteFolder) and other.id == self._id

    def __hash__(self) -> int:
        return hash((RemoteFolder, self._id))

    def __repr__(self) -> str:
        return f"RemoteFolder(id={self._id!r})"


def _no_such_folder(
    path: str, name: str, place: str, beside: list[ApiFolderWithParent], found: list[ApiFolderWithParent]
) -> str:
    if found:
        ids = ", ".join(one.id for one in found)
        return f"{path!r}: {place} holds several folders {name!r}; take one by its id: {ids}"
    seen = ", ".join(sorted(one.name for one in beside)) or "no folder"
    return f"{path!r}: there is no folder {name!r} in {place}, which holds {seen}"
