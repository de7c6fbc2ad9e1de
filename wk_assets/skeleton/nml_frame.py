"""One element of an NML document while it is read: its attributes as values, and what was found in it.

A value is taken from a frame once; what nobody took is unknown, and kept. Text becomes numbers here, and nowhere else.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Final

from wk_assets.errors import NmlError
from wk_assets.skeleton.nml_unknown import Attributes, Inner, UnknownElement, XmlComment

LARGEST_INTEGER: Final = 2**63 - 1
LARGEST_SEGMENT_ID: Final = 2**64 - 1
LARGEST_COORDINATE: Final = 2.0**53  # up to here a float holds every integer
DEEPEST_ELEMENT: Final = 128
"""Groups nest; the deepest that people made by hand are below ten."""
ADDITIONAL_COORDINATE: Final = "additionalCoordinate-"
_BOOLEANS: Final = {"true": True, "false": False, "True": True, "False": False, "1": True, "0": False}


@dataclass(slots=True, eq=False)
class Frame:
    """Hold an element that is open, or was just closed.

    `found`: what was made of the known elements inside, by their names. `rest`: unknown elements and XML comments.
    """

    source: str
    tag: str
    attributes: dict[str, str]
    line: int
    parent: "Frame | None" = None
    found: dict[str, list[Any]] = field(default_factory=dict)
    rest: list[UnknownElement | XmlComment] = field(default_factory=list)

    @property
    def path(self) -> str:
        """Name it with all elements around it, e.g. `things/parameters/scale`."""
        return self.tag if self.parent is None else f"{self.parent.path}/{self.tag}"

    def error(self, what: str, remedy: str) -> NmlError:
        """Make the error that names this element."""
        return NmlError(what, remedy=remedy, source=self.source, element=self.path, line=self.line)

    def text(self, name: str) -> str | None:
        """Take an attribute as text."""
        return self.attributes.pop(name, None)

    def needed(self, name: str) -> str:
        """Take an attribute that must be there; raises NmlError."""
        text = self.attributes.pop(name, None)
        if text is None:
            raise self.error(f"has no attribute {name!r}", f"Add {name}=… to it, or remove the element.")
        return text

    def integer(self, name: str, least: int = -LARGEST_INTEGER, most: int = LARGEST_INTEGER) -> int | None:
        """Take an attribute as an integer from `least` to `most`; raises NmlError."""
        text = self.attributes.pop(name, None)
        return None if text is None else self._integer(name, text, least, most)

    def identifier(self, name: str, most: int = LARGEST_INTEGER) -> int:
        """Take an attribute that must be an id: an integer from 0 to `most`; raises NmlError."""
        return self._integer(name, self.needed(name), 0, most)

    def _integer(self, name: str, text: str, least: int, most: int) -> int:
        plain = len(text) <= 64 and text.isascii() and "_" not in text  # int() would take underlines and other digits
        try:
            value = int(text) if plain else None
        except ValueError:
            value = None
        if value is None:
            raise self.error(f"{name}={shortened(text)} is no integer", "Write decimal digits.")
        if not least <= value <= most:
            raise self.error(f"{name}={value} is out of range", f"Give a number from {least} to {most}.")
        return value

    def number(self, name: str, most: float = math.inf) -> float | None:
        """Take an attribute as a finite number of at most `most`, either sign; raises NmlError."""
        text = self.attributes.pop(name, None)
        if text is None:
            return None
        plain = text.isascii() and "_" not in text
        try:
            value = float(text) if plain else math.nan
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or abs(value) > most:
            raise self.error(
                f"{name}={shortened(text)} is no finite number{'' if math.isinf(most) else f' up to {most:.0f}'}",
                "Write decimal digits, like 12.5.",
            )
        return value

    def vector(self, names: tuple[str, str, str], most: float = math.inf) -> tuple[float, float, float] | None:
        """Take three attributes as one vector; None if none of them is there. Raises NmlError if only some are."""
        values = [self.number(name, most) for name in names]
        x, y, z = values
        if x is None or y is None or z is None:
            if values != [None, None, None]:
                raise self.error(f"has only some of {', '.join(names)}", "Give all three, or none.")
            return None
        return x, y, z

    def color(self) -> tuple[float, float, float, float] | None:
        """Take `color.r` to `color.a`; a color without alpha is opaque. Raises NmlError if some others are missing."""
        rgb = self.vector(("color.r", "color.g", "color.b"))
        alpha = self.number("color.a")
        if rgb is None:
            if alpha is not None:
                raise self.error("has color.a, but no color.r, color.g, color.b", "Give all four, or none.")
            return None
        return (*rgb, 1.0 if alpha is None else alpha)

    def boolean(self, name: str) -> bool | None:
        """Take an attribute as true or false; raises NmlError for other text."""
        text = self.attributes.pop(name, None)
        if text is None:
            return None
        if text not in _BOOLEANS:
            raise self.error(f"{name}={shortened(text)} is neither true nor false", "Write true or false.")
        return _BOOLEANS[text]

    def additional_coordinates(self) -> tuple[tuple[str, int], ...]:
        """Take all `additionalCoordinate-<axis>`; raises NmlError for one that is no integer."""
        names = [name for name in self.attributes if name.startswith(ADDITIONAL_COORDINATE)]
        values = [(name.removeprefix(ADDITIONAL_COORDINATE), self.integer(name)) for name in names]
        return tuple((axis, value) for axis, value in values if value is not None)

    def unknown_attributes(self) -> Attributes:
        """Give the attributes that nobody took."""
        return tuple(self.attributes.items())

    def one(self, tag: str) -> Any:
        """Give what was made of the only element of that name, or None; a second one was refused when it opened."""
        made = self.found.get(tag)
        return made[0] if made else None

    def all(self, tag: str) -> tuple[Any, ...]:
        """Give what was made of the elements of that name."""
        return tuple(self.found.get(tag, ()))

    def members(self, container: str, tag: str) -> tuple[Any, ...]:
        """Give what was made of the elements `tag` in the only `container`."""
        frame = self.one(container)
        return () if frame is None else frame.all(tag)

    def inner(self, *tags: str) -> tuple[Inner, ...]:
        """Give what is unknown of the plain elements inside, by name, where there is something."""
        frames = [(tag, self.one(tag)) for tag in tags]
        kept = [
            Inner(tag=tag, attributes=frame.unknown_attributes(), elements=tuple(frame.rest))
            for tag, frame in frames
            if frame is not None
        ]
        return tuple(one for one in kept if one.attributes or one.elements)


def shortened(text: str) -> str:
    """Quote a value for an error: a hostile one may be megabytes long."""
    return repr(text if len(text) <= 80 else text[:77] + "…")
