import errno
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wk_assets import errors
from wk_assets.cli.exit_codes import ExitCode, exit_code
from wk_assets.errors import WkAssetsError


def _error_types(root: type[WkAssetsError] = WkAssetsError) -> list[type[WkAssetsError]]:
    return [kind for child in root.__subclasses__() for kind in (child, *_error_types(child))]


@pytest.mark.parametrize("kind", _error_types(), ids=lambda kind: str(kind.__name__))
def test_every_error_of_ours_has_a_documented_exit_code(kind: type[WkAssetsError]) -> None:
    """A new branch of the error tree would else end as code 1, which says that wk-assets has a defect."""
    error = kind.__new__(kind)

    documented = {ExitCode.CONFIGURATION, ExitCode.SOURCE, ExitCode.STORAGE, ExitCode.LOCKED, ExitCode.SERVER}
    assert exit_code(error) in documented


def test_an_error_and_those_below_it_share_an_exit_code_unless_they_say_otherwise() -> None:
    assert exit_code(errors.ConfigurationError("x", [])) is ExitCode.CONFIGURATION
    assert exit_code(errors.VoxelSizeError()) is ExitCode.SOURCE
    assert exit_code(errors.DiskFullError()) is ExitCode.STORAGE
    assert exit_code(errors.PropertiesError()) is ExitCode.STORAGE
    assert exit_code(errors.LockedError()) is ExitCode.LOCKED
    assert exit_code(errors.NoAnswerError()) is ExitCode.SERVER
    assert exit_code(errors.PlanError()) is ExitCode.CONFIGURATION


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_refusal_of_the_operating_system_counts_as_storage(number: int) -> None:
    assert exit_code(OSError(number, "refused")) is ExitCode.STORAGE


@given(st.sampled_from([ValueError, KeyError, RuntimeError, MemoryError, ZeroDivisionError]))
def test_anything_else_is_a_defect(kind: type[Exception]) -> None:
    assert exit_code(kind("?")) is ExitCode.UNEXPECTED


def test_the_readme_lists_every_exit_code(repository: Path) -> None:
    readme = (repository / "README.md").read_text("utf-8")

    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", readme, flags=re.MULTILINE)}

    assert listed == {code.value for code in ExitCode}
