"""A server under test, as our client sees it: what is asked is recorded and held to the shapes, what is made is taken away.

The operations of `dataset_operations` and `work_operations` run on it, in order; each hands on what it made.
"""

import json
import re
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from tests.contract.shapes import shapes
from wk_assets.client.context import TOKEN_HEADER
from wk_assets.client.store_clients import DatastoreApiClient, TracingstoreApiClient
from wk_assets.client.transport import Transport
from wk_assets.client.wk_api_client import WkApiClient
from wk_assets.errors import NotOnServerError

_TIMEOUT_SECONDS = 60.0
_PATH = re.compile(r"/(api|data|tracings)(?:/v\d+)?(/.*)")


class NotHere(Exception):  # noqa: N818  # a reason, not a failure
    """Say why an operation can not be done on this server or in this version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Hold a small dataset on this disk: `color` uint8 (1, 64, 48, 20), `labels` uint32 of the same values; one more mag of
    `color`, 2, in a folder of its own."""  # noqa: D205, D209

    folder: Path
    mag_folder: Path
    voxels: NDArray[np.uint8]

    def files(self) -> list[tuple[str, bytes]]:
        """Return what is sent: relative paths and bytes."""
        return _files_under(self.folder)

    def mag_files(self) -> list[tuple[str, bytes]]:
        """Return the files of the mag alone."""
        return _files_under(self.mag_folder)


def _files_under(folder: Path) -> list[tuple[str, bytes]]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path.relative_to(folder).as_posix(), path.read_bytes()) for path in found]


class Recorder(httpx.BaseTransport):
    """Send requests on, and hold each answer to its shape."""

    def __init__(self, *, version: int, closed: bool) -> None:
        self._inner = httpx.HTTPTransport()
        self._version, self._closed = version, closed
        self.differences: list[str] = []
        self.routes: set[str] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._inner.handle_request(request)
        answer.read()
        self._look_at(request, answer)
        return answer

    def close(self) -> None:
        """Stay open when one of the clients that share it goes; `shut` ends it."""

    def shut(self) -> None:
        """Close the connections."""
        self._inner.close()

    def _look_at(self, request: httpx.Request, answer: httpx.Response) -> None:
        found = _PATH.fullmatch(request.url.path)
        path = f"/{found[1]}{found[2]}" if found else request.url.path
        if answer.status_code >= 400:
            self._note(f"{request.method} {path}", _differences_of_error(answer))
            return
        known = shapes().of_route(request.method.replace("HEAD", "GET"), path)
        if known is None:
            self._note(f"{request.method} {path}", ["its answer has no shape in shapes.json"])
            return
        route, shape = known
        self.routes.add(route)
        if shape in ("any", "bytes") or request.method == "HEAD":
            return
        if shape == "empty":
            self._note(route, [f"the answer has {len(answer.content)} bytes, none are due"] if answer.content else [])
            return
        document = json.loads(answer.content)
        self._note(route, shapes().differences(document, shape, version=self._version, closed=self._closed))

    def _note(self, route: str, differences: Any) -> None:
        self.differences.extend(f"{route}: {one}" for one in differences)


def _differences_of_error(answer: httpx.Response) -> list[str]:
    """Errors come in three shapes: messages, the form of the framework, plain text."""
    if not answer.headers.get("content-type", "").startswith("application/json"):
        plain = answer.headers.get("content-type", "").startswith("text/")
        return [] if plain or not answer.content else [f"an error of type {answer.headers.get('content-type')}"]
    document = json.loads(answer.content)
    if isinstance(document, dict) and isinstance(document.get("messages"), list):
        fitting = [isinstance(one, dict) and set(one) <= {"error", "chain"} for one in document["messages"]]
        return [] if fitting and all(fitting) else [f"an error with the messages {document['messages']}"]
    form = isinstance(document, dict) and all(
        isinstance(one, list) and all({"msg", "args"} <= set(entry) for entry in one) for one in document.values()
    )
    return [] if form else [f"an error of an unknown shape: {answer.text[:200]}"]


