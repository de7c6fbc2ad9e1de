"""The data stores of a server: where voxels are kept, and which of them takes uploads."""

from dataclasses import dataclass

from wk_assets.client.context import current_context
from wk_assets.errors import ServerError


@dataclass(frozen=True, slots=True, kw_only=True)
class Datastore:
    """Name a data store. Methods raise ServerError."""

    name: str
    url: str
    allows_upload: bool

    @classmethod
    def get_datastores(cls, allows_upload: bool | None = None) -> "list[Datastore]":
        """Return the data stores; `allows_upload` leaves out those that do (False) or do not (True) take uploads."""
        return [
            cls(name=told.name, url=told.url, allows_upload=told.allows_upload)
            for told in current_context().client().datastore_list()
            if allows_upload is None or told.allows_upload == allows_upload
        ]

    @classmethod
    def get_upload_url(cls) -> str:
        """Return the address of the first data store that takes uploads. Raises ServerError if there is none."""
        everywhere = cls.get_datastores()
        for one in everywhere:
            if one.allows_upload:
                return one.url
        names = ", ".join(one.name for one in everywhere) or "none"
        raise ServerError(f"no data store of this server takes uploads (there are: {names}); ask its administrator")
