"""The steps of a dataset on real files: any subset of mags, staleness, checks that stop, one key per content."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import tifffile

from tests.assets.facility_home import SIZE_ZYX, fill_inbox, nuclei, registered
from tests.assets.runs import (
    DATASET,
    EVERYTHING,
    LABELS,
    NUCLEI,
    failure,
    layer_keys,
    made,
    mag,
    metadata,
    register,
    run,
    stale,
    tree,
)
from tests.operations.layer_on_disk import pyramid
from wk_assets.assets.keys import LayerAsset, op_name
from wk_assets.operations.records.layer_record import read_layer_record
from wk_assets.storage.sharded_array import ShardedArray
from wk_assets.storage.stored_array import StoredArray


def test_a_dataset_is_made_from_an_acquisition_in_one_run(home: Path, instance: dg.DagsterInstance) -> None:
    result = run(instance, EVERYTHING)

    assert result.success
    assert set(made(result)) == {key.to_user_string() for key in EVERYTHING}
    assert all(evaluation.passed for evaluation in result.get_asset_check_evaluations())
    assert len({evaluation.check_name for evaluation in result.get_asset_check_evaluations()}) >= 6
    properties = json.loads((home / "datasets" / "brain-7" / "datasource-properties.json").read_text())
    assert [layer["name"] for layer in properties["dataLayers"]] == ["nuclei", "labels"]
    assert [one["mag"] for one in properties["dataLayers"][0]["mags"]] == [[1, 1, 1], [2, 2, 1], [4, 4, 2]]


def test_one_mag_alone_is_made_and_nothing_else(home: Path, instance: dg.DagsterInstance) -> None:
    run(instance, [mag("1")])

    result = run(instance, [mag("2-2-1")])

    assert made(result) == ["datasets/brain-7/nuclei/2-2-1"]
    assert sorted(path.name for path in (home / "datasets" / "brain-7" / "nuclei").iterdir()) == ["1", "2-2-1"]
    assert not (home / "datasets" / "brain-7" / "datasource-properties.json").exists()


def test_a_subset_of_mags_ends_with_the_same_bytes_as_all_at_once(
    home: Path, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    run(instance, EVERYTHING)
    at_once = tree(home / "datasets" / "brain-7")
    (home / "datasets").rename(home / "datasets-before")

    for keys in ([mag("1")], [mag("2-2-1"), mag("4-4-2")], [NUCLEI], layer_keys(LABELS), [DATASET]):
        assert run(instance, keys).success

    assert tree(home / "datasets" / "brain-7") == at_once


def test_a_region_of_the_run_configuration_redoes_only_the_shards_above(
    home: Path, instance: dg.DagsterInstance
) -> None:
    assert run(instance, EVERYTHING).success
    dataset = home / "datasets" / "brain-7"
    array = ShardedArray.open(dataset / "nuclei" / "1")
    box = array.info.box.with_topleft_xyz((3, 4, 1)).with_size_xyz((5, 5, 2))
    array.write_box(box, np.full(tuple(box.size), 77, array.info.voxel_type))
    coarser = [mag("2-2-1"), mag("4-4-2")]
    step = op_name(LayerAsset("brain-7", "nuclei"))

    def region(box: str) -> dict[str, Any]:
        return {"ops": {step: {"config": {"region": box}}}}

    refused = run(instance, [mag("1"), *coarser], region("3,4,1,5,5,2"))
    result = run(instance, coarser, region("3,4,1,5,5,2"))

    assert "select coarser mags alone" in failure(refused)
    assert result.success
    assert [metadata(result, key)["reused"] for key in coarser] == [False, False]
    record = read_layer_record(dataset, "nuclei")
    assert record is not None
    voxels = array.read_box(array.info.box)[..., : record.box.size.x, : record.box.size.y, : record.box.size.z]
    expected = pyramid(voxels, ("1", "2-2-1", "4-4-2"), record.mode)
    for stored in record.mags[1:]:
        made_anew = StoredArray.open(dataset / stored.path).read(stored.box_in_mag.to_box())
        np.testing.assert_array_equal(made_anew, expected[stored.mag])


def test_a_mag_whose_parent_is_not_stored_says_what_to_make_first(home: Path, instance: dg.DagsterInstance) -> None:
    result = run(instance, [mag("2-2-1")])

    assert not result.success
    assert "make mag 1 first" in failure(result)


def test_a_second_run_writes_nothing_and_leaves_everything_fresh(home: Path, instance: dg.DagsterInstance) -> None:
    run(instance, EVERYTHING)
    before = tree(home / "datasets" / "brain-7")

    result = run(instance, EVERYTHING)

    assert metadata(result, mag("1"))["reused"] is True
    assert "MB/s" not in metadata(result, mag("1"))
    assert tree(home / "datasets" / "brain-7") == before
    assert stale(instance) == set()


def test_a_changed_acquisition_makes_its_imports_stale_and_one_run_brings_everything_up_to_date(
    home: Path, instance: dg.DagsterInstance
) -> None:
    register(instance, "brain-7")
    run(instance, EVERYTHING)
    assert stale(instance) == set()

    fill_inbox(home, "brain-7", seed=3)
    register(instance, "brain-7")
    imports = stale(instance)
    result = run(instance, EVERYTHING)

    assert imports == {"datasets/brain-7/nuclei/1", "datasets/brain-7/labels/1"}
    assert result.success
    assert stale(instance) == set()


def test_a_finest_mag_that_was_imported_again_makes_stale_what_is_made_from_it_and_no_other_layer(
    home: Path, instance: dg.DagsterInstance
) -> None:
    run(instance, EVERYTHING)
    tifffile.imwrite(home / "inbox" / "brain-7" / "nuclei_z004.tif", nuclei(5)[4])
    registered(home / "wk_assets.yaml", "brain-7")

    run(instance, [mag("1")])

    assert stale(instance) == {
        "datasets/brain-7",
        "datasets/brain-7/nuclei",
        "datasets/brain-7/nuclei/2-2-1",
        "datasets/brain-7/nuclei/4-4-2",
    }
    assert run(instance, [mag("2-2-1"), mag("4-4-2"), NUCLEI, DATASET]).success
    assert stale(instance) == set()


def test_the_same_content_has_the_same_data_version_in_another_home(home: Path, instance: dg.DagsterInstance) -> None:
    first = run(instance, layer_keys(NUCLEI))
    (home / "datasets").rename(home / "datasets-before")

    second = run(instance, layer_keys(NUCLEI))

    def versions(result: dg.ExecuteInProcessResult) -> dict[str, str]:
        events = [event.materialization for event in result.get_asset_materialization_events()]
        return {one.asset_key.to_user_string(): (one.tags or {})["dagster/data_version"] for one in events}

    assert versions(first) == versions(second)
    assert len(set(versions(first).values())) == 4


def damage(home: Path) -> None:
    """Lose a shard, as a disk or a person does."""
    shard = next(
        path for path in sorted((home / "datasets" / "brain-7" / "nuclei" / "2-2-1" / "c").rglob("*")) if path.is_file()
    )
    shard.unlink()


def test_a_failing_error_check_stops_the_dataset_within_the_run(home: Path, instance: dg.DagsterInstance) -> None:
    run(instance, layer_keys(NUCLEI) + layer_keys(LABELS))
    damage(home)

    result = run(instance, [NUCLEI, DATASET])

    assert not result.success
    assert "datasets/brain-7" not in made(result)
    assert "datasets/brain-7/nuclei" in made(result)
    failed = [one for one in result.get_asset_check_evaluations() if not one.passed]
    assert failed
    assert all(one.severity is dg.AssetCheckSeverity.ERROR for one in failed)
    assert not (home / "datasets" / "brain-7" / "datasource-properties.json").exists()


def test_a_dataset_whose_layer_fails_a_check_can_not_be_committed_alone_either(
    home: Path, instance: dg.DagsterInstance
) -> None:
    """Dagster's blocking checks hold within one run: a click on the dataset alone went around them."""
    run(instance, layer_keys(NUCLEI) + layer_keys(LABELS))
    damage(home)

    result = run(instance, [DATASET])

    assert not result.success
    assert failure(result).startswith("Not published, because checks fail:\nnuclei: ")
    run_record = instance.get_run_by_id(result.run_id)
    assert run_record is not None
    assert run_record.tags["dagster/retry_on_asset_or_op_failure"] == "false"


