"""`webknossos:` and `publish:` in wk_assets.yaml: what holds for which dataset, and mistakes with their place and remedy."""

from pathlib import Path
from typing import Any

import pytest

from tests.facility.test_configuration import mistakes_of
from wk_assets.facility.configuration import parse_configuration
from wk_assets.facility.preflight import Severity, examine
from wk_assets.facility.publishing_settings import PublishSettings

Settings = dict[str, Any]
SERVER = {"url": "https://wk.example.org"}


def publish(settings: Settings, home: Path, publish: Any) -> PublishSettings:
    settings["instruments"][0]["publish"] = publish
    return parse_configuration(settings, home).instruments["lightsheet"].publish


def test_nothing_is_published_unless_it_is_said(settings: Settings, home: Path) -> None:
    configuration = parse_configuration(settings, home)

    assert not configuration.instruments["lightsheet"].publish.enabled
    assert configuration.webknossos.url is None


def test_true_is_enough(settings: Settings, home: Path) -> None:
    assert publish(settings, home, publish=True).enabled
    assert publish(settings, home, {"folder": "raw"}).enabled
    assert not publish(settings, home, publish=False).enabled


def test_an_exception_changes_only_what_it_names_and_the_first_one_counts(settings: Settings, home: Path) -> None:
    said = publish(
        settings,
        home,
        {
            "folder": "raw",
            "tags": ["mouse"],
            "datasets": [
                {"match": "test_*", "enabled": False},
                {"match": "brain-7", "folder": "special", "view": {"zoom": 2, "color_layer_order": ["nuclei"]}},
                {"match": "*", "tags": ["other"]},
            ],
        },
    )

    assert not said.of("test_1").enabled
    assert (said.of("brain-7").folder, said.of("brain-7").tags) == ("special", ("mouse",))
    view = said.of("brain-7").view
    assert view is not None
    assert view.to_json() == {"zoom": 2, "colorLayerOrder": ["nuclei"]}
    assert (said.of("elsewhere").folder, said.of("elsewhere").tags) == ("raw", ("other",))


@pytest.mark.parametrize(
    ("place", "value", "where", "says"),
    [
        ("publish", {"folders": "x"}, "publish.folders", "unknown key 'folders'. Did you mean 'folder'?"),
        ("publish", {"folder": "a//b"}, "publish.folder", "'a//b' is not a folder"),
        ("publish", {"tags": [" "]}, "publish.tags", "' ' is not a name"),
        ("publish", {"public": "perhaps"}, "publish.public", "'perhaps' is wrong"),
        ("publish", {"view": {"zom": 2}}, "publish.view", "'zom' is nothing that a view has. Known here: four_bit"),
        ("publish", {"view": {"zoom": "near"}}, "publish.view", "this view can not be understood"),
        ("publish", {"datasets": [{"enabled": False}]}, "publish.datasets.0.match", "'match' is missing"),
        ("publish", 3, "publish", "3 is not a mapping"),
        ("webknossos", {**SERVER, "mode": "ftp"}, "webknossos.mode", "'ftp' is not known. Use upload, paths"),
        ("webknossos", {**SERVER, "transfer": "copy"}, "webknossos", "mean nothing with mode upload"),
        ("webknossos", {**SERVER, "link_url": "wk"}, "webknossos.link_url", "'wk' is not a web address"),
        ("webknossos", {"url": "http://wk.example.org"}, "webknossos.url", "Use https"),
    ],
)
def test_a_mistake_says_where_it_is_and_what_to_do(
    settings: Settings, home: Path, place: str, value: Any, where: str, says: str
) -> None:
    target = settings if place == "webknossos" else settings["instruments"][0]
    target[place] = value

    found = mistakes_of(settings, home)

    where = where if place == "webknossos" else f"instruments.0.{where}"
    assert list(found) == [where]
    assert says in found[where]


def test_a_token_in_the_place_of_its_variable_is_refused_and_never_repeated(settings: Settings, home: Path) -> None:
    settings["webknossos"] = {**SERVER, "token_variable": "s3cr3t-t0ken"}

    found = mistakes_of(settings, home)

    assert list(found) == ["webknossos.token_variable"]
    assert "s3cr3t-t0ken" not in str(found)


def test_the_token_comes_from_the_variable_that_is_named(settings: Settings, home: Path) -> None:
    settings["webknossos"] = {**SERVER, "token_variable": "FACILITY_TOKEN"}
    server = parse_configuration(settings, home).webknossos

    assert server.token({"FACILITY_TOKEN": "t", "WK_TOKEN": "other"}) == "t"
    assert server.token({"WK_TOKEN": "other"}) is None


@pytest.mark.parametrize(
    ("server", "published", "token", "where", "severity"),
    [
        (SERVER, True, "", "webknossos.url", Severity.ERROR),
        (SERVER, False, "t", "webknossos.url", Severity.WARNING),
        ({}, True, "t", "instruments.0.publish", Severity.ERROR),
        (SERVER, True, "t", None, None),
        (SERVER, {"enabled": False, "datasets": [{"match": "brain-7", "enabled": True}]}, "t", None, None),
        ({}, False, "", None, None),
    ],
)
def test_the_check_tells_what_would_keep_datasets_from_being_published(
    settings: Settings, home: Path, server: Settings, published: Any, token: str, where: str | None, severity: Any
) -> None:
    settings["webknossos"] = server
    settings["instruments"][0]["publish"] = published

    found = examine(parse_configuration(settings, home), {"WK_TOKEN": token})

    ours = {one.where: one.severity for one in found if "webknossos" in one.where or "publish" in one.where}
    assert ours == ({} if where is None else {where: severity})


def test_a_record_that_makes_no_sense_is_found_by_the_check(settings: Settings, home: Path) -> None:
    settings["webknossos"] = SERVER
    settings["instruments"][0]["publish"] = True
    (home / "publications").mkdir()
    (home / "publications" / "brain.json").write_text("{")

    found = examine(parse_configuration(settings, home), {"WK_TOKEN": "t"})

    assert any(one.where == str(home / "publications") and "brain.json" in one.what for one in found)
