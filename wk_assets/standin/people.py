"""Users, teams, roles and folders: who may do what. Source: the real server's rules (`webknossos-server`, §1.2 and §1.4)."""

import secrets
from typing import Any

from wk_assets.standin.call import Call, Routes
from wk_assets.standin.database import document
from wk_assets.standin.replies import Refusal, not_found, said, unauthorized
from wk_assets.standin.world import ORGANIZATION, World

routes = Routes()
User = dict[str, Any]
TOKEN_MARK = "wkst_"  # noqa: S105  # how tokens begin, none of them


# ---------------------------------------------------------------------- who asks


def user_of_token(world: World, token: str | None) -> User | None:
    """Return the user whom a token stands for; None if it is none, or of a dataset, or expired."""
    if not token:
        return None
    found = world.database.row("SELECT * FROM tokens WHERE token = ?", (token,))
    if found is None or found["user_id"] is None or (found["expires"] and found["expires"] < world.now()):
        return None
    user = world.get("users", found["user_id"])
    return user if user is not None and user["isActive"] else None


def new_token(world: World, *, user_id: str | None = None, dataset_id: str | None = None, expires: int = 0) -> str:
    """Make a token for a user, or for one dataset. `expires`: milliseconds since 1970, 0 for never.

    It begins with a mark, by which one that got into a log or a file is found.
    """
    token = f"{TOKEN_MARK}{secrets.token_urlsafe(24)}"
    world.database.change("INSERT INTO tokens VALUES (?, ?, ?, ?)", (token, user_id, dataset_id, expires))
    return token


def asker(call: Call) -> User:
    """Return who asks. Raises the answer for nobody."""
    if call.user is None:
        raise unauthorized()
    return call.user


def is_admin(user: User) -> bool:
    """Say whether a user may do everything."""
    return bool(user["isAdmin"])


def manages(user: User, team_id: str) -> bool:
    """Say whether a user is manager of a team, or administrator."""
    return is_admin(user) or any(team["id"] == team_id and team["isTeamManager"] for team in user["teams"])


def manages_any(user: User) -> bool:
    """Say whether a user is manager of some team, of datasets, or administrator."""
    return is_admin(user) or user["isDatasetManager"] or any(team["isTeamManager"] for team in user["teams"])


def require(condition: bool, what: str = "notAllowed") -> None:  # noqa: FBT001  # reads as a sentence
    """Refuse what a user may not do."""
    if not condition:
        raise Refusal(f"You are not authorized to do this ({what}).", 403)


def compact(user: User) -> dict[str, Any]:
    """Return a user as the owner of something."""
    keys = ("id", "email", "firstName", "lastName", "isAdmin", "isDatasetManager", "teams")
    return {key: user[key] for key in keys} | {"isAnonymous": False}


def add_user(
    world: World,
    email: str,
    first_name: str,
    last_name: str,
    *,
    admin: bool = False,
    dataset_manager: bool = False,
    teams: tuple[tuple[str, bool], ...] = (),
    experiences: dict[str, int] | None = None,
) -> User:
    """Make a user. `teams`: names, each with whether the user is its manager."""
    memberships = []
    for name, manager in teams:
        team = team_by_name(world, name)
        memberships.append({"id": team["id"], "name": team["name"], "isTeamManager": manager})
    now = world.now()
    user: User = {
        "id": world.new_id(), "email": email, "firstName": first_name, "lastName": last_name, "isAdmin": admin,
        "isOrganizationOwner": admin, "isDatasetManager": dataset_manager, "isActive": True, "teams": memberships,
        "experiences": experiences or {}, "lastActivity": now, "isAnonymous": False, "isEditable": True,
        "organization": ORGANIZATION, "novelUserExperienceInfos": {}, "selectedTheme": "auto", "created": now,
        "lastTaskTypeId": None, "isSuperUser": False, "isEmailVerified": True,
    }  # fmt: skip
    world.database.change("INSERT INTO users VALUES (?, ?, ?)", (user["id"], email, document(user)))
    return user


