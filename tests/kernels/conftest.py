"""Kernels under test are the compiled ones; numpy's loops are compared with them in `test_plain_downsample`."""

import pytest

from wk_assets.kernels import loading


@pytest.fixture(autouse=True)
def compiled_kernels() -> None:
    """Let this process think that loading pays."""
    loading.expect(1 << 40)
