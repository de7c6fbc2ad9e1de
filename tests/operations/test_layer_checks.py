import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.operations.layer_on_disk import Voxels, pyramid, store_array, store_layer
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.checks.layer_checks import CheckOutcome, check_names, check_severity, run_layer_checks
from wk_assets.operations.records.layer_record import LayerRecord
from wk_assets.readers.volume import BadSlicePolicy
from wk_assets.storage.array_layout import Layout

RNG = np.random.default_rng(3)
MAGS = ("1", "2-2-1", "4-4-2")


def image(size: tuple[int, int, int] = (37, 29, 21), channels: int = 1) -> NDArray[np.uint16]:
    return RNG.normal(140, 10, (channels, *size)).clip(100, 300).astype(np.uint16)


def labels(largest: int = 2**60 + 1) -> NDArray[np.uint64]:
    voxels = RNG.integers(0, 5, (1, 20, 20, 12)).astype(np.uint64)
    voxels[0, 5, 6, 7] = largest
    return voxels


def ask(record: LayerRecord, dataset_path: Path) -> dict[str, CheckOutcome]:
    outcomes = run_layer_checks(record, dataset_path)
    assert tuple(outcome.name for outcome in outcomes) == check_names(record.category)
    assert all(outcome.severity == check_severity(outcome.name) for outcome in outcomes)
    return {outcome.name: outcome for outcome in outcomes}


def failures(outcomes: dict[str, CheckOutcome]) -> set[str]:
    return {name for name, outcome in outcomes.items() if not outcome.passed}


@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize("topleft", [(0, 0, 0), (8, 16, 4), (5, 3, 9)])
@pytest.mark.parametrize("mode", [DownsamplingMode.MEDIAN, DownsamplingMode.MAX])
def test_a_sound_image_passes_every_check(
    tmp_path: Path, layout: Layout, topleft: tuple[int, int, int], mode: DownsamplingMode
) -> None:
    record = store_layer(tmp_path, pyramid(image(), MAGS, mode, topleft), mode=mode, topleft=topleft, layout=layout)

    outcomes = ask(record, tmp_path)

    assert failures(outcomes) == set(), outcomes
    assert outcomes["mags_agree"].evidence["compared_voxels"] != 0


def test_a_sound_segmentation_passes_every_check_with_ids_as_text(tmp_path: Path) -> None:
    voxels = pyramid(labels(), MAGS, DownsamplingMode.MODE)
    record = store_layer(tmp_path, voxels, category="segmentation", mode=DownsamplingMode.MODE)

    outcomes = ask(record, tmp_path)

    assert failures(outcomes) == set(), outcomes
    assert outcomes["largest_segment_id"].evidence["declared"] == str(2**60 + 1)
    assert outcomes["largest_segment_id"].evidence["slice"] == 7
    assert "contrast_jumps" not in outcomes


def test_float_images_with_nan_pass(tmp_path: Path) -> None:
    voxels = RNG.normal(10, 1, (1, 20, 20, 8)).astype(np.float32)
    voxels[0, 3:6, 4, :] = np.nan

    record = store_layer(tmp_path, pyramid(voxels, ("1", "2"), DownsamplingMode.MEDIAN))

    assert failures(ask(record, tmp_path)) == set()


def test_a_mag_that_was_not_made_from_the_finer_one_blocks_publication(tmp_path: Path) -> None:
    voxels = pyramid(image(), MAGS, DownsamplingMode.MEDIAN)
    wrong = voxels["4-4-2"].copy()
    wrong[0, -1, -1, -1] += 1  # the last voxel: errors live at borders

    outcome = ask(store_layer(tmp_path, voxels | {"4-4-2": wrong}), tmp_path)["mags_agree"]

    assert outcome.blocks_publication
    assert "1 of" in outcome.sentence
    assert "(9, 7, 10)" in outcome.sentence
    assert outcome.evidence["differing_voxels"] == 1


def test_a_mag_of_an_older_version_of_the_finer_one_is_named_without_looking_at_voxels(tmp_path: Path) -> None:
    record = store_layer(tmp_path, pyramid(image(), MAGS, DownsamplingMode.MEDIAN))
    again = record.mags[0].model_copy(update={"key": "newer", "voxels_key": "newer"})

    outcome = ask(record.model_copy(update={"mags": (again, *record.mags[1:])}), tmp_path)["mags_agree"]

    assert outcome.blocks_publication
    assert "mag 2-2-1 was made from another version of mag 1" in outcome.sentence
    assert outcome.evidence["differing_voxels"] == 0


def test_a_mag_of_another_mode_is_found(tmp_path: Path) -> None:
    voxels = pyramid(image(), MAGS, DownsamplingMode.MAX)

    outcomes = ask(store_layer(tmp_path, voxels, mode=DownsamplingMode.MEDIAN), tmp_path)

    assert failures(outcomes) == {"mags_agree"}
    assert "is not the median" in outcomes["mags_agree"].sentence


