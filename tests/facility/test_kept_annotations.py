"""What is home is found again, whatever was killed; what counts in results follows one written rule."""

from pathlib import Path

import pytest

from tests.facility.campaigns import campaign
from tests.facility.kept import PLACE, kept_annotation
from wk_assets.errors import CatalogueError
from wk_assets.facility.campaign_results import final_annotations, version_of
from wk_assets.facility.kept_annotations import KeptAnnotation, KeptAnnotations, KeptFinding, Survey, Verdict, made_from


def test_a_record_comes_back_and_the_same_record_writes_nothing(tmp_path: Path) -> None:
    kept = KeptAnnotations(tmp_path, "brain-7", "paint")
    record = kept_annotation(1, box=(0, 1, 2, 3, 4, 5), findings=(KeptFinding(check="inside_box", what="3 voxels"),))

    assert kept.get(record.annotation_id) is None
    assert kept.put(record)
    assert not kept.put(record)
    assert kept.get(record.annotation_id) == record
    assert kept.survey() == Survey({record.annotation_id: record})


def test_files_without_a_record_do_not_count(tmp_path: Path) -> None:
    kept = KeptAnnotations(tmp_path, "brain-7", "paint")
    kept.version_folder("0" * 24, 3).mkdir(parents=True)

    assert kept.survey() == Survey({})


def test_a_record_that_makes_no_sense_is_named_and_hides_no_other(tmp_path: Path) -> None:
    kept = KeptAnnotations(tmp_path, "brain-7", "paint")
    kept.put(kept_annotation(1))
    broken = kept.folder / "annotations" / "x" / "record.json"
    broken.parent.mkdir()
    broken.write_text('{"format": 7}')

    survey = kept.survey()

    assert len(survey.annotations) == 1
    assert survey.problems[0].where == str(broken)
    (kept.folder / "tasks.json").write_text("[")
    with pytest.raises(CatalogueError, match=r"tasks\.json"):
        kept.tasks()


def test_what_tasks_are_made_from_changes_with_settings_content_and_every_annotation() -> None:
    one = kept_annotation(1)
    digests = {
        made_from(campaign(), "a", [one]),
        made_from(campaign(instances=2), "a", [one]),
        made_from(campaign(), "b", [one]),
        made_from(campaign(), "a", []),
        made_from(campaign(), "a", [one.model_copy(update={"version": 2})]),
        made_from(campaign(), "a", [one.model_copy(update={"verdict": Verdict.WITHDRAWN})]),
    }

    assert len(digests) == 6
    assert made_from(campaign(), "a", [one, kept_annotation(2)]) == made_from(
        campaign(), "a", [kept_annotation(2), one]
    )


def test_a_review_replaces_what_it_went_on_from() -> None:
    first = kept_annotation(1)
    review = kept_annotation(2, task_key=f"paint/{PLACE}/{first.annotation_id}@1001/review.1")

    assert final_annotations(survey(first, review)) == (review,)


def test_of_several_on_one_place_the_one_that_the_others_agree_with_counts() -> None:
    alone = kept_annotation(1, agreement={"x": 0.2})
    common = kept_annotation(2, agreement={"x": 0.9})
    elsewhere = kept_annotation(3, task_key="paint/000000000000")
    gone = kept_annotation(4, verdict=Verdict.SENT_BACK, agreement={"x": 1.0})

    assert final_annotations(survey(alone, common, elsewhere, gone)) == (elsewhere, common)
    assert version_of([alone]) != version_of([alone.model_copy(update={"version": 2})])


def survey(*annotations: KeptAnnotation) -> Survey:
    return Survey({one.annotation_id: one for one in annotations})
