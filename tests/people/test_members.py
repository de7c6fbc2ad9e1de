"""Teams and users as the server tells of them, and what changes when one is changed."""

import pytest

from tests.administration.campaign import campaign
from tests.served import Server
from wk_assets.administration.tasks import Project
from wk_assets.client.context import webknossos_context
from wk_assets.errors import ForbiddenError, NotOnServerError, RequestRefusedError, UnknownNameError
from wk_assets.people.members import LoggedTime, Team, User


def test_teams_are_found_by_id_and_name_and_by_either(server: Server) -> None:
    teams = Team.get_list()
    annotators = Team.get_by_name("annotators")

    assert {team.name for team in teams} == {"Default", "annotators"}
    assert annotators.organization_id == "sample_organization"
    assert Team.get_by_id(annotators.id) == annotators == Team.meant_by("annotators") == Team.meant_by(annotators.id)
    assert Team.meant_by(annotators) is annotators


def test_a_team_that_is_not_there_is_refused_with_those_that_are(server: Server) -> None:
    for look in (Team.get_by_id, Team.get_by_name, Team.meant_by):
        with pytest.raises(UnknownNameError, match=r"no team of the .*'nobody' .* sees Default, annotators") as refusal:
            look("nobody")
        assert isinstance(refusal.value, KeyError)


def test_a_team_is_made_once_and_deleted(server: Server) -> None:
    made = Team.add("tracers")

    assert made in Team.get_list()
    with pytest.raises(RequestRefusedError, match="tracers"):
        Team.add("tracers")
    made.delete()
    assert made not in Team.get_list()
    with pytest.raises(NotOnServerError):
        made.delete()


def test_a_team_with_a_project_stays(server: Server) -> None:
    Project.create("p", "annotators", expected_time=None)

    with pytest.raises(ForbiddenError, match="referenced by projects"):
        Team.get_by_name("annotators").delete()


def test_only_administrators_make_teams(server: Server) -> None:
    with webknossos_context(token=server.seed.manager), pytest.raises(ForbiddenError):
        Team.add("tracers")


def test_the_current_user_is_that_of_the_token(server: Server) -> None:
    me = User.get_current_user()

    assert (me.first_name, me.is_admin, me.is_active, me.is_dataset_manager) == ("Ada", True, True, True)
    assert me.experiences == {"sample": 10}
    assert {team.name for team in me.teams} == {"Default", "annotators"}
    assert me.created <= me.last_activity
    assert User.get_by_id(me.user_id) == me
    assert hash(me) == hash(User.get_by_id(me.user_id))
    with pytest.raises(NotOnServerError):
        User.get_by_id("0" * 24)


def test_managers_see_the_users_of_their_teams(server: Server) -> None:
    everybody = {user.email for user in User.get_all_managed_users()}
    with webknossos_context(token=server.seed.annotators[0]):
        assert [user.email for user in User.get_all_managed_users()] == ["ben@example.org"]

    assert len(everybody) == 5


def test_roles_change_and_everything_else_about_a_user_stays(server: Server) -> None:
    ben = next(user for user in User.get_all_managed_users() if user.first_name == "Ben")
    before = server.ask("GET", f"/api/v16/users/{ben.user_id}")
    tracers = Team.add("tracers")

    tracers.add_user(ben)
    ben.assign_team_roles("annotators", is_team_manager=True)

    after = server.ask("GET", f"/api/v16/users/{ben.user_id}")
    roles = {team["name"]: team["isTeamManager"] for team in after.pop("teams")}
    before.pop("teams")
    assert roles == {"Default": False, "annotators": True, "tracers": False}
    assert after == before
    tracers.add_user(ben, is_team_manager=True)
    assert len(User.get_by_id(ben.user_id).teams) == 3


def test_a_role_in_an_unknown_team_changes_nothing(server: Server) -> None:
    me = User.get_current_user()

    with pytest.raises(UnknownNameError):
        me.assign_team_roles("nobody", is_team_manager=False)
    assert User.get_current_user().teams == me.teams


def test_work_is_told_by_month(server: Server) -> None:
    campaign(server).tasks(1)
    server.take()
    ben = next(user for user in User.get_all_managed_users() if user.first_name == "Ben")

    (logged,) = ben.get_logged_times()
    assert isinstance(logged, LoggedTime)
    assert logged.duration_in_seconds == 60
    assert logged.month in range(1, 13)
    assert User.get_current_user().get_logged_times() == []


def test_of_two_teams_of_one_name_none_is_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    twins = [Team(id=one, name="twin", organization_id="o") for one in ("a1", "b2")]
    monkeypatch.setattr(Team, "get_list", classmethod(lambda cls: twins))

    with pytest.raises(UnknownNameError, match="several teams of the name 'twin'; take one by its id: a1, b2"):
        Team.get_by_name("twin")
    assert Team.meant_by("b2") == twins[1]
