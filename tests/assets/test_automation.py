"""What is made without anybody asking: what is missing, what changed below, and nothing twice."""

from pathlib import Path

import dagster as dg

from sensors.automation import automation
from tests.assets.facility_home import fill_inbox
from tests.assets.runs import DATASET, EVERYTHING, LABELS, NUCLEI, layer_keys, mag, register, run
from wk_assets.definitions import defs


class Watch:
    """The automation sensor between its ticks."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._cursor: dg.AssetDaemonCursor | None = None

    def tick(self) -> set[dg.AssetKey]:
        result = dg.evaluate_automation_conditions(
            defs=defs(), instance=self._instance, asset_selection=automation.asset_selection, cursor=self._cursor
        )
        self._cursor = result.cursor
        return {
            key
            for key in (entry.key for entry in result.results if entry.true_subset.size)
            if isinstance(key, dg.AssetKey)
        }


def test_a_new_dataset_is_requested_whole_and_once(home: Path, instance: dg.DagsterInstance) -> None:
    register(instance, "brain-7")
    watch = Watch(instance)

    requested = watch.tick()
    run(instance, requested)

    assert requested == set(EVERYTHING)
    assert [watch.tick() for _ in range(3)] == [set(), set(), set()]


def test_an_acquisition_that_nobody_reported_holds_nothing_up(home: Path, instance: dg.DagsterInstance) -> None:
    """Registered by the command line, for instance: the entry is there, the event is not."""
    assert Watch(instance).tick() == set(EVERYTHING)


def test_a_changed_acquisition_is_followed_to_the_dataset(home: Path, instance: dg.DagsterInstance) -> None:
    register(instance, "brain-7")
    watch = Watch(instance)
    run(instance, watch.tick())
    watch.tick()

    fill_inbox(home, "brain-7", seed=2)
    register(instance, "brain-7")

    assert watch.tick() == set(EVERYTHING)


def test_a_mag_that_was_made_by_hand_is_followed_in_its_layer_alone(home: Path, instance: dg.DagsterInstance) -> None:
    watch = Watch(instance)
    run(instance, watch.tick())
    watch.tick()

    run(instance, [mag("1")])

    assert watch.tick() == {mag("2-2-1"), mag("4-4-2"), NUCLEI, DATASET}


def test_a_dataset_whose_check_fails_is_not_requested_for_ever(home: Path, instance: dg.DagsterInstance) -> None:
    watch = Watch(instance)
    run(instance, layer_keys(NUCLEI) + layer_keys(LABELS))
    shards = home / "datasets" / "brain-7" / "nuclei" / "2-2-1" / "c"
    next(path for path in sorted(shards.rglob("*")) if path.is_file()).unlink()

    first = watch.tick()
    assert not run(instance, first).success

    assert first == {DATASET}
    assert [watch.tick() for _ in range(3)] == [set(), set(), set()]


def test_nothing_but_datasets_is_requested(home: Path, instance: dg.DagsterInstance) -> None:
    assert {key.path[0] for key in Watch(instance).tick()} == {"datasets"}
