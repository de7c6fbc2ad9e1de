"""What would go wrong later is found now, and nothing is left behind."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from wk_assets.facility import preflight
from wk_assets.facility.catalogue import Catalogue
from wk_assets.facility.configuration import Configuration, parse_configuration
from wk_assets.facility.file_systems import file_system_type, mounts, on_network
from wk_assets.facility.preflight import Finding, Severity, examine, version_findings

Configured = Callable[..., Configuration]
Fill = Callable[[str, Mapping[str, bytes | str]], Path]


def errors(configuration: Configuration, **environment: str) -> dict[str, Finding]:
    found = examine(configuration, environment)
    return {finding.where: finding for finding in found if finding.severity is Severity.ERROR}


def test_a_facility_that_is_ready_has_no_errors(configured: Configured, fill: Fill) -> None:
    fill("run", {"nuclei_z1.tif": "1", "labels_z1.tif": "1"})

    assert errors(configured()) == {}


def test_looking_leaves_nothing_behind(configured: Configured, home: Path) -> None:
    configuration = configured()
    before = sorted(home.rglob("*"))

    examine(configuration)
    configuration.storage_root.mkdir()
    examine(configuration)

    assert sorted(home.rglob("*")) == sorted([*before, configuration.storage_root])


def test_a_missing_watch_folder_is_found(configured: Configured) -> None:
    found = errors(configured(watch="nowhere"))["instruments.0.watch"]

    assert "nowhere can not be listed" in found.what
    assert "Create it" in found.remedy


def test_a_storage_root_that_is_a_file_is_found(settings: dict[str, Any], home: Path) -> None:
    (home / "taken").write_text("a file")
    settings["storage"]["root"] = "taken/datasets"

    assert "taken is a file" in errors(parse_configuration(settings, home))["storage.root"].what


def test_a_storage_root_that_can_not_be_written_is_found(settings: dict[str, Any], home: Path) -> None:
    settings["storage"]["root"] = "/proc/wk-assets"

    found = errors(parse_configuration(settings, home))["storage.root"]

    assert "/proc" in found.what
    assert found.remedy


def test_too_little_free_disk_is_found_with_numbers(settings: dict[str, Any], home: Path) -> None:
    settings["storage"]["minimum_free"] = "900 PiB"

    found = errors(parse_configuration(settings, home))["storage.minimum_free"]

    assert "900.0 PiB must stay free" in found.what


def test_too_much_memory_is_found(settings: dict[str, Any], home: Path) -> None:
    settings["compute"]["memory"] = "900 TiB"

    assert "more than this machine has" in errors(parse_configuration(settings, home))["compute.memory"].what


def test_a_missing_token_is_found_only_where_one_is_needed(settings: dict[str, Any], home: Path) -> None:
    settings["webknossos"] = {"url": "https://wk.example.org"}
    configuration = parse_configuration(settings, home)

    assert "WK_TOKEN is not set" in errors(configuration)["webknossos.url"].what
    assert errors(configuration, WK_TOKEN="anything") == {}  # noqa: S106  # no secret


def test_a_pattern_that_matches_nothing_in_any_acquisition_is_found(configured: Configured, fill: Fill) -> None:
    configuration = configured()
    assert errors(configuration) == {}  # an empty inbox tells nothing

    fill("run1", {"nuclei_z1.tif": "1"})
    fill("run2", {"Labels.tif": "1"})

    found = errors(configuration)
    assert list(found) == ["instruments.0.layers.1.files"]
    assert "'labels_z*.tif' matches none of the 2 files" in found["instruments.0.layers.1.files"].what


def test_files_of_two_layers_are_found(configured: Configured, fill: Fill) -> None:
    fill("run1", {"x.tif": "1"})
    configuration = configured(layers=[{"name": "a", "files": "*.tif"}, {"name": "b", "files": "x*"}])

    assert "run1: 'x.tif' belongs to the layers 'a' and 'b'" in errors(configuration)["instruments.0.layers"].what


def test_a_broken_entry_of_the_catalogue_is_found(configured: Configured) -> None:
    configuration = configured()
    Catalogue(configuration.catalogue_folder).folder.mkdir()
    broken = configuration.catalogue_folder / "run.json"
    broken.write_text("{")

    assert "EOF" in errors(configuration)[str(broken)].what


def test_a_home_that_everybody_may_write_is_told(configured: Configured, home: Path) -> None:
    configuration = configured()
    home.chmod(0o777)

    warnings = [finding for finding in examine(configuration, {}) if finding.where == str(home)]

    assert [finding.severity for finding in warnings] == [Severity.WARNING]
    assert "chmod o-w" in warnings[0].remedy


def test_a_home_on_a_network_share_is_refused(
    configured: Configured, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "mounts", lambda: {Path("/"): "ext4", home: "nfs4"})

    found = examine(configured(), {})

    severities = {finding.where: finding.severity for finding in found if "network share" in finding.what}
    assert severities == {"storage.root": Severity.WARNING, str(home / "dagster"): Severity.ERROR}


@pytest.mark.parametrize(
    ("path", "share"),
    [("/data/share/x", "cifs"), ("/data/shared", None), ("/data/share/fast/x", None), ("/", None), ("/net/a", "nfs4")],
)
def test_the_innermost_mount_says_what_a_path_lies_on(path: str, share: str | None) -> None:
    table = {Path("/"): "ext4", Path("/data/share"): "cifs", Path("/data/share/fast"): "xfs", Path("/net"): "nfs4"}

    assert on_network(Path(path), table) == share


def test_this_machine_knows_its_own_mounts() -> None:
    assert file_system_type(Path("/proc/self"), mounts()) == "proc"


@pytest.mark.parametrize(
    ("zarr", "expat", "found"),
    [
        ("3.1.3", (2, 6, 0), []),
        ("3.2.0", (3, 0, 0), []),
        ("4.0", (2, 7, 1), []),
        ("3.1.2", (2, 6, 0), [Severity.ERROR]),
        ("2.18.7", (2, 5, 0), [Severity.ERROR, Severity.WARNING]),
    ],
)
def test_versions_that_lose_data_are_errors(zarr: str, expat: tuple[int, ...], found: list[Severity]) -> None:
    assert [finding.severity for finding in version_findings(zarr, expat)] == found
