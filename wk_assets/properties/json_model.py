"""What all models of datasource-properties.json share: unknown keys survive, keys are written in order, mistakes have paths.

Pure JSON <-> model. Opens no file.
"""

import json
import math
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from wk_assets.errors import InvalidPropertiesError, Problem
from wk_assets.geometry.mag import Mag

LARGEST_PLAIN_INTEGER = 2**53 - 1  # a JavaScript number holds no larger integer exactly
_REMEDIES = {
    "axisOrder": 'Write the dimension of each axis, like {"c": 0, "x": 1, "y": 2, "z": 3}',
    "boundingBox": 'Write {"topLeft": [x, y, z], "width": ..., "height": ..., "depth": ...} in mag-1 voxels',
    "bounds": "Write [first, last + 1]",
    "category": "Write color or segmentation",
    "dataFormat": "Write zarr3, zarr, wkw, n5 or neuroglancerPrecomputed (attachments: zarr3, hdf5 or json)",
    "dataLayers": "Write a list of layers; it may be empty",
    "depth": "Write the layer's size along z in mag-1 voxels",
    "elementClass": "Write the type of a whole voxel, like uint8, uint24 (three channels of uint8) or float",
    "factor": "Write the edge lengths [x, y, z] of a mag-1 voxel",
    "height": "Write the layer's size along y in mag-1 voxels",
    "largestSegmentId": 'Write an integer, or {"customJsonEncoding": "bigint", "value": "..."}, or leave the key out',
    "mag": "Write three powers of two, like [2, 2, 1]",
    "mags": 'Write a list like [{"mag": [1, 1, 1], "path": "./color/1"}]',
    "matrix": "Write four rows of four numbers",
    "name": "Use letters, digits, '_', '$', '@', '-', '.', and no dot at the start",
    "numChannels": "Write the number of channels, 1 or more",
    "scale": 'Write {"factor": [x, y, z], "unit": "nanometer"}',
    "topLeft": "Write [x, y, z] in mag-1 voxels",
    "unit": "Write the unit's name, like nanometer or micrometer",
    "version": "Use the version of wk-assets that wrote the file, or write 1",
    "width": "Write the layer's size along x in mag-1 voxels",
}


