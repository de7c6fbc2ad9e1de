"""Turn what a server answers into values or errors: the three shapes of its errors, and JSON of the promised form.

Shapes (source: the server's behaviour): `{"messages": [{"error": …}, {"chain": …}]}`; the form of a body that fails its
schema, `{"obj.field": [{"msg": ["error.path.missing"], "args": []}]}`; and plain text or HTML, from secured routes, from the
framework and from proxies.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from wk_assets.client.redaction import without_secrets, without_sent_secrets
from wk_assets.errors import (
    ForbiddenError,
    NotAuthenticatedError,
    NotOnServerError,
    RequestRefusedError,
    ServerBusyError,
    UnexpectedAnswerError,
    UnexpectedStatusError,
)

T = TypeVar("T")

BUSY = frozenset({429, 502, 503, 504})
_LONGEST_TEXT = 500
_HINTS = {
    401: "Set WK_TOKEN to a token of the account page; a token may also have expired or been revoked",
    403: "Ask an administrator for the right, or use the token of a user who has it",
    404: "It may exist without this user being allowed to see it",
}
_BY_STATUS: dict[int, type[UnexpectedStatusError]] = {
    401: NotAuthenticatedError,
    403: ForbiddenError,
    404: NotOnServerError,
    **dict.fromkeys(BUSY, ServerBusyError),
}


def shown_route(request: httpx.Request) -> str:
    """Return the request's URL as people may see it."""
    return without_secrets(str(request.url))


def failure(response: httpx.Response) -> UnexpectedStatusError:
    """Return the error that an answer of another status than 2xx stands for. The answer's body must be read."""
    kind = _BY_STATUS.get(response.status_code)
    if kind is None:
        kind = RequestRefusedError if 400 <= response.status_code < 500 else UnexpectedStatusError
    error = kind(
        method=response.request.method,
        route=shown_route(response.request),
        status=response.status_code,
        messages=[without_sent_secrets(message, response.request.headers) for message in messages_of(response)],
        hint=_HINTS.get(response.status_code, ""),
    )
    if isinstance(error, ServerBusyError):
        error.retry_after = _seconds(response.headers.get("Retry-After"))
    return error


def messages_of(response: httpx.Response) -> list[str]:
    """Return what an answer says, whichever of the shapes it has; nothing if it is empty or bytes."""
    try:
        document = response.json()
    except (ValueError, UnicodeDecodeError):
        return _plain_text(response)
    if isinstance(document, Mapping) and isinstance(document.get("messages"), list):
        return [
            str(text) for message in document["messages"] if isinstance(message, Mapping) for text in message.values()
        ]
    if isinstance(document, Mapping):
        return list(_schema_mistakes(document)) or [_cut(json.dumps(document))]
    return [_cut(json.dumps(document))]


def parsed(response: httpx.Response, form: type[T] | Any) -> T:
    """Return the answer's JSON as `form`, a pydantic model or a type. Raises UnexpectedAnswerError."""
    route = shown_route(response.request)
    try:
        value: T = TypeAdapter(form).validate_json(response.content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise UnexpectedAnswerError(
            f"{response.request.method} {route}: {where}: {first['msg']} ({error.error_count()} mistakes in all). "
            "The server may be of a version that this package does not know"
        ) from None  # the original shows the answer, which may hold a token
    return value


def _schema_mistakes(document: Mapping[str, Any]) -> Iterator[str]:
    for field, mistakes in document.items():
        for mistake in mistakes if isinstance(mistakes, list) else ():
            if isinstance(mistake, Mapping) and "msg" in mistake:
                said = mistake["msg"]
                yield f"{field}: {', '.join(map(str, said)) if isinstance(said, list) else said}"


def _plain_text(response: httpx.Response) -> list[str]:
    kind = response.headers.get("Content-Type", "")
    if not kind.startswith("text/") or not response.content:
        return []
    text = response.text
    if "html" in kind:
        text = re.sub(r"(?s)<(script|style).*?</\1>|<[^>]+>", " ", text)
    return [_cut(" ".join(text.split()))]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + " …"


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds of a Retry-After header; its other form, a date, is left to the usual back-off."""
    try:
        return max(0.0, float(retry_after)) if retry_after is not None else None
    except ValueError:
        return None
