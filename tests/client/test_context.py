"""Which server is asked, and as whom."""

import threading

import pytest

from wk_assets.client.context import DEFAULT_URL, current_context, server_context, webknossos_context
from wk_assets.errors import ConfigurationError, NotAuthenticatedError

SECRET = "h1dden"  # noqa: S105  # of nobody


def test_without_anything_the_public_server_is_asked_and_a_token_is_missed() -> None:
    context = current_context()

    assert context.address.url == DEFAULT_URL
    assert context.address.timeout_seconds == 1800
    with pytest.raises(NotAuthenticatedError, match="Set WK_TOKEN"):
        context.client()


def test_the_environment_is_read_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WK_URL", "http://wk.example/")
    monkeypatch.setenv("WK_TOKEN", SECRET)
    monkeypatch.setenv("WK_TIMEOUT", "12.5")

    address = current_context().address
    assert (address.url, address.token, address.timeout_seconds) == ("http://wk.example", SECRET, 12.5)
    assert SECRET not in repr(address)


@pytest.mark.parametrize("timeout", ["soon", "0", "-3"])
def test_a_timeout_that_is_none_is_refused_without_showing_other_values(
    monkeypatch: pytest.MonkeyPatch, timeout: str
) -> None:
    monkeypatch.setenv("WK_TIMEOUT", timeout)
    monkeypatch.setenv("WK_TOKEN", SECRET)

    with pytest.raises(ConfigurationError, match="WK_TIMEOUT") as raised:
        current_context()
    assert SECRET not in str(raised.value)


def test_contexts_nest_and_end() -> None:
    with webknossos_context(url="http://one.example", token="a", timeout=3, api_version=14):  # noqa: S106
        with webknossos_context(token="b"):  # noqa: S106
            inner = current_context()
            assert (inner.address.url, inner.address.token, inner.address.timeout_seconds) == (
                "http://one.example", "b", 3
            )  # fmt: skip
            assert inner.api_version == 14
        with webknossos_context(url="http://two.example"):
            other = current_context()
            assert (other.address.token, other.api_version) == (None, None)
        assert current_context().address.token == "a"  # noqa: S105
    assert current_context().address.url == DEFAULT_URL


def test_a_function_may_be_decorated_and_called_again() -> None:
    @webknossos_context(url="http://one.example", token="a")  # noqa: S106
    def asked() -> str:
        return current_context().address.url

    assert [asked(), asked()] == ["http://one.example"] * 2


def test_one_client_serves_all_calls_of_an_address() -> None:
    with webknossos_context(url="http://one.example", token="a"):  # noqa: S106
        first = current_context().client()
    with webknossos_context(url="http://one.example", token="a"):  # noqa: S106
        assert current_context().client() is first
    with webknossos_context(url="http://one.example", token="b"):  # noqa: S106
        assert current_context().client() is not first


def test_a_context_can_be_taken_into_a_thread() -> None:
    with webknossos_context(url="http://one.example", token="a"):  # noqa: S106
        context = current_context()
    found = []

    def look() -> None:
        with server_context(context):
            found.append(current_context().address.url)
        found.append(current_context().address.url)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == ["http://one.example", DEFAULT_URL]
