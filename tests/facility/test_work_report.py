"""How far campaigns are, as tables of work and people, and who is told when the work stops."""

from tests.facility.kept import kept_annotation
from wk_assets.facility.kept_annotations import KeptTasks, Verdict
from wk_assets.facility.work_report import CampaignWork, campaigns_table, people_table, quiet_campaigns

DAY = 86_400.0


def work(*, days_ago: float, pending: int = 3) -> CampaignWork:
    tasks = KeptTasks(
        project_id="p", project_name="nuclei", made_from="x", tasks=4, pending=pending, active=0, finished=1
    )
    one = kept_annotation(1, modified=int((100 - days_ago) * DAY * 1000))
    return CampaignWork(campaign="paint", tasks=tasks, home={one.annotation_id: one})


def test_hours_are_summed_per_person_and_cancelled_work_does_not_count() -> None:
    table = people_table(
        [
            kept_annotation(1, author="Ben A", worked_millis=3_600_000),
            kept_annotation(2, author="Ben A", worked_millis=1_800_000, verdict=Verdict.SENT_BACK),
            kept_annotation(3, author="Cleo A", worked_millis=7_200_000),
            kept_annotation(4, author="Cleo A", worked_millis=7_200_000, verdict=Verdict.WITHDRAWN),
        ]
    )

    assert table.to_dict("records") == [
        {"person": "Cleo A", "annotations": 1, "accepted": 1, "sent back": 0, "hours": 2.0, "minutes per annotation": 120},
        {"person": "Ben A", "annotations": 2, "accepted": 1, "sent back": 1, "hours": 1.5, "minutes per annotation": 45},
    ]  # fmt: skip


def test_nobody_and_nothing_make_empty_tables() -> None:
    assert people_table([]).empty
    assert campaigns_table([]).empty
    (row,) = campaigns_table([CampaignWork(campaign="paint", tasks=None, home={})]).to_dict("records")
    assert (row["campaign"], row["tasks"], row["last finished"]) == ("paint", 0, None)


def test_a_campaign_is_quiet_when_work_is_open_and_nobody_finished_any_for_too_long() -> None:
    (told,) = quiet_campaigns([work(days_ago=9)], now=100 * DAY, most_days=7)

    assert told == "paint: 3 instances are open, and nobody has finished any for 9 days"
    assert quiet_campaigns([work(days_ago=5)], now=100 * DAY, most_days=7) == ()
    assert quiet_campaigns([work(days_ago=9, pending=0)], now=100 * DAY, most_days=7) == ()


def test_a_campaign_of_which_nothing_was_finished_yet_is_not_told_of() -> None:
    begun = CampaignWork(campaign="paint", tasks=work(days_ago=1).tasks, home={})

    assert quiet_campaigns([begun], now=100 * DAY, most_days=7) == ()
