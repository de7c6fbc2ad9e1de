"""One request as the routes see it, and the table that routes register in. No rule of WEBKNOSSOS is here.

A route is a plain function `(call) -> what to answer`, run on a thread, inside one transaction if it may change something.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import FormData, Headers, QueryParams, UploadFile
from starlette.responses import JSONResponse, PlainTextResponse, Response

from wk_assets.standin.replies import FormRefusal, Refusal
from wk_assets.standin.world import World

Handler = Callable[["Call"], Any]


@dataclass
class Call:
    """Hold a request: parts of its path, query, body, who asks, and in which version of the API."""

    world: World
    method: str
    path: str
    parts: Mapping[str, str]
    query: QueryParams
    headers: Headers
    body: bytes
    form: FormData | None
    version: int
    user: dict[str, Any] | None = None
    token: str | None = None
    answer_headers: dict[str, str] = field(default_factory=dict)

    def json(self, *required: str) -> Any:
        """Return the body. Raises FormRefusal, as the server's framework does, if it is no JSON or lacks a member."""
        try:
            value = json.loads(self.body or b"null")
        except ValueError as error:
            raise Refusal(f"Invalid Json: {error}") from error
        if required:
            if not isinstance(value, dict):
                raise FormRefusal({"": "error.expected.jsobject"})
            missing = {name: "error.path.missing" for name in required if value.get(name) is None}
            if missing:
                raise FormRefusal(missing)
        return value

    def files(self) -> list[tuple[str, bytes]]:
        """Return the files of a form: names and contents."""
        if self.form is None:
            return []
        return [
            (value.filename or name, value.file.read())
            for name, value in self.form.multi_items()
            if isinstance(value, UploadFile)
        ]

    def field(self, name: str) -> str:
        """Return a text of a form. Raises FormRefusal."""
        value = self.form.get(name) if self.form is not None else None
        if not isinstance(value, str):
            raise FormRefusal({name: "error.required"})
        return value

    def number(self, name: str, otherwise: int | None = None) -> int | None:
        """Return an integer of the query."""
        text = self.query.get(name)
        if text is None:
            return otherwise
        try:
            return int(text)
        except ValueError as error:
            raise Refusal(f"Cannot parse parameter {name} as Int: For input string: {text!r}") from error

    def flag(self, name: str) -> bool | None:
        """Return a truth value of the query."""
        text = self.query.get(name)
        return None if text is None else text.lower() == "true"

    def required(self, name: str) -> str:
        """Return a text of the query. Refused in the framework's words if it is missing."""
        text = self.query.get(name)
        if text is None:
            raise Refusal(f"Missing parameter: {name}")
        return text

    def page(self, rows: list[Any], default_limit: int | None = None) -> list[Any]:
        """Cut a list to the page that was asked for; tell the number of all if that was asked for."""
        if self.flag("includeTotalCount"):
            self.answer_headers["X-Total-Count"] = str(len(rows))
        limit = self.number("limit", default_limit)
        if limit is None:
            return rows
        start = (self.number("pageNumber", 0) or 0) * limit
        return rows[start : start + limit]


@dataclass(frozen=True)
class Route:
    """Name a route: the server that has it, method and path as in the list of the real server's routes."""

    server: str
    method: str
    path: str
    handler: Handler
    secured: bool
    changes: bool
    form: re.Pattern[str]
    lowest: int = 0
    highest: int = 99


class Routes:
    """Collect routes. `server`: `api`, `data`, `tracings` or `_standin`, which is the first part of the path."""

    def __init__(self) -> None:
        self.all: list[Route] = []

    def on(
        self,
        server: str,
        method: str,
        path: str,
        *,
        secured: bool = True,
        changes: bool | None = None,
        lowest: int = 0,
        highest: int = 99,
    ) -> Callable[[Handler], Handler]:
        """Register a function for a route; `:name` stands for one part of the path, `*name` for the rest of it."""
        pattern = re.sub(r"\*(\w+)", r"(?P<\1>.+)", re.sub(r":(\w+)", r"(?P<\1>[^/]+)", path))

        def register(handler: Handler) -> Handler:
            writes = method != "GET" if changes is None else changes
            route = Route(server, method, path, handler, secured, writes, re.compile(pattern + "/?$"), lowest, highest)
            self.all.append(route)
            return handler

        return register

    def find(self, server: str, method: str, path: str, version: int) -> tuple[Route, dict[str, str]] | None:
        """Return the first route that fits, with the parts of the path."""
        wanted = "GET" if method == "HEAD" else method
        for route in self.all:
            if route.server == server and route.method == wanted and route.lowest <= version <= route.highest:
                found = route.form.match(path)
                if found:
                    return route, found.groupdict()
        return None


def as_response(answer: Any, headers: Mapping[str, str]) -> Response:
    """Turn what a route gives into a response: a response, text, bytes, or JSON; None is an empty 200."""
    if isinstance(answer, Response):
        answer.headers.update(headers)
        return answer
    if answer is None:
        return Response(status_code=200, headers=dict(headers))
    if isinstance(answer, bytes):
        return Response(answer, headers=dict(headers), media_type="application/octet-stream")
    if isinstance(answer, PlainTextResponse):
        return answer
    return JSONResponse(answer, headers=dict(headers))
