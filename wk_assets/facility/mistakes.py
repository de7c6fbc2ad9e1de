"""The sentences that a person reads about mistakes in wk_assets.yaml.

Turns what pydantic found into problems with a path, the wrong value and a remedy, and finds what no single section
can see: names that stand twice, folders that contain one another, secrets. Values of secrets are never repeated.
"""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from wk_assets.errors import Problem
from wk_assets.facility.yaml_document import KeyPath, dotted

TOKEN_VARIABLE = "WK_TOKEN"  # noqa: S105  # the variable's name, not its value
Located = tuple[KeyPath, Problem]
_SECRET_KEY = re.compile(r"token|secret|passw(or)?d|passphrase|api_?key|credential", re.IGNORECASE)


def sentences(error: ValidationError, model: type[BaseModel], content: Any) -> Iterator[Located]:
    """Say each mistake that pydantic found in `content`, the parsed file that `model` describes."""
    for details in error.errors(include_url=False):
        if details["type"] == "too_short" and len(details["input"]) > 0:
            continue  # it only seems empty, because no item of it is right: each is named on its own
        path = _path_in_file(details["loc"], content)
        path, what, remedy = _sentence(details, path, model)
        yield path, Problem(dotted(path), what, remedy)


def is_variable_name(value: object) -> bool:
    """Say whether a value is the name of an environment variable: capitals, which no token is made of alone."""
    return isinstance(value, str) and re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", value) is not None


def secrets(content: Any, path: KeyPath = ()) -> Iterator[Located]:
    """Find keys that look like a secret and have a value."""
    if isinstance(content, dict):
        for key, value in content.items():
            here = (*path, str(key))
            names_a_variable = key == "token_variable" and is_variable_name(value)
            if _SECRET_KEY.search(str(key)) and value not in (None, "") and not names_a_variable:
                remedy = f"Remove it from the file and put it into the environment variable {TOKEN_VARIABLE}"
                yield here, Problem(dotted(here), "a secret does not belong into this file", remedy)
            else:
                yield from secrets(value, here)
    elif isinstance(content, list):
        for index, item in enumerate(content):
            yield from secrets(item, (*path, index))


def collisions(content: Any, home: Path) -> Iterator[Located]:
    """Find instruments and layers whose names stand twice, and folders that must not contain one another."""
    instruments = _items(content, "instruments")
    yield from _twice(instruments, ("instruments",), "instrument")
    for index, instrument in enumerate(instruments):
        yield from _twice(_items(instrument, "layers"), ("instruments", index, "layers"), "layer")
    watched: dict[tuple[Path, str], int] = {}
    root = _folder(content.get("storage"), "root", home) or home / "datasets"
    for index, instrument in enumerate(instruments):
        folder = _folder(instrument, "watch", home)
        if folder is None:
            continue
        here = ("instruments", index, "watch")
        first = watched.setdefault((folder, str(instrument.get("acquisitions", "*"))), index)
        if first != index:
            what = f"{instrument['watch']!r} is watched by instruments.{first} too"
            yield here, Problem(dotted(here), what, "Give each a folder, or a pattern 'acquisitions', of its own")
        if root.is_relative_to(folder):
            what = (
                f"the storage root {root} lies in {instrument['watch']!r}, so datasets would be taken for acquisitions"
            )
            yield here, Problem(dotted(here), what, "Watch another folder, or move storage.root out of it")


def _sentence(details: ErrorDetails, path: KeyPath, model: type[BaseModel]) -> tuple[KeyPath, str, str]:
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    field = _field_at(model, details["loc"])
    wanted = f"Give {field.description}" if field is not None and field.description else "Correct the value"
    if kind == "mistake":
        return path, context["what"], context["remedy"]
    if kind == "missing":
        return path, f"{path[-1]!r} is missing", f"Add it: {wanted.removeprefix('Give ')}"
    if kind == "extra_forbidden":
        known = _keys_at(model, details["loc"][:-1])
        return path, f"unknown key {path[-1]!r}", f"{_did_you_mean(str(path[-1]), known)}Known here: {', '.join(known)}"
    if kind in ("enum", "literal_error"):
        names = re.findall(r"[^\s',]+", context["expected"].replace(" or ", " "))
        return path, f"{_shown(value)} is not known", f"{_did_you_mean(str(value), names)}Use {', '.join(names)}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        rules = _tags_at(model, details["loc"])
        given = _rule_of(value)
        what = "'rule' is missing" if given is None else f"{_shown(given)} is not known"
        return (*path, "rule"), what, f"{_did_you_mean(str(given), rules)}Use {', '.join(rules)}"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return path, f"{_shown(value)} is not a mapping of keys to values", wanted
    if kind in ("tuple_type", "list_type"):
        return path, f"{_shown(value)} is not a list", f"Begin each item with '- '. {wanted}"
    if kind in ("too_short", "string_too_short"):
        return path, "it is empty", wanted
    if kind == "string_type":
        return path, f"{_shown(value)} is not text", f"Put it into quotes. {wanted}"
    message = details["msg"].removeprefix("Input ").replace("should", "it should", 1)
    return path, f"{_shown(value)} is wrong, {message}", wanted


