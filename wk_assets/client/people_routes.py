"""The server's routes about users, teams and folders."""

from wk_assets.client.api_session import ApiSession, part
from wk_assets.client.models import (
    ApiFolder,
    ApiFolderUpdate,
    ApiFolderWithParent,
    ApiLoggedTimeGroupedByMonth,
    ApiTeam,
    ApiTeamAdd,
    ApiUser,
)


class PeopleRoutes(ApiSession):
    """Read and change users, teams, folders. Every method raises ServerError."""

    def user_current(self) -> ApiUser:
        """Describe the token's user."""
        return self._get("/user", ApiUser)

    def user_by_id(self, *, user_id: str) -> ApiUser:
        """Describe a user."""
        return self._get(f"/users/{part(user_id)}", ApiUser)

    def user_list(self) -> list[ApiUser]:
        """List the users that the token's user manages."""
        return self._get("/users", list[ApiUser])

    def user_update(self, *, user: ApiUser) -> None:
        """Set everything about a user: the way to change teams, roles and experiences."""
        self._call("PATCH", f"/users/{part(user.id)}", json=user)

    def user_logged_time(self, *, user_id: str) -> ApiLoggedTimeGroupedByMonth:
        """Say how long a user worked, by month."""
        return self._get(f"/users/{part(user_id)}/loggedTime", ApiLoggedTimeGroupedByMonth)

    def team_list(self) -> list[ApiTeam]:
        """List the teams."""
        return self._get("/teams", list[ApiTeam])

    def team_add(self, *, team: ApiTeamAdd) -> None:
        """Make a team."""
        self._call("POST", "/teams", json=team)

    def team_delete(self, *, team_id: str) -> None:
        """Delete a team that nothing refers to."""
        self._call("DELETE", f"/teams/{part(team_id)}")

    def folder_root(self) -> ApiFolderWithParent:
        """Return the folder that holds all others."""
        return self._get("/folders/root", ApiFolderWithParent)

    def folder_tree(self) -> list[ApiFolderWithParent]:
        """List all folders."""
        return self._get("/folders/tree", list[ApiFolderWithParent])

    def folder_get(self, *, folder_id: str) -> ApiFolder:
        """Describe a folder."""
        return self._get(f"/folders/{part(folder_id)}", ApiFolder)

    def folder_add(self, *, folder_name: str, parent_id: str) -> ApiFolderWithParent:
        """Make a folder inside another."""
        params = {"parentId": parent_id, "name": folder_name}
        return self._send("POST", "/folders/create", ApiFolderWithParent, params=params)

    def folder_update(self, *, folder_id: str, folder: ApiFolderUpdate) -> None:
        """Set everything about a folder."""
        self._call("PUT", f"/folders/{part(folder_id)}", json=folder)

    def folder_move(self, *, folder_id: str, new_parent_id: str) -> ApiFolderWithParent:
        """Put a folder into another."""
        params = {"newParentId": new_parent_id}
        return self._send("PUT", f"/folders/{part(folder_id)}/move", ApiFolderWithParent, params=params)

    def folder_delete(self, *, folder_id: str) -> None:
        """Delete an empty folder."""
        self._call("DELETE", f"/folders/{part(folder_id)}")