def add_team(world: World, name: str, *, organization_team: bool = False) -> dict[str, Any]:
    """Make a team."""
    team = {
        "id": world.new_id(), "name": name, "organization": ORGANIZATION, "isOrganizationTeam": organization_team
    }  # fmt: skip
    world.database.change("INSERT INTO teams VALUES (?, ?, ?)", (team["id"], name, document(team)))
    return team


def team_by_name(world: World, name: str) -> dict[str, Any]:
    """Return a team by its name."""
    found = world.database.row("SELECT doc FROM teams WHERE name = ?", (name,))
    if found is None:
        raise not_found("Team", name)
    team: dict[str, Any] = found["doc"]
    return team


def team_named(world: World, team_id: str) -> dict[str, Any]:
    """Return a team by id."""
    team = world.get("teams", team_id)
    if team is None:
        raise not_found("Team", team_id)
    return team


# ---------------------------------------------------------------------- tokens and users


@routes.on("api", "GET", "/auth/token")
def own_token(call: Call) -> Any:
    """Return the token of who asks; make one if there is none."""
    user = asker(call)
    found = call.world.database.row("SELECT token FROM tokens WHERE user_id = ? AND expires = 0", (user["id"],))
    return {"token": found["token"] if found else new_token(call.world, user_id=user["id"])}


@routes.on("api", "DELETE", "/auth/token")
def revoke_token(call: Call) -> Any:
    """Forget the tokens of who asks."""
    call.world.database.change("DELETE FROM tokens WHERE user_id = ?", (asker(call)["id"],))
    return said("The token was revoked.")


@routes.on("api", "POST", "/auth/login", secured=False)
def login(call: Call) -> Any:
    """Let a known user in, whatever the password: the stand-in keeps none."""
    found = call.world.database.row("SELECT doc FROM users WHERE email = ?", (call.json("email", "password")["email"],))
    if found is None:
        raise Refusal("The email or password is wrong.")
    return said("You are logged in.")


@routes.on("api", "POST", "/userToken/generate", secured=False)
def short_token(call: Call) -> Any:
    """Return a token of one day for the stores."""
    user = call.user
    expires = call.world.now() + 24 * 3600 * 1000
    return {"token": new_token(call.world, user_id=user["id"] if user else None, expires=expires)}


@routes.on("api", "GET", "/user")
def current_user(call: Call) -> Any:
    """Describe who asks."""
    return asker(call)


@routes.on("api", "GET", "/users")
def users(call: Call) -> Any:
    """List the users whom the asker may manage."""
    user = asker(call)
    found = call.world.all("users")
    if call.flag("isAdmin"):
        found = [one for one in found if one["isAdmin"]]
    if is_admin(user) or user["isDatasetManager"]:
        return found
    managed = {team["id"] for team in user["teams"] if team["isTeamManager"]}
    return [one for one in found if one["id"] == user["id"] or managed & {team["id"] for team in one["teams"]}]


@routes.on("api", "GET", "/users/:id")
def user_by_id(call: Call) -> Any:
    """Describe a user."""
    return existing_user(call.world, call.parts["id"])


def existing_user(world: World, user_id: str) -> User:
    """Return a user by id."""
    user = world.get("users", user_id)
    if user is None:
        raise not_found("User", user_id)
    return user


@routes.on("api", "PATCH", "/users/:id")
def update_user(call: Call) -> Any:
    """Set everything about a user."""
    user, target = asker(call), existing_user(call.world, call.parts["id"])
    own_teams = {team["id"] for team in target["teams"]}
    require(is_admin(user) or any(manages(user, team) for team in own_teams), "user")
    body = call.json("firstName", "lastName", "isActive", "isAdmin", "teams", "experiences")
    admins = [one for one in call.world.all("users") if one["isAdmin"] and one["isActive"]]
    if target["isAdmin"] and not (body["isAdmin"] and body["isActive"]) and len(admins) == 1:
        raise Refusal("The last admin of an organization can not be demoted.")
    if body["isAdmin"] != target["isAdmin"]:
        require(is_admin(user), "user.isAdmin")
    for team in body["teams"]:
        team_named(call.world, team["id"])
    keys = ("firstName", "lastName", "isActive", "isAdmin", "isDatasetManager", "teams", "experiences", "email")
    target.update({key: body[key] for key in keys if key in body})
    call.world.save("users", target["id"], target)
    return target


