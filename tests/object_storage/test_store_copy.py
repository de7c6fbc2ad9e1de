"""A dataset goes to object storage and comes back, each object once, whatever breaks; readers see the old one or the new one."""

import json
import multiprocessing
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore

from tests.object_storage.conftest import QUICK
from tests.object_storage.fault_proxy import Fault, FaultProxy
from tests.object_storage.seaweed import BUCKET
from tests.operations.crash_lab import digest
from wk_assets.dataset.dataset import Dataset
from wk_assets.errors import (
    DatasetExistsError,
    NotADatasetError,
    PropertiesError,
    ShardCorruptError,
    ShardMissingError,
    StorageError,
)
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.operations.checks.verify import verify_dataset
from wk_assets.operations.compute import Compute
from wk_assets.operations.transfer.store_copy import get_dataset, put_dataset
from wk_assets.operations.transfer.store_plan import plan_store_copy
from wk_assets.properties.dataset_properties import FILE_NAME
from wk_assets.properties.layer_properties import AttachmentDataFormat
from wk_assets.storage.object_store import ObjectStore

VOXELS = np.random.default_rng(7).integers(0, 255, (1, 64, 48, 40), dtype=np.uint8)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    made = Dataset(tmp_path / "local", voxel_size=(11.0, 11.0, 25.0), name="sent")
    box = BoundingBox((0, 0, 0), (64, 48, 40))
    color = made.add_layer("color", "color", dtype="uint8", bounding_box=box)
    color.add_mag(1, chunk_shape=(32, 32, 32), shard_shape=(32, 32, 32)).write(VOXELS, allow_unaligned=True)
    labels = made.add_layer("labels", "segmentation", dtype="uint64", bounding_box=box, largest_segment_id=2**40)
    labels.add_mag(1).write(VOXELS.astype(np.uint64), allow_unaligned=True)
    mesh = tmp_path / "meshes.hdf5"
    mesh.write_bytes(b"not looked into" * 100)
    labels.as_segmentation_layer().attachments.add_mesh(mesh, name="meshes", data_format=AttachmentDataFormat.HDF5)
    return made


def voxels_of(path: Path) -> tuple[Any, Any]:
    opened = Dataset.open(path, read_only=True)
    return opened.get_layer("color").get_mag(1).read(), opened.get_layer("labels").get_mag(1).read()


def objects_of(store: ObjectStore) -> dict[str, bytes]:
    return {key: store.get_bytes(key) for key in store.keys()}  # noqa: SIM118 - a store is no dict


