"""Hold answers to the shapes of shapes.json: which keys there are, and of which types; values are not looked at.

A stand-in must have no key that nobody documented; a live server may, because it may be newer than what is documented.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_ID = re.compile(r"[0-9a-f]{24}")
_EARLIEST_MILLIS = 10**12  # 2001: seconds since 1970 are fewer for the next thirty thousand years
_CHOICE = "any of"


@dataclass(frozen=True, slots=True)
class Shapes:
    """Hold the named types, and per route the shape of its answer."""

    types: Mapping[str, Any]
    routes: Mapping[str, Any]

    def of_route(self, method: str, path: str) -> tuple[str, Any] | None:
        """Return the route, and its shape, of a path without a version; the more particular routes come first."""
        for route, form in _patterns(tuple(self.routes)):
            wanted, _, _ = route.partition(" ")
            if wanted == method and form.fullmatch(path):
                return route, self.routes[route]
        return None

    def differences(self, value: object, shape: Any, *, version: int, closed: bool, where: str = "") -> Iterator[str]:
        """Say where a value is of another shape. `closed`: keys that the shape does not name are differences, too."""
        if isinstance(shape, str):
            yield from self._of_names(value, shape, version=version, closed=closed, where=where)
        elif isinstance(shape, list):
            if not isinstance(value, list):
                yield f"{where or 'the answer'} is {_kind(value)}, a list is due"
                return
            for number, one in enumerate(value):
                yield from self.differences(one, shape[0], version=version, closed=closed, where=f"{where}[{number}]")
        elif _CHOICE in shape:
            yield from self._of_choice(value, shape[_CHOICE], version=version, closed=closed, where=where)
        else:
            yield from self._of_object(value, shape, version=version, closed=closed, where=where)

    def _of_names(self, value: object, shape: str, *, version: int, closed: bool, where: str) -> Iterator[str]:
        named = self._named(shape, version)
        if named is not None:
            yield from self.differences(value, named, version=version, closed=closed, where=where)
            return
        choices = shape.split("|")
        if any(_is_plain(value, choice) for choice in choices):
            return
        for choice in choices:
            form = self._named(choice, version)
            if form is not None:
                yield from self.differences(value, form, version=version, closed=closed, where=where)
                return
        yield f"{where or 'the answer'} is {_kind(value)}, {shape} is due"

    def _of_choice(self, value: object, choices: list[str], *, version: int, closed: bool, where: str) -> Iterator[str]:
        tried = [
            list(self.differences(value, choice, version=version, closed=closed, where=where)) for choice in choices
        ]
        yield from min(tried, key=len)

    def _of_object(
        self, value: object, shape: Mapping[str, Any], *, version: int, closed: bool, where: str
    ) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{where or 'the answer'} is {_kind(value)}, an object is due"
            return
        known = {key.removesuffix("?"): form for key, form in shape.items() if key != "*"}
        for key in shape:
            if key != "*" and not key.endswith("?") and key not in value:
                yield f"{where}.{key} is missing"
        for key, one in value.items():
            form = known.get(key, shape.get("*"))
            if form is not None:
                yield from self.differences(one, form, version=version, closed=closed, where=f"{where}.{key}")
            elif closed:
                yield f"{where}.{key} is documented nowhere"

    def _named(self, name: str, version: int) -> Any:
        """Return a named type as a version has it; None if nothing has that name."""
        later = [key for key in self.types if key.partition("@")[0] == name]
        fitting = [key for key in later if int(key.partition("@")[2] or 0) <= version]
        return self.types[max(fitting, key=lambda key: int(key.partition("@")[2] or 0))] if fitting else None


@lru_cache(maxsize=1)
def shapes() -> Shapes:
    """Read shapes.json."""
    document = json.loads(Path(__file__).with_name("shapes.json").read_text())
    return Shapes(types=document["types"], routes=document["routes"])


@lru_cache(maxsize=4)
def _patterns(routes: tuple[str, ...]) -> list[tuple[str, re.Pattern[str]]]:
    def particular(route: str) -> list[int]:
        return [2 if part.startswith("*") else int(part.startswith(":")) for part in route.split("/")]

    return [
        (route, re.compile(re.sub(r"\*\w+", ".+", re.sub(r":\w+", "[^/]+", route.partition(" ")[2]))))
        for route in sorted(routes, key=particular)
    ]


def _is_plain(value: object, name: str) -> bool:
    match name:
        case "any":
            return True
        case "null":
            return value is None
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "milliseconds":  # 0 stands for never
            return isinstance(value, int) and (value == 0 or value > _EARLIEST_MILLIS)
        case "id":
            return isinstance(value, str) and _ID.fullmatch(value) is not None
        case _:
            return False


def _kind(value: object) -> str:
    return "null" if value is None else f"{type(value).__name__} ({value!r:.60})"
