"""What a manifest, a run file or a log says: text in, names and numbers out.

Pure. The files are read in `acquisitions`, what follows from them is judged in `finished`.
"""

import re
from dataclasses import dataclass
from typing import Any

import yaml

from wk_assets.facility.finish_rules import LogRule

_NAME_KEYS = ("path", "name", "file", "filename")
_SIZE_KEYS = ("size", "bytes", "size_bytes")


class RuleTextError(ValueError):
    """Say why a manifest or run file can not be understood (yet): it may still be being written."""


@dataclass(frozen=True, slots=True)
class ExpectedFile:
    """One file that a manifest names, with its size where the manifest says it."""

    relative_path: str
    size_bytes: int | None


def manifest_files(text: str, suffix: str, key: str) -> tuple[ExpectedFile, ...]:
    """List the files that a manifest names.

    JSON and YAML (by `suffix`): the list at `key`, of names or of mappings with path/name/file and perhaps size. Other
    text: one name a line, `#` begins a comment. Raises RuleTextError.
    """
    if suffix.lower() not in (".json", ".yml", ".yaml"):
        lines = (line.split("#", 1)[0].strip() for line in text.splitlines())
        return tuple(ExpectedFile(_posix(line), None) for line in lines if line)
    items = _at(text, key)
    if not isinstance(items, list):
        raise RuleTextError(f"{key!r} is not a list of files")
    return tuple(_expected(item, key) for item in items)


def expected_number(text: str, key: str) -> int:
    """Read how many files a JSON or YAML run file announces: a number at `key`, or a list to count. Raises RuleTextError."""
    value = _at(text, key)
    if isinstance(value, list | dict):
        return len(value)
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise RuleTextError(f"{key!r} is {value!r}, neither a number nor a list")


@dataclass(frozen=True, slots=True)
class LogTale:
    """What a log tells: whether its end was reached, how many items it finished, which files it names."""

    ended: bool
    items: int
    files: tuple[str, ...]


def read_log(text: str, rule: LogRule) -> LogTale:
    """Read an append-only log. A last line without its line break is still being written, and does not count."""
    whole = text[: text.rfind("\n") + 1].splitlines()
    ended = rule.end is not None and any(re.search(rule.end, line) for line in whole)
    found = [match for line in whole if (match := re.search(rule.item, line))] if rule.item is not None else []
    names_a_file = rule.item is not None and "file" in re.compile(rule.item).groupindex
    files = tuple(_posix(match["file"]) for match in found if match["file"]) if names_a_file else ()
    return LogTale(ended, len(found), files)


def _expected(item: Any, key: str) -> ExpectedFile:
    if isinstance(item, str):
        return ExpectedFile(_posix(item), None)
    name = next((item[k] for k in _NAME_KEYS if isinstance(item.get(k), str)), None) if isinstance(item, dict) else None
    if name is None:
        raise RuleTextError(f"an item of {key!r} names no file (looked for {', '.join(_NAME_KEYS)})")
    size = next((item[k] for k in _SIZE_KEYS if isinstance(item.get(k), int)), None)
    return ExpectedFile(_posix(name), size)


def _posix(name: str) -> str:
    """Write a name as instruments on Windows write it with slashes, relative to the acquisition's folder."""
    return name.strip().replace("\\", "/").removeprefix("./")


def _at(text: str, key: str) -> Any:
    try:
        value = yaml.safe_load(text)  # JSON is YAML
    except yaml.YAMLError as error:
        raise RuleTextError("it can not be parsed (yet)") from error
    for step in key.split("."):
        if not isinstance(value, dict) or step not in value:
            raise RuleTextError(f"it has no key {key!r}")
        value = value[step]
    return value
