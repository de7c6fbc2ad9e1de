"""People are told only where the environment says so, and what fails to reach them fails nothing else."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from resources.notification import NOTIFY_VARIABLE, NotificationResource

# apprise's own imports, of which a newer version of it is free
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.fixture
def told() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Listen where apprise posts JSON."""
    messages: list[dict[str, str]] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"json://127.0.0.1:{server.server_port}/", messages
    server.shutdown()
    server.server_close()
    thread.join()


def test_nobody_is_told_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NOTIFY_VARIABLE, raising=False)
    warnings: list[str] = []

    assert not NotificationResource().tell("title", "text", warnings.append)
    assert warnings == []


def test_everybody_named_in_the_environment_is_told(
    told: tuple[str, list[dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, messages = told
    monkeypatch.setenv(NOTIFY_VARIABLE, f"{address}one {address}two")
    warnings: list[str] = []

    assert NotificationResource().tell("Work has stopped", "paint: 3 instances", warnings.append)
    assert [(one["title"], one["message"]) for one in messages] == [("Work has stopped", "paint: 3 instances")] * 2
    assert warnings == []


def test_what_can_not_be_told_is_warned_of_without_the_secret(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(NOTIFY_VARIABLE, "nonsense:secret json://secret@127.0.0.1:9/")
    warnings: list[str] = []

    assert not NotificationResource().tell("title", "text", warnings.append)
    assert len(warnings) == 2
    assert "address 1" in warnings[0]
    assert not [one for one in (*warnings, caplog.text) if "secret" in one]