def test_what_comes_back_is_what_went_there_with_its_proofs(
    dataset: Dataset, store: ObjectStore, tmp_path: Path
) -> None:
    result = put_dataset(plan_store_copy(dataset.path), store)
    get_dataset(store, tmp_path / "back")

    for ours, theirs in zip(voxels_of(dataset.path), voxels_of(tmp_path / "back"), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    (mesh,) = Dataset.open(tmp_path / "back").get_segmentation_layer("labels").attachments.meshes
    assert mesh.path.read_bytes() == b"not looked into" * 100
    assert verify_dataset(tmp_path / "back", Compute(threads=1)).passed
    assert result.reused_bytes == 0
    assert not [name for name in digest(tmp_path / "back") if "partial" in name or "arriving" in name]


def test_the_second_time_nothing_is_put(dataset: Dataset, store: ObjectStore, s3: FaultProxy) -> None:
    put_dataset(plan_store_copy(dataset.path), store)
    s3.requests.clear()

    result = put_dataset(plan_store_copy(dataset.path), store)

    assert s3.puts() == 0
    assert (result.copied_bytes, result.removed) == (0, 0)


def test_other_programs_read_the_copy_where_it_lies(
    dataset: Dataset, store: ObjectStore, s3: FaultProxy, tmp_path: Path
) -> None:
    put_dataset(plan_store_copy(dataset.path), store)
    properties = json.loads(store.get_bytes(FILE_NAME))
    place = properties["dataLayers"][0]["mags"][0]["path"].removeprefix("./")

    array = tensorstore.open(
        {
            "driver": "zarr3",
            "kvstore": {
                "driver": "s3", "bucket": BUCKET, "path": f"{tmp_path.name}/{place}/", "endpoint": s3.endpoint,
                "aws_region": "us-east-1", "aws_credentials": {"type": "environment"},
            },
        }
    ).result()  # fmt: skip

    np.testing.assert_array_equal(array[:1, :64, :48, :40].read().result(), VOXELS)


def test_who_has_opened_the_old_dataset_goes_on_reading_it_until_the_new_one_is_put_again(
    dataset: Dataset, store: ObjectStore, s3: FaultProxy
) -> None:
    put_dataset(plan_store_copy(dataset.path), store)
    before = objects_of(store)
    dataset.get_layer("color").get_mag(1).write(255 - VOXELS, allow_unaligned=True)
    s3.faults.append(Fault("500", "PUT", path=FILE_NAME, times=1000))

    with pytest.raises(StorageError, match="Run again"):
        put_dataset(plan_store_copy(dataset.path), store)
    between = objects_of(store)
    s3.faults.clear()
    result = put_dataset(plan_store_copy(dataset.path), store)
    after = objects_of(store)
    settled = put_dataset(plan_store_copy(dataset.path), store)

    assert {key: between[key] for key in before} == before
    assert {key for key in before if after.get(key) != before[key]} == {FILE_NAME}
    superseded = {key for key in before if key not in {one.key for one in plan_store_copy(dataset.path).files}}
    assert (result.removed, settled.removed) == (0, len(superseded) - 1)
    assert set(objects_of(store)) == {one.key for one in plan_store_copy(dataset.path).files} | {FILE_NAME}


def test_what_others_have_put_stays(dataset: Dataset, store: ObjectStore, s3: FaultProxy) -> None:
    foreign = store._files  # what another program uses: it knows nothing of our metadata
    foreign.pipe_file(store._place("color/notes.txt"), b"theirs")

    result = put_dataset(plan_store_copy(dataset.path), store)

    assert result.removed == 0
    assert store.get_bytes("color/notes.txt") == b"theirs"


@pytest.mark.parametrize("ours", [True, False])
def test_another_dataset_in_the_folder_is_not_replaced(
    dataset: Dataset, store: ObjectStore, s3: FaultProxy, ours: bool
) -> None:
    text = plan_store_copy(dataset.path).properties.replace(b'"sent"', b'"other"')
    if ours:
        store.put_bytes(FILE_NAME, text, content="of another dataset")
    else:
        store._files.pipe_file(store._place(FILE_NAME), plan_store_copy(dataset.path).properties)

    with pytest.raises(DatasetExistsError, match="'other'" if ours else "another program"):
        put_dataset(plan_store_copy(dataset.path), store)

    assert store.keys() == [FILE_NAME]


def _put_until(path: Path, url: str, number: int) -> None:
    """Put a dataset, and die when so many objects have arrived."""
    seen = 0

    class Dying(ObjectStore):
        def put_bytes(self, key: str, data: bytes, *, content: str) -> None:
            self._die()
            super().put_bytes(key, data, content=content)

        def put_file(self, key: str, path: Path, *, content: str, crc32c: int) -> None:
            self._die()
            super().put_file(key, path, content=content, crc32c=crc32c)

        def _die(self) -> None:
            nonlocal seen
            seen += 1
            if seen > number:
                os._exit(9)

    put_dataset(plan_store_copy(path), Dying(url, QUICK), threads=1)


def test_a_killed_copy_shows_nothing_and_the_next_one_puts_what_is_missing(
    dataset: Dataset, store: ObjectStore, s3: FaultProxy, tmp_path: Path
) -> None:
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=_put_until, args=(Path(dataset.path), store.url, 4))
    child.start()
    child.join(120)
    assert child.exitcode == 9
    with pytest.raises(NotADatasetError, match="not finished"):
        get_dataset(store, tmp_path / "back")
    s3.requests.clear()

    result = put_dataset(plan_store_copy(dataset.path), store)
    get_dataset(store, tmp_path / "back")

    assert s3.puts() == result.objects - 4
    np.testing.assert_array_equal(voxels_of(tmp_path / "back")[0], VOXELS)