def _path_in_file(location: tuple[str | int, ...], content: Any) -> KeyPath:
    """Drop the steps that pydantic adds for the members of a union: they are no keys of the file."""
    path: list[str | int] = []
    for position, step in enumerate(location):
        last = position == len(location) - 1
        if _has(content, step):
            content = content[step]
        elif not last or not (content is None or isinstance(content, dict)) or step == _rule_of(content):
            continue
        path.append(step)
    return tuple(path)


def _has(content: Any, step: str | int) -> bool:
    return step in content if isinstance(content, dict) else isinstance(content, list) and isinstance(step, int)


def _rule_of(section: Any) -> Any:
    return section.get("rule") if isinstance(section, dict) else None


def _step(annotation: Any, step: str | int) -> Any:
    """Follow one step of a location from a type to the type inside: an item, a union's member, a key."""
    if isinstance(step, int):
        return next((inner for inner in get_args(annotation) if inner is not Ellipsis), None)
    for candidate in _alternatives(annotation):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            if step in _tags(candidate):
                return candidate
            for name, field in candidate.model_fields.items():
                if step == (field.alias or name):
                    return field
    return None


def _annotation_at(model: type[BaseModel], location: tuple[str | int, ...]) -> Any:
    current: Any = model
    for step in location:
        current = _step(current.annotation if isinstance(current, FieldInfo) else current, step)
    return current


def _field_at(model: type[BaseModel], location: tuple[str | int, ...]) -> FieldInfo | None:
    for end in range(len(location), 0, -1):
        if isinstance(found := _annotation_at(model, location[:end]), FieldInfo):
            return found
    return None


def _members_at(model: type[BaseModel], location: tuple[str | int, ...]) -> list[type[BaseModel]]:
    found = _annotation_at(model, location)
    annotation = found.annotation if isinstance(found, FieldInfo) else found
    return [
        member for member in _alternatives(annotation) if isinstance(member, type) and issubclass(member, BaseModel)
    ]


def _alternatives(annotation: Any) -> list[Any]:
    """List a type and the types that it is made of, through unions in unions and annotated ones."""
    found = [annotation]
    for inner in get_args(annotation):
        found += _alternatives(inner)
    return found


def _keys_at(model: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    return [
        field.alias or name for member in _members_at(model, location) for name, field in member.model_fields.items()
    ]


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    rule = model.model_fields.get("rule")
    return get_args(rule.annotation) if rule is not None and get_origin(rule.annotation) is Literal else ()


def _tags_at(model: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    return [tag for member in _members_at(model, location) for tag in _tags(member)]


def _did_you_mean(text: str, known: list[str]) -> str:
    close = get_close_matches(text, known, n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}? " if close else ""


def _shown(value: Any) -> str:
    """Show a wrong value; containers only by kind, for they may hold anything."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _items(content: Any, key: str) -> list[Mapping[str, Any]]:
    items = content.get(key) if isinstance(content, dict) else None
    return [item if isinstance(item, dict) else {} for item in items] if isinstance(items, list) else []


def _twice(items: list[Mapping[str, Any]], path: KeyPath, noun: str) -> Iterator[Located]:
    seen: dict[str, int] = {}
    for index, item in enumerate(items):
        name = item.get("name")
        if isinstance(name, str) and (first := seen.setdefault(name.casefold(), index)) != index:
            here = (*path, index, "name")
            what = f"{name!r} is the name of {dotted((*path, first))} too (case does not tell names apart)"
            yield here, Problem(dotted(here), what, f"Give every {noun} a name of its own")


def _folder(section: Any, key: str, home: Path) -> Path | None:
    text = section.get(key) if isinstance(section, dict) else None
    return home / Path(text).expanduser() if isinstance(text, str) and text else None
