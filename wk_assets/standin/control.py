"""What tests and the demo do to the stand-in that nobody can do to a server: `/_standin/…`, never under `/api`."""

import base64
from typing import Any

from wk_assets.standin import faults
from wk_assets.standin.annotation_store import stored_annotation
from wk_assets.standin.annotations import work
from wk_assets.standin.call import Call, Routes
from wk_assets.standin.people import new_token
from wk_assets.standin.replies import not_found

routes = Routes()


@routes.on("_standin", "GET", "/requests", secured=False)
def requests(call: Call) -> Any:
    """List the requests so far: method, path, the route that answered (None: none knew it), version, status."""
    return call.world.database.rows("SELECT method, path, route, version, status FROM requests ORDER BY seq")


@routes.on("_standin", "DELETE", "/requests", secured=False)
def forget_requests(call: Call) -> Any:
    """Forget the requests so far."""
    call.world.database.change("DELETE FROM requests")


@routes.on("_standin", "POST", "/faults", secured=False)
def order_fault(call: Call) -> Any:
    """Order trouble (see `faults`)."""
    faults.order(call.world, call.json("kind"))


@routes.on("_standin", "DELETE", "/faults", secured=False)
def forget_faults(call: Call) -> Any:
    """Forget trouble that was ordered."""
    call.world.database.change("DELETE FROM faults")


@routes.on("_standin", "POST", "/clock/advance", secured=False)
def advance(call: Call) -> Any:
    """Put the clock forward by `millis`."""
    call.world.advance(int(call.json("millis")["millis"]))
    return {"now": call.world.now()}


@routes.on("_standin", "POST", "/annotations/:id/work", secured=False)
def act(call: Call) -> Any:
    """Act as the annotator: draw the file `name` with the bytes `body` (base64), work for `millis`, finish unless told not to."""
    body = call.json() or {}
    files = (body["name"], base64.b64decode(body["body"])) if body.get("body") else None
    annotation = stored_annotation(call.world, call.parts["id"])
    done = work(call.world, annotation, files, millis=body.get("millis", 60_000), finish_it=body.get("finish", True))
    return {"id": done["id"], "state": done["state"], "version": done["version"]}


@routes.on("_standin", "GET", "/users", secured=False)
def users(call: Call) -> Any:
    """List the users with a token each."""
    told = []
    for user in call.world.all("users"):
        found = call.world.database.row("SELECT token FROM tokens WHERE user_id = ? AND expires = 0", (user["id"],))
        told.append({**user, "token": found["token"] if found else new_token(call.world, user_id=user["id"])})
    return told


@routes.on("_standin", "POST", "/tokens/:token/expire", secured=False)
def expire(call: Call) -> Any:
    """Let a token be valid no more."""
    if not call.world.database.change("UPDATE tokens SET expires = 1 WHERE token = ?", (call.parts["token"],)):
        raise not_found("Token", "***")


@routes.on("_standin", "POST", "/shortLinks/:key", secured=False)
def short_link(call: Call) -> Any:
    """Make a short link."""
    call.world.database.change(
        "INSERT OR REPLACE INTO short_links VALUES (?, ?)", (call.parts["key"], call.json("longLink")["longLink"])
    )