@routes.on("api", "GET", "/users/:id/loggedTime")
def logged_time(call: Call) -> Any:
    """Sum a user's work by month."""
    user_id = existing_user(call.world, call.parts["id"])["id"]
    months = call.world.database.rows(
        "SELECT CAST(strftime('%Y', start / 1000, 'unixepoch') AS INTEGER) AS year, "
        "CAST(strftime('%m', start / 1000, 'unixepoch') AS INTEGER) AS month, SUM(millis) AS millis "
        "FROM spans WHERE owner = ? GROUP BY year, month ORDER BY year, month",
        (user_id,),
    )
    return {
        "loggedTime": [
            {
                "paymentInterval": {"month": row["month"], "year": row["year"]},
                "durationInSeconds": row["millis"] // 1000,
            }
            for row in months
        ]
    }


# ---------------------------------------------------------------------- teams


@routes.on("api", "GET", "/teams")
def teams(call: Call) -> Any:
    """List the teams."""
    asker(call)
    return call.world.all("teams")


@routes.on("api", "POST", "/teams")
def create_team(call: Call) -> Any:
    """Make a team."""
    require(is_admin(asker(call)), "team.create")
    name = call.json("name")["name"]
    if call.world.database.row("SELECT 1 FROM teams WHERE name = ?", (name,)):
        raise Refusal(f"A team with the name “{name}” exists already.")
    return said("Team was created.", add_team(call.world, name))


@routes.on("api", "DELETE", "/teams/:id")
def delete_team(call: Call) -> Any:
    """Delete a team that nothing refers to."""
    require(is_admin(asker(call)), "team.delete")
    team = team_named(call.world, call.parts["id"])
    used = call.world.database.count(
        "SELECT (SELECT COUNT(*) FROM projects WHERE team = ?) + (SELECT COUNT(*) FROM task_types WHERE team = ?)",
        (team["id"], team["id"]),
    )
    if used or team["isOrganizationTeam"]:
        raise Refusal("The team is still referenced by projects, task types or annotations.", 403)
    call.world.database.change("DELETE FROM teams WHERE id = ?", (team["id"],))
    for user in call.world.all("users"):
        kept = [one for one in user["teams"] if one["id"] != team["id"]]
        if kept != user["teams"]:
            call.world.save("users", user["id"], {**user, "teams": kept})
    return said("Team was deleted.")


# ---------------------------------------------------------------------- folders


def add_folder(world: World, name: str, parent: str | None) -> dict[str, Any]:
    """Make a folder."""
    folder: dict[str, Any] = {"id": world.new_id(), "name": name, "parent": parent, "allowedTeams": [], "metadata": []}
    world.database.change("INSERT INTO folders VALUES (?, ?, ?, ?)", (folder["id"], parent, name, document(folder)))
    return folder


def root_folder(world: World) -> dict[str, Any]:
    """Return the folder that holds all others."""
    found = world.database.row("SELECT doc FROM folders WHERE parent IS NULL")
    if found is None:
        raise not_found("Folder", "root")
    folder: dict[str, Any] = found["doc"]
    return folder


def existing_folder(world: World, folder_id: str) -> dict[str, Any]:
    """Return a folder by id."""
    folder = world.get("folders", folder_id)
    if folder is None:
        raise not_found("Folder", folder_id)
    return folder


def teams_through_folders(world: World, folder_id: str) -> list[str]:
    """Return the teams that may see what is in a folder: its own, and those of the folders that hold it."""
    found: list[str] = []
    folder = world.get("folders", folder_id)
    while folder is not None:
        found.extend(folder["allowedTeams"])
        folder = world.get("folders", folder["parent"] or "")
    return found


