"""What is repeated, what is not, and what an error says."""

import logging
import traceback

import httpx
import pytest

from tests.client.scripted_server import TOKEN, ScriptedServer
from wk_assets.client.answers import messages_of
from wk_assets.client.models import ApiTeamAdd
from wk_assets.client.redaction import without_secrets
from wk_assets.client.transport import ServerAddress, Transport
from wk_assets.errors import (
    ForbiddenError,
    NoAnswerError,
    NotAuthenticatedError,
    NotOnServerError,
    RequestRefusedError,
    ServerBusyError,
    UnexpectedAnswerError,
    UnexpectedStatusError,
)

TEAMS = "/api/v16/teams"
SHARING = "sh4ring"
BUSY = [
    httpx.Response(status, headers={"Content-Type": "text/html"}, text="<h1>Bad Gateway</h1>")
    for status in (502, 503, 504)
]
BREAKS = [
    httpx.ConnectError("refused"),
    httpx.ReadTimeout("slow"),
    httpx.RemoteProtocolError("peer closed connection"),
    httpx.ReadError("reset"),
]


@pytest.mark.parametrize("trouble", [*BUSY, *BREAKS, httpx.Response(429, headers={"Retry-After": "0"})], ids=str)
def test_reading_is_tried_again_when_the_server_or_the_line_fails(trouble: httpx.Response | Exception) -> None:
    server = ScriptedServer().on("GET", TEAMS, trouble, trouble, httpx.Response(200, json=[]))

    assert server.client().team_list() == []
    assert server.asked("GET", TEAMS) == 3


@pytest.mark.parametrize("trouble", [*BUSY, *BREAKS[1:]], ids=str)
def test_what_creates_something_is_never_repeated_once_the_server_may_have_seen_it(
    trouble: httpx.Response | Exception,
) -> None:
    server = ScriptedServer().on("POST", TEAMS, trouble)

    with pytest.raises((NoAnswerError, ServerBusyError)):
        server.client().team_add(team=ApiTeamAdd(name="new"))
    assert server.asked("POST", TEAMS) == 1


@pytest.mark.parametrize("trouble", [httpx.ConnectError("refused"), httpx.Response(429)], ids=str)
def test_what_the_server_has_not_begun_is_tried_again_whatever_it_is(trouble: httpx.Response | Exception) -> None:
    server = ScriptedServer().on("POST", TEAMS, trouble, httpx.Response(200, json={}))

    server.client().team_add(team=ApiTeamAdd(name="new"))
    assert server.asked("POST", TEAMS) == 2


@pytest.mark.parametrize("lost", [*BUSY, *BREAKS[1:]], ids=str)
def test_what_is_gone_after_a_lost_answer_is_deleted(lost: httpx.Response | Exception) -> None:
    gone = httpx.Response(404, json={"messages": [{"error": "Team could not be found."}]})
    server = ScriptedServer().on("DELETE", f"{TEAMS}/t1", lost, gone)

    server.client().team_delete(team_id="t1")
    assert server.asked("DELETE", f"{TEAMS}/t1") == 2


@pytest.mark.parametrize("refused", [None, httpx.ConnectError("refused"), httpx.Response(429)], ids=str)
def test_what_was_never_there_is_no_success_of_deleting(refused: httpx.Response | Exception | None) -> None:
    gone = httpx.Response(404, json={"messages": [{"error": "Team could not be found."}]})
    server = ScriptedServer().on("DELETE", f"{TEAMS}/t1", *([refused] if refused else []), gone)

    with pytest.raises(NotOnServerError):
        server.client().team_delete(team_id="t1")


def test_what_is_gone_after_a_lost_answer_is_still_missing_for_those_who_read() -> None:
    server = ScriptedServer().on("GET", TEAMS, httpx.ReadError("reset"), httpx.Response(404))

    with pytest.raises(NotOnServerError):
        server.client().team_list()


def test_a_server_that_stays_away_is_given_up_and_named() -> None:
    server = ScriptedServer().on("GET", TEAMS, httpx.ConnectError("refused"))

    with pytest.raises(
        NoAnswerError, match=r"GET http://wk.example/api/v16/teams: the server was not reached.*WK_URL"
    ) as raised:
        server.client().team_list()
    assert raised.value.transient
    assert server.asked("GET", TEAMS) == 4


