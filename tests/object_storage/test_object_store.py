"""Objects come back as they were put, or not at all; what passes by itself is tried again, the rest is named."""

from pathlib import Path

import google_crc32c
import pytest

from tests.object_storage.conftest import QUICK
from tests.object_storage.fault_proxy import Fault, FaultProxy
from tests.object_storage.seaweed import BUCKET, SECRET
from wk_assets.errors import RemoteLocationError, ShardCorruptError, StorageError, TargetNotWritableError
from wk_assets.storage.object_store import ObjectStore, StoredObject

DATA = bytes(range(256)) * 40


def put(store: ObjectStore, key: str = "color/1/c/0") -> None:
    store.put_bytes(key, DATA, content="of these bytes")


def test_what_was_put_is_found_listed_read_and_deleted(store: ObjectStore, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(DATA[::-1])
    put(store)
    store.put_file("color/2/c/0", file, content="the other", crc32c=google_crc32c.value(DATA[::-1]))

    assert store.find("color/1/c/0") == StoredObject(
        size_bytes=len(DATA), content="of these bytes", crc32c=google_crc32c.value(DATA)
    )
    assert store.get_bytes("color/2/c/0") == DATA[::-1]
    assert b"".join(store.pieces("color/1/c/0", len(DATA), 1000)) == DATA
    assert store.keys() == ["color/1/c/0", "color/2/c/0"]
    assert store.keys("color/2") == ["color/2/c/0"]
    store.delete("color/1/c/0")
    store.delete("color/1/c/0")
    assert store.find("color/1/c/0") is None
    assert store.keys("labels") == []
    with pytest.raises(FileNotFoundError):
        store.get_bytes("color/1/c/0")


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("PUT", "slowdown"),
        ("PUT", "cut after"),
        ("GET", "500"),
        ("GET", "cut before"),
        ("HEAD", "503 page"),
    ],
)
def test_what_passes_by_itself_is_tried_again(store: ObjectStore, s3: FaultProxy, kind: str, method: str) -> None:
    s3.faults.append(Fault(kind, method, times=2))

    put(store)
    data = store.get_bytes("color/1/c/0")

    assert data == DATA
    assert sum(1 for _, _, fault in s3.requests if fault) == 2


@pytest.mark.parametrize("kind", ["truncated", "other bytes"])
def test_bytes_that_are_not_those_that_were_put_are_never_returned(
    store: ObjectStore, s3: FaultProxy, kind: str
) -> None:
    put(store)
    s3.faults.append(Fault(kind, "GET", times=2))

    try:
        data = store.get_bytes("color/1/c/0")
    except (ShardCorruptError, StorageError) as error:
        assert "color/1/c/0" in str(error)  # noqa: PT017 - both an error and the right bytes are right
    else:
        assert data == DATA


def test_a_store_that_never_recovers_is_named_with_what_to_do(store: ObjectStore, s3: FaultProxy) -> None:
    s3.faults.append(Fault("500", "PUT", times=1000))

    with pytest.raises(StorageError, match="tried 3 times") as refused:
        put(store)

    assert f"s3://{BUCKET}" in str(refused.value)
    assert "Run again" in str(refused.value)


def test_a_wrong_secret_is_told_at_once_and_not_shown(s3: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"{SECRET}-wrong")

    with pytest.raises(TargetNotWritableError, match="AWS_SECRET_ACCESS_KEY") as refused:
        put(ObjectStore(f"s3://{BUCKET}/elsewhere", QUICK))

    assert SECRET not in str(refused.value)
    assert len([path for method, path, _ in s3.requests if method == "PUT"]) == 1


@pytest.mark.parametrize("url", ["/local/path", "https://host/bucket", "s3://", "s3:///folder"])
def test_a_place_that_is_no_object_storage_is_refused(url: str) -> None:
    with pytest.raises(RemoteLocationError, match="s3://BUCKET/FOLDER"):
        ObjectStore(url)


@pytest.mark.parametrize("url", ["s3://key:hidden@bucket/folder", "s3://bucket/folder?token=hidden"])
def test_credentials_in_a_url_are_refused_and_not_shown(url: str) -> None:
    with pytest.raises(RemoteLocationError, match="come from the environment") as refused:
        ObjectStore(url)
    assert "hidden" not in str(refused.value)