class JsonModel(BaseModel):
    """Be one object of the file: frozen, built by field names in code and by camelCase keys from a file.

    Keys that the model does not know are kept and written after those it knows. A key whose value is its default is not
    written, unless it is one of `always_written`. `key_order` names the fields in the order in which they are written.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        arbitrary_types_allowed=True,
    )

    key_order: ClassVar[tuple[str, ...]] = ()
    always_written: ClassVar[frozenset[str]] = frozenset()

    @property
    def unknown(self) -> Mapping[str, Any]:
        """Give the keys of the file that the model does not know, with their JSON values."""
        return dict(self.model_extra or {})

    def to_json(self) -> dict[str, Any]:
        """Give the object as JSON values, known keys first."""
        written: dict[str, Any] = {}
        fields = type(self).model_fields
        for name in self.key_order or fields:
            field = fields[name]
            value = getattr(self, name)
            optional = not field.is_required() and name not in self.always_written
            if optional and value == field.get_default(call_default_factory=True, validated_data={}):
                continue
            written[field.alias or name] = _plain(value)
        return {**written, **self.unknown}

    @classmethod
    def from_json(cls, value: Any, *, source: str) -> Self:
        """Build the model from parsed JSON; raises InvalidPropertiesError with every problem, each with its path."""
        problems = [*_not_finite(value, ()), *cls.contradictions(value)]
        try:
            model = cls.model_validate(value, by_alias=True, by_name=False)
        except ValidationError as error:
            problems.extend(_problem(details) for details in error.errors(include_url=False))
        if problems:
            raise InvalidPropertiesError(source, sorted(dict.fromkeys(problems), key=lambda problem: problem.where))
        return model

    @classmethod
    def parse_text(cls, text: str, *, source: str) -> Self:
        """Build the model from the file's text; `source` names the file in errors.

        Raises InvalidPropertiesError for text that is no JSON, for keys that stand twice, for NaN and infinities, and
        with every problem that the model finds.
        """
        duplicates: list[Problem] = []

        def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            content = dict(pairs)
            keys = [key for key, _ in pairs]
            duplicates.extend(
                Problem(key, "stands twice in one object", "Remove one of the two")
                for key in content
                if keys.count(key) > 1
            )
            return content

        try:
            value = json.loads(text, object_pairs_hook=once)
        except json.JSONDecodeError as error:
            where = f"line {error.lineno} column {error.colno}"
            raise InvalidPropertiesError(source, [Problem(where, f"is no JSON: {error.msg}", _RESTORE)]) from None
        except RecursionError:
            raise InvalidPropertiesError(source, [Problem("(root)", "is nested too deeply", _RESTORE)]) from None
        if duplicates:
            raise InvalidPropertiesError(source, duplicates)
        return cls.from_json(value, source=source)

    def to_text(self) -> str:
        """Give the text of the file: indented by four, the same model gives the same bytes. NaN is refused (ValueError)."""
        return json.dumps(self.to_json(), indent=4, allow_nan=False)

    @classmethod
    def contradictions(cls, value: Any) -> list[Problem]:  # noqa: ARG003  # for subclasses
        """Find what no single field can see, in JSON that may have any shape."""
        return []


_RESTORE = "Correct the text, or restore the file from a copy"


def mistake(what: str) -> PydanticCustomError:
    """Say what is wrong with a value, for a validator to raise."""
    return PydanticCustomError("properties", "{what}", {"what": what})


def _whole_number(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise mistake("is not a whole number")
    return value


def _natural_number(value: Any) -> int:
    number = _whole_number(value)
    if number < 0:
        raise mistake("is negative")
    return number


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise mistake("is not a number")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise mistake("is not a text")
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise mistake("is neither true nor false")
    return value


def _mag(value: Any) -> Mag:
    if isinstance(value, list):
        value = [_whole_number(factor) for factor in value]
    return value if isinstance(value, Mag) else Mag(value)


# JSON knows its types: "24" is no number, 1 is not true. Pydantic would convert them silently.
Integer = Annotated[int, PlainValidator(_whole_number)]
Natural = Annotated[int, PlainValidator(_natural_number)]
Number = Annotated[int | float, PlainValidator(_number)]
Text = Annotated[str, PlainValidator(_text)]
Truth = Annotated[bool, PlainValidator(_truth)]
MagJson = Annotated[Mag, PlainValidator(_mag)]


def _plain(value: Any) -> Any:
    if isinstance(value, JsonModel):
        return value.to_json()
    if isinstance(value, Mag):
        return value.to_list()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _not_finite(value: Any, path: tuple[str | int, ...]) -> Iterator[Problem]:
    if isinstance(value, float) and not math.isfinite(value):
        yield Problem(
            _dotted(path), f"is {value}, which JSON does not have", "Write a finite number, or leave the key out"
        )
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _not_finite(item, (*path, key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _not_finite(item, (*path, position))


def _problem(details: ErrorDetails) -> Problem:
    path = list(details["loc"])
    if len(path) > 2 and path[0] == "dataLayers" and path[2] in ("color", "segmentation"):
        del path[2]  # pydantic names the kind of layer that it tried; the file has no such key
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    remedy = _REMEDIES.get(key, "Correct the value")
    if details["type"] == "missing":
        return Problem(_dotted(path), "is missing", remedy)
    what = details["msg"].removeprefix("Value error, ")
    what = what[:1].lower() + what[1:] if what.startswith("Input ") else what
    return Problem(_dotted(path), f"{what} (found {_shortened(details['input'])})", remedy)


def _dotted(path: "tuple[str | int, ...] | list[str | int]") -> str:
    return ".".join(map(str, path)) or "(root)"


def _shortened(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
