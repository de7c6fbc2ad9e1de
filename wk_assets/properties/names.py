"""Which names a dataset and a layer may have on disk and on a server, and which name to suggest instead.

Pure text. Source: WEBKNOSSOS' rules for dataset names (`isValidNewName`) and for layer names.
"""

import re
import unicodedata

from wk_assets.errors import InvalidNameError

LAYER_NAME_PATTERN = re.compile(r"[A-Za-z0-9_$@-][A-Za-z0-9_$@.-]*")
DATASET_NAME_PATTERN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{2,}")

# A name becomes one folder; file systems end at 255 bytes, and versions of a layer need room for their suffix.
_LONGEST_NAME = 200
# Beside the layers of a dataset stand these; case does not tell files apart on every file system.
_TAKEN_BY_THE_DATASET = frozenset({"ome", "zarr.json", "datasource-properties.json", "provenance.json"})


def check_layer_name(name: str) -> str:
    """Give the name back if a layer may have it.

    Raises InvalidNameError, with a name to use instead, unless it is made of letters, digits, `_ $ @ - .`, does not
    start with a dot and is not the name of a file that every dataset has.
    """
    if not LAYER_NAME_PATTERN.fullmatch(name):
        raise InvalidNameError(
            f"layer name {name!r} {_complaint(name, '_$@.-')}; allowed are letters, digits, '_', '$', '@', '-', '.'. "
            f"Did you mean {safe_layer_name(name)!r}?"
        )
    if name.lower() in _TAKEN_BY_THE_DATASET:
        raise InvalidNameError(f"layer name {name!r} is taken: every dataset has a file or group of that name")
    return _check_length(name, "layer")


def check_dataset_name(name: str) -> str:
    """Give the name back if a dataset may have it.

    Raises InvalidNameError, with a name to use instead, unless it is made of three or more letters, digits, `_ - .`
    and does not start with a dot.
    """
    if not DATASET_NAME_PATTERN.fullmatch(name):
        raise InvalidNameError(
            f"dataset name {name!r} {_complaint(name, '_.-', shortest=3)}; allowed are letters, digits, '_', '-', '.', "
            f"three at least. Did you mean {safe_dataset_name(name)!r}?"
        )
    return _check_length(name, "dataset")


def safe_dataset_name(text: str) -> str:
    """Turn any text into the closest legal dataset name; a legal name stays as it is.

    Different texts may become the same name: who must be unique has to check.
    """
    if DATASET_NAME_PATTERN.fullmatch(text) and len(text) <= _LONGEST_NAME:
        return text
    name = _cleaned(text, "_.-")
    return name if len(name) >= 3 else f"dataset-{name}".rstrip("-")


def safe_layer_name(text: str) -> str:
    """Turn any text into the closest legal layer name; a legal name stays as it is."""
    if LAYER_NAME_PATTERN.fullmatch(text) and len(text) <= _LONGEST_NAME and text.lower() not in _TAKEN_BY_THE_DATASET:
        return text
    name = _cleaned(text, "_$@.-") or "layer"
    return f"{name}-layer" if name.lower() in _TAKEN_BY_THE_DATASET else name


def _cleaned(text: str, marks: str) -> str:
    # Accents fall off their letters, the micro sign becomes u; what has no Latin letter under it becomes a dash.
    parts = unicodedata.normalize("NFKD", text).replace("\u03bc", "u")
    latin = "".join(mark for mark in parts if not unicodedata.combining(mark))
    dashed = re.sub(rf"[^A-Za-z0-9{re.escape(marks)}]+", "-", latin)
    return dashed.lstrip(".-").rstrip("-.")[:_LONGEST_NAME].rstrip("-.")


def _complaint(name: str, marks: str, shortest: int = 1) -> str:
    if len(name) < shortest:
        return f"is shorter than {shortest} characters" if name else "is empty"
    if name.startswith("."):
        return "starts with '.'"
    bad = sorted({mark for mark in name if not (mark.isascii() and mark.isalnum()) and mark not in marks})
    return f"contains {', '.join(map(repr, bad))}"


def _check_length(name: str, kind: str) -> str:
    if len(name) > _LONGEST_NAME:
        raise InvalidNameError(f"{kind} name {name[:40]!r}... has {len(name)} characters; use {_LONGEST_NAME} at most")
    return name
