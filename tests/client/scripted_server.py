"""A server that answers as it is told, and remembers what it was asked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from wk_assets.client.wk_api_client import WkApiClient

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]
TOKEN = "t0p-s3cret-token"  # noqa: S105  # of nobody


@dataclass
class ScriptedServer:
    """Give the answers of a route one after the other; the last one for ever. Anything else is 404."""

    answers: dict[tuple[str, str], list[Answer]] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)
    versions: tuple[int, int] = (10, 16)

    def on(self, method: str, path: str, *answers: Answer) -> "ScriptedServer":
        self.answers[method, path] = list(answers)
        return self

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        if request.url.path == "/api/buildinfo" and ("GET", "/api/buildinfo") not in self.answers:
            oldest, newest = self.versions
            versions = {"currentApiVersion": newest, "oldestSupportedApiVersion": oldest}
            return httpx.Response(200, json={"httpApiVersioning": versions})
        script = self.answers.get((request.method, request.url.path))
        if script is None:
            return httpx.Response(404, json={"messages": [{"error": f"no route {request.url.path}"}]})
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer

    def client(self, **options: Any) -> WkApiClient:
        return WkApiClient(
            base_wk_url="http://wk.example",
            timeout_seconds=5,
            headers={"X-Auth-Token": TOKEN},
            connector=httpx.MockTransport(self),
            **options,
        )

    def asked(self, method: str, path: str) -> int:
        """How often a route was asked."""
        return sum(1 for request in self.requests if (request.method, request.url.path) == (method, path))
