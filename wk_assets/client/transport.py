"""One pooled connection to a server: timeouts on every call, retries where they can do no harm, errors of our own.

Knows HTTP, knows no route. Retried are calls whose repetition changes nothing (GET, HEAD, PUT, DELETE, PATCH of absolute
values, and POSTs that say so), after transport errors and after 429, 502, 503, 504; any call whose request can not have
reached the server; never anything else. Between tries: exponential back-off with jitter, or what Retry-After says. A DELETE
that finds nothing after a try whose answer was lost has done its work: that try is taken for the one that deleted.
"""

import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import httpx
import stamina

from wk_assets.client.answers import BUSY, failure, shown_route
from wk_assets.client.redaction import guard_logs
from wk_assets.errors import NoAnswerError, NotOnServerError, ServerBusyError, ServerError

_LONGEST_WAIT_SECONDS = 60.0
_REPEATABLE_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE", "PATCH"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Say how often and how long a call is tried. `attempts` counts the first one; times in seconds."""

    attempts: int = 6
    timeout_seconds: float = 600.0
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAddress:
    """Say where a server is and who asks. The token stays out of `repr`, errors and logs."""

    url: str
    token: str | None = None
    timeout_seconds: float = 1800.0

    def __repr__(self) -> str:
        known = "set" if self.token else "not set"
        return f"ServerAddress(url={self.url!r}, token is {known}, timeout_seconds={self.timeout_seconds})"


class _NotSentError(NoAnswerError):
    """The connection was never made: whatever was asked, the server does not know of it."""


class Transport:
    """Send requests over one connection pool. Safe to share between threads; close it, or use it as a context."""

    def __init__(
        self,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = 1800.0,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008  # immutable
        connector: httpx.BaseTransport | None = None,
    ) -> None:
        guard_logs()
        self._retry = retry
        self._client = httpx.Client(
            headers=dict(headers or {}),
            # connecting fails early; only the answer of a long job may take the whole time
            timeout=httpx.Timeout(timeout_seconds, connect=min(30.0, timeout_seconds)),
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=16),
            follow_redirects=True,
            transport=connector,
        )
        # clients are kept per address and forgotten without a word: their sockets go with them
        weakref.finalize(self, self._client.close)

    def request(
        self,
        method: str,
        url: str,
        *,
        repeatable: bool | None = None,
        timeout_seconds: float | None = None,
        **content: Any,
    ) -> httpx.Response:
        """Send a request and return its answer, read whole, of a status 2xx.

        `content` is what httpx takes: `params`, `json`, `data`, `files`, `content`, `headers`. `repeatable`: whether the call
        may be repeated after the server may have seen it; None: as the method says. What a DELETE finds gone after a try
        that the server may have seen is deleted: an empty 204 is returned. Raises ServerError.
        """
        may_repeat = method in _REPEATABLE_METHODS if repeatable is None else repeatable
        policy = self._retry
        may_be_done = False
        for attempt in stamina.retry_context(
            on=lambda error: _wait_before_next(error, may_repeat=may_repeat),
            attempts=policy.attempts,
            timeout=policy.timeout_seconds,
            wait_initial=policy.first_wait_seconds,
            wait_max=policy.longest_wait_seconds,
            wait_jitter=policy.first_wait_seconds,
        ):
            with attempt:
                try:
                    answer = self._once(method, url, timeout_seconds=timeout_seconds, **content)
                except NotOnServerError:
                    if not (may_be_done and method == "DELETE"):
                        raise
                    answer = httpx.Response(204, request=httpx.Request(method, url))
                except (NoAnswerError, ServerBusyError) as error:
                    may_be_done = may_be_done or _may_have_been_done(error)
                    raise
        return answer

    def _once(self, method: str, url: str, *, timeout_seconds: float | None, **content: Any) -> httpx.Response:
        if timeout_seconds is not None:
            content["timeout"] = httpx.Timeout(timeout_seconds, connect=min(30.0, timeout_seconds))
        content["params"] = _present(content.get("params"))
        request = self._client.build_request(method, url, **content)
        with _own_errors(request):
            answer = self._client.send(request)
        if not answer.is_success:
            raise failure(answer)
        return answer

    @contextmanager
    def stream(self, method: str, url: str, **content: Any) -> Iterator[httpx.Response]:
        """Give an answer of a status 2xx whose body is not read yet; one try only. Raises ServerError."""
        content["params"] = _present(content.get("params"))
        request = self._client.build_request(method, url, **content)
        with _own_errors(request):
            answer = self._client.send(request, stream=True)
            try:
                if not answer.is_success:
                    answer.read()
                    raise failure(answer)
                yield answer
            finally:
                answer.close()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _present(parameters: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Leave out parameters without a value; booleans as the server reads them."""
    if parameters is None:
        return None
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in parameters.items()
        if value is not None
    }


@contextmanager
def _own_errors(request: httpx.Request) -> Iterator[None]:
    """Turn httpx' errors into ours; they name the route without secrets and what to look at."""
    where = f"{request.method} {shown_route(request)}"
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise _NotSentError(f"{where}: the server was not reached ({error}). Is it up, and is WK_URL right?") from error
    except httpx.TimeoutException as error:
        raise NoAnswerError(
            f"{where}: no answer in time ({type(error).__name__}). WK_TIMEOUT sets the seconds"
        ) from error
    except httpx.TransportError as error:
        raise NoAnswerError(f"{where}: the connection broke ({type(error).__name__}: {error})") from error
    except httpx.InvalidURL as error:
        raise ServerError(f"{where}: {error}") from error


def _may_have_been_done(error: NoAnswerError | ServerBusyError) -> bool:
    """Say whether the server may have carried out what failed: not if it was never reached, nor if it refused at once (429)."""
    return not isinstance(error, _NotSentError) and getattr(error, "status", None) != 429


def _wait_before_next(error: Exception, *, may_repeat: bool) -> bool | float:
    """Say whether a failed call is tried again, or after how many seconds."""
    if isinstance(error, _NotSentError):
        return True
    if isinstance(error, ServerBusyError):
        # 429 is refused before anything is done; behind 502 to 504 the server may have done it all the same
        if not (may_repeat or error.status == 429) or error.status not in BUSY:
            return False
        return True if error.retry_after is None else min(error.retry_after, _LONGEST_WAIT_SECONDS)
    return may_repeat and isinstance(error, NoAnswerError)
