"""Volume layers in every form that zips of annotations have held: the same voxels come out, and edits go back in."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.annotation.volumes import (
    BOX,
    FOLDER,
    VARIANTS,
    VOXEL_SIZE,
    annotation_zip,
    array_files,
    described,
    drawn,
    nml_text,
    volume_zip,
    zipped,
)
from wk_assets.annotation.annotation import Annotation
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.layer import SegmentationLayer
from wk_assets.errors import (
    AlreadyThereError,
    AnnotationFileError,
    InputError,
    InvalidPropertiesError,
    NotInDatasetError,
    PropertiesError,
    ReadOnlyError,
)
from wk_assets.geometry.bounding_box import BoundingBox

VOLUME = '<volume id="0" name="Volume" location="data_Volume.zip" fallbackLayer="segmentation" largestSegmentId="12"/>'


def loaded(folder: Path, variant: str = "zarr3-default-F-blosc described") -> Annotation:
    made = {"brain.nml": nml_text(VOLUME), "data_Volume.zip": volume_zip(folder / "made", variant)}
    return Annotation.load(annotation_zip(folder / "annotation.zip", made))


def voxels_of(layer: SegmentationLayer, box: BoundingBox = BOX) -> Any:
    return layer.get_mag(1).read(absolute_bounding_box=box)[0]


def new_annotation() -> Annotation:
    return Annotation("new", dataset_name="brain", voxel_size=VOXEL_SIZE)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_form_of_volume_data_gives_the_same_voxels(tmp_path: Path, variant: str) -> None:
    annotation = loaded(tmp_path, variant)

    with annotation.temporary_volume_layer_copy() as layer:
        found = voxels_of(layer)
        box = BoundingBox.from_ndbbox(layer.bounding_box)
        largest = layer.largest_segment_id

    assert annotation.get_volume_layer().dtype == np.dtype("uint32")
    assert np.array_equal(found, drawn())
    assert BOX.contains_bbox(box) if "described" not in variant else box == BOX
    assert largest == 12


def test_data_in_a_folder_of_the_zip_is_data_too(tmp_path: Path) -> None:
    files = {f"data_0/1/{name}": body for name, body in array_files(tmp_path / "made", "wkw").items()}
    text = nml_text('<volume id="0" location="data_0"/>')
    annotation = Annotation.load(annotation_zip(tmp_path / "a.zip", {"a.nml": text, **files}))

    annotation.save(tmp_path / "again.zip")

    for one in (annotation, Annotation.load(tmp_path / "again.zip")):
        with one.temporary_volume_layer_copy() as layer:
            assert np.array_equal(voxels_of(layer), drawn())


def test_several_layers_keep_their_own_voxels(tmp_path: Path) -> None:
    volumes = (
        '<volume id="3" name="a" location="1.zip"/><volume id="5" name="b" location="2.zip"/><volume id="9" name="c"/>'
    )
    made = {
        "a.nml": nml_text(volumes),
        "1.zip": volume_zip(tmp_path / "1", "wkw"),
        "2.zip": zipped({}),
    }
    annotation = Annotation.load(annotation_zip(tmp_path / "a.zip", made))
    annotation.save(tmp_path / "b.zip")
    again = Annotation.load(tmp_path / "b.zip")

    for one in (annotation, again):
        assert one.get_volume_layer_names() == ["a", "b", "c"]
        assert [layer.has_data for layer in one.volume_layers] == [True, True, False]
        with one.temporary_volume_layer_copy("a") as layer:
            assert np.array_equal(voxels_of(layer), drawn())
        for name in ("b", "c"):
            with one.temporary_volume_layer_copy(name) as layer:
                assert (list(layer.mags), layer.bounding_box.is_empty()) == ([], True)


def test_a_copy_for_reading_can_not_be_changed(tmp_path: Path) -> None:
    with loaded(tmp_path).temporary_volume_layer_copy() as layer, pytest.raises(ReadOnlyError):
        layer.get_mag(1).write(drawn(), absolute_offset=BOX.topleft)


@pytest.mark.parametrize("variant", ["wkw", "zarr", "zarr3-default-F-blosc described"])
def test_what_is_drawn_in_a_copy_is_the_annotations(tmp_path: Path, variant: str) -> None:
    annotation = loaded(tmp_path, variant)
    before = copy.deepcopy(annotation)
    further = BoundingBox((0, 0, 0), (32, 32, 32))

    with annotation.temporary_volume_layer_copy(read_only=False) as layer:
        layer.get_mag(1).write(np.full((32, 32, 32), 40, "uint32"), absolute_offset=(0, 0, 0), allow_resize=True)
    annotation.save(tmp_path / "edited.zip")

    with Annotation.load(tmp_path / "edited.zip").temporary_volume_layer_copy() as layer:
        assert np.array_equal(voxels_of(layer), drawn())
        assert (voxels_of(layer, further) == 40).all()
        assert layer.largest_segment_id == 40
    with before.temporary_volume_layer_copy() as layer:
        assert not voxels_of(layer, further).any()


def test_an_edit_that_fails_changes_nothing(tmp_path: Path) -> None:
    annotation = loaded(tmp_path)

    def draw_and_fail() -> None:
        with annotation.temporary_volume_layer_copy(read_only=False) as layer:
            layer.get_mag(1).write(np.zeros_like(drawn()), absolute_offset=BOX.topleft)
            raise KeyError("the work failed")

    with pytest.raises(KeyError, match="the work failed"):
        draw_and_fail()

    with annotation.temporary_volume_layer_copy() as layer:
        assert np.array_equal(voxels_of(layer), drawn())


def test_a_chunk_that_is_erased_stays_a_chunk(tmp_path: Path) -> None:
    """Where a chunk is stored its zeros count; were it gone, the fallback layer would show again."""
    annotation = loaded(tmp_path)
    with annotation.temporary_volume_layer_copy(read_only=False) as layer:
        layer.get_mag(1).write(np.zeros_like(drawn()), absolute_offset=BOX.topleft)

    with annotation.temporary_volume_layer_copy() as layer:
        assert not voxels_of(layer).any()
        assert sum(1 for _ in layer.get_mag(1).array.stored_boxes()) == 2


def test_the_same_edits_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        annotation = new_annotation()
        annotation.time = 7
        with annotation.add_volume_layer("Volume", "uint32").edit() as layer:
            layer.bounding_box = BOX
            layer.add_mag(1).write(drawn(), absolute_offset=BOX.topleft, allow_unaligned=True)
        annotation.save(tmp_path / f"{name}.zip")

    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64", "int64"])
def test_a_new_layer_takes_every_type_of_segment_ids(tmp_path: Path, dtype: str) -> None:
    annotation = new_annotation()
    volume = annotation.add_volume_layer("Volume", dtype, fallback_layer="segmentation")
    with volume.edit() as layer:
        layer.bounding_box = BOX
        layer.add_mag(1).write(drawn(dtype), absolute_offset=BOX.topleft, allow_unaligned=True)
    annotation.save(tmp_path / "a.zip")

    found = Annotation.load(tmp_path / "a.zip").get_volume_layer("Volume")

    assert (found.dtype, found.largest_segment_id, found.fallback_layer_name) == (np.dtype(dtype), 12, "segmentation")
    with found.opened() as layer:
        assert np.array_equal(voxels_of(layer), drawn(dtype))


def test_a_layer_in_which_nobody_draws_is_saved_without_voxels(tmp_path: Path) -> None:
    annotation = new_annotation()
    with annotation.add_volume_layer("Volume", "uint32", "segmentation").edit():
        pass
    annotation.save(tmp_path / "a.zip")

    found = Annotation.load(tmp_path / "a.zip").get_volume_layer()

    assert (found.has_data, found.dtype, found.fallback_layer_name) == (False, None, "segmentation")
    with pytest.raises(AnnotationFileError, match="no voxels here"):
        found.export_to_dataset(Dataset(tmp_path / "d", voxel_size=VOXEL_SIZE), "layer")


def test_a_layer_becomes_one_of_a_dataset(tmp_path: Path) -> None:
    annotation = loaded(tmp_path, "wkw")
    dataset = Dataset(tmp_path / "dataset", voxel_size=VOXEL_SIZE)

    layer = annotation.export_volume_layer_to_dataset(dataset, "drawn")

    assert Dataset.open(tmp_path / "dataset").get_segmentation_layer("drawn").largest_segment_id == 12
    assert np.array_equal(voxels_of(layer), drawn())
    with pytest.raises(AlreadyThereError):
        annotation.export_volume_layer_to_dataset(dataset, "drawn")


def test_layers_are_named_by_name_or_id(tmp_path: Path) -> None:
    annotation = new_annotation()
    first = annotation.add_volume_layer("a", "uint32", volume_layer_id=4)
    second = annotation.add_volume_layer("b", "uint64")

    assert (first.id, second.id) == (4, 5)
    assert annotation.get_volume_layer("b") is annotation.get_volume_layer(volume_layer_id=5) is second
    with pytest.raises(InputError, match=r"several such volume layers: 'a' \(id 4\), 'b' \(id 5\)"):
        annotation.get_volume_layer()
    with pytest.raises(NotInDatasetError, match=r"no volume layer 'c'; it has 'a' \(id 4\), 'b' \(id 5\)"):
        annotation.get_volume_layer("c")
    for name, number in (("a", None), ("c", 5)):
        with pytest.raises(AlreadyThereError):
            annotation.add_volume_layer(name, "uint32", volume_layer_id=number)
    with pytest.raises(PropertiesError):
        annotation.add_volume_layer("c", "float32")
    annotation.delete_volume_layer("a")
    assert annotation.get_volume_layer_names() == ["b"]
    with pytest.raises(AnnotationFileError, match=r"annotations are saved as \.nml or \.zip"):
        annotation.save(tmp_path / "a.txt")


def test_a_fallback_layer_is_a_segmentation(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "d", voxel_size=VOXEL_SIZE)
    color = dataset.add_layer("color", "color")
    segmentation = dataset.add_layer("seg", "segmentation", dtype="uint32", largest_segment_id=9)

    added = new_annotation().add_volume_layer("a", "uint32", segmentation)

    assert (added.fallback_layer_name, added.largest_segment_id) == ("seg", 9)
    with pytest.raises(InputError, match="only a segmentation can be a fallback"):
        new_annotation().add_volume_layer("a", "uint32", color)


@pytest.mark.parametrize("path", ["/etc", "../x", "https://example.org/x", "./../../x", "file:///etc"])
def test_voxels_that_lie_elsewhere_are_not_looked_at(tmp_path: Path, path: str) -> None:
    inner = zipped({"datasource-properties.json": described(path=path)})
    made = {"a.nml": nml_text(VOLUME), "data_Volume.zip": inner}
    annotation = Annotation.load(annotation_zip(tmp_path / "a.zip", made))

    with pytest.raises(AnnotationFileError, match="which is not in the zip"), annotation.get_volume_layer().opened():
        pass


@pytest.mark.parametrize(
    ("files", "error", "reason"),
    [
        ({"photo.jpg": b"x"}, AnnotationFileError, "'photo.jpg' is neither"),
        ({"datasource-properties.json": b"\xff"}, AnnotationFileError, "not UTF-8"),
        ({"datasource-properties.json": b"{}"}, InvalidPropertiesError, "data_Volume.zip, datasource-properties.json"),
        (
            {"datasource-properties.json": b'{"scale": [1, 1, 1], "dataLayers": []}'},
            AnnotationFileError,
            "describes 0 layers",
        ),
        ({"1/zarr.json": b"{}", f"{FOLDER}/2/x": b""}, AnnotationFileError, "is neither"),
    ],
)
def test_volume_data_of_no_known_form_says_which_entry_it_is(
    tmp_path: Path, files: dict[str, bytes], error: type[Exception], reason: str
) -> None:
    made = {"a.nml": nml_text(VOLUME), "data_Volume.zip": zipped(files)}
    annotation = Annotation.load(annotation_zip(tmp_path / "a.zip", made))

    with pytest.raises(error, match=reason), annotation.get_volume_layer().opened():
        pass
