"""Units of length, by the names that WEBKNOSSOS and OME-NGFF share, and what each is in nanometers.

The one place where lengths are converted. Symbols that microscopes write (`µm`, `A`) are understood here too.
"""

from enum import StrEnum

from wk_assets.errors import GeometryError


class LengthUnit(StrEnum):
    """Name a unit of length. Source: WEBKNOSSOS `scale.unit`, the same names as OME-NGFF's axes."""

    ANGSTROM = "angstrom"
    ATTOMETER = "attometer"
    CENTIMETER = "centimeter"
    DECIMETER = "decimeter"
    EXAMETER = "exameter"
    FEMTOMETER = "femtometer"
    FOOT = "foot"
    GIGAMETER = "gigameter"
    HECTOMETER = "hectometer"
    INCH = "inch"
    KILOMETER = "kilometer"
    MEGAMETER = "megameter"
    METER = "meter"
    MICROMETER = "micrometer"
    MILE = "mile"
    MILLIMETER = "millimeter"
    NANOMETER = "nanometer"
    PARSEC = "parsec"
    PETAMETER = "petameter"
    PICOMETER = "picometer"
    TERAMETER = "terameter"
    YARD = "yard"
    YOCTOMETER = "yoctometer"
    YOTTAMETER = "yottameter"
    ZEPTOMETER = "zeptometer"
    ZETTAMETER = "zettameter"

    @property
    def nanometers(self) -> float:
        """Give the length of one unit in nanometers."""
        return _NANOMETERS[self]

    @classmethod
    def from_text(cls, text: str) -> "LengthUnit":
        """Understand a unit's name or symbol, e.g. `nanometer`, `nm`, `µm`, `micron`, `Å`.

        Raises GeometryError for text that names no unit of length (`pixel`, `dpi`, an empty text).
        """
        cleaned = text.strip().replace("\u03bc", "\u00b5")  # Greek mu and the micro sign look alike
        if cleaned in _SYMBOLS:
            return _SYMBOLS[cleaned]
        lowered = cleaned.lower()
        for candidate in (lowered, lowered.removesuffix("s"), lowered.replace("metre", "meter").removesuffix("s")):
            if candidate in cls._value2member_map_:
                return cls(candidate)
        if lowered in _ALIASES:
            return _ALIASES[lowered]
        raise GeometryError(f"{text!r} is not a unit of length; write one of {', '.join(cls)}")


DEFAULT_LENGTH_UNIT = LengthUnit.NANOMETER

_NANOMETERS = {
    LengthUnit.YOCTOMETER: 1e-15,
    LengthUnit.ZEPTOMETER: 1e-12,
    LengthUnit.ATTOMETER: 1e-9,
    LengthUnit.FEMTOMETER: 1e-6,
    LengthUnit.PICOMETER: 1e-3,
    LengthUnit.ANGSTROM: 1e-1,
    LengthUnit.NANOMETER: 1.0,
    LengthUnit.MICROMETER: 1e3,
    LengthUnit.MILLIMETER: 1e6,
    LengthUnit.CENTIMETER: 1e7,
    LengthUnit.DECIMETER: 1e8,
    LengthUnit.METER: 1e9,
    LengthUnit.HECTOMETER: 1e11,
    LengthUnit.KILOMETER: 1e12,
    LengthUnit.MEGAMETER: 1e15,
    LengthUnit.GIGAMETER: 1e18,
    LengthUnit.TERAMETER: 1e21,
    LengthUnit.PETAMETER: 1e24,
    LengthUnit.EXAMETER: 1e27,
    LengthUnit.ZETTAMETER: 1e30,
    LengthUnit.YOTTAMETER: 1e33,
    LengthUnit.INCH: 2.54e7,
    LengthUnit.FOOT: 3.048e8,
    LengthUnit.YARD: 9.144e8,
    LengthUnit.MILE: 1.609344e12,
    LengthUnit.PARSEC: 3.0856775814913673e25,  # 648000 / pi astronomical units of 149597870700 m (IAU 2015 B2)
}

# Case matters in symbols: Mm is a megameter, mm a millimeter.
_SYMBOLS = {
    "ym": LengthUnit.YOCTOMETER,
    "zm": LengthUnit.ZEPTOMETER,
    "am": LengthUnit.ATTOMETER,
    "fm": LengthUnit.FEMTOMETER,
    "pm": LengthUnit.PICOMETER,
    "\u00c5": LengthUnit.ANGSTROM,
    "\u212b": LengthUnit.ANGSTROM,
    "A": LengthUnit.ANGSTROM,
    "nm": LengthUnit.NANOMETER,
    "\u00b5m": LengthUnit.MICROMETER,
    "um": LengthUnit.MICROMETER,
    "\u00b5": LengthUnit.MICROMETER,
    "mm": LengthUnit.MILLIMETER,
    "cm": LengthUnit.CENTIMETER,
    "dm": LengthUnit.DECIMETER,
    "m": LengthUnit.METER,
    "hm": LengthUnit.HECTOMETER,
    "km": LengthUnit.KILOMETER,
    "Mm": LengthUnit.MEGAMETER,
    "Gm": LengthUnit.GIGAMETER,
    "Tm": LengthUnit.TERAMETER,
    "Pm": LengthUnit.PETAMETER,
    "Em": LengthUnit.EXAMETER,
    "Zm": LengthUnit.ZETTAMETER,
    "Ym": LengthUnit.YOTTAMETER,
    "in": LengthUnit.INCH,
    "ft": LengthUnit.FOOT,
    "yd": LengthUnit.YARD,
    "mi": LengthUnit.MILE,
    "pc": LengthUnit.PARSEC,
}

_ALIASES = {
    "micron": LengthUnit.MICROMETER,
    "microns": LengthUnit.MICROMETER,
    "feet": LengthUnit.FOOT,
    "inches": LengthUnit.INCH,
    "\u00e5ngstr\u00f6m": LengthUnit.ANGSTROM,
}
