"""What NML documents hold beyond the format that we know, kept word by word."""

from dataclasses import dataclass
from typing import TypeAlias

Attributes: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class XmlComment:
    """Keep an XML comment (`<!--…-->`), not to be taken for the comment of a node."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownElement:
    """Keep an element that the format does not know, with all its text, as it stood in the file."""

    tag: str
    attributes: Attributes = ()
    content: tuple["str | UnknownElement | XmlComment", ...] = ()


Elements: TypeAlias = tuple[UnknownElement | XmlComment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """Keep what is unknown of an element that only holds others, or one value (`nodes`, `comments`, `scale`)."""

    tag: str
    attributes: Attributes = ()
    elements: Elements = ()
