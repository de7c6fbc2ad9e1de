"""What every test may ask for: the shared files of microscopes, and an environment of its own; and what none may do: tell a token."""

import os
import re
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from wk_assets.standin.people import TOKEN_MARK

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """Name the checkout that is tested."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Name the folder with real files of microscopes; a test that needs one is skipped where it is absent.

    The folder lies beside the checkout (`../shared/data`); WK_ASSETS_SHARED_DATA names another place.
    """
    folder = Path(os.environ.get("WK_ASSETS_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the shared files of microscopes are not at {folder}; WK_ASSETS_SHARED_DATA names their folder")
    return folder


@pytest.fixture(scope="session")
def shared_spec() -> Path:
    """Name the folder with the format facts and golden values; skipped where it is absent, like `shared_data`."""
    folder = Path(os.environ.get("WK_ASSETS_SHARED_SPEC", REPOSITORY.parent / "shared" / "spec"))
    if not folder.is_dir():
        pytest.skip(f"the golden values are not at {folder}; WK_ASSETS_SHARED_SPEC names their folder")
    return folder


@pytest.fixture(autouse=True)
def environment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the person's own settings from a test, and the test's from the person.

    Neither a token, nor a configuration file, nor the Dagster home of whoever runs the tests may decide a test.
    """
    for name in [name for name in os.environ if name.startswith(("WK_", "DAGSTER_"))]:
        if not name.startswith("WK_ASSETS_SHARED_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "yes")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture(autouse=True)
def no_instance_of_another_test() -> None:
    """Forget the Dagster instance that an earlier test of this process closed.

    Dagster remembers the state storage of the instance that was entered last. Instances that are not closed in the
    reverse order leave a closed one there, and the next definitions that are loaded in this process ask it, in vain.
    """
    remembered = sys.modules.get("dagster._core.storage.defs_state.base")
    if remembered is not None:
        remembered._current_storage.set(None)


# every token that a stand-in hands out looks like this, in whatever process it runs
_TOKEN = re.compile(re.escape(TOKEN_MARK) + r"[A-Za-z0-9_-]{32}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a test fail during which a token of a stand-in was logged or printed: in this way none gets past the whole run."""
    report = yield
    told = sorted({title for title, text in report.sections if _TOKEN.search(text)})
    if told and report.passed:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} shows a token of the stand-in's: {', '.join(told)}"
    return report