@dataclass(kw_only=True)
class Contract:
    """Hold a server, in one version of the API, and what operations hand on in `made`.

    `annotator`: the token of a user with experience 3 in `sample`, who may be given tasks; None on a live server, where a
    request could hand out somebody's real work. `control`: whether the server has the stand-in's `/_standin`.
    """

    url: str
    token: str
    version: int
    sample: Sample
    annotator: str | None = None
    control: bool = True
    made: dict[str, Any] = field(default_factory=dict)
    prefix: str = field(default_factory=lambda: f"contract-{uuid.uuid4().hex[:10]}")

    def __post_init__(self) -> None:
        self.recorder = Recorder(version=self.version, closed=self.control)
        self.client = self.client_of(self.token)
        self.transport = Transport(
            headers={TOKEN_HEADER: self.token}, timeout_seconds=_TIMEOUT_SECONDS, connector=self.recorder
        )
        self._later: list[Callable[[], Any]] = []

    def client_of(self, token: str | None) -> WkApiClient:
        """Return a client that speaks as somebody."""
        return WkApiClient(
            base_wk_url=self.url,
            timeout_seconds=_TIMEOUT_SECONDS,
            headers={TOKEN_HEADER: token} if token else {},
            webknossos_api_version=self.version,
            connector=self.recorder,
        )

    def store(self, token: str | None = None) -> DatastoreApiClient:
        """Return the client of the first data store."""
        url = self.client.datastore_list()[0].url
        transport = self.transport
        if token is not None:
            transport = Transport(timeout_seconds=_TIMEOUT_SECONDS, connector=self.recorder)
        return DatastoreApiClient(datastore_base_url=url, api_version=self.version, transport=transport)

    def tracing_store(self) -> TracingstoreApiClient:
        """Return the client of the tracing store."""
        return TracingstoreApiClient(base_url=self.client.tracing_store().url, transport=self.transport)

    def ask(self, method: str, route: str, *, token: str | None = None, **content: Any) -> Any:
        """Ask what the client has no method for."""
        headers = {TOKEN_HEADER: token or self.token}
        url = f"{self.url}/api/v{self.version}{route}"
        return self.transport.request(method, url, headers=headers, **content).json()

    def control_plane(self, method: str, route: str, **content: Any) -> None:
        """Do what only a stand-in lets do."""
        if not self.control:
            raise NotHere("only a stand-in lets tests act as somebody else")
        httpx.request(method, f"{self.url}/_standin{route}", **content).raise_for_status()

    def later(self, remove: Callable[[], Any]) -> None:
        """Take away at the end what was made now."""
        self._later.append(remove)

    def name(self, kind: str) -> str:
        """Return a name that nobody else has."""
        return f"{self.prefix}-{kind}"

    def clean_up(self) -> None:
        """Take away everything that was made, the newest first."""
        while self._later:
            with suppress(NotOnServerError):
                self._later.pop()()

    def needs(self, version: int) -> None:
        """Raise NotHere below a version."""
        if self.version < version:
            raise NotHere(f"since version {version}")


Operation = Callable[[Contract], None]
OPERATIONS: dict[str, tuple[Operation, tuple[str, ...]]] = {}


def operation(*peer: str) -> Callable[[Operation], Operation]:
    """Register an operation; `peer`: the flows of tests/standin/peer_flows.py in which the peer library does the same."""

    def register(function: Operation) -> Operation:
        OPERATIONS[function.__name__] = (function, peer)
        return function

    return register


@contextmanager
def _cleaned(contract: Contract) -> Iterator[None]:
    try:
        yield
    finally:
        contract.clean_up()
        contract.recorder.shut()


def run_contract(contract: Contract) -> dict[str, str]:
    """Run all operations; returns per operation `ok`, `- why it is not here`, or what went wrong."""
    told: dict[str, str] = {}
    with _cleaned(contract):
        for name, (function, _) in OPERATIONS.items():
            before = len(contract.recorder.differences)
            try:
                function(contract)
                told[name] = "ok"
            except NotHere as reason:
                told[name] = f"- {reason}"
            except Exception:  # noqa: BLE001  # the table says which operations failed, and the next ones go on
                told[name] = traceback.format_exc()[-1500:]
            different = contract.recorder.differences[before:]
            if different:
                told[name] = "\n".join([*different[:10], *([told[name]] if told[name] != "ok" else [])])
    return told
