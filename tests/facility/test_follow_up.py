"""What follows from finished work: each thing once, and nothing for ever."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.facility.campaigns import PLACE, campaign, finished, following, found
from wk_assets.errors import InputError
from wk_assets.facility.campaign import Campaign
from wk_assets.facility.campaign_plan import PlannedTask, TaskKey
from wk_assets.facility.follow_up import FinishedAnnotation, FollowUps, follow_ups
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int

REVIEW = {"rule": "review", "experience": {"domain": "sample", "value": 3}}
REPAIR = {"rule": "repair", "rounds": 2}
STOP = {"rule": "stop", "agree": 2, "threshold": 0.9}
ESCALATE = {"rule": "escalate", "experience": {"domain": "sample", "value": 5}}


def follow(
    *rules: Mapping[str, Any], done: list[FinishedAnnotation], others: Mapping[str, Campaign] | None = None
) -> FollowUps:
    return follow_ups(campaign(then=list(rules)), done, others or {})


def only(told: FollowUps) -> PlannedTask:
    (task,) = told.tasks
    return task


def test_a_result_is_reviewed_by_another_annotator_who_goes_on_from_it() -> None:
    task = only(follow(REVIEW, done=[finished("a", author="ben", box=BoundingBox((0, 0, 0), (8, 8, 8)))]))

    assert task.key == following("a", "review")
    assert (task.base, task.from_file, task.not_by, task.instances) == ("a", False, ("ben",), 1)
    assert task.experience.value == 3
    assert task.place.box == BoundingBox((0, 0, 0), (8, 8, 8))


def test_a_review_is_not_reviewed_again_and_the_reviewed_one_is_done() -> None:
    done = [finished("a"), finished("b", key=following("a", "review"))]

    assert follow(REVIEW, done=done).tasks == ()


def test_work_that_is_finished_anew_is_followed_anew() -> None:
    first = only(follow(REVIEW, done=[finished("a")]))
    again = only(follow(REVIEW, done=[finished("a", modified=2000)]))

    assert {first.key, again.key} == {following("a", "review"), following("a", "review", modified=2000)}


def test_a_share_of_results_is_reviewed_the_same_ones_every_time() -> None:
    done = [finished(f"{number:024x}", key=f"seeds/{number:012x}") for number in range(400)]
    tenth, half = ({task.base for task in follow({**REVIEW, "share": share}, done=done).tasks} for share in (0.1, 0.5))

    assert tenth < half
    assert 20 <= len(tenth) <= 60
    assert 160 <= len(half) <= 240


def test_what_a_check_found_is_repaired_where_it_is_so_often_and_no_more() -> None:
    there = found(position=Vec3Int(7, 8, 9))
    first = only(follow(REPAIR, done=[finished("a", findings=(there,))]))
    second = only(
        follow(REPAIR, done=[finished("a", findings=(there,)), finished("b", key=first.key, findings=(found(),))])
    )
    third = [
        finished("a", findings=(there,)),
        finished("b", key=first.key, findings=(there,)),
        finished("c", key=second.key, findings=(there,)),
    ]

    assert first.key == following("a", "repair")
    assert first.place.position == Vec3Int(7, 8, 9)
    assert "inside_box: 3 voxels outside" in first.description
    assert second.key == following("b", "repair", 2)
    assert follow(REPAIR, done=third) == FollowUps(stuck=("c",))


def test_rounds_are_counted_even_where_earlier_work_is_not_finished_any_more() -> None:
    reopened = [finished("c", key=following("b", "repair", 2), findings=(found(),))]

    assert follow(REPAIR, done=reopened) == FollowUps(stuck=("c",))


def test_a_rule_to_a_campaign_that_is_not_given_is_refused() -> None:
    with pytest.raises(InputError, match="leads to 'stage2', which is not among"):
        follow({"rule": "next", "campaign": "stage2"}, done=[finished("a")])


def test_only_the_checks_that_a_rule_names_are_repaired() -> None:
    told = follow({**REPAIR, "checks": ["one_component"]}, done=[finished("a", findings=(found("inside_box"),))])

    assert told == FollowUps(stuck=("a",))


def test_what_repairing_did_not_help_goes_to_people_with_more_experience() -> None:
    rules = (REPAIR, {**ESCALATE, "after_repairs": True})
    done = [
        finished("a", author="ben", findings=(found(),)),
        finished("b", author="ben", key=following("a", "repair"), findings=(found(),)),
        finished("c", author="cleo", key=following("b", "repair", 2), findings=(found(),)),
    ]
    task = only(follow(*rules, done=done))

    assert task.key == following("c", "escalate", 3)
    assert (task.experience.value, task.not_by) == (5, ("ben", "cleo"))
    assert follow(*rules, done=[*done, finished("d", key=task.key)]).tasks == ()


def test_only_a_result_after_which_nothing_follows_goes_on_to_the_next_stage() -> None:
    rules = (REVIEW, REPAIR, {"rule": "next", "campaign": "stage2"})
    others = {"stage2": campaign(name="stage2", instances=3, experience={"domain": "other", "value": 2})}
    review = only(follow(*rules, done=[finished("a")], others=others))
    task = only(follow(*rules, done=[finished("a"), finished("b", key=review.key)], others=others))

    assert review.campaign == "seeds"
    assert task.key == f"stage2/{PLACE}/b@1000/next.2"
    assert (task.campaign, task.instances, task.experience.domain, task.base) == ("stage2", 3, "other", "b")


def test_annotators_who_agree_settle_a_place_and_the_rest_is_withdrawn() -> None:
    rules = (STOP, {"rule": "next", "campaign": "stage2", "when": "agreed"}, REVIEW)
    done = [
        finished("a", agreement={"b": 0.95, "c": 0.2}, task_id="t", open_instances=2),
        finished("b", agreement={"a": 0.95, "c": 0.3}, task_id="t", open_instances=2),
        finished("c", agreement={"a": 0.2, "b": 0.3}, task_id="t", open_instances=2),
    ]
    told = follow(*rules, done=done, others={"stage2": campaign(name="stage2")})

    assert only(told).key == f"stage2/{PLACE}/all@0/next.1"
    assert only(told).base == "a"
    assert (told.settled, told.withdrawn) == ((PLACE,), ("t",))


def test_those_who_agree_must_all_agree_with_one_another() -> None:
    chain = [
        finished("a", agreement={"b": 0.95, "c": 0.5}),
        finished("b", agreement={"a": 0.95, "c": 0.95}),
        finished("c", agreement={"a": 0.5, "b": 0.95}),
    ]

    assert follow({**STOP, "agree": 3}, done=chain).settled == ()
    assert follow(STOP, done=chain).settled == (PLACE,)


def test_while_somebody_still_works_nobody_judges_disagreement() -> None:
    rules = ({**STOP, "most": 5}, {**ESCALATE, "below": 0.8})
    done = [finished("a", agreement={"b": 0.1}, open_instances=1), finished("b", agreement={"a": 0.1})]

    assert follow(*rules, done=done).tasks == ()


def test_another_opinion_is_asked_of_somebody_new_until_there_are_enough() -> None:
    rules = ({**STOP, "most": 3}, {**ESCALATE, "below": 0.8})
    two = [finished("a", author="ben", agreement={"b": 0.1}), finished("b", author="cleo", agreement={"a": 0.1})]
    again = only(follow(*rules, done=two))
    three = [*two, finished("c", key=again.key, agreement={"a": 0.1, "b": 0.1})]
    expert = only(follow(*rules, done=three))

    assert (again.key, again.base, again.not_by) == (f"seeds/{PLACE}/all@0/again.3", None, ("ben", "cleo"))
    assert expert.key == f"seeds/{PLACE}/all@0/escalate.1"
    assert expert.experience.value == 5
    settled = follow(*rules, done=[*three, finished("d", key=expert.key)])
    assert (settled.tasks, settled.settled) == ((), (PLACE,))


def test_a_result_with_findings_is_no_opinion_that_could_agree() -> None:
    done = [finished("a", agreement={"b": 1.0}, findings=(found(),)), finished("b", agreement={"a": 1.0})]

    assert follow(STOP, done=done).settled == ()


def test_a_task_of_nobodys_campaign_is_refused_and_one_of_another_campaign_left_alone() -> None:
    assert follow(REVIEW, done=[finished("a", key=f"other/{PLACE}")]).tasks == ()
    with pytest.raises(InputError, match="'by hand' is not the key"):
        follow(REVIEW, done=[finished("a", key="by hand")])


def test_a_result_may_be_sent_as_a_file_or_the_next_one_begin_afresh() -> None:
    by_file = only(follow({**REVIEW, "chain": "file"}, done=[finished("a")]))
    afresh = only(follow({**REVIEW, "chain": "none"}, done=[finished("a")]))

    assert (by_file.base, by_file.from_file) == ("a", True)
    assert (afresh.base, afresh.from_file) == (None, False)


_CHOICES: list[dict[str, object]] = [
    dict(REVIEW),
    dict(REPAIR),
    {**STOP, "most": 3},
    {**ESCALATE, "below": 0.8, "after_repairs": True},
]
_RULES = st.lists(
    st.sampled_from(_CHOICES),
    unique_by=lambda rule: str(rule["rule"]),
)


@given(rules=_RULES, data=st.data())
@settings(max_examples=30, deadline=None)
def test_work_comes_to_an_end_and_nothing_follows_twice(rules: list[dict[str, Any]], data: st.DataObject) -> None:
    """Annotators do whatever follows, well or badly, until nothing follows: no key comes twice, and it ends."""
    done = [finished("n0", open_instances=0), finished("n1", open_instances=0)]
    made: set[str] = set()
    for _ in range(60):
        told = follow(*rules, done=done)
        shuffled = follow(*rules, done=data.draw(st.permutations(done)))
        assert shuffled == told
        fresh = [task for task in told.tasks if task.key not in made]
        if not fresh:
            break
        assert len({task.key for task in told.tasks}) == len(told.tasks)
        for task in fresh:
            made.add(task.key)
            name = f"n{len(done)}"
            bad = data.draw(st.booleans())
            done.append(finished(name, key=task.key, findings=(found(),) if bad else ()))
        agreement = data.draw(st.sampled_from([0.1, 0.95]))
        names = [one.annotation_id for one in done]
        done = [
            finished(
                one.annotation_id, key=one.task_key, findings=one.findings,
                agreement={name: agreement for name in names if name != one.annotation_id},
            )
            for one in done
        ]  # fmt: skip
    else:
        pytest.fail(f"still {len(fresh)} new tasks after 60 rounds")


@given(
    st.builds(
        TaskKey,
        campaign=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True),
        place=st.from_regex(r"[0-9a-f]{12}", fullmatch=True),
        parent=st.from_regex(r"[0-9a-f]{24}", fullmatch=True),
        modified=st.integers(0, 2**53),
        rule=st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,20}", fullmatch=True),
        round=st.integers(1, 99),
    )
)
@settings(max_examples=30, deadline=None)
def test_a_key_can_be_taken_apart_also_as_the_name_of_a_file(key: TaskKey) -> None:
    assert TaskKey.parse(str(key)) == key
    assert TaskKey.parse(str(key).replace("/", "~") + ".zip") == key
    first = TaskKey(campaign=key.campaign, place=key.place)
    assert TaskKey.parse(str(first)) == first
