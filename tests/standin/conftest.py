"""A stand-in without a socket: requests go straight into the application."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina

from tests.standin.standin_client import StandinClient
from wk_assets.standin.app import open_world
from wk_assets.standin.seed import seed
from wk_assets.standin.world import Settings


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[StandinClient]:
    world = open_world(tmp_path / "standin", "http://standin.example", Settings())
    first = seed(world)
    assert first is not None
    with StandinClient(world, first) as client:
        yield client


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield
