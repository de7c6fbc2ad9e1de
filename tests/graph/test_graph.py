"""The graph of an example catalogue, as text: a change of keys, dependencies, checks or sensors shows in review.

After a wanted change: UPDATE_SNAPSHOTS=1 pytest tests/graph
"""

import importlib
import os
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

import wk_assets.assets
from tests.assets.facility_home import make_home
from wk_assets.assets.graph import asset_graph
from wk_assets.definitions import defs
from wk_assets.facility.catalogue import Catalogue
from wk_assets.facility.catalogue_entry import CatalogueEntry, EntryStatus

SNAPSHOT = Path(__file__).with_name("example_graph.txt")
UPDATE = "UPDATE_SNAPSHOTS"


def entry(
    dataset: str, *layers: tuple[str, str, tuple[str, ...]], status: EntryStatus = EntryStatus.ACTIVE
) -> CatalogueEntry:
    return CatalogueEntry.model_validate(
        {
            "dataset": dataset,
            "instrument": "lightsheet",
            "acquisition": dataset,
            "folder": f"inbox/{dataset}",
            "signature": "s1",
            "status": status,
            "voxel_size": {
                "x": 260,
                "y": 260,
                "z": 290,
                "unit": "nanometer",
                "source": "instrument setting 'voxel_size'",
            },
            "layers": [
                {
                    "name": name,
                    "category": category,
                    "channels": 1,
                    "dtype": "uint16",
                    "size": (512, 512, 60),
                    "mags": mags,
                    "mode": "median" if category == "color" else "mode",
                    "files": 60,
                    "source_bytes": 31457280,
                    "signature": name,
                }
                for name, category, mags in layers
            ],
        }
    )


EXAMPLE = (
    entry("brain-7", ("nuclei", "color", ("1", "2-2-1", "4-4-2")), ("labels", "segmentation", ("1", "2-2-1"))),
    entry("brain_7", ("nuclei", "color", ("1",))),
    entry("archived", ("nuclei", "color", ("1",)), status=EntryStatus.ARCHIVED),
)


@pytest.fixture
def definitions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dg.Definitions:
    monkeypatch.setenv("WK_ASSETS_CONFIG", str(make_home(tmp_path)))
    for one in EXAMPLE:
        Catalogue(tmp_path / "catalogue").put(one)
    return defs()


def described(definitions: dg.Definitions) -> Iterator[str]:
    graph = definitions.resolve_asset_graph()
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        pools = ", ".join(sorted(node.pools or ()))
        made = "external" if node.is_external else f"op {definitions.resolve_assets_def(key).op.name}, pools {pools}"
        automation = node.automation_condition.get_label() if node.automation_condition else "none"
        yield f"asset {key.to_user_string()}"
        yield f"    group {node.group_name}; kinds {', '.join(sorted(node.kinds))}; {made}"
        yield f"    automation {automation}; code version {node.code_version}"
        yield from (f"    from {parent.to_user_string()}" for parent in sorted(node.parent_keys))
        for check in sorted(node.check_keys):
            yield f"    check {check.name}{' (blocking)' if graph.get(check).blocking else ''}"
        yield f"    “{node.description}”"
    for sensor in sorted(definitions.sensors or (), key=lambda one: one.name):
        target = getattr(sensor, "asset_selection", None) or [str(one.job_name) for one in sensor.targets]
        interval = sensor.minimum_interval_seconds
        yield f"sensor {sensor.name}: every {interval} s, {sensor.default_status.value}, target {target}"
    for schedule in sorted(definitions.get_repository_def().schedule_defs, key=lambda one: one.name):
        yield f"schedule {schedule.name}: {schedule.cron_schedule}, {schedule.default_status.value}"
    yield f"resources: {', '.join(sorted(definitions.resources or ()))}"


def test_the_graph_is_the_one_that_was_reviewed(definitions: dg.Definitions) -> None:
    text = "\n".join(described(definitions)) + "\n"
    if os.environ.get(UPDATE):
        SNAPSHOT.write_text(text)

    assert text == SNAPSHOT.read_text()


def test_every_module_of_assets_contributes() -> None:
    """A folder of assets that no definitions load, and that no test misses, was seen in another platform."""
    loaded = {module.name for module in pkgutil.iter_modules(wk_assets.assets.__path__)}
    graph = importlib.import_module("wk_assets.assets.graph")
    reached = {"graph"}
    waiting = [graph]
    while waiting:
        module = waiting.pop()
        for value in vars(module).values():
            owner = getattr(value, "__module__", None) or ""
            short = owner.removeprefix("wk_assets.assets.")
            if owner.startswith("wk_assets.assets.") and short not in reached:
                reached.add(short)
                waiting.append(importlib.import_module(owner))

    # The assets of the catalogue and the progress are values of Dagster's own class: their modules are reached through
    # their functions.
    # Checks are no assets: the definitions take them beside the graph (see the snapshot).
    assert loaded - reached <= {"catalogue", "integrity", "work_progress"}
    assert asset_graph(())


def test_an_archived_dataset_has_no_assets(definitions: dg.Definitions) -> None:
    assert not [key for key in definitions.resolve_asset_graph().get_all_asset_keys() if "archived" in key.path]


def test_dagster_accepts_the_definitions(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_sensors_have_narrow_targets(definitions: dg.Definitions) -> None:
    """A sensor that targets everything made each load and launch five to ten times slower."""
    for sensor in definitions.sensors or ():
        selection = getattr(sensor, "asset_selection", None)
        assert selection != dg.AssetSelection.all()
    jobs = [job for job in definitions.get_repository_def().get_all_jobs() if job.name != "__ASSET_JOB"]
    steps = {job.name: len(job.graph.node_defs) for job in jobs}
    # One step verifies all datasets; brain-7 and brain_7 are one name to Dagster's outputs, so they need two.
    assert steps.pop("__anonymous_asset_job_nightly_integrity") == 2
    assert set(steps.values()) == {1}
