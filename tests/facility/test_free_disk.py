"""The disk is asked before the first byte."""

from pathlib import Path

import pytest

from wk_assets.errors import DiskFullError
from wk_assets.facility.free_disk import require_free_disk


def test_what_fits_may_begin(tmp_path: Path) -> None:
    require_free_disk(tmp_path / "not" / "there" / "yet", needed_bytes=1, minimum_free_bytes=1)


def test_nothing_to_write_always_fits(tmp_path: Path) -> None:
    require_free_disk(tmp_path, needed_bytes=0, minimum_free_bytes=1 << 70)


def test_what_does_not_fit_names_what_is_needed_what_must_stay_and_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(
        DiskFullError, match=r"has .* free; the import needs about 1\.0 PiB, and 5\.0 GiB must stay free"
    ):
        require_free_disk(tmp_path, needed_bytes=1 << 50, minimum_free_bytes=5 << 30)
