"""A proxy that spoils answers: 500, SlowDown, broken connections, bodies that end early, other bytes, objects left out of lists."""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import ClientSession, web

FAULTS = ("slowdown", "500", "cut before", "cut after", "truncated", "other bytes", "503 page")


@dataclass(slots=True)
class Fault:
    """Spoil requests of a method (a pattern) whose path holds `path`: the next `times`, after `after` others."""

    kind: str
    method: str = "GET|PUT|POST|HEAD|DELETE"
    path: str = ""
    times: int = 1
    after: int = 0

    def hits(self, method: str, path: str) -> bool:
        if self.times <= 0 or not re.fullmatch(self.method, method) or self.path not in path:
            return False
        if self.after:
            self.after -= 1
            return False
        self.times -= 1
        return True


@dataclass(slots=True)
class FaultProxy:
    """Hold what is spoiled, and every request as (method, path, fault)."""

    endpoint: str = ""
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)

    def puts(self, part: str = "") -> int:
        return sum(1 for method, path, _ in self.requests if method in {"PUT", "POST"} and part in path)


@contextmanager
def fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    """Stand between a client and `upstream` on a port of its own."""
    proxy = FaultProxy()
    loop = asyncio.new_event_loop()
    started, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with ClientSession(auto_decompress=False) as session:
            application = web.Application(client_max_size=1 << 32)

            async def answer(request: web.Request) -> web.StreamResponse:
                return await _answer(proxy, session, upstream, request)

            application.router.add_route("*", "/{rest:.*}", answer)
            runner = web.AppRunner(application, access_log=None)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            assert site._server is not None
            proxy.endpoint = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]
            started.set()
            await stop.wait()
            await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert started.wait(30)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()


async def _answer(proxy: FaultProxy, session: ClientSession, upstream: str, request: web.Request) -> web.StreamResponse:
    body = await request.read()
    path = str(request.rel_url)
    fault = next((one.kind for one in proxy.faults if one.hits(request.method, path)), None)
    proxy.requests.append((request.method, path, fault))
    if fault in {"slowdown", "500", "503 page"}:
        return _refusal(fault)
    transport = request.transport
    assert transport is not None
    if fault == "cut before":
        transport.abort()
        return web.Response()
    # The signature names the host that the client asked: it is passed on as it is.
    headers = {name: value for name, value in request.headers.items() if name.lower() != "transfer-encoding"}
    async with session.request(
        request.method,
        upstream + path,
        headers=headers,
        data=body,
        allow_redirects=False,
        skip_auto_headers=("Accept",),
    ) as told:
        data = await told.read()
        kept = {
            name: value
            for name, value in told.headers.items()
            if name.lower() not in {"transfer-encoding", "connection"}
            and (name.lower() != "content-length" or request.method == "HEAD")
        }
    if fault == "cut after":
        transport.abort()
        return web.Response()
    if fault == "other bytes" and data:
        data = bytes([data[0] ^ 1]) + data[1:]
    if fault == "truncated" and data:
        answer = web.StreamResponse(status=told.status, headers=kept)
        answer.content_length = len(data)
        await answer.prepare(request)
        await answer.write(data[: len(data) // 2])
        transport.abort()
        return answer
    return web.Response(status=told.status, headers=kept, body=data if request.method != "HEAD" else None)


def _refusal(fault: str) -> web.Response:
    if fault == "503 page":
        return web.Response(status=503, text="<html>Service Unavailable</html>", content_type="text/html")
    status, code = (503, "SlowDown") if fault == "slowdown" else (500, "InternalError")
    text = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>spoiled by the test</Message></Error>'
    return web.Response(status=status, text=text, content_type="application/xml")
