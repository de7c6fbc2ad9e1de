"""How the server answers: JSON, messages, and the shapes of its errors. Source: the real server's behaviour."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response


class Refusal(Exception):  # noqa: N818  # an answer, not a failure of ours
    """Answer with an error: `{"messages": [{"error": …}, {"chain": …}]}`; the default status is 400, as the server's.

    What a request changed before it was refused is undone, unless the refusal `keeps_changes`.
    """

    keeps_changes = False

    def __init__(self, message: str, status: int = 400, chain: str | None = None) -> None:
        super().__init__(message)
        self.message, self.status, self.chain = message, status, chain

    def response(self) -> Response:
        """Return the answer."""
        messages: list[dict[str, str]] = [{"error": self.message}]
        if self.chain:
            messages.append({"chain": f"[Server Time 0]  <~ {self.chain}"})
        return JSONResponse({"messages": messages}, self.status)


class PlainRefusal(Refusal):
    """Answer with an error in plain text, as secured routes and the stores do."""

    def response(self) -> Response:
        """Return the answer."""
        return PlainTextResponse(self.message, self.status)


class FormRefusal(Refusal):
    """Answer with the mistakes of a body that fails its schema, one list per field."""

    def __init__(self, mistakes: Mapping[str, str]) -> None:
        super().__init__("the body fails its schema")
        self.mistakes = mistakes

    def response(self) -> Response:
        """Return the answer."""
        form = {f"obj.{name}": [{"msg": [said], "args": []}] for name, said in self.mistakes.items()}
        return JSONResponse(form, 400)


def not_found(kind: str, name: object) -> Refusal:
    """Return the answer for what does not exist or may not be seen: the server does not tell which."""
    return Refusal(f"{kind} “{name}” could not be found or accessed.", 404)


def said(message: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return an object with a message of success."""
    return {**(body or {}), "messages": [{"success": message}]}


def unauthorized() -> Refusal:
    """Return the answer of a secured route without a valid token."""
    return PlainRefusal("You are not authorized to view this resource. Please log in.", 401)


def store_denied(what: str) -> Refusal:
    """Return the answer of a store that a token does not open."""
    return PlainRefusal(f"Token may be expired, consider reloading. Access forbidden: {what}", 403)
