"""Tell people: mail, Slack, Teams and whatever else apprise reaches. Off unless the environment names somewhere to tell.

The addresses hold secrets, so they stand in the environment variable alone: never in a file, in the UI or in an error.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field

NOTIFY_VARIABLE = "WK_ASSETS_NOTIFY"


class NotificationResource(dg.ConfigurableResource[None]):
    """Name the environment variable that holds the addresses, separated by spaces (https://github.com/caronc/apprise)."""

    variable: str = Field(default=NOTIFY_VARIABLE, description="The environment variable with apprise's addresses.")

    def tell(self, title: str, text: str, warn: Callable[[str], None]) -> bool:
        """Tell people; False if nobody is to be told, or somebody could not be (then `warn` is told why).

        A notification that fails never fails the work that it tells of.
        """
        addresses = os.environ.get(self.variable, "").split()
        if not addresses:
            return False
        # Imported where somebody is to be told: most runs tell nobody, and it loads a module for every service.
        from apprise import Apprise  # noqa: PLC0415  # see above

        door = Apprise()
        with _silent():
            known = [door.add(address) for address in addresses]
            told = bool(len(door)) and bool(door.notify(title=title, body=text))
        for number, understood in enumerate(known, 1):
            if not understood:
                warn(f"address {number} in the environment variable {self.variable} is none that apprise knows")
        if not told:
            warn(f"{title!r} did not reach everybody named in the environment variable {self.variable}")
        return told


@contextmanager
def _silent() -> Iterator[None]:
    """Keep apprise's own log quiet: it repeats addresses, with the secrets in them."""
    log = logging.getLogger("apprise")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before
