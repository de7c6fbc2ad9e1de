"""Who is there when a stand-in starts for the first time: an administrator, a team manager, annotators, a team."""

from dataclasses import dataclass

from wk_assets.standin.people import add_folder, add_team, add_user, new_token
from wk_assets.standin.world import ORGANIZATION, World

TEAM = "annotators"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """Hold the tokens of the first users, by who they are."""

    admin: str
    manager: str
    annotators: tuple[str, ...]


def seed(world: World, *, admin_token: str | None = None) -> Seed | None:
    """Fill an empty stand-in; None if it is not empty. `admin_token`: the administrator's token, instead of a fresh one."""
    if world.database.count("SELECT COUNT(*) FROM users"):
        return None
    with world.database.writing():
        everybody = add_team(world, "Default", organization_team=True)
        add_team(world, TEAM)
        root = add_folder(world, ORGANIZATION, None)
        world.save("folders", root["id"], {**root, "allowedTeams": [everybody["id"]]})
        admin = add_user(
            world, "admin@example.org", "Ada", "Admin", admin=True, dataset_manager=True,
            teams=(("Default", True), (TEAM, True)), experiences={"sample": 10},
        )  # fmt: skip
        manager = add_user(
            world, "manager@example.org", "Mia", "Manager", teams=(("Default", False), (TEAM, True)),
            experiences={"sample": 5},
        )  # fmt: skip
        people = [
            add_user(
                world,
                f"{first.lower()}@example.org",
                first,
                "Annotator",
                teams=(("Default", False), (TEAM, False)),
                experiences=experiences,
            )
            for first, experiences in (("Ben", {"sample": 3}), ("Cleo", {"sample": 1}), ("Dan", {}))
        ]
        if admin_token:
            world.database.change("INSERT INTO tokens VALUES (?, ?, NULL, 0)", (admin_token, admin["id"]))
        return Seed(
            admin=admin_token or new_token(world, user_id=admin["id"]),
            manager=new_token(world, user_id=manager["id"]),
            annotators=tuple(new_token(world, user_id=person["id"]) for person in people),
        )