def test_a_lost_shard_is_named_and_never_taken_for_zeros(tmp_path: Path) -> None:
    record = store_layer(tmp_path, pyramid(image(), MAGS, DownsamplingMode.MEDIAN))
    (tmp_path / "layer/2-2-1/c/0/0/0/0").unlink()

    outcomes = ask(record, tmp_path)

    assert outcomes["shards_present"].blocks_publication
    assert "mag 2-2-1: c/0/0/0/0 is missing" in outcomes["shards_present"].sentence
    assert not outcomes["mags_agree"].passed
    assert outcomes["mags_agree"].evidence["error"] == "ShardMissingError"


def test_a_shard_of_another_size_is_named(tmp_path: Path) -> None:
    record = store_layer(tmp_path, pyramid(image(), MAGS, DownsamplingMode.MEDIAN))
    shard = tmp_path / "layer/1/c/0/1/0/0"
    shard.write_bytes(shard.read_bytes()[:-1])

    outcome = ask(record, tmp_path)["shards_present"]

    assert not outcome.passed
    assert "mag 1: c/0/1/0/0 has" in outcome.sentence


def test_a_lost_array_fails_checks_with_the_reason_as_their_sentence(tmp_path: Path) -> None:
    record = store_layer(tmp_path, pyramid(image(), MAGS, DownsamplingMode.MEDIAN))
    (tmp_path / "layer/1/zarr.json").unlink()

    outcome = ask(record, tmp_path)["bounding_box_covers_data"]

    assert outcome.blocks_publication
    assert "there is no zarr.json" in outcome.sentence


@pytest.mark.parametrize(
    ("layout", "topleft"), [(Layout.WEBKNOSSOS, (0, 0, 0)), (Layout.WEBKNOSSOS, (5, 3, 9)), (Layout.OME, (5, 3, 9))]
)
def test_voxels_outside_of_the_box_block_publication(
    tmp_path: Path, layout: Layout, topleft: tuple[int, int, int]
) -> None:
    voxels = pyramid(image(), ("1",), DownsamplingMode.MEDIAN)

    outcome = ask(store_layer(tmp_path, voxels, topleft=topleft, layout=layout, outside=1), tmp_path)

    assert failures(outcome) == {"bounding_box_covers_data"}
    assert "lies outside of the box" in outcome["bounding_box_covers_data"].sentence


def test_an_array_of_another_extent_than_the_box_blocks_publication(tmp_path: Path) -> None:
    record = store_layer(tmp_path, pyramid(image(), MAGS, DownsamplingMode.MEDIAN))
    store_array(tmp_path / "layer/1", image((37, 29, 20)), Vec3Int(0, 0, 0))

    outcome = ask(record, tmp_path)["bounding_box_covers_data"]

    assert outcome.blocks_publication
    assert "the array ends at (37, 29, 20), its box at (37, 29, 21)" in outcome.sentence


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (2**60 + 3, f"declared as {2**60 + 3}, but the data's is {2**60 + 1}"),
        (float(2**60), f"declared as {2**60}, but the data's is {2**60 + 1}"),
        (None, "must be whole numbers"),
    ],
)
def test_a_largest_segment_id_that_is_not_the_datas_blocks_publication(
    tmp_path: Path,
    declared: float | None,
    words: str,
) -> None:
    voxels = pyramid(labels(), MAGS, DownsamplingMode.MODE)
    record = store_layer(tmp_path, voxels, category="segmentation", mode=DownsamplingMode.MODE)
    declare(tmp_path, record, declared)

    outcome = ask(record, tmp_path)["largest_segment_id"]

    assert outcome.blocks_publication
    assert words in outcome.sentence


def test_an_older_version_of_the_dataset_does_not_speak_for_a_new_layer(tmp_path: Path) -> None:
    voxels = pyramid(labels(), MAGS, DownsamplingMode.MODE)
    record = store_layer(tmp_path, voxels, category="segmentation", mode=DownsamplingMode.MODE)
    declare(tmp_path, record, 17, path="./layer/1@older")

    assert ask(record, tmp_path)["largest_segment_id"].passed


