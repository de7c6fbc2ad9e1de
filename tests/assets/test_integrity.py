"""The check of stored bytes: every dataset its own answer, damage named, and repaired by materializing it."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tests.assets.facility_home import fill_inbox, registered
from tests.assets.runs import DATASET, EVERYTHING, QUIET, mag, metadata, run, tree
from wk_assets.assets.integrity import CHECK, IntegrityConfig
from wk_assets.definitions import defs


def key(dataset: str) -> dg.AssetKey:
    return dg.AssetKey(["datasets", dataset])


def verify(instance: dg.DagsterInstance, *datasets: str, subset: str = "1/1") -> dict[str, dg.AssetCheckEvaluation]:
    """Run the check of some datasets alone, as the UI does."""
    checks = [dg.AssetCheckKey(key(dataset), CHECK) for dataset in datasets]
    job = defs().resolve_implicit_global_asset_job_def()
    ops = {
        check.op.name: {"config": IntegrityConfig(read_data_subset=subset).model_dump()}
        for check in defs().asset_checks or ()
        if isinstance(check, dg.AssetChecksDefinition) and {*check.check_keys} & {*checks}
    }
    selected = job.get_subset(asset_selection=set(), asset_check_selection=set(checks))
    result = selected.execute_in_process(instance=instance, run_config={"ops": ops, **QUIET})
    assert result.success
    return {one.asset_key.path[-1]: one for one in result.get_asset_check_evaluations()}


def numbers(evaluation: dg.AssetCheckEvaluation) -> dict[str, Any]:
    return {name: value.value for name, value in evaluation.metadata.items()}


def shard_of(home: Path, layer: str, name: str) -> Path:
    return next(
        path for path in sorted((home / "datasets" / "brain-7" / layer / name / "c").rglob("*")) if path.is_file()
    )


def flip_a_bit(shard: Path) -> None:
    stored = bytearray(shard.read_bytes())
    stored[len(stored) // 2] ^= 8
    shard.write_bytes(stored)


def test_unchanged_shards_pass_with_what_was_read(home: Path, instance: dg.DagsterInstance) -> None:
    run(instance, EVERYTHING)

    whole = verify(instance, "brain-7")["brain-7"]
    parts = [verify(instance, "brain-7", subset=f"{n}/3")["brain-7"] for n in (1, 2, 3)]

    assert whole.passed
    assert not whole.blocking
    assert numbers(whole)["shards_read"] == numbers(whole)["shards"] > 0
    assert sum(numbers(part)["bytes_read"] for part in parts) == numbers(whole)["bytes_read"]
    assert numbers(parts[1])["read_data_subset"] == "2/3"


def test_a_flipped_bit_is_named_and_materializing_the_mag_repairs_it(home: Path, instance: dg.DagsterInstance) -> None:
    run(instance, EVERYTHING)
    whole = tree(home / "datasets" / "brain-7")
    shard = shard_of(home, "nuclei", "2-2-1")
    flip_a_bit(shard)

    damaged = verify(instance, "brain-7")["brain-7"]
    repair = run(instance, [mag("2-2-1")])
    after = verify(instance, "brain-7")["brain-7"]

    assert not damaged.passed
    assert damaged.severity is dg.AssetCheckSeverity.ERROR
    assert str(shard.relative_to(home / "datasets" / "brain-7")) in (damaged.description or "")
    assert numbers(damaged)["damaged_assets"] == "datasets/brain-7/nuclei/2-2-1"
    assert metadata(repair, mag("2-2-1"))["reused"] is False
    assert after.passed
    assert tree(home / "datasets" / "brain-7") == whole


def test_the_finest_mag_is_repaired_from_its_source(home: Path, instance: dg.DagsterInstance) -> None:
    run(instance, EVERYTHING)
    whole = tree(home / "datasets" / "brain-7")
    flip_a_bit(shard_of(home, "nuclei", "1"))

    assert run(instance, [mag("1")]).success

    assert tree(home / "datasets" / "brain-7") == whole


def test_whole_mags_are_not_made_again(home: Path, instance: dg.DagsterInstance) -> None:
    run(instance, EVERYTHING)

    assert metadata(run(instance, [mag("2-2-1")]), mag("2-2-1"))["reused"] is True


def test_what_was_never_made_is_skipped_and_what_vanished_is_damage(home: Path, instance: dg.DagsterInstance) -> None:
    assert verify(instance, "brain-7") == {}

    run(instance, EVERYTHING)
    (home / "datasets").rename(home / "elsewhere")

    lost = verify(instance, "brain-7")["brain-7"]
    assert not lost.passed
    assert "holds no committed dataset" in (lost.description or "")


def test_each_dataset_has_its_own_answer_also_where_names_nearly_agree(
    home: Path, instance: dg.DagsterInstance
) -> None:
    """Dagster's outputs can not tell 'brain-7' from 'brain_7'."""
    fill_inbox(home, "brain_7", seed=3)
    fill_inbox(home, "other", seed=4)
    for name in ("brain_7", "other"):
        registered(home / "wk_assets.yaml", name)
    for name in ("brain-7", "brain_7", "other"):
        assert run(instance, [dg.AssetKey(["datasets", name, *one.path[2:]]) for one in EVERYTHING]).success
    flip_a_bit(shard_of(home, "labels", "1"))

    answers = verify(instance, "brain-7", "brain_7", "other")
    alone = verify(instance, "other")

    assert {name: one.passed for name, one in answers.items()} == {"brain-7": False, "brain_7": True, "other": True}
    assert set(alone) == {"other"}


def test_a_part_that_there_is_not_fails_the_run(home: Path, instance: dg.DagsterInstance) -> None:
    run(instance, EVERYTHING)

    with pytest.raises(ValueError, match="1/10"):
        verify(instance, "brain-7", subset="8/7")


def test_a_dataset_made_by_hand_is_verified_in_the_same_run(home: Path, instance: dg.DagsterInstance) -> None:
    """Materialize all in the UI takes the checks along."""
    job = defs().resolve_implicit_global_asset_job_def()
    checks = {dg.AssetCheckKey(DATASET, CHECK)}
    selected = job.get_subset(asset_selection=set(EVERYTHING), asset_check_selection=checks)

    result = selected.execute_in_process(instance=instance, run_config=QUIET)

    assert [one.passed for one in result.get_asset_check_evaluations() if one.check_name == CHECK] == [True]
