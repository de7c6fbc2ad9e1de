from pathlib import Path

import numpy as np
import pytest
import tifffile

from wk_assets.errors import InvalidNameError, MissingSliceError
from wk_assets.operations.imports.layer_mapping import ConversionLayerMapping, find_images, map_to_layers

M = ConversionLayerMapping


@pytest.fixture
def nested(tmp_path: Path) -> Path:
    """Leave slices in nested folders, and one beside them."""
    root = tmp_path / "nest"
    for name in ("a/s_0", "a/s_1", "b/c/s_2", "b/c/s_10", "top"):
        path = root / f"{name}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, np.ones((6, 7), np.uint8), metadata=None)
    (root / "notes.txt").write_text("no image")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "x.tif").touch()
    return root


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    root = tmp_path / "vols"
    root.mkdir()
    for name in ("v 0.x.tif", "v 1.x.tif"):
        tifffile.imwrite(root / name, np.ones((4, 6, 7), np.uint8), metadata={"axes": "ZYX"}, photometric="minisblack")
    return root


def names(source: Path, mapping: ConversionLayerMapping | None = None, layer_name: str | None = None) -> dict[str, int]:
    mapped = map_to_layers(source, find_images(source), mapping or M.INSPECT_SINGLE_FILE, layer_name)
    return {name: len(files) for name, files in mapped.items()}


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        (M.INSPECT_SINGLE_FILE, {"a": 2, "c": 2, "nest": 1}),
        (M.INSPECT_EVERY_FILE, {"a": 2, "b_c": 2, "nest": 1}),
        (M.ENFORCE_LAYER_PER_FOLDER, {"a": 2, "b_c": 2, "nest": 1}),
        (M.ENFORCE_LAYER_PER_TOPLEVEL_FOLDER, {"a": 2, "b": 2, "nest": 1}),
        (M.ENFORCE_SINGLE_LAYER, {"nest": 5}),
        (M.ENFORCE_LAYER_PER_FILE, {"a_s_0.tif": 1, "a_s_1.tif": 1, "b_c_s_2.tif": 1, "b_c_s_10.tif": 1, "top.tif": 1}),
    ],
)
def test_names_are_those_that_webknossos_tools_give(
    nested: Path, mapping: ConversionLayerMapping, expected: dict[str, int]
) -> None:
    """Source: what WEBKNOSSOS' own library made of such folders."""
    assert names(nested, mapping) == expected


def test_volumes_are_layers_of_their_own_named_by_their_file(volumes: Path) -> None:
    assert names(volumes) == {"v0.x.tif": 1, "v1.x.tif": 1}


def test_a_slice_alone_is_a_layer_named_by_its_folder(nested: Path) -> None:
    assert names(nested / "top.tif") == {"nest": 1}


def test_a_given_name_is_that_of_the_only_layer_and_begins_those_of_several(nested: Path, volumes: Path) -> None:
    assert names(nested / "a", layer_name="em") == {"em": 2}
    assert names(nested, layer_name="em") == {"em_a": 2, "em_c": 2, "em_nest": 1}


def test_slices_stay_in_natural_order(nested: Path) -> None:
    mapped = map_to_layers(nested, find_images(nested))

    assert [path.name for path in mapped["c"]] == ["s_2.tif", "s_10.tif"]


def test_folders_of_one_name_in_different_places_stay_apart(tmp_path: Path) -> None:
    for place in ("x/em", "y/em"):
        (tmp_path / place).mkdir(parents=True)
        tifffile.imwrite(tmp_path / place / "s_0.tif", np.ones((6, 7), np.uint8), metadata=None)

    assert names(tmp_path) == {"x_em": 1, "y_em": 1}


def test_a_function_names_layers_itself(nested: Path) -> None:
    mapped = map_to_layers(nested, find_images(nested), lambda path: path.stem.split("_")[0])

    assert {name: len(files) for name, files in mapped.items()} == {"s": 4, "top": 1}


def test_a_function_that_gives_an_illegal_name_is_told_a_legal_one(nested: Path) -> None:
    with pytest.raises(InvalidNameError, match=r"Did you mean 'my-layer'"):
        map_to_layers(nested, find_images(nested), lambda _path: "my layer")


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingSliceError, match=r"holds no image"):
        find_images(tmp_path)
    with pytest.raises(MissingSliceError, match=r"does not exist"):
        find_images(tmp_path / "nowhere")
