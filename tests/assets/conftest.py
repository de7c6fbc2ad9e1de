"""A facility with one registered acquisition, and Dagster instances that live as long as a test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.assets.facility_home import fill_inbox, make_home, registered


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a facility whose catalogue knows the acquisition brain-7, and let the definitions find it."""
    file = make_home(tmp_path)
    monkeypatch.setenv("WK_ASSETS_CONFIG", str(file))
    fill_inbox(tmp_path, "brain-7")
    registered(file, "brain-7")
    return tmp_path


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def load() -> Callable[[], dg.Definitions]:
    """Load the code location as Dagster does."""
    from wk_assets.definitions import defs

    return defs
