"""What the UI shows of a campaign: pictures that it draws in place, and figures of how far people agree."""

import io
from pathlib import Path

from PIL import Image

from tests.facility.kept import kept_annotation
from wk_assets.assets.campaign_metadata import annotation_metadata, finished_picture
from wk_assets.assets.metadata import INLINE_LIMIT
from wk_assets.facility.kept_annotations import KeptAnnotations, SkeletonFigures
from wk_assets.operations.checks.preview import encode_preview

DAY = 86_400_000


def test_finished_work_is_drawn_short_enough_to_be_shown_in_place() -> None:
    done = [kept_annotation(day, modified=day * day * 37 % 991 * DAY) for day in range(1, 1000)]

    told = str(finished_picture(done, 1_000)["finished_over_time"].value)

    assert told.startswith("![finished](data:image/svg+xml,")
    assert len(told) < INLINE_LIMIT
    assert finished_picture([], 5) == {}


def test_an_annotation_shows_its_picture_and_how_far_its_paths_agree(tmp_path: Path) -> None:
    picture = Image.new("RGB", (40, 30), (255, 0, 0))
    preview = encode_preview({"xy": picture, "xz": picture, "yz": picture}, "segmentation")
    figures = SkeletonFigures(distance_nm=500, node_f1=1, path_f1=0.75, splits=2, merges=0)
    record = kept_annotation(1, agreement={"other": 0.75}, skeleton_agreement={"other": figures})

    told = annotation_metadata(KeptAnnotations(tmp_path, "d", "paint"), record, "https://wk.example.org", preview)

    assert len(str(told["preview"].value)) < INLINE_LIMIT
    assert str(told["slices"].value).startswith("| xy | xz | yz |")
    assert told["agreement_with_other"].value == 0.75
    assert told["paths_agree_with_other"].value == "nodes 1, paths 0.75 within 500 nm; 2 splits, 0 merges"
    assert Image.open(io.BytesIO(preview.xz)).size == (40, 30)
    bare = annotation_metadata(KeptAnnotations(tmp_path, "d", "paint"), kept_annotation(1), "https://x", None)
    assert not {"preview", "slices", "paths_agree_with_other"} & set(bare)