def declare(
    dataset_path: Path,
    record: LayerRecord,
    largest: float | None,
    path: str = "./layer/1",
) -> None:
    """Write what a dataset says of a segmentation layer."""
    x, y, z = record.box.size
    encoded = {"customJsonEncoding": "bigint", "value": str(largest)} if largest == 2**60 + 3 else largest
    layer = {
        "name": "layer",
        "category": "segmentation",
        "boundingBox": {"topLeft": [0, 0, 0], "width": x, "height": y, "depth": z},
        "dataFormat": "zarr3",
        "mags": [{"mag": [1, 1, 1], "path": path, "axisOrder": {"c": 0, "z": 1, "y": 2, "x": 3}}],
        "largestSegmentId": encoded,
        "numChannels": 1,
        "elementClass": "uint64",
    }
    document = {
        "id": {"name": "d", "team": ""},
        "scale": {"factor": [1.0, 1.0, 1.0], "unit": "nanometer"},
        "dataLayers": [layer],
        "version": 1,
    }
    (dataset_path / "datasource-properties.json").write_text(json.dumps(document))


def test_statistics_that_the_stored_voxels_contradict_block_publication(tmp_path: Path) -> None:
    voxels = pyramid(labels(), ("1",), DownsamplingMode.MODE)
    record = store_layer(tmp_path, voxels, category="segmentation", mode=DownsamplingMode.MODE)
    store_array(tmp_path / "layer/1", labels(largest=2**60), Vec3Int(0, 0, 0))

    outcome = ask(record, tmp_path)["largest_segment_id"]

    assert outcome.blocks_publication
    assert f"slice 7 should hold segment {2**60 + 1}" in outcome.sentence


def test_filled_slices_are_named_once_and_only_warn(tmp_path: Path) -> None:
    voxels = image()
    voxels[..., [4, 9]] = 0
    record = store_layer(
        tmp_path,
        pyramid(voxels, ("1",), DownsamplingMode.MEDIAN),
        filled={4: BadSlicePolicy.BLACK, 9: BadSlicePolicy.BLACK, 12: BadSlicePolicy.REPEAT},
    )

    outcomes = ask(record, tmp_path)

    assert failures(outcomes) == {"missing_slices"}
    assert not outcomes["missing_slices"].blocks_publication
    sentence = outcomes["missing_slices"].sentence
    assert sentence.startswith("3 of 21 slices were missing or unreadable and filled with black: 4, 9; ")
    assert "filled with a neighbour: 12" in sentence
    assert "z4.tif" in sentence


def test_dark_slices_are_named(tmp_path: Path) -> None:
    voxels = image()
    voxels[..., [0, 17]] = 0

    outcomes = ask(store_layer(tmp_path, pyramid(voxels, ("1",), DownsamplingMode.MEDIAN)), tmp_path)

    assert failures(outcomes) == {"dark_slices"}
    assert outcomes["dark_slices"].sentence == "2 of 21 slices are dark: 0, 17"
    assert outcomes["dark_slices"].evidence["dark_slices"] == 2


@pytest.mark.parametrize("part", [0.5, 0.3])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_zero_tail_of_a_half_copied_slice_is_found(tmp_path: Path, part: float, channels: int) -> None:
    voxels = image((37, 29, 21), channels)
    zero_tail(voxels, 12, part)

    outcome = ask(store_layer(tmp_path, pyramid(voxels, ("1",), DownsamplingMode.MEDIAN)), tmp_path)["dark_slices"]

    assert not outcome.passed
    assert "1 slice ends or breaks off in zeros" in outcome.sentence
    assert ": 12" in outcome.sentence


def test_zeros_that_are_scattered_are_no_half_copied_file(tmp_path: Path) -> None:
    voxels = image((60, 40, 10))
    voxels[0, ::3, :, 5] = 0

    outcome = ask(store_layer(tmp_path, pyramid(voxels, ("1",), DownsamplingMode.MEDIAN)), tmp_path)["dark_slices"]

    assert outcome.passed


def zero_tail(voxels: Voxels, z: int, part: float) -> None:
    """Make the last `part` of a slice zero, in the order in which a file holds it."""
    _, x, y, _ = voxels.shape
    for channel in voxels[..., z]:
        flat = channel.T.reshape(-1).copy()
        flat[int(x * y * (1 - part)) :] = 0
        channel[...] = flat.reshape(y, x).T


def test_a_jump_of_brightness_is_named_with_its_numbers(tmp_path: Path) -> None:
    voxels = image()
    voxels[..., 10] += 100

    outcomes = ask(store_layer(tmp_path, pyramid(voxels, ("1",), DownsamplingMode.MEDIAN)), tmp_path)

    assert failures(outcomes) == {"contrast_jumps"}
    assert "1 of 21 slices is brighter or darker than the neighbours: 10" in outcomes["contrast_jumps"].sentence
    assert not outcomes["contrast_jumps"].blocks_publication


def test_the_same_layer_gives_the_same_answers(tmp_path: Path) -> None:
    record = store_layer(tmp_path, pyramid(image((90, 80, 70)), ("1", "2"), DownsamplingMode.MEDIAN))

    assert run_layer_checks(record, tmp_path, sampled_blocks=3) == run_layer_checks(record, tmp_path, sampled_blocks=3)
