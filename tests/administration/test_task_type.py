"""Task types and data stores."""

import pytest

from tests.served import Server
from wk_assets.administration.task_type import DEFAULT_SETTINGS, TaskType
from wk_assets.dataset.datastore import Datastore
from wk_assets.errors import NotOnServerError, RequestRefusedError, ServerError, UnknownNameError
from wk_assets.people.members import Team


def test_a_task_type_is_made_found_and_deleted(server: Server) -> None:
    made = TaskType.create("trace", "Follow the axon.", "annotators", "hybrid")

    assert TaskType.get_list() == [made] == [TaskType.get_by_name("trace")]
    assert TaskType.get_by_id(made.task_type_id) == made
    assert (made.name, made.description, made.tracingType) == ("trace", "Follow the axon.", "hybrid")
    assert (made.team_id, made.team_name) == (Team.get_by_name("annotators").id, "annotators")
    assert made.settings is not None
    assert made.settings["magRestrictions"] == {"min": 1, "max": 1} == DEFAULT_SETTINGS["magRestrictions"]
    assert hash(made) == hash(TaskType.get_by_name("trace"))
    made.delete()
    with pytest.raises(UnknownNameError, match="no task type 'trace' that this user sees; the user sees none"):
        TaskType.get_by_name("trace")
    with pytest.raises(NotOnServerError):
        TaskType.get_by_id(made.task_type_id)


def test_settings_of_ones_own_are_kept(server: Server) -> None:
    settings = {"allowedModes": ["flight"], "magRestrictions": {"min": 2}}
    made = TaskType.create("fly", "", Team.get_by_name("annotators"), settings=settings)

    assert made.tracingType == "skeleton"
    assert made.settings is not None
    assert settings.items() <= made.settings.items()


def test_a_task_type_needs_a_free_name_a_team_and_modes(server: Server) -> None:
    TaskType.create("trace", "", "annotators")

    with pytest.raises(RequestRefusedError, match="trace"):
        TaskType.create("trace", "", "annotators")
    with pytest.raises(UnknownNameError, match="nobody"):
        TaskType.create("other", "", "nobody")
    with pytest.raises(RequestRefusedError, match="allowedModes"):
        TaskType.create("other", "", "annotators", settings={"mergerMode": True})


def test_the_data_store_that_takes_uploads_is_named(server: Server) -> None:
    (store,) = Datastore.get_datastores()

    assert store == Datastore(name="localhost", url=server.url, allows_upload=True)
    assert Datastore.get_datastores(allows_upload=True) == [store]
    assert Datastore.get_datastores(allows_upload=False) == []
    assert Datastore.get_upload_url() == server.url


def test_a_server_without_uploads_is_said_to_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = Datastore(name="archive", url="http://archive.example", allows_upload=False)
    monkeypatch.setattr(Datastore, "get_datastores", classmethod(lambda cls: [closed]))

    with pytest.raises(ServerError, match=r"no data store of this server takes uploads \(there are: archive\)"):
        Datastore.get_upload_url()
