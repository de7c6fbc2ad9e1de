"""The stand-in as an ASGI application: WEBKNOSSOS, data store and tracing store at one address.

    request ──► version out of the path ──► fault on order? ──► route ──► who asks? ──► one transaction on a thread ──► answer

What it does not do: proofreading (agglomerates are those of the layer's file), smooth meshes (they have the faces of voxels, also
where a mesh file is named), skeletons of agglomerates, jobs, explore of buckets and of arrays with a time axis, conversion of what
is uploaded in other formats, scripts, e-mail, passwords. Every other deviation from the real server is a mistake.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route as StarletteRoute
from starlette.types import Receive, Scope, Send

from wk_assets.errors import WkAssetsError
from wk_assets.standin import (
    agglomerate_files,
    annotations,
    composing,
    control,
    datasets,
    exploring,
    faults,
    meshes,
    pages,
    painted,
    path_uploads,
    people,
    projects,
    system,
    tasks,
    times,
    uploads,
    voxels,
)
from wk_assets.standin.call import Call, Route, Routes, as_response
from wk_assets.standin.people import user_of_token
from wk_assets.standin.replies import Refusal, not_found, unauthorized
from wk_assets.standin.world import Settings, World

_PATH = re.compile(r"/(?P<server>api|data|tracings|_standin)(?:/v(?P<version>\d+))?(?P<rest>/.*)?$")
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_MODULES = (
    system, people, datasets, composing, exploring, path_uploads, projects, tasks, annotations, times, uploads, voxels, painted,
    agglomerate_files, meshes, control, pages,
)  # fmt: skip


def all_routes() -> Routes:
    """Return the routes of all modules; the more particular ones come first."""
    table = Routes()
    for module in _MODULES:
        table.all.extend(module.routes.all)
    table.all.sort(key=lambda route: [part.startswith((":", "*")) for part in route.path.split("/")])
    return table


@dataclass(frozen=True, slots=True)
class _Target:
    server: str
    version: int
    rest: str


class _Server:
    """Answer requests."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._routes = all_routes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except faults.DroppedConnection:
            # an answer of fewer bytes than announced: the server closes the connection in the middle
            response = Response(b"", headers={"Content-Length": "1"})
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        method, path = request.method, request.url.path
        target = self._target(path)
        if isinstance(target, Response):
            return target
        fault = None if target.server == "_standin" else await run_in_threadpool(faults.due, self._world, method, path)
        if fault is not None:
            if fault.kind == "drop":
                raise faults.DroppedConnection
            if fault.kind == "status":
                await request.body()
                return fault.answer()
            if fault.kind == "slow":
                await request.body()  # who hangs up while it takes its time has asked all the same
                await run_in_threadpool(faults.wait, fault)
        found = self._routes.find(target.server, method, target.rest, target.version)
        response = await self._routed(request, target, found)
        if fault is not None and fault.kind == "twice":
            response = await self._routed(request, target, found)
        if target.server != "_standin":
            await run_in_threadpool(self._note, request, target, found[0] if found else None, response.status_code)
        if fault is not None and fault.kind == "lost":
            return fault.answer()
        if fault is not None and fault.kind == "truncate" and hasattr(response, "body"):
            body = bytes(response.body)
            return Response(body[: len(body) // 2], headers={**response.headers, "Content-Length": str(len(body))})
        return response

    def _target(self, path: str) -> _Target | Response:
        found = _PATH.match(path)
        if found is None:
            return _Target("pages", 0, path)
        settings = self._world.settings
        version = int(found["version"]) if found["version"] else settings.current_version
        if found["version"] and not settings.oldest_version <= version <= settings.current_version:
            text = (
                f"This WEBKNOSSOS instance does not support the requested HTTP API version. Client requested {version} but "
                f"must be at least {settings.oldest_version} and at most {settings.current_version}."
            )
            return JSONResponse({"messages": [{"error": text}]}, 404)
        return _Target(found["server"], version, found["rest"] or "/")

    async def _routed(self, request: Request, target: _Target, found: tuple[Route, dict[str, str]] | None) -> Response:
        if found is None:
            if target.server == "pages":
                return HTMLResponse("<h1>404</h1>", 404)
            return not_found("Route", f"{request.method} {request.url.path}").response()
        route, parts = found
        form: FormData | None = None
        body = b""
        if request.headers.get("content-type", "").startswith(("multipart/", "application/x-www-form-urlencoded")):
            form = await request.form()
        else:
            body = await request.body()
        try:
            return await run_in_threadpool(self._run, request, target, route, parts, body, form)
        finally:
            if form is not None:
                await form.close()

    def _run(
        self, request: Request, target: _Target, route: Route, parts: dict[str, str], body: bytes, form: FormData | None
    ) -> Response:
        token = _token(request, target.server)
        call = Call(
            world=self._world,
            method=request.method,
            path=target.rest,
            parts=parts,
            query=request.query_params,
            headers=request.headers,
            body=body,
            form=form,
            version=target.version,
            token=token,
            user=user_of_token(self._world, token),
        )
        try:
            if route.secured and call.user is None:
                raise unauthorized()
            return as_response(self._handled(route, call), call.answer_headers)
        except Refusal as error:
            return error.response()
        except WkAssetsError as error:
            return Refusal(f"The data could not be read: {error}").response()

    def _handled(self, route: Route, call: Call) -> Any:
        if not route.changes:
            return route.handler(call)
        kept: Refusal | None = None
        answer = None
        with self._world.database.writing():
            try:
                answer = route.handler(call)
            except Refusal as error:
                if not error.keeps_changes:
                    raise
                kept = error
        if kept is not None:
            raise kept
        return answer

    def _note(self, request: Request, target: _Target, route: Route | None, status: int) -> None:
        self._world.database.change(
            "INSERT INTO requests (method, path, route, version, status) VALUES (?, ?, ?, ?, ?)",
            (request.method, request.url.path, route.path if route else None, target.version, status),
        )


def _token(request: Request, server: str) -> str | None:
    header = request.headers.get("X-Auth-Token")
    if header:
        return header
    bearer = request.headers.get("Authorization", "")
    if bearer.startswith("Bearer "):
        return bearer.removeprefix("Bearer ")
    return request.query_params.get("token") if server in {"data", "tracings"} else None


def build_app(world: World) -> Starlette:
    """Return the application of a world."""
    server = _Server(world)
    return Starlette(routes=[StarletteRoute("/{path:path}", _Endpoint(server), methods=_METHODS)])


class _Endpoint:
    """Hand requests on as ASGI; Starlette takes functions for request handlers."""

    def __init__(self, server: _Server) -> None:
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._server(scope, receive, send)


def open_world(folder: Path, base_url: str, settings: Settings | None = None) -> World:
    """Open the state in a folder, new or from before."""
    return World(folder, base_url, settings or Settings())
