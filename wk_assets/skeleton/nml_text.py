"""From values to the text of an NML: escaped attributes, elements in lines, two blanks per level.

Numbers: no point where the format has integers, and for positions that are whole; others in the shortest form that
reads back as the same float. Raises NmlError for what XML can not hold.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, TypeAlias

from wk_assets.errors import NmlError
from wk_assets.skeleton.nml_frame import ADDITIONAL_COORDINATE, DEEPEST_ELEMENT, shortened
from wk_assets.skeleton.nml_unknown import Attributes, Elements, Inner, UnknownElement

Value: TypeAlias = str | int | float | bool | None
Pairs: TypeAlias = Sequence[tuple[str, Value]]

_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
_TO_ESCAPE: Final = re.compile('[&<>"\n\r\t]')
_TO_ESCAPE_IN_TEXT: Final = re.compile("[&<>\r]")
# XML 1.0, section 2.2: no control characters but tab and line ends, no surrogates, no U+FFFE and U+FFFF
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_XML_NAME: Final = re.compile(r"[^\W\d][\w.\-:]*")
_WRITING: Final = "NML to be written"


def refuse(what: str, remedy: str, element: str = "") -> NmlError:
    """Make the error for a value that can not be written."""
    return NmlError(what, remedy=remedy, source=_WRITING, element=element)


def _checked(text: str) -> str:
    found = _NOT_XML.search(text)
    if found is not None:
        raise refuse(
            f"{shortened(text)} holds the character U+{ord(found[0]):04X}",
            "XML can not hold it: take it out of the name, comment or value.",
        )
    return text


def _name(name: str) -> str:
    if not _XML_NAME.fullmatch(name):
        raise refuse(f"{shortened(name)} is no name of an element or attribute", "Use letters, digits, '.', '-', '_'.")
    return name


def escaped(text: str) -> str:
    """Write text as the value of an attribute."""
    return _TO_ESCAPE.sub(lambda found: _ESCAPES[found[0]], _checked(text))


def number(value: float) -> str:
    """Write a float: `12.5`, `1.0`."""
    if not math.isfinite(value):
        raise refuse(f"{value} is no finite number", "Give a number, or None where there is none.")
    return repr(float(value))


def coordinate(value: float) -> float:
    """Give an integer for a float that is whole, so that it is written as one."""
    return int(value) if math.isfinite(value) and value == int(value) else value


def _written(value: str | float) -> str:
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else number(value)


def pairs_text(pairs: Pairs, attributes: Attributes = ()) -> str:
    """Write attributes, known ones first, each with a blank before it; those that are None are left out."""
    known = (f' {name}="{_written(value)}"' for name, value in pairs if value is not None)
    return "".join(chain(known, (f' {_name(name)}="{escaped(value)}"' for name, value in attributes)))


def vector(names: tuple[str, str, str], values: tuple[float, float, float] | None) -> Pairs:
    """Name three coordinates."""
    return () if values is None else [(name, coordinate(value)) for name, value in zip(names, values, strict=True)]


def floats(names: Sequence[str], values: Sequence[float] | None) -> Pairs:
    """Name numbers that are always written with a point."""
    return () if values is None else [(name, float(value)) for name, value in zip(names, values, strict=True)]


def color(values: Sequence[float] | None) -> Pairs:
    """Name red, green, blue, alpha."""
    return floats(("color.r", "color.g", "color.b", "color.a"), values)


def additional(coordinates: Iterable[tuple[str, int]]) -> Attributes:
    """Name additional coordinates."""
    return tuple((f"{ADDITIONAL_COORDINATE}{axis}", str(value)) for axis, value in coordinates)


def element(
    level: int, tag: str, pairs: Pairs = (), attributes: Attributes = (), *inside: Iterable[str]
) -> Iterator[str]:
    """Write an element, and the lines of what is in it; raises NmlError for one that is too deep to be read again."""
    if level >= DEEPEST_ELEMENT:
        raise refuse(f"elements stand in one another {DEEPEST_ELEMENT} deep", "Nest fewer groups.", tag)
    indent = "  " * level
    head = f"{indent}<{tag}{pairs_text(pairs, attributes)}"
    lines = chain.from_iterable(inside)
    first = next(lines, None)
    if first is None:
        yield f"{head} />\n"
        return
    yield f"{head}>\n{first}"
    yield from lines
    yield f"{indent}</{tag}>\n"


def plain(level: int, tag: str, inner: Sequence[Inner], pairs: Pairs, *inside: Iterable[str]) -> Iterator[str]:
    """Write an element of which `inner` may know more: one that only holds others, or one value."""
    kept = next((one for one in inner if one.tag == tag), Inner(tag=tag))
    return element(level, tag, pairs, kept.attributes, *inside, unknown(level + 1, kept.elements))


def unknown(level: int, elements: Elements) -> Iterator[str]:
    """Write unknown elements and XML comments, each on lines of its own, as they stood in the file."""
    for one in elements:
        yield f"{'  ' * level}{_verbatim(level, one)}\n"


def _verbatim(level: int, one: object) -> str:
    if level >= DEEPEST_ELEMENT:
        raise refuse(f"elements stand in one another {DEEPEST_ELEMENT} deep", "Nest fewer elements.")
    if isinstance(one, str):
        return _TO_ESCAPE_IN_TEXT.sub(lambda found: _ESCAPES[found[0]], _checked(one))
    if isinstance(one, UnknownElement):
        head = f"<{_name(one.tag)}{pairs_text((), one.attributes)}"
        if not one.content:
            return f"{head} />"
        return f"{head}>{''.join(_verbatim(level + 1, part) for part in one.content)}</{one.tag}>"
    text = _checked(str(getattr(one, "text", "")))
    if "--" in text or text.endswith("-"):
        raise refuse(f"the XML comment {shortened(text)} holds '--'", "XML can not hold it: write one hyphen.")
    return f"<!--{text}-->"
