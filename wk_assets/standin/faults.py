"""Trouble on order: the next requests to a route fail, hang, break, or succeed without anybody hearing of it.

A fault is `{"method", "path" (a pattern), "kind", "times", …}`; kinds: `status` (with `status`, `body`, `retryAfter`, `html`),
`drop` (the connection breaks without an answer), `truncate` (half of the body), `slow` (`seconds`), `lost` (the request
is carried out, the answer is a 500), and `twice` (a proxy repeats the request, and hands through the second answer).
"""

import json
import re
import time
from dataclasses import dataclass
from typing import Any, Literal

from starlette.responses import HTMLResponse, JSONResponse, Response

from wk_assets.standin.database import document
from wk_assets.standin.world import World

Kind = Literal["status", "drop", "truncate", "slow", "lost", "twice"]


class DroppedConnection(Exception):  # noqa: N818  # an order, not a failure of ours
    """Close the connection without an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Say what goes wrong with one request."""

    kind: Kind
    status: int = 500
    body: str = ""
    html: bool = False
    retry_after: float | None = None
    seconds: float = 0.0

    def answer(self) -> Response:
        """Return the answer of a request that is not carried out."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.html:
            return HTMLResponse(f"<html><h1>{self.status}</h1>{self.body}</html>", self.status, headers=headers)
        return JSONResponse({"messages": [{"error": self.body or "a fault on order"}]}, self.status, headers=headers)


def order(world: World, fault: dict[str, Any]) -> None:
    """Order a fault for the next requests that fit."""
    world.database.change("INSERT INTO faults (doc) VALUES (?)", (document({"times": 1, "skip": 0, **fault}),))


def due(world: World, method: str, path: str) -> Fault | None:
    """Return the fault that this request shall meet, and count it."""
    if not world.database.count("SELECT COUNT(*) FROM faults"):
        return None
    with world.database.writing():
        for row in world.database.rows("SELECT * FROM faults ORDER BY seq"):
            doc = row["doc"]
            if doc.get("method", method) != method or not re.search(doc.get("path", ""), path):
                continue
            if doc["skip"] > 0:
                doc["skip"] -= 1
                world.database.change("UPDATE faults SET doc = ? WHERE seq = ?", (json.dumps(doc), row["seq"]))
                continue
            doc["times"] -= 1
            if doc["times"] <= 0:
                world.database.change("DELETE FROM faults WHERE seq = ?", (row["seq"],))
            else:
                world.database.change("UPDATE faults SET doc = ? WHERE seq = ?", (json.dumps(doc), row["seq"]))
            return Fault(
                kind=doc["kind"],
                status=doc.get("status", 500),
                body=doc.get("body", ""),
                html=doc.get("html", False),
                retry_after=doc.get("retryAfter"),
                seconds=doc.get("seconds", 0.0),
            )
    return None


def wait(fault: Fault) -> None:
    """Let a slow request take its time."""
    time.sleep(fault.seconds)
