"""A YAML file as plain values, together with the line of every key.

Text to values; finds syntax errors and keys that stand twice (which YAML readers usually swallow). What the values
mean is the models' business (see `configuration`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from wk_assets.errors import ConfigurationError, Problem

LARGEST_FILE_BYTES = 4 << 20
KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlDocument:
    """The content of one document, the line (from 1) of each key path, and what is wrong with it as YAML."""

    source: str
    content: Any
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def with_overrides(self, overrides: Mapping[tuple[str, str], str]) -> "YamlDocument":
        """Replace values of sections. `overrides`: (section, key) to text."""
        if not isinstance(self.content, dict):
            return self
        content = dict(self.content)
        for (section, key), value in overrides.items():
            given = content.get(section)
            if given is None or isinstance(given, dict):
                content[section] = {**(given or {}), key: value}
        return replace(self, content=content)

    def numbered(self, problems: Sequence[tuple[KeyPath, Problem]]) -> list[Problem]:
        """Add the line to each problem: that of its key, or of the nearest key around it; sort by line."""
        located = [(self._line(path), problem) for path, problem in problems]
        return [
            problem if line is None else replace(problem, what=f"{problem.what} (line {line})")
            for line, problem in sorted(located, key=lambda pair: pair[0] or 0)
        ]

    def _line(self, path: KeyPath) -> int | None:
        return next((self.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.lines), None)


def dotted(path: KeyPath) -> str:
    """Write a key path for a person: `instruments.0.layers.1.files`."""
    return ".".join(str(step) for step in path) or "the whole file"


def read_yaml(file: Path) -> YamlDocument:
    """Read one YAML file.

    Raises ConfigurationError if it is missing, unreadable, no text, or no YAML (with line and column).
    """
    try:
        if file.stat().st_size > LARGEST_FILE_BYTES:
            raise _refused(file, "it is larger than any configuration", "Is this the right file?")
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise _refused(
            file, "the file does not exist", f"Write one with 'wk-assets init {file.parent}', or name another one"
        ) from error
    except UnicodeDecodeError as error:
        raise _refused(file, f"it is not UTF-8 text (byte {error.start})", "Save it as UTF-8") from error
    except OSError as error:
        raise _refused(
            file, f"it can not be read ({error.strerror})", "Give this user permission to read it"
        ) from error
    return parse_yaml(text, str(file))


def parse_yaml(text: str, source: str) -> YamlDocument:
    """Parse YAML text. Raises ConfigurationError with line and column if it is none."""
    loader = yaml.SafeLoader(text)
    lines: dict[KeyPath, int] = {}
    try:
        node = loader.get_single_node()
        problems = [] if node is None else list(_walk(node, (), lines, frozenset()))
        content = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = "the file" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"
        remedy = (
            "Indent with spaces, never with tabs"
            if "\\t" in str(error.problem)
            else "Correct the line: indentation, ':' and quotes"
        )
        raise ConfigurationError(
            source, [Problem(where, f"this is not YAML: {error.problem or error.context}", remedy)]
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(source, [Problem("the file", f"this is not YAML: {error}", "Correct it")]) from error
    finally:
        loader.dispose()
    return YamlDocument(source=source, content=content, lines=lines, problems=tuple(problems))


def _walk(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], above: frozenset[int]) -> Iterator[Problem]:
    """Note the line of every key below a node; yield the keys that stand twice."""
    if id(node) in above:
        raise yaml.MarkedYAMLError(problem="an alias contains itself", problem_mark=node.start_mark)
    lines.setdefault(path, node.start_mark.line + 1)
    above |= {id(node)}
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*path, index), lines, above)
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen and name != "<<":
                yield Problem(
                    dotted((*path, name)), f"the key stands twice, in lines {seen[name]} and {line}", "Keep one of them"
                )
                continue
            seen[name] = line
            lines[(*path, name)] = line
            yield from _walk(value, (*path, name), lines, above)


def _refused(file: Path, what: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(str(file), [Problem("the file", what, remedy)])
