from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from wk_assets.dataset.dataset import Dataset
from wk_assets.errors import NotInDatasetError
from wk_assets.operations.checks import compare_datasets as module
from wk_assets.operations.checks.compare_datasets import compare_datasets

SIZE = (10.0, 10.0, 30.0)


def voxels(dtype: str = "u1") -> NDArray[Any]:
    return np.random.default_rng(1).integers(0, 100, (40, 30, 12)).astype(dtype)


def write(path: Path, data: NDArray[Any], name: str = "em", **more: Any) -> Path:
    dataset = Dataset(path, SIZE, exist_ok=True)
    dataset.write_layer(name, "color", data, **more)
    return path


@pytest.mark.parametrize("data_format", ["zarr", "wkw"])
def test_the_same_voxels_in_another_format_are_the_same(tmp_path: Path, data_format: str) -> None:
    one = write(tmp_path / "one", voxels())
    other = write(tmp_path / "other", voxels(), data_format=data_format)

    assert compare_datasets(one, other) == []


@pytest.mark.parametrize("limit", [1, 2000, 1 << 20])
def test_the_first_voxel_that_differs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(module, "EXPORT_BYTES", limit)
    changed = voxels()
    changed[7, 8, 9] += 100
    one = write(tmp_path / "one", voxels(), absolute_offset=(3, 4, 5), downsample=False)
    other = write(tmp_path / "other", changed, absolute_offset=(3, 4, 5), downsample=False)

    (difference,) = compare_datasets(one, other)

    value = int(voxels()[7, 8, 9])
    assert str(difference) == f"layer em, mag 1: at c 0, z 14, y 12, x 10 (in the mag) {value}, and {value + 100}"


def test_what_is_no_number_is_like_what_is_no_number(tmp_path: Path) -> None:
    data = voxels("f4")
    data[0, 0, 0] = np.nan

    one, other = (write(tmp_path / name, data, downsample=False) for name in ("one", "other"))

    assert compare_datasets(one, other) == []


def test_what_else_differs_is_said_at_once(tmp_path: Path) -> None:
    one = write(tmp_path / "one", voxels(), downsample=False)
    write(one, voxels(), "only_here", downsample=False)
    write(one, voxels(), "typed", downsample=False)
    other = write(tmp_path / "other", voxels())
    write(other, voxels("u2"), "typed", downsample=False)

    differences = [str(difference) for difference in compare_datasets(one, other)]

    assert differences == [
        "layer em, mag 2-2-1: is only in the second",
        "layer em, mag 4-4-1: is only in the second",
        f"layer only_here: is not in {other}",
        "layer typed: dtype uint8, and uint16",
    ]
    assert compare_datasets(one, other, ["em"]) != []


def test_a_layer_that_neither_has_is_refused(tmp_path: Path) -> None:
    one = write(tmp_path / "one", voxels(), downsample=False)

    with pytest.raises(NotInDatasetError, match=r"neither .* has a layer 'emm'; there are em"):
        compare_datasets(one, one, ["emm"])