def test_a_warning_is_shown_and_stops_nothing(home: Path, instance: dg.DagsterInstance) -> None:
    fill_inbox(home, "dark-one", dark=(5,))
    registered(home / "wk_assets.yaml", "dark-one")
    everything = [dg.AssetKey([*key.path[:1], "dark-one", *key.path[2:]]) for key in EVERYTHING]

    result = run(instance, everything)

    assert result.success
    (dark,) = [
        one for one in result.get_asset_check_evaluations() if not one.passed and one.check_name == "dark_slices"
    ]
    assert dark.severity is dg.AssetCheckSeverity.WARN
    assert "5" in (dark.description or "")


def test_the_checks_of_a_layer_run_without_making_it(home: Path, instance: dg.DagsterInstance) -> None:
    run(instance, layer_keys(NUCLEI))
    from wk_assets.definitions import defs

    check = dg.AssetCheckKey(NUCLEI, "mags_agree")
    job = (
        defs().resolve_implicit_global_asset_job_def().get_subset(asset_selection=set(), asset_check_selection={check})
    )
    result = job.execute_in_process(instance=instance)

    assert made(result) == []
    assert [one.check_name for one in result.get_asset_check_evaluations()] == ["mags_agree"]


def test_a_corrupt_slice_fails_the_step_with_its_file_name_and_shows_nothing(
    home: Path, instance: dg.DagsterInstance
) -> None:
    slice_file = home / "inbox" / "brain-7" / "nuclei_z007.tif"
    tifffile.imwrite(slice_file, nuclei()[7], compression="zlib")
    whole = bytearray(slice_file.read_bytes())
    whole[len(whole) // 2 :] = bytes(len(whole) - len(whole) // 2)
    slice_file.write_bytes(whole)
    registered(home / "wk_assets.yaml", "brain-7")

    result = run(instance, EVERYTHING)

    assert not result.success
    assert "nuclei_z007.tif" in failure(result)
    assert not (home / "datasets" / "brain-7" / "nuclei").exists()
    assert not (home / "datasets" / "brain-7" / "datasource-properties.json").exists()


def test_what_is_stored_is_what_the_microscope_wrote(home: Path, instance: dg.DagsterInstance) -> None:
    from wk_assets.geometry.bounding_box import BoundingBox
    from wk_assets.storage.stored_array import StoredArray

    run(instance, [mag("1")])

    depth, height, width = SIZE_ZYX
    array = StoredArray.open(home / "datasets" / "brain-7" / "nuclei" / "1")
    voxels = array.read(BoundingBox((0, 0, 0), (width, height, depth)))
    assert np.array_equal(voxels[0].transpose(2, 1, 0), nuclei())
