"""Keep tokens out of everything that people read: routes in errors and logs show `token=***`."""

import logging
import re
from collections.abc import Mapping

import stamina.instrumentation

_SECRET_IN_QUERY = re.compile(r"(?i)\b((?:sharing)?token|credentialSecret|secret|password)=[^&\s\"']+")
_USER_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")
_LOGGERS = ("httpx", "httpcore")
_SECRET_HEADERS = ("X-Auth-Token", "Authorization")


def without_secrets(text: str) -> str:
    """Return a URL, route or line of a log without the values of tokens, secrets and passwords."""
    return _USER_IN_URL.sub("***@", _SECRET_IN_QUERY.sub(r"\1=***", text))


def without_sent_secrets(text: str, headers: Mapping[str, str]) -> str:
    """Return what an answer says without the token that the request sent: a proxy's error page may show its headers."""
    for name in _SECRET_HEADERS:
        secret = headers.get(name, "").removeprefix("Bearer ").strip()
        if secret:
            text = text.replace(secret, "***")
    return without_secrets(text)


class _SecretFilter(logging.Filter):
    """Rewrite records of the HTTP libraries, which log whole URLs."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        shown = without_secrets(message)
        if shown != message:
            record.msg, record.args = shown, ()
        return True


def guard_logs() -> None:
    """Let the HTTP libraries' loggers pass through the filter; once is enough, more does no harm.

    Retries are told to `logging`: the retry library's own choice, structlog, prints to standard output when it happens to be
    installed, into the middle of what a command prints.
    """
    stamina.instrumentation.set_on_retry_hooks([stamina.instrumentation.LoggingOnRetryHook])
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(one, _SecretFilter) for one in logger.filters):
            logger.addFilter(_SecretFilter())
