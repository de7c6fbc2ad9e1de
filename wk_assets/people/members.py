"""Who works with a server: users, the teams that they are in, and how long they worked.

Values are what the server said when it was asked; methods ask it again, as the user of the current context
(`client.context`). Folders are in `remote_folder`, work is in `tasks`.
"""

from dataclasses import dataclass, field

from wk_assets.client.context import current_context
from wk_assets.client.models import ApiTeam, ApiTeamAdd, ApiTeamMembership, ApiUser
from wk_assets.errors import UnknownNameError


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Name a team: users who may see the same datasets and work on the same projects. Methods raise ServerError."""

    id: str
    name: str
    organization_id: str

    @classmethod
    def of(cls, told: ApiTeam) -> "Team":
        """Take over what the server tells of a team."""
        return cls(id=told.id, name=told.name, organization_id=told.organization)

    @classmethod
    def get_list(cls) -> "list[Team]":
        """Return the teams that the current user sees."""
        return [cls.of(told) for told in current_context().client().team_list()]

    @classmethod
    def get_by_id(cls, team_id: str) -> "Team":
        """Return a team by its id. Raises UnknownNameError if the current user sees none."""
        teams = cls.get_list()
        return _only(teams, f"id {team_id!r}", [team for team in teams if team.id == team_id])

    @classmethod
    def get_by_name(cls, name: str) -> "Team":
        """Return a team by its name. Raises UnknownNameError if the current user sees none, or several."""
        teams = cls.get_list()
        return _only(teams, f"name {name!r}", [team for team in teams if team.name == name])

    @classmethod
    def meant_by(cls, team: "str | Team") -> "Team":
        """Return the team that an id or a name means; a team is itself. Raises UnknownNameError."""
        if isinstance(team, Team):
            return team
        teams = cls.get_list()
        found = [one for one in teams if one.id == team] or [one for one in teams if one.name == team]
        return _only(teams, f"id or name {team!r}", found)

    @classmethod
    def add(cls, team_name: str) -> "Team":
        """Make a team; administrators only."""
        current_context().client().team_add(team=ApiTeamAdd(name=team_name))
        return cls.get_by_name(team_name)

    def add_user(self, user: "User", *, is_team_manager: bool = False) -> None:
        """Put a user into the team, or change the role of one who is in it."""
        user.assign_team_roles(self, is_team_manager)

    def delete(self) -> None:
        """Delete the team. Raises ForbiddenError while projects, task types or annotations refer to it."""
        current_context().client().team_delete(team_id=self.id)


def _only(teams: list[Team], wanted: str, found: list[Team]) -> Team:
    if not found:
        seen = ", ".join(sorted(team.name for team in teams)) or "none"
        raise UnknownNameError(f"there is no team of the {wanted} that this user sees; the user sees {seen}")
    if len(found) > 1:
        ids = ", ".join(team.id for team in found)
        raise UnknownNameError(f"there are several teams of the {wanted}; take one by its id: {ids}")
    return found[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedTime:
    """Say how long a user worked in one month (1 to 12)."""

    duration_in_seconds: int
    year: int
    month: int


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Describe a user. `created`, `last_activity`: milliseconds since 1970. `experiences`: how much, by domain.

    Methods raise ServerError. A value does not change when the user does: ask again to see it.
    """

    user_id: str
    email: str
    organization_id: str
    first_name: str
    last_name: str
    created: int
    last_activity: int
    teams: tuple[Team, ...]
    experiences: dict[str, int] = field(hash=False)
    is_active: bool
    is_admin: bool
    is_dataset_manager: bool

    @classmethod
    def of(cls, told: ApiUser) -> "User":
        """Take over what the server tells of a user."""
        return cls(
            user_id=told.id,
            email=told.email,
            organization_id=told.organization,
            first_name=told.first_name,
            last_name=told.last_name,
            created=told.created,
            last_activity=told.last_activity,
            teams=tuple(Team(id=one.id, name=one.name, organization_id=told.organization) for one in told.teams),
            experiences=dict(told.experiences),
            is_active=told.is_active,
            is_admin=told.is_admin,
            is_dataset_manager=told.is_dataset_manager,
        )

    @classmethod
    def get_current_user(cls) -> "User":
        """Return the user whose token the current context has."""
        return cls.of(current_context().client().user_current())

    @classmethod
    def get_by_id(cls, id: str) -> "User":  # noqa: A002  # the reference's name
        """Return a user by id. Raises NotOnServerError if the current user may not see one."""
        return cls.of(current_context().client().user_by_id(user_id=id))

    @classmethod
    def get_all_managed_users(cls) -> "list[User]":
        """Return all users of whom the current user is administrator or team manager."""
        return [cls.of(told) for told in current_context().client().user_list()]

    def get_logged_times(self) -> list[LoggedTime]:
        """Return how long the user worked, one value per month with work."""
        told = current_context().client().user_logged_time(user_id=self.user_id)
        return [
            LoggedTime(
                duration_in_seconds=round(one.duration_in_seconds),
                year=one.payment_interval.year,
                month=one.payment_interval.month,
            )
            for one in told.logged_time
        ]

    def assign_team_roles(self, team: str | Team, is_team_manager: bool) -> None:
        """Put the user into a team (a name, an id or a Team), as its manager or as a member; other teams stay.

        The server takes a user only as a whole, so the user is read anew right before: what others changed meanwhile
        stays. Raises UnknownNameError for a team that the current user does not see.
        """
        wanted = Team.meant_by(team)
        client = current_context().client()
        now = client.user_by_id(user_id=self.user_id)
        role = ApiTeamMembership(id=wanted.id, name=wanted.name, is_team_manager=is_team_manager)
        others = tuple(one for one in now.teams if one.id != wanted.id)
        client.user_update(user=now.model_copy(update={"teams": (*others, role)}))
