"""What is drawn over a layer and the layer become one: a stored chunk says all of its voxels, elsewhere the fallback stays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.annotation.volumes import VOXEL_SIZE
from wk_assets.annotation.annotation import Annotation
from wk_assets.dataset.dataset import Dataset
from wk_assets.errors import AnnotationFileError, GeometryError, InputError, NotInDatasetError, PropertiesError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag

WHOLE = BoundingBox((0, 0, 0), (128, 64, 64))
PAINTED = BoundingBox((32, 0, 0), (64, 32, 32))


def fallback_voxels(dtype: str = "uint32") -> Any:
    return np.random.default_rng(4).integers(1, 6, tuple(WHOLE.size)).astype(dtype)


def dataset_of(folder: Path, dtype: str = "uint32", *, mags: tuple[int, ...] = (1,)) -> Path:
    dataset = Dataset(folder, voxel_size=VOXEL_SIZE)
    layer = dataset.add_layer("seg", "segmentation", dtype=dtype, bounding_box=WHOLE, largest_segment_id=5)
    voxels = fallback_voxels(dtype)
    layer.add_mag(mags[0], chunk_shape=32, shard_shape=64).write(voxels, absolute_offset=WHOLE.topleft)
    if len(mags) > 1:
        layer.downsample(coarsest_mag=Mag(mags[-1]), sampling_mode="isotropic")
    return folder


def painted_voxels(dtype: str = "uint32") -> Any:
    """Give two chunks: the one with segment 20 and zeros, the other all zeros but for one voxel."""
    voxels = np.zeros(tuple(PAINTED.size), dtype)
    voxels[:16] = 20
    voxels[40, 1, 1] = 21
    return voxels


def annotation_of(dtype: str = "uint32", *, mag: int = 1, fallback: str | None = "seg", largest: int = 0) -> Annotation:
    annotation = Annotation("drawn", dataset_name="brain", voxel_size=VOXEL_SIZE)
    with annotation.add_volume_layer("Volume", dtype, fallback).edit() as layer:
        layer.bounding_box = WHOLE
        voxels = painted_voxels(dtype)
        voxels[0, 0, 0] = largest or 20
        layer.add_mag(mag, chunk_shape=32, shard_shape=32).write(
            voxels, absolute_offset=PAINTED.topleft * mag, allow_resize=True, allow_unaligned=True
        )
    return annotation


def merged(folder: Path, name: str = "seg") -> Any:
    return Dataset.open(folder).get_segmentation_layer(name)


def test_stored_chunks_replace_the_fallback_and_their_zeros_are_erased(tmp_path: Path) -> None:
    source = dataset_of(tmp_path / "source")
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}

    annotation_of().merge_fallback_layer(tmp_path / "target", source)

    layer = merged(tmp_path / "target")
    expected = fallback_voxels()
    expected[PAINTED.to_slices()] = painted_voxels()
    assert np.array_equal(layer.get_mag(1).read()[0], expected)
    assert layer.largest_segment_id == 21
    assert before == {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}


def test_zeros_can_mean_that_nothing_is_painted(tmp_path: Path) -> None:
    source = dataset_of(tmp_path / "source")

    annotation_of().merge_fallback_layer(tmp_path / "target", source, zeros_are_unpainted=True)

    expected, painted = fallback_voxels(), painted_voxels()
    window = expected[PAINTED.to_slices()]
    window[painted != 0] = painted[painted != 0]
    assert np.array_equal(merged(tmp_path / "target").get_mag(1).read()[0], expected)


def test_the_folder_that_holds_the_dataset_will_do(tmp_path: Path) -> None:
    """That is what the reference calls the directory."""
    dataset_of(tmp_path / "datasets/brain")

    annotation_of().merge_fallback_layer(tmp_path / "target", tmp_path / "datasets")

    assert merged(tmp_path / "target").get_mag(1).read()[0][32, 0, 1] == 20


def test_coarser_mags_are_those_of_the_merged_voxels(tmp_path: Path) -> None:
    source = dataset_of(tmp_path / "source", mags=(1, 2, 4))

    annotation_of().merge_fallback_layer(tmp_path / "target", source)

    layer = merged(tmp_path / "target")
    fresh = Dataset(tmp_path / "fresh", voxel_size=VOXEL_SIZE).add_layer(
        "seg", "segmentation", dtype="uint32", bounding_box=WHOLE
    )
    fresh.add_mag(1).write(layer.get_mag(1).read()[0], absolute_offset=WHOLE.topleft)
    fresh.downsample(coarsest_mag=Mag(4), sampling_mode="isotropic")
    assert list(layer.mags) == [Mag(1), Mag(2), Mag(4)]
    for mag in (2, 4):
        assert np.array_equal(layer.get_mag(mag).read(), fresh.get_mag(mag).read())


@pytest.mark.parametrize(("drawn", "stored"), [("uint32", "uint64"), ("uint64", "uint32"), ("uint16", "uint8")])
def test_the_result_has_the_fallbacks_type(tmp_path: Path, drawn: str, stored: str) -> None:
    annotation_of(drawn).merge_fallback_layer(tmp_path / "target", dataset_of(tmp_path / "source", stored))

    layer = merged(tmp_path / "target")
    assert layer.dtype == np.dtype(stored)
    assert layer.get_mag(1).read()[0][32, 0, 1] == 20


def test_an_id_that_the_fallbacks_type_does_not_hold_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    source = dataset_of(tmp_path / "source", "uint16")

    with pytest.raises(PropertiesError, match="segment id 70000 of the annotation is beyond 65535"):
        annotation_of(largest=70000).merge_fallback_layer(tmp_path / "target", source)

    assert sorted(one.name for one in tmp_path.iterdir()) == ["source"]


def test_what_is_drawn_beyond_the_fallback_makes_it_larger(tmp_path: Path) -> None:
    annotation = annotation_of()
    with annotation.get_volume_layer().edit() as layer:
        layer.get_mag(1).write(
            np.full((32, 32, 32), 33, "uint32"), absolute_offset=(128, 32, 32), allow_resize=True, allow_unaligned=True
        )

    annotation.merge_fallback_layer(tmp_path / "target", dataset_of(tmp_path / "source", mags=(1, 2)))

    layer = merged(tmp_path / "target")
    assert layer.bounding_box.bottomright.x == 160
    assert (layer.get_mag(1).read(absolute_bounding_box=BoundingBox((128, 32, 32), (32, 32, 32))) == 33).all()
    assert (layer.get_mag(2).read(absolute_bounding_box=BoundingBox((128, 32, 32), (32, 32, 32))) == 33).all()


def test_a_layer_drawn_from_a_coarser_mag_on_begins_there(tmp_path: Path) -> None:
    annotation_of(mag=2).merge_fallback_layer(tmp_path / "target", dataset_of(tmp_path / "source", mags=(1, 2, 4)))

    layer = merged(tmp_path / "target")
    assert list(layer.mags) == [Mag(2), Mag(4)]
    assert layer.get_mag(2).read(absolute_bounding_box=BoundingBox((64, 0, 2), (2, 2, 2))).item() == 20


def test_a_mag_that_the_fallback_does_not_have_is_named(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match=r"begins at mag 2, which layer 'seg' .* does not have \(it has 1\)"):
        annotation_of(mag=2).merge_fallback_layer(tmp_path / "target", dataset_of(tmp_path / "source"))


def test_what_can_not_be_merged_says_why(tmp_path: Path) -> None:
    source = dataset_of(tmp_path / "source")
    empty = Annotation("empty", dataset_name="brain", voxel_size=VOXEL_SIZE)
    empty.add_volume_layer("Volume", "uint32", "seg")

    with pytest.raises(InputError, match="has no fallback layer"):
        annotation_of(fallback=None).merge_fallback_layer(tmp_path / "target", source)
    with pytest.raises(NotInDatasetError, match="no layer 'other'"):
        annotation_of(fallback="other").merge_fallback_layer(tmp_path / "target", source)
    with pytest.raises(AnnotationFileError, match="no voxels here"):
        empty.merge_fallback_layer(tmp_path / "target", source)
    with pytest.raises(InputError, match="there is something at"):
        annotation_of().merge_fallback_layer(source, source)


def test_only_shards_with_something_drawn_are_written_anew(tmp_path: Path) -> None:
    """Memory and time follow what was drawn: other shards are copied as files."""
    source = dataset_of(tmp_path / "source")

    annotation_of().merge_fallback_layer(tmp_path / "target", source)

    same = [
        (source / "seg/1" / path.relative_to(tmp_path / "target/seg/1")).read_bytes() == path.read_bytes()
        for path in sorted((tmp_path / "target/seg/1/c").rglob("*"))
        if path.is_file()
    ]
    assert same == [False, False]
    far = BoundingBox((0, 32, 32), (128, 32, 32))
    assert np.array_equal(
        merged(tmp_path / "target").get_mag(1).read(absolute_bounding_box=far)[0], fallback_voxels()[far.to_slices()]
    )
