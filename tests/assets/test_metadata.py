"""What the UI shows: short enough to be drawn in place, small enough to be kept for ever, ids exact."""

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from resources.storage import Pictures, StorageResource
from tests.assets.runs import DATASET, EVERYTHING, LABELS, NUCLEI, mag, metadata, run
from wk_assets.assets.metadata import (
    ENTRY_LIMIT_BYTES,
    HISTOGRAM_BINS,
    INLINE_LIMIT,
    _histogram_metadata,
    _layers_preview,
    check_result,
    preview_metadata,
)
from wk_assets.operations.checks.histogram import Histogram
from wk_assets.operations.checks.layer_checks import CheckOutcome
from wk_assets.operations.checks.preview import THUMBNAIL_BYTES, Preview


def pictures(*, png_bytes: int = 9_000, url: str = "", folder: Path = Path("/previews/brain/em/v1")) -> Pictures:
    noise = np.random.default_rng(0).bytes
    preview = Preview(xy=noise(png_bytes), xz=noise(png_bytes), yz=noise(png_bytes), thumbnail=noise(THUMBNAIL_BYTES))
    urls = (f"{url}/xy.png", f"{url}/xz.png", f"{url}/yz.png") if url else None
    return Pictures(preview=preview, folder=folder, urls=urls)


def text(metadata: dict[str, Any], name: str) -> str:
    return str(metadata[name].value)


def test_the_largest_thumbnail_is_still_drawn_in_place() -> None:
    assert len(text(preview_metadata(pictures()), "preview")) < INLINE_LIMIT


def test_the_larger_pictures_stay_below_what_the_event_log_may_hold() -> None:
    for size in (1_000, 12_000, 20_000, 40_000):
        assert len(text(preview_metadata(pictures(png_bytes=size)), "slices")) <= ENTRY_LIMIT_BYTES


def test_addresses_are_shown_side_by_side_where_somebody_serves_the_pictures() -> None:
    shown = preview_metadata(pictures(url="http://127.0.0.1:3071/brain/em/v1"))

    assert "![yz](http://127.0.0.1:3071/brain/em/v1/yz.png)" in text(shown, "preview")
    assert len(text(shown, "preview")) < INLINE_LIMIT
    assert list(shown) == ["preview"]


def test_a_dataset_of_many_layers_shows_what_fits_in_place_and_all_behind_a_link() -> None:
    shown = _layers_preview({f"layer{number}": pictures() for number in range(5)})

    assert len(text(shown, "preview")) < INLINE_LIMIT
    assert text(shown, "preview").startswith("| layer0 |")
    assert "layer4" in text(shown, "previews")


@pytest.mark.parametrize("value", [1.0, -1.23456e300, 65535.0])
def test_a_histogram_is_drawn_in_place(value: float) -> None:
    counts = tuple(int(count) for count in np.random.default_rng(1).integers(0, 1 << 40, HISTOGRAM_BINS))
    histogram = Histogram(
        minimum=-abs(value),
        maximum=abs(value),
        bin_width=1.0,
        counts=counts,
        not_finite=0,
        voxels=1 << 25,
        complete=False,
    )

    assert len(text(_histogram_metadata(histogram), "histogram")) < INLINE_LIMIT


def test_a_check_puts_its_sentence_into_the_description() -> None:
    outcome = CheckOutcome(
        name="missing_slices",
        passed=False,
        severity="warn",
        sentence="2 of 512 slices are filled: 17, 99",
        evidence={"filled": 2},
    )

    result = check_result(NUCLEI, outcome)

    assert result.description == "2 of 512 slices are filled: 17, 99"
    assert result.severity is dg.AssetCheckSeverity.WARN
    assert not result.passed


def test_pictures_are_kept_under_the_version_that_they_show(tmp_path: Path) -> None:
    storage = StorageResource(
        root=str(tmp_path), previews_folder=str(tmp_path / "previews"), previews_url="http://host/p/"
    )

    kept = storage.keep_pictures("brain", "em", "v1", pictures().preview)

    assert kept.urls is not None
    assert kept.urls[0] == "http://host/p/brain/em/v1/xy.png"
    assert sorted(path.name for path in (tmp_path / "previews" / "brain" / "em" / "v1").iterdir()) == [
        "xy.png",
        "xz.png",
        "yz.png",
    ]


def test_every_asset_tells_what_a_person_looks_for(home: Path, instance: dg.DagsterInstance) -> None:
    result = run(instance, EVERYTHING)

    told = {key: metadata(result, key) for key in EVERYTHING}

    everywhere = {"preview", "voxel_size", "voxel_size_source", "bytes_out", "path"}
    assert all(everywhere <= set(one) for one in told.values())
    assert told[mag("2-2-1")]["voxel_size"] == "520 x 520 x 520 nanometer"
    assert told[mag("2-2-1")]["bytes_in"] == told[mag("1")]["bytes_raw"]
    assert {"MB/s", "bytes_read", "seconds"} <= set(told[mag("1")])
    assert told[NUCLEI]["dtype"] == "uint8"
    assert told[LABELS]["largest_segment_id"] == "7"
    assert [record.data["mag"] for record in told[NUCLEI]["mags"].records] == ["1", "2-2-1", "4-4-2"]
    assert told[DATASET]["acquisition"] == "brain-7 of lightsheet"
    longest = max(len(str(value)) for one in told.values() for value in one.values())
    assert longest <= ENTRY_LIMIT_BYTES