@pytest.mark.parametrize(
    ("status", "kind", "builtin"),
    [
        (400, RequestRefusedError, ValueError),
        (401, NotAuthenticatedError, PermissionError),
        (403, ForbiddenError, PermissionError),
        (404, NotOnServerError, LookupError),
        (409, RequestRefusedError, ValueError),
        (500, UnexpectedStatusError, Exception),
    ],
)
def test_a_refusal_is_an_error_of_its_own_kind_and_not_repeated(
    status: int, kind: type[UnexpectedStatusError], builtin: type[Exception]
) -> None:
    answer = httpx.Response(status, json={"messages": [{"error": "Team could not be found."}]})
    server = ScriptedServer().on("GET", TEAMS, answer)

    with pytest.raises(kind) as raised:
        server.client().team_list()
    assert isinstance(raised.value, builtin)
    assert not raised.value.transient
    assert (raised.value.status, raised.value.method) == (status, "GET")
    assert raised.value.messages == ("Team could not be found.",)
    assert f"GET http://wk.example{TEAMS} was answered with {status}: Team could not be found." in str(raised.value)
    assert server.asked("GET", TEAMS) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"json": {"messages": [{"error": "A"}, {"chain": "<~ B"}]}}, ["A", "<~ B"]),
        ({"json": {"obj.name": [{"msg": ["error.path.missing"], "args": []}]}}, ["obj.name: error.path.missing"]),
        ({"text": "You are not authorized."}, ["You are not authorized."]),
        ({"html": "<html><style>b{}</style><h1>502</h1> <p>Bad  Gateway</p></html>"}, ["502 Bad Gateway"]),
        ({"content": b""}, []),
        ({"content": b"\x89PNG\x00\xff"}, []),
        ({"json": ["odd"]}, ['["odd"]']),
    ],
)
def test_all_shapes_of_errors_are_understood(answer: dict[str, object], said: list[str]) -> None:
    response = httpx.Response(400, **answer)  # type: ignore[arg-type]

    assert messages_of(response) == said


def test_an_answer_of_another_form_names_the_place() -> None:
    server = ScriptedServer().on("GET", TEAMS, httpx.Response(200, json=[{"id": "1", "name": 7}]))

    with pytest.raises(UnexpectedAnswerError, match=r"teams: 0\.name: .*2 mistakes"):
        server.client().team_list()


def test_an_answer_that_is_not_json_is_said_to_be_none() -> None:
    server = ScriptedServer().on("GET", TEAMS, httpx.Response(200, text="<html>login</html>"))

    with pytest.raises(UnexpectedAnswerError, match="Invalid JSON"):
        server.client().team_list()


def test_no_secret_is_in_an_error_a_trace_a_log_or_a_repr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = ScriptedServer().on("GET", "/api/v16/datasets/abc", httpx.ReadTimeout("slow"))
    client = server.client()

    with pytest.raises(NoAnswerError) as raised:
        client.dataset_info(dataset_id="abc", sharing_token=SHARING)
    shown = "".join(traceback.format_exception(raised.value)) + repr(client) + caplog.text
    shown += repr(ServerAddress(url="http://wk.example", token=TOKEN))
    assert "sharingToken=***" in str(raised.value)
    assert SHARING not in shown
    assert TOKEN not in shown


def test_whole_urls_in_the_logs_of_the_http_library_lose_their_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="httpx")
    server = ScriptedServer().on("GET", "/api/v16/datasets/abc", httpx.Response(404))

    with pytest.raises(NotOnServerError):
        server.client().dataset_info(dataset_id="abc", sharing_token=SHARING)
    assert "HTTP Request: GET http://wk.example/api/v16/datasets/abc?sharingToken=***" in caplog.text
    assert SHARING not in caplog.text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://a/b?token=x&y=1", "https://a/b?token=***&y=1"),
        ("https://me:pw@a/b", "https://***@a/b"),
        ("https://a/b?organization=token", "https://a/b?organization=token"),
    ],
)
def test_only_secrets_are_taken_out(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_every_call_has_a_timeout() -> None:
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.extensions["timeout"])
        return httpx.Response(200)

    with Transport(timeout_seconds=7, connector=httpx.MockTransport(answer)) as transport:
        transport.request("GET", "http://wk.example/")
        transport.request("GET", "http://wk.example/", timeout_seconds=90)
    assert seen == [
        {"connect": 7, "read": 7, "write": 7, "pool": 7},
        {"connect": 30, "read": 90, "write": 90, "pool": 90},
    ]
