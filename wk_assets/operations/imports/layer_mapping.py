"""Which image file belongs to which layer: by its own shape, its folder, or what a person says. Looks at headers only."""

import re
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path

from wk_assets.errors import AxesError, InvalidNameError, MissingSliceError, SourceError
from wk_assets.properties.names import check_layer_name, safe_layer_name
from wk_assets.readers.channels import channels_of
from wk_assets.readers.natural_order import natural_key
from wk_assets.readers.volume import SourceSelection

IMAGE_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")


class ConversionLayerMapping(Enum):
    """Name a way to put image files into layers."""

    INSPECT_SINGLE_FILE = "inspect_single_file"
    """Look at the first file: if it holds slices, each file is a layer (see below), else each folder."""
    INSPECT_EVERY_FILE = "inspect_every_file"
    """Look at each file: those with several slices are layers, the others are slices of their folder's layer."""
    ENFORCE_LAYER_PER_FILE = "enforce_layer_per_file"
    """Make each file a layer."""
    ENFORCE_SINGLE_LAYER = "enforce_single_layer"
    """Make all files slices of one layer."""
    ENFORCE_LAYER_PER_FOLDER = "enforce_layer_per_folder"
    """Make the files of each folder a layer."""
    ENFORCE_LAYER_PER_TOPLEVEL_FOLDER = "enforce_layer_per_toplevel_folder"
    """Make the files below each folder of the first level a layer."""


# Source: behaviour of WEBKNOSSOS' own tools, whose layers are named by the last part of the path in the other ways.
_NAMED_BY_PATH = (
    ConversionLayerMapping.INSPECT_EVERY_FILE,
    ConversionLayerMapping.ENFORCE_LAYER_PER_FILE,
    ConversionLayerMapping.ENFORCE_LAYER_PER_FOLDER,
)
_ILLEGAL = re.compile(r"[^A-Za-z0-9_$@.-]")
LayerOfFile = Callable[[Path], str]


def find_images(source: Path) -> tuple[Path, ...]:
    """List the image files at or below a path in natural order. Raises MissingSliceError if there are none."""
    if source.is_file():
        return (source.absolute(),)
    if not source.is_dir():
        raise MissingSliceError(f"{source} does not exist; give an image file, or a folder of images")
    found = [
        path.absolute()
        for path in source.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(source).parts)
        and path.is_file()
    ]
    if not found:
        raise MissingSliceError(f"{source} holds no image ({', '.join(IMAGE_SUFFIXES)}), also not in its folders")
    return tuple(sorted(found, key=lambda path: natural_key(path.relative_to(source.absolute()).as_posix())))


def map_to_layers(
    source: Path,
    files: Iterable[Path],
    mapping: ConversionLayerMapping | LayerOfFile = ConversionLayerMapping.INSPECT_SINGLE_FILE,
    layer_name: str | None = None,
) -> dict[str, tuple[Path, ...]]:
    """Group files by layer name, in the order in which the layers are met; the files stay in their order.

    Names come from folders and files; what a layer's name may not hold is left out. `layer_name`: the name of the only layer,
    or `<layer_name>_<name>` of several. A mapping that is a function gives the name itself, which must be a legal one.
    Raises InvalidNameError, SourceError for a file that can not be read where files are looked at.
    """
    source, listed = source.absolute(), tuple(files)
    groups: dict[str, list[Path]] = {}
    key_of = _key_of(source, listed, mapping)
    for path in listed:
        groups.setdefault(key_of(path), []).append(path)
    is_given = not isinstance(mapping, ConversionLayerMapping)
    names = _names(source, list(groups), layer_name, given=is_given, whole_path=mapping in _NAMED_BY_PATH)
    return {name: tuple(groups[key]) for key, name in names.items()}


def _key_of(source: Path, files: tuple[Path, ...], mapping: ConversionLayerMapping | LayerOfFile) -> LayerOfFile:
    """Return what gives files of the same layer the same text: a path relative to the source, or a given name."""
    if not isinstance(mapping, ConversionLayerMapping):
        return mapping
    root = source if source.is_dir() else source.parent

    def by_file(path: Path) -> str:
        return path.relative_to(root).as_posix()

    def by_folder(path: Path) -> str:
        return path.parent.relative_to(root).as_posix()

    def by_first_folder(path: Path) -> str:
        parts = path.relative_to(root).parts
        return parts[0] if len(parts) > 1 else "."

    if mapping is ConversionLayerMapping.INSPECT_SINGLE_FILE:
        return by_file if _has_slices(files[0]) else by_folder
    return {
        ConversionLayerMapping.INSPECT_EVERY_FILE: lambda path: by_file(path) if _has_slices(path) else by_folder(path),
        ConversionLayerMapping.ENFORCE_LAYER_PER_FILE: by_file,
        ConversionLayerMapping.ENFORCE_SINGLE_LAYER: lambda _path: ".",
        ConversionLayerMapping.ENFORCE_LAYER_PER_FOLDER: by_folder,
        ConversionLayerMapping.ENFORCE_LAYER_PER_TOPLEVEL_FOLDER: by_first_folder,
    }[mapping]


def _has_slices(path: Path) -> bool:
    """Say whether one file is a volume, or a time series, by itself."""
    selection = SourceSelection(root=path.parent, files=(path,))
    try:
        described = channels_of(selection).description
    except AxesError:
        return True  # several pages whose axes nobody names: that is for the layer's own error to say
    except SourceError:
        return False
    return described.size.z > 1 or bool(described.additional)


def _names(source: Path, keys: list[str], layer_name: str | None, *, given: bool, whole_path: bool) -> dict[str, str]:
    """Name each group. Raises InvalidNameError for a given name that is not legal, or two groups of one name."""
    if given and layer_name is None:
        return {key: check_layer_name(key) for key in keys}
    root = source if source.is_dir() else source.parent
    plain = {key: _legal(root.name if key == "." else key.rsplit("/", 1)[-1]) for key in keys}
    if whole_path or len(set(plain.values())) < len(keys):
        plain = {key: _legal(root.name if key == "." else key.replace("/", "_")) for key in keys}
    if layer_name is not None:
        check_layer_name(layer_name)
        plain = {key: layer_name if len(keys) == 1 else f"{layer_name}_{name}" for key, name in plain.items()}
    if len(set(plain.values())) < len(keys):
        raise InvalidNameError(
            f"{source}: different files would make layers of one name ({', '.join(sorted(plain.values()))}); rename them, or "
            f"map files to names yourself"
        )
    return plain


def _legal(name: str) -> str:
    """Leave out what a layer's name may not hold."""
    return safe_layer_name(_ILLEGAL.sub("", name).lstrip(".") or name)
