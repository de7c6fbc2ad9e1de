"""Globs over relative posix paths: which file is meant by `nuclei_z*.tif` or `raw/**/*.tif`.

Pure text. `*` and `?` stay within one name, `**/` is any number of folders (none too), `[a-c]` and `[!a-c]` are sets;
a pattern without a slash speaks of the file's own name in the acquisition's folder itself. Case counts, as on the
file systems of Linux. Nothing is listed here (see `acquisitions`).
"""

import re
from functools import lru_cache


def _translated(pattern: str) -> str:
    """Translate a glob to the text of a regular expression. Raises ValueError for a set that is not closed."""
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            parts.append("(?:[^/]+/)*")
            at += 3
        elif pattern.startswith("**", at):
            parts.append(".*")
            at += 2
        elif pattern[at] == "*":
            parts.append("[^/]*")
            at += 1
        elif pattern[at] == "?":
            parts.append("[^/]")
            at += 1
        elif pattern[at] == "[":
            end = pattern.index("]", at + 2 + pattern.startswith("[!", at))
            inner = pattern[at + 1 : end].replace("\\", "\\\\")
            parts.append(f"(?!/)[{'^' + inner[1:] if inner.startswith('!') else inner.replace('^', chr(92) + '^')}]")
            at = end + 1
        else:
            parts.append(re.escape(pattern[at]))
            at += 1
    return "".join(parts)


@lru_cache(maxsize=1024)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{_translated(pattern)})" for pattern in patterns), re.DOTALL)


def matches(pattern: str, relative_path: str) -> bool:
    """Say whether a relative posix path is meant by the pattern."""
    return _compiled((pattern,)).fullmatch(relative_path) is not None


def matches_any(patterns: tuple[str, ...], relative_path: str) -> bool:
    """Say whether a relative posix path is meant by one of the patterns: one look for all of them."""
    return bool(patterns) and _compiled(patterns).fullmatch(relative_path) is not None


def pattern_mistake(pattern: str) -> str | None:
    """Say what makes a text useless as a pattern, or None."""
    if not pattern.strip():
        return "is empty"
    if pattern.startswith(("/", "~")) or re.match(r"[A-Za-z]:[\\/]", pattern):
        return "is an absolute path"
    if "\\" in pattern:
        return "contains a backslash; folders are separated by '/'"
    if ".." in pattern.split("/"):
        return "leaves the folder with '..'"
    if "\0" in pattern:
        return "contains a null character"
    try:
        _compiled((pattern,))
    except ValueError:
        return "opens a '[' that is never closed"
    except re.error as error:
        return f"has a set that makes no sense ({error.msg})"
    return None
