"""What a person means by a dataset or an annotation of a server: an id, a name, or an address copied from the browser.

Pure; asks nobody. Addresses: `…/datasets/<name>-<id>/view` and `…/datasets/<id>`; until 2025 `…/datasets/<organization>/<name>/view`;
`…/annotations/<id>`, once `…/annotations/<type>/<id>`; `…/links/<key>`; with `?token=<sharing token>` and a place after `#`.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from wk_assets.errors import InputError

_ID = re.compile(r"[0-9a-f]{24}")
_NAME_AND_ID = re.compile(r"(?:.*-)?([0-9a-f]{24})")
_URL = re.compile(r"https?://", re.IGNORECASE)
# What may follow the name of a dataset in an address.
_VIEWS = frozenset({"view", "sandbox", "edit"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteAddress:
    """Say which thing on which server is meant; None: not said. `short_link`: the key of a link that leads to it."""

    server_url: str | None = None
    dataset_id: str | None = None
    dataset_name: str | None = None
    organization_id: str | None = None
    annotation_id: str | None = None
    short_link: str | None = None
    sharing_token: str | None = field(default=None, repr=False)


def is_id(text: str) -> bool:
    """Say whether a text has the form of a server's id: 24 hexadecimal digits."""
    return _ID.fullmatch(text) is not None


def is_address(text: str) -> bool:
    """Say whether a text is an address, not a name or an id."""
    return _URL.match(text) is not None


def dataset_address(text: str) -> RemoteAddress:
    """Understand the id, name or address of a dataset. Raises InputError for an address of something else."""
    if not is_address(text):
        return RemoteAddress(dataset_id=text) if is_id(text) else RemoteAddress(dataset_name=text)
    address = parse_address(text)
    if address.annotation_id is not None:
        raise InputError(
            f"{without_query(text)} is the address of an annotation; pass it as annotation_id_or_url to read its dataset"
        )
    return address


def annotation_address(text: str) -> RemoteAddress:
    """Understand the id or address of an annotation. Raises InputError for an address of something else."""
    if not is_address(text):
        return RemoteAddress(annotation_id=text)
    address = parse_address(text)
    if address.annotation_id is None and address.short_link is None:
        raise InputError(f"{without_query(text)} is no address of an annotation, like https://…/annotations/<id>")
    return address


def parse_address(text: str) -> RemoteAddress:
    """Read an address copied from a browser. Raises InputError, which does not repeat a token."""
    parts = urlsplit(text)
    server = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    steps = [unquote(step) for step in parts.path.split("/") if step]
    token = parse_qs(parts.query).get("token", [None])[0]
    match steps:
        case ["links", key]:
            return RemoteAddress(server_url=server, short_link=key)
        case ["annotations", *_, found] if is_id(found):
            return RemoteAddress(server_url=server, annotation_id=found, sharing_token=token)
        case ["annotations", first, *_] if is_id(first):
            return RemoteAddress(server_url=server, annotation_id=first, sharing_token=token)
        case ["datasets", named, *rest] if (found_id := _NAME_AND_ID.fullmatch(named)) and (
            not rest or rest[0] in _VIEWS
        ):
            return RemoteAddress(server_url=server, dataset_id=found_id.group(1), sharing_token=token)
        case ["datasets", organization, name, *_] if name not in _VIEWS:
            return RemoteAddress(
                server_url=server, organization_id=organization, dataset_name=name, sharing_token=token
            )
        case _:
            raise InputError(
                f"{without_query(text)} is no address of a dataset or annotation; copy it from the browser, like "
                "https://webknossos.org/datasets/<name>-<id>/view"
            )


def without_query(text: str) -> str:
    """Return an address as people may see it: without a token and without user and password."""
    parts = urlsplit(text)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
