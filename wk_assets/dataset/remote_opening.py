"""Find the dataset on a server that a person means: by address, id, name, annotation, in the present context or elsewhere.

A token goes only to the server that it was given for: an address of another server is asked without one.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from wk_assets.client.context import ServerContext, current_context
from wk_assets.client.models import ApiCompactDataset
from wk_assets.client.transport import ServerAddress
from wk_assets.dataset.remote_access_mode import RemoteAccessMode
from wk_assets.dataset.remote_address import (
    RemoteAddress,
    annotation_address,
    dataset_address,
    is_address,
    parse_address,
    without_query,
)
from wk_assets.dataset.remote_folder import RemoteFolder
from wk_assets.dataset.remote_source import RemoteSource
from wk_assets.errors import InputError, ServerError, UnexpectedAnswerError


def find_source(
    dataset_name_or_url: str | None,
    *,
    organization_id: str | None,
    sharing_token: str | None,
    webknossos_url: str | None,
    dataset_id: str | None,
    annotation_id_or_url: str | None,
    access_mode: RemoteAccessMode,
) -> RemoteSource:
    """Find a dataset. Parameters as of `RemoteDataset.open`, which says what this raises."""
    given = {
        "dataset_name_or_url": dataset_name_or_url,
        "dataset_id": dataset_id,
        "annotation_id_or_url": annotation_id_or_url,
    }
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise InputError(f"{' and '.join(named) or 'nothing'} is given; name a dataset in one way: {', '.join(given)}")
    text = str(given[named[0]])
    if is_address(text):
        others = {"organization_id": organization_id, "webknossos_url": webknossos_url, "sharing_token": sharing_token}
        double = [name for name, value in others.items() if value is not None]
        if double:
            raise InputError(f"{without_query(text)} and {', '.join(double)} are given; the address says it already")
    if annotation_id_or_url is not None:
        address = _followed(annotation_address(annotation_id_or_url))
    elif dataset_id is not None:
        address = RemoteAddress(dataset_id=dataset_id)
    else:
        address = _followed(dataset_address(text))
    server = server_at(address.server_url or webknossos_url)
    with asked_without_token(server):
        if address.annotation_id is not None:
            return _of_annotation(server, address.annotation_id, address.sharing_token or sharing_token, access_mode)
        found = address.dataset_id or _id_of_name(
            server, str(address.dataset_name), address.organization_id or organization_id
        )
    return RemoteSource(
        server=server,
        dataset_id=found,
        access_mode=access_mode,
        sharing_token=address.sharing_token or sharing_token,
    )


def server_at(url: str | None) -> ServerContext:
    """Return the server at an address; it is asked with the present context's token only if that is of this server."""
    current = current_context()
    if url is None or _same_server(url, current.address.url):
        return current
    parts = urlsplit(url if "://" in url else f"https://{url}")
    address = ServerAddress(
        url=f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", timeout_seconds=current.address.timeout_seconds
    )
    return ServerContext(address)


@contextmanager
def asked_without_token(server: ServerContext) -> Iterator[None]:
    """Add to a server's refusal that it was asked without a token, because the token at hand is of another server."""
    current = current_context().address
    try:
        yield
    except ServerError as error:
        if server.address.token is None and current.token is not None:
            error.add_note(
                f"{server.address.url} was asked without a token, because the present one is for {current.url}; use "
                f"`with webknossos_context(url={server.address.url!r}, token=…):`, or set WK_URL"
            )
        raise


def listed(
    *,
    organization_id: str | None,
    tags: str | Sequence[str] | None,
    name: str | None,
    folder: RemoteFolder | str | None,
) -> Mapping[str, ApiCompactDataset]:
    """List the datasets that can be used, by id: with exactly this name, all of these tags, right inside this folder."""
    folder_id = folder.id if isinstance(folder, RemoteFolder) else folder
    found = (
        current_context()
        .client()
        .dataset_list(is_active=True, organization_id=organization_id, name=name, folder_id=folder_id)
    )
    wanted = {tags} if isinstance(tags, str) else set(tags or ())
    return {
        one.id: one
        for one in found
        if (name is None or one.name == name)
        and wanted <= set(one.tags)
        and (folder_id is None or one.folder_id in {None, folder_id})
    }


def _followed(address: RemoteAddress) -> RemoteAddress:
    """Follow a short link to the address that it stands for."""
    if address.short_link is None:
        return address
    server = server_at(address.server_url)
    with asked_without_token(server):
        led = server.anonymous_client().short_link_by_key(key=address.short_link).long_link
    found = parse_address(led)
    if found.short_link is not None:
        raise UnexpectedAnswerError(f"the short link {address.short_link} leads to another short link")
    return found


def _id_of_name(server: ServerContext, name: str, organization_id: str | None) -> str:
    if organization_id is None:
        organization_id = server.client().user_current().organization
    return server.anonymous_client().dataset_id_from_name(directory_name=name, organization_id=organization_id)


def _of_annotation(
    server: ServerContext, annotation_id: str, sharing_token: str | None, access_mode: RemoteAccessMode
) -> RemoteSource:
    told = server.anonymous_client().annotation_info(annotation_id=annotation_id)
    dataset_id = (told.model_extra or {}).get("datasetId")
    if not isinstance(dataset_id, str):
        raise UnexpectedAnswerError(f"annotation {annotation_id}: the server does not say which dataset it is of")
    return RemoteSource(
        server=server,
        dataset_id=dataset_id,
        access_mode=access_mode,
        annotation_id=annotation_id,
        sharing_token=sharing_token,
        store_url=None if told.data_store is None else told.data_store.url,
    )


def _same_server(one: str, other: str) -> bool:
    first, second = (urlsplit(url if "://" in url else f"https://{url}") for url in (one, other))
    return (first.scheme.lower(), first.netloc.rpartition("@")[2].lower()) == (
        second.scheme.lower(),
        second.netloc.rpartition("@")[2].lower(),
    )
