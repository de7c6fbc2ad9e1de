"""Versions, routes and bodies of the client of a WEBKNOSSOS server."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.client.scripted_server import ScriptedServer
from wk_assets.client.models import ApiDatasetComposeMag, ApiUser
from wk_assets.client.task_models import ApiBoundingBox, ApiExperience, ApiNmlTaskParameters, ApiTaskParameters
from wk_assets.client.wk_api_client import WkApiClient
from wk_assets.errors import UnexpectedAnswerError, UnsupportedApiVersionError
from wk_assets.geometry.bounding_box import BoundingBox

TASK = {
    "id": "t1",
    "projectId": "p1",
    "datasetId": "d1",
    "status": {"pending": 1, "active": 0, "finished": 0},
    "type": {"id": "y", "summary": "s", "description": "", "teamId": "m", "teamName": "n", "tracingType": "skeleton"},
    "neededExperience": {"domain": "em", "value": 1},
    "editPosition": [1, 2, 3],
    "editRotation": [0.0, 0.0, 0.0],
    "somethingNew": {"kept": True},
}


@pytest.mark.parametrize(
    ("served", "spoken"), [((10, 16), 16), ((10, 15), 15), ((13, 13), 13), ((16, 40), 16), ((9, 14), 14)]
)
def test_the_newest_version_that_both_sides_know_is_spoken(served: tuple[int, int], spoken: int) -> None:
    server = ScriptedServer(versions=served).on("GET", f"/api/v{spoken}/teams", httpx.Response(200, json=[]))
    client = server.client()

    client.team_list()
    client.team_list()
    assert client.webknossos_api_version == spoken
    assert server.asked("GET", "/api/buildinfo") == 1


@pytest.mark.parametrize(("served", "remedy"), [((5, 12), "update the server"), ((17, 20), "update wk-assets")])
def test_a_server_that_speaks_no_common_version_is_refused_with_both_ranges(
    served: tuple[int, int], remedy: str
) -> None:
    with pytest.raises(
        UnsupportedApiVersionError, match=rf"versions {served[0]} to {served[1]} of .* 13 to 16; {remedy}"
    ):
        ScriptedServer(versions=served).client().team_list()


def test_an_address_that_is_no_webknossos_is_said_to_be_none() -> None:
    server = ScriptedServer().on("GET", "/api/buildinfo", httpx.Response(200, json={"name": "nginx"}))

    with pytest.raises(UnexpectedAnswerError, match="is WK_URL the address of a WEBKNOSSOS"):
        server.client().health()


@pytest.mark.parametrize(("version", "query"), [(16, "isActive=true"), (15, "isActive=true&compact=true")])
def test_lists_of_datasets_are_compact_in_every_version(version: int, query: str) -> None:
    datasets = [{"id": "1", "name": "a", "tags": ["x"]}]
    server = ScriptedServer().on("GET", f"/api/v{version}/datasets", httpx.Response(200, json=datasets))
    client = server.client(webknossos_api_version=version)

    (found,) = client.dataset_list(is_active=True, organization_id=None, name=None, folder_id=None)
    assert (found.id, found.name, found.tags) == ("1", "a", ("x",))
    assert server.requests[-1].url.query.decode() == query


def test_keys_that_the_model_does_not_know_are_sent_back() -> None:
    user = {
        "id": "u", "email": "a@b", "organization": "o", "firstName": "A", "lastName": "B", "created": 1,
        "lastActivity": 2, "isActive": True, "isAdmin": False, "isDatasetManager": False, "teams": [],
        "experiences": {"em": 3}, "novelUserExperienceInfos": {"seen": ["tour"]},
    }  # fmt: skip
    server = ScriptedServer().on("GET", "/api/v16/user", httpx.Response(200, json=user))
    server.on("PATCH", "/api/v16/users/u", httpx.Response(200))
    client = server.client()

    found = client.user_current()
    client.user_update(user=ApiUser.model_validate({**found.to_body(), "experiences": {"em": 4}}))
    assert json.loads(server.requests[-1].content) == {**user, "experiences": {"em": 4}}


def test_names_with_slashes_and_spaces_stay_one_part_of_the_path() -> None:
    server = ScriptedServer()
    with pytest.raises(LookupError):
        server.client().project_info_by_name(project_name="a/b c?d")
    assert server.requests[-1].url.raw_path == b"/api/v16/projects/byName/a%2Fb%20c%3Fd"


def test_a_page_of_tasks_comes_with_the_number_of_all() -> None:
    answer = httpx.Response(200, json=[TASK], headers={"X-Total-Count": "4711"})
    server = ScriptedServer().on("GET", "/api/v16/projects/p1/tasks", answer)

    tasks, total = server.client().task_infos_by_project_id_paginated(project_id="p1", limit=1, page_number=3)
    assert total == 4711
    assert tasks[0].edit_position == (1, 2, 3)
    assert dict(server.requests[-1].url.params) == {"limit": "1", "pageNumber": "3", "includeTotalCount": "true"}


def _annotations(*numbers: int) -> httpx.Response:
    shown = {"typ": "Explorational", "name": "", "description": "", "state": "Active", "modified": 1}
    return httpx.Response(200, json=[{"id": f"a{number}", **shown} for number in numbers])


def test_annotations_are_listed_page_by_page_and_none_comes_twice() -> None:
    # one annotation was added between the pages, so that the last of the first page comes again
    pages = [_annotations(*range(1000)), _annotations(*range(999, 1999)), _annotations(1999, 2000)]
    server = ScriptedServer().on("GET", "/api/v16/annotations/readable", *pages)

    found = server.client().annotation_list(is_finished=False)
    assert [one.id for one in found] == [f"a{number}" for number in range(2001)]
    asked = [dict(one.url.params) for one in server.requests if one.url.path.endswith("readable")]
    assert asked == [{"isFinished": "false", "limit": "1000", "pageNumber": str(page)} for page in range(3)]


@pytest.mark.parametrize("seconds", [0, 90, 90.5])
def test_worked_time_may_be_a_fraction_of_a_second(seconds: float) -> None:
    month = {"paymentInterval": {"month": 11, "year": 2026}, "durationInSeconds": seconds}
    server = ScriptedServer().on(
        "GET", "/api/v16/users/u/loggedTime", httpx.Response(200, json={"loggedTime": [month]})
    )

    (told,) = server.client().user_logged_time(user_id="u").logged_time
    assert told.duration_in_seconds == seconds


def test_each_task_of_a_request_has_an_outcome_of_its_own() -> None:
    outcome = {
        "tasks": [{"status": 200, "success": TASK}, {"status": 400, "error": "no such script"}],
        "warnings": ["W"],
    }
    server = ScriptedServer().on("POST", "/api/v16/tasks", httpx.Response(200, json=outcome))
    parameters = ApiTaskParameters(
        task_type_id="y",
        needed_experience=ApiExperience(domain="em", value=1),
        pending_instances=2,
        project_name="p",
        dataset_id="d1",
        edit_position=(1, 2, 3),
        bounding_box=ApiBoundingBox.of(BoundingBox((1, 2, 3), (4, 5, 6))),
        creation_info="key",
    )

    result = server.client().tasks_create(task_parameters=[parameters])
    assert [task.error for task in result.tasks] == [None, "no such script"]
    assert result.tasks[0].success is not None
    assert result.warnings == ("W",)
    (sent,) = json.loads(server.requests[-1].content)
    assert sent["boundingBox"] == {"topLeft": [1, 2, 3], "width": 4, "height": 5, "depth": 6}
    assert sent["creationInfo"] == "key"
    assert "baseAnnotation" not in sent


def test_files_become_tasks_through_a_form() -> None:
    server = ScriptedServer().on("POST", "/api/v16/tasks/createFromFiles", httpx.Response(200, json={"tasks": []}))
    parameters = ApiNmlTaskParameters(
        task_type_id="y", needed_experience=ApiExperience(domain="em", value=1), pending_instances=1, project_name="p"
    )

    server.client().tasks_create_from_files(nml_task_parameters=parameters, annotation_files=[("k.nml", b"<things/>")])
    body = server.requests[-1].content
    assert b'name="formJSON"' in body
    assert b'name="k.nml"; filename="k.nml"' in body
    assert b"<things/>" in body


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="a b.nml"', "a b.nml"),
        ("attachment; filename=a.zip", "a.zip"),
        ("attachment; filename*=UTF-8''%C3%A4.nml", "ä.nml"),
    ],
)
def test_a_download_has_the_name_that_the_server_gives_it(header: str, name: str) -> None:
    answer = httpx.Response(200, content=b"<things/>", headers={"Content-Disposition": header})
    server = ScriptedServer().on("GET", "/api/v16/annotations/a1/download", answer)

    assert server.client().annotation_download(annotation_id="a1", skip_volume_data=True) == (b"<things/>", name)
    assert dict(server.requests[-1].url.params) == {"skipVolumeData": "true", "volumeDataZipFormat": "zarr3"}


def test_a_download_without_a_name_is_refused() -> None:
    server = ScriptedServer().on("GET", "/api/v16/annotations/a1/download", httpx.Response(200, content=b""))

    with pytest.raises(UnexpectedAnswerError, match="no file name"):
        server.client().annotation_download(annotation_id="a1", skip_volume_data=True)


def test_mags_are_composed_as_triples() -> None:
    server = ScriptedServer().on("POST", "/api/v16/datasets/d/compose/addMag", httpx.Response(200))
    mag = ApiDatasetComposeMag(
        source_dataset_id="s", source_layer_name="l", target_layer_name="m", source_mag=(2, 2, 1), target_mag=(2, 2, 1)
    )

    server.client().dataset_add_mag_as_ref(dataset_id="d", compose_mag=mag)
    assert json.loads(server.requests[-1].content)["sourceMag"] == [2, 2, 1]


def _surface(shared_spec: Path) -> list[dict[str, Any]]:
    surface = json.loads((shared_spec / "api-surface.json").read_text())
    (entry,) = [entry for entry in surface if entry["class"] == "WkApiClient"]
    members: list[dict[str, Any]] = entry["members"]
    return members


def test_every_member_of_the_reference_is_offered(shared_spec: Path) -> None:
    client = ScriptedServer().client()
    for member in _surface(shared_spec):
        name = member["name"]
        assert hasattr(client, name), name
        called = re.match(rf"{name}\(\s*(.*?),?\s*\)\s*->", member["signature"], re.DOTALL)
        if called is None:
            continue
        ours = set(inspect.signature(getattr(WkApiClient, name)).parameters) - {"self"}
        theirs = set(re.findall(r"\b(\w+)\s*:", called.group(1)))
        assert theirs <= ours, f"{name}: {theirs - ours}"


@pytest.mark.filterwarnings("ignore:Pydantic serializer")  # made-up members have no types
def test_every_operation_goes_to_a_route_that_the_server_has(shared_spec: Path) -> None:
    """Call every method with made-up arguments and compare what is asked with the list of routes."""
    routes = json.loads((shared_spec / "webknossos-server-routes.json").read_text())["routes"]
    known = [
        (route["method"], re.compile(re.sub(r":\w+", "[^/]+", route["path"].removeprefix("/api/v{N}")) + "$"))
        for route in routes
        if route["server"] == "wk"
    ]
    server = ScriptedServer()
    client = server.client()
    for member in _surface(shared_spec):
        method = getattr(WkApiClient, member["name"], None)
        if not inspect.isfunction(method) or member["name"] in {"url_from_route", "post_multipart_with_json_response"}:
            continue
        arguments = {
            name: _made_up(parameter.annotation)
            for name, parameter in inspect.signature(method).parameters.items()
            if name != "self" and parameter.default is inspect.Parameter.empty
        }
        with pytest.raises(LookupError):
            method(client, **arguments)
        request = server.requests[-1]
        path = request.url.path.removeprefix("/api/v16")
        assert any(verb == request.method and form.match(path) for verb, form in known), (member["name"], path)


def _made_up(annotation: Any) -> Any:
    if annotation in {str, "str"}:
        return "abc"
    if annotation in {bool, "bool"}:
        return False
    if annotation is bytes:
        return b"x"
    text = str(annotation)
    if text.startswith(("list", "tuple")):
        return []
    if text.startswith("dict"):
        return {}
    if "None" in text:
        return None
    if hasattr(annotation, "model_construct"):
        return annotation.model_construct(**dict.fromkeys(annotation.model_fields, "abc"))
    raise AssertionError(annotation)
