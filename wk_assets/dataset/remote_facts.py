"""What a server says of a dataset beside its layers: name, tags, rights, folder, metadata. Asked for, and sent, at every access.

One request changes one thing: the server's partial update leaves everything else as it is, so that two people who change
different things do not undo one another.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from wk_assets.client.context import ServerContext
from wk_assets.client.live_metadata import LiveMetadata, MetadataValue, changing
from wk_assets.client.wk_api_client import WkApiClient
from wk_assets.dataset.remote_folder import RemoteFolder
from wk_assets.dataset.remote_source import RemoteSource
from wk_assets.errors import InputError, ReadOnlyError
from wk_assets.people.members import Team
from wk_assets.properties.names import check_dataset_name


class DatasetMetadata(LiveMetadata):
    """Map keys of a dataset's metadata to texts, numbers and lists of texts; live."""


class RemoteDatasetFacts:
    """Offer what a server says of a dataset. All members raise ServerError; changes raise ReadOnlyError too."""

    def __init__(self, source: RemoteSource, *, read_only: bool = False) -> None:
        self._source = source
        self._read_only = read_only

    # ------------------------------------------------------------------ which dataset it is

    @property
    def dataset_id(self) -> str:
        """The server's id of the dataset."""
        return self._source.dataset_id

    @property
    def annotation_id(self) -> str | None:
        """The annotation through which the dataset is seen; None: it is seen itself."""
        return self._source.annotation_id

    @property
    def source(self) -> RemoteSource:
        """The server and the way to the voxels."""
        return self._source

    @property
    def server(self) -> ServerContext:
        """The server, and as whom it is asked."""
        return self._source.server

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        return self._read_only

    @property
    def url(self) -> str:
        """The dataset's address for a browser, without a sharing token."""
        described = self._source.describe()
        return f"{self.server.address.url}/datasets/{quote(described.name)}-{described.id}"

    @property
    def zarr_streaming_path(self) -> str | None:
        """The address of the streamed view; None in another access mode."""
        return self._source.streaming_url()

    @property
    def created(self) -> str:
        """When the dataset was made: date and time of day in UTC, ISO 8601."""
        return datetime.fromtimestamp(self._source.describe().created / 1000, UTC).isoformat()

    @property
    def used_storage_bytes(self) -> int:
        """Bytes that the server counted for the dataset; 0 also where it did not count yet, or keeps no files of it."""
        return self._source.describe().used_storage_bytes or 0

    # ------------------------------------------------------------------ what can be set

    @property
    def name(self) -> str:
        """The name that people see; several datasets may have one name. Setting it raises InvalidNameError."""
        return self._source.describe().name

    @name.setter
    def name(self, name: str) -> None:
        self._send("name", name=check_dataset_name(name))

    @property
    def description(self) -> str | None:
        """What people wrote of the dataset, in Markdown; None: nothing."""
        return self._source.describe().description

    @description.setter
    def description(self, description: str | None) -> None:
        self._send("description", description=description)

    @description.deleter
    def description(self) -> None:
        self.description = None

    @property
    def tags(self) -> tuple[str, ...]:
        """The dataset's tags."""
        return self._source.describe().tags

    @tags.setter
    def tags(self, tags: Iterable[str]) -> None:
        if isinstance(tags, str):
            raise InputError(f"the tags of a dataset are a list; write [{tags!r}]")
        self._send("tags", tags=list(dict.fromkeys(tags)))

    @property
    def is_public(self) -> bool:
        """Whether anybody may see the dataset, without an account."""
        return self._source.describe().is_public

    @is_public.setter
    def is_public(self, is_public: bool) -> None:
        self._send("visibility", isPublic=bool(is_public))

    @property
    def sharing_token(self) -> str:
        """A token that lets anybody read this dataset; the server makes one if there is none. Needs the right to change it."""
        return self._client().dataset_sharing_token(dataset_id=self.dataset_id).sharing_token

    @property
    def allowed_teams(self) -> tuple[Team, ...]:
        """The teams that may see the dataset, without those that see its folder; can be set to teams and ids."""
        return tuple(Team.of(told) for told in self._source.describe().allowed_teams)

    @allowed_teams.setter
    def allowed_teams(self, allowed_teams: Iterable[str | Team]) -> None:
        if isinstance(allowed_teams, str | Team):
            raise InputError(f"the allowed teams of a dataset are a list; write [{allowed_teams!r}]")
        self.check_may_change("allowed teams")
        ids = list(dict.fromkeys(Team.meant_by(team).id for team in allowed_teams))
        self._client().dataset_update_teams(dataset_id=self.dataset_id, team_ids=ids)

    @property
    def folder(self) -> RemoteFolder:
        """The folder that holds the dataset; setting it moves the dataset."""
        return RemoteFolder(self._source.describe().folder_id)

    @folder.setter
    def folder(self, folder: RemoteFolder) -> None:
        self._send("folder", folderId=folder.id)

    @property
    def metadata(self) -> DatasetMetadata:
        """The dataset's metadata; changes go to the server at once, and setting it replaces all of it (None: removes it)."""
        return DatasetMetadata(
            read=lambda: self._source.describe().metadata or (),
            write=lambda entries: self._send("metadata", metadata=[entry.to_body() for entry in entries]),
        )

    @metadata.setter
    def metadata(self, metadata: Mapping[str, MetadataValue] | None) -> None:
        self.metadata.replace({} if metadata is None else dict(metadata.items()))

    # ------------------------------------------------------------------ within

    def check_may_change(self, purpose: str) -> None:
        """Raise ReadOnlyError if the dataset was opened for reading, or through an annotation."""
        if self.annotation_id is not None:
            raise ReadOnlyError(
                f"{self!r} shows annotation {self.annotation_id}: its {purpose} can not be changed that way; open the dataset itself"
            )
        if self.read_only:
            raise ReadOnlyError(f"{self!r} was opened for reading; open it without read_only to change the {purpose}")

    def _client(self) -> WkApiClient:
        """Return the client of somebody who may change things. Raises NotAuthenticatedError without a token."""
        return self.server.client()

    def _send(self, purpose: str, **update: Any) -> None:
        self.check_may_change(purpose)
        with changing:
            self._client().dataset_update(dataset_id=self.dataset_id, dataset_updates=update)
