"""Annotations on a server: found by id or address, downloaded, pinned to a version, sent in. Knows bytes, reads no file."""

from dataclasses import dataclass, replace

from wk_assets.client.context import ServerContext, current_context
from wk_assets.client.task_models import ApiAnnotation
from wk_assets.dataset.remote_address import annotation_address
from wk_assets.dataset.remote_opening import asked_without_token, server_at
from wk_assets.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAnnotation:
    """Name an annotation on a server. All methods raise ServerError."""

    server: ServerContext
    annotation_id: str

    @classmethod
    def find(cls, annotation_id_or_url: str, webknossos_url: str | None = None) -> "ServerAnnotation":
        """Understand an id, or an address copied from a browser; a token only goes to the server that it is for.

        A link with a token in it is asked with that one. Raises InputError for an address of something else.
        """
        address = annotation_address(annotation_id_or_url)
        if address.annotation_id is None:
            shown = annotation_id_or_url.split("?", maxsplit=1)[0]
            raise InputError(f"{shown} is a short link; open it in the browser and copy the address that it leads to")
        server = server_at(address.server_url or webknossos_url)
        if address.sharing_token is not None:
            server = ServerContext(replace(server.address, token=address.sharing_token), server.api_version)
        return cls(server=server, annotation_id=address.annotation_id)

    @property
    def url(self) -> str:
        """The annotation's address."""
        return f"{self.server.address.url}/annotations/{self.annotation_id}"

    def info(self) -> ApiAnnotation:
        """Ask what the server says of it now."""
        with asked_without_token(self.server):
            return self.server.anonymous_client().annotation_info(annotation_id=self.annotation_id)

    def edit(self, *, name: str | None = None, description: str | None = None) -> None:
        """Change its name or description on the server; the other stays."""
        told = self.info()
        update = {key: value for key, value in (("name", name), ("description", description)) if value is not None}
        with asked_without_token(self.server):
            self.server.anonymous_client().annotation_edit(
                annotation_typ=told.typ, annotation_id=self.annotation_id, annotation=told.model_copy(update=update)
            )

    def download(
        self, *, skip_volume_data: bool = False, version: int | None = None, retry_count: int = 5
    ) -> tuple[bytes, str]:
        """Return the file and its name; `version`: a state of the annotation, None: the newest."""
        with asked_without_token(self.server):
            return self.server.anonymous_client().annotation_download(
                annotation_id=self.annotation_id,
                skip_volume_data=skip_volume_data,
                retry_count=retry_count,
                version=version,
            )

    def newest_version(self) -> int:
        """Return the number of its newest state."""
        with asked_without_token(self.server):
            store = self.server.anonymous_client().tracing_store()
            return self.server.tracingstore_client(store.url).newest_version(self.annotation_id)


def send_annotation(name: str, body: bytes) -> str:
    """Make an annotation of a file on the current server; returns its address. Raises NotAuthenticatedError, ServerError."""
    context = current_context()
    made = context.client().annotation_upload(file_body=body, filename=name, createGroupForEachFile=False)
    return ServerAnnotation(server=context, annotation_id=made.annotation.id).url