@pytest.mark.parametrize("seed", range(2))
def test_a_copy_through_a_bad_line_ends_with_the_same_objects(
    dataset: Dataset, store: ObjectStore, s3: FaultProxy, tmp_path: Path, seed: int
) -> None:
    undisturbed = ObjectStore(f"{store.url}-undisturbed", QUICK)
    put_dataset(plan_store_copy(dataset.path), undisturbed)
    chance = random.Random(seed)
    s3.faults += [
        Fault(chance.choice(("slowdown", "500", "cut before", "cut after", "503 page")), after=chance.randrange(12))
        for _ in range(6)
    ]

    put_dataset(plan_store_copy(dataset.path), store)
    s3.faults += [
        Fault(chance.choice(("slowdown", "500", "cut before", "truncated")), "GET", after=chance.randrange(6))
        for _ in range(4)
    ]
    get_dataset(store, tmp_path / "back")

    s3.faults.clear()
    assert objects_of(store) == objects_of(undisturbed)
    np.testing.assert_array_equal(voxels_of(tmp_path / "back")[1], VOXELS)


def test_a_copy_back_that_broke_goes_on_with_what_has_come(
    dataset: Dataset, store: ObjectStore, s3: FaultProxy, tmp_path: Path
) -> None:
    put_dataset(plan_store_copy(dataset.path), store)
    s3.faults.append(Fault("500", "GET", path="/labels/", times=1000))
    with pytest.raises(StorageError, match="Run again"):
        get_dataset(store, tmp_path / "back", threads=1)
    assert not (tmp_path / "back").exists()
    s3.faults.clear()

    result = get_dataset(store, tmp_path / "back")

    assert result.reused_bytes > 0
    np.testing.assert_array_equal(voxels_of(tmp_path / "back")[0], VOXELS)
    with pytest.raises(DatasetExistsError):
        get_dataset(store, tmp_path / "back")


def test_a_shard_that_is_lost_or_changed_in_the_store_is_named(
    dataset: Dataset, store: ObjectStore, tmp_path: Path
) -> None:
    put_dataset(plan_store_copy(dataset.path), store)
    key = next(key for key in store.keys("color") if "/c/" in key)
    data = store.get_bytes(key)
    known = store.find(key)
    assert known is not None
    store.delete(key)
    with pytest.raises(ShardMissingError, match=key.split("/", 2)[2]):
        get_dataset(store, tmp_path / "lost")

    store.put_bytes(key, bytes([data[0] ^ 1]) + data[1:], content=str(known.content))
    with pytest.raises(ShardCorruptError, match=key.split("/", 2)[2]):
        get_dataset(store, tmp_path / "changed")

    assert not (tmp_path / "lost").exists()
    assert not (tmp_path / "changed").exists()


def test_a_file_that_is_not_what_its_manifest_promises_is_not_put(dataset: Dataset, store: ObjectStore) -> None:
    array = Path(dataset.get_layer("color").get_mag(1).path)
    shard = next(path for path in sorted(array.rglob("*")) if path.is_file() and "/c/" in str(path))
    data = shard.read_bytes()
    shard.write_bytes(bytes([data[0] ^ 1]) + data[1:])

    with pytest.raises(ShardCorruptError, match="verify --repair"):
        put_dataset(plan_store_copy(dataset.path), store)

    assert store.find(FILE_NAME) is None


def test_metadata_in_the_store_that_leads_outside_is_refused(
    dataset: Dataset, store: ObjectStore, tmp_path: Path
) -> None:
    put_dataset(plan_store_copy(dataset.path), store)
    text = store.get_bytes(FILE_NAME).decode().replace('"./color/', '"./../../color/')
    store.put_bytes(FILE_NAME, text.encode(), content="hostile")

    with pytest.raises(PropertiesError, match="outside"):
        get_dataset(store, tmp_path / "back")
