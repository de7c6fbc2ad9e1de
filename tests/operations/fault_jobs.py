"""Two jobs that are short enough to be disturbed hundreds of times, and what must hold whenever somebody looks."""

from dataclasses import replace
from pathlib import Path

from tests.operations import crash_lab
from wk_assets.operations.checks.verify import verify_dataset
from wk_assets.operations.compute import Compute
from wk_assets.operations.datasets.commit_dataset import DatasetRequest, commit_dataset
from wk_assets.operations.layers.layer_plan import is_whole, plan_layer
from wk_assets.operations.layers.rewrite_layer import plan_rewrite
from wk_assets.operations.layers.run_layer import run_layer
from wk_assets.operations.records.layer_record import BOOKKEEPING, read_layer_record
from wk_assets.operations.records.layer_request import ArraySettings
from wk_assets.properties.dataset_properties import FILE_NAME
from wk_assets.storage.array_layout import Layout
from wk_assets.storage.journal import Journal
from wk_assets.storage.manifest import MANIFEST_NAME, Manifest
from wk_assets.storage.shard import checksum_of

DEPTH = 24
MAGS = ("1", "2", "4")
CHECKPOINT_BYTES = 1 << 14
SLAB_BYTES = 48 * 40 * 8 * 2  # of the finest mag, and what follows from it
ONE_THREAD = Compute(threads=1)  # of each kind: then the n-th call is the same one in every run


def import_slices(source: Path, target: Path) -> None:
    """Import and commit, on one thread of each kind."""
    request = crash_lab.request_of(source, target)
    run_layer(plan_layer(request, ONE_THREAD), ONE_THREAD, checkpoint_bytes=CHECKPOINT_BYTES)
    _commit(target)


def rewrite(target: Path) -> None:
    """Store a committed layer once more, better compressed, as `wk-assets compress` does."""
    record = read_layer_record(target, "color")
    if record is None:
        raise RuntimeError(f"{target} was not prepared")
    settings = replace(crash_lab.request_of(target, target).array, zstd_level=7)
    run_layer(plan_rewrite(target, "color", ONE_THREAD, array=settings), ONE_THREAD, checkpoint_bytes=CHECKPOINT_BYTES)
    _commit(target)


def copy(source: Path, target: Path) -> None:
    """Copy a dataset, shard by shard, as `wk-assets copy-dataset` does."""
    run_layer(plan_rewrite(source, "color", ONE_THREAD, target_path=target), ONE_THREAD)
    _commit(target)


def _commit(target: Path) -> None:
    settings: ArraySettings = crash_lab.request_of(target, target).array
    commit_dataset(
        DatasetRequest(
            dataset_path=target,
            name="crash",
            voxel_size=crash_lab.request_of(target, target).voxel_size,
            layer_names=("color",),
            layout=Layout(settings.layout),
        )
    )


def assert_nothing_is_half_visible(target: Path) -> None:
    """Check what a reader may find at any moment: a dataset that is whole, or none; a ledger that names whole arrays."""
    if (target / FILE_NAME).exists():
        report = verify_dataset(target, ONE_THREAD)
        assert report.passed, report.findings
    record = read_layer_record(target, "color")
    for mag in record.mags if record else ():
        assert is_whole(target / mag.path, mag.key, read_checksums=True), f"{mag.path} is named, but not whole"
    for manifest in target.glob(f"color/*/{MANIFEST_NAME}"):
        for shard in Manifest.load(manifest.parent).shards:
            assert checksum_of(manifest.parent / shard.key) == (shard.size_bytes, shard.crc32c)
    unknown = [
        path.name
        for path in (target / "color").glob("*")
        if path.name != "zarr.json" and ".partial" not in path.name and not (path / MANIFEST_NAME).exists()
    ]
    assert not unknown, "an array without its promise stands among the published ones"


def checkpointed_shards(target: Path) -> dict[tuple[str, str], int]:
    """Give the inode of each shard that a journal says is finished, by its mag and key; wherever it lies by now."""
    found: dict[tuple[str, str], int] = {}
    for path in (target / BOOKKEEPING / "staging").glob("*/*/journal.jsonl"):
        first = MAGS.index(path.parent.name.split("_")[0])
        for record in Journal(path).records():
            for number, key, _, _ in record.get("finished", ()):
                shard = path.parent / MAGS[first + number] / key
                if shard.exists():
                    found[MAGS[first + number], key] = shard.stat().st_ino
    return found


def published_shards(target: Path) -> dict[tuple[str, str], int]:
    """Give the inode of each published shard, by its mag and key."""
    record = read_layer_record(target, "color")
    return {
        (mag.mag, shard.key): (target / mag.path / shard.key).stat().st_ino
        for mag in (record.mags if record else ())
        for shard in Manifest.load(target / mag.path).shards
    }


def bytes_beyond_the_checkpoint(target: Path) -> int:
    """Give how many encoded bytes lie in staging that no journal answers for: what the next run makes again."""
    lost = 0
    for array in (target / BOOKKEEPING / "staging").glob("*/*/c"):
        journal = array.parents[1] / "journal.jsonl"
        if not (array.parents[1] / "result.json").exists() and journal.parent.is_dir():
            number = MAGS.index(array.parent.name) - MAGS.index(journal.parent.name.split("_")[0])
            records = Journal(journal).records()
            stored = sum(path.stat().st_size for path in array.rglob("*") if path.is_file())
            sizes = [(row[0], sum(row[3])) for record in records for row in record["appended"]]
            lost += stored - sum(size for level, size in sizes if level == number)
    return lost