def _full_folder(world: World, folder: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": folder["id"],
        "name": folder["name"],
        "allowedTeams": [team_named(world, team) for team in folder["allowedTeams"]],
        "allowedTeamsCumulative": [team_named(world, team) for team in teams_through_folders(world, folder["id"])],
        "isEditable": True,
        "metadata": folder["metadata"],
    }


def _in_tree(folder: dict[str, Any]) -> dict[str, Any]:
    return {key: folder[key] for key in ("id", "name", "parent", "metadata")} | {"isEditable": True}


@routes.on("api", "GET", "/folders/root")
def get_root(call: Call) -> Any:
    """Describe the root."""
    return _full_folder(call.world, root_folder(call.world))


@routes.on("api", "GET", "/folders/tree")
def folder_tree(call: Call) -> Any:
    """List all folders."""
    return [_in_tree(folder) for folder in call.world.all("folders")]


@routes.on("api", "POST", "/folders/create")
def create_folder(call: Call) -> Any:
    """Make a folder."""
    require(manages_any(asker(call)), "folder.create")
    parent = existing_folder(call.world, call.required("parentId"))
    folder = add_folder(call.world, _folder_name(call.required("name")), parent["id"])
    return _full_folder(call.world, folder)


def _folder_name(name: str) -> str:
    if "/" in name or not name.strip():
        raise Refusal("Folder names must not be empty or contain “/”.")
    return name


@routes.on("api", "GET", "/folders/:id")
def get_folder(call: Call) -> Any:
    """Describe a folder."""
    return _full_folder(call.world, existing_folder(call.world, call.parts["id"]))


@routes.on("api", "PUT", "/folders/:id")
def update_folder(call: Call) -> Any:
    """Set everything about a folder."""
    require(manages_any(asker(call)), "folder.update")
    folder = existing_folder(call.world, call.parts["id"])
    body = call.json("name", "allowedTeams")
    for team in body["allowedTeams"]:
        team_named(call.world, team)
    folder.update(name=_folder_name(body["name"]), allowedTeams=body["allowedTeams"])
    if body.get("metadata") is not None:
        folder["metadata"] = unique_metadata(body["metadata"])
    call.world.database.change("UPDATE folders SET name = ? WHERE id = ?", (folder["name"], folder["id"]))
    call.world.save("folders", folder["id"], folder)
    return _full_folder(call.world, folder)


def unique_metadata(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return metadata whose keys are all different."""
    keys = [entry.get("key") for entry in entries]
    if len(set(keys)) != len(keys):
        raise Refusal("Metadata keys must be unique.")
    return entries


@routes.on("api", "PUT", "/folders/:id/move")
def move_folder(call: Call) -> Any:
    """Put a folder into another."""
    require(manages_any(asker(call)), "folder.move")
    folder = existing_folder(call.world, call.parts["id"])
    parent = existing_folder(call.world, call.required("newParentId"))
    if folder["parent"] is None:
        raise Refusal("The root folder can not be moved.")
    above: str | None = parent["id"]
    while above is not None:
        if above == folder["id"]:
            raise Refusal("A folder can not be moved into itself.")
        above = existing_folder(call.world, above)["parent"]
    folder["parent"] = parent["id"]
    call.world.database.change("UPDATE folders SET parent = ? WHERE id = ?", (parent["id"], folder["id"]))
    call.world.save("folders", folder["id"], folder)
    return _full_folder(call.world, folder)


@routes.on("api", "DELETE", "/folders/:id")
def delete_folder(call: Call) -> Any:
    """Delete an empty folder."""
    require(manages_any(asker(call)), "folder.delete")
    folder = existing_folder(call.world, call.parts["id"])
    if folder["parent"] is None:
        raise Refusal("The root folder can not be deleted.")
    held = call.world.database.count(
        "SELECT (SELECT COUNT(*) FROM folders WHERE parent = ?) + "
        "(SELECT COUNT(*) FROM datasets WHERE folder = ? AND deleted = 0)",
        (folder["id"], folder["id"]),
    )
    if held:
        raise Refusal("The folder is not empty.")
    call.world.database.change("DELETE FROM folders WHERE id = ?", (folder["id"],))
    return said("Folder was deleted.")
