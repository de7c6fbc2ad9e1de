"""What annotators did is noticed: finished, reopened, cancelled work, once each, within a bounded number of requests."""

from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType

import pytest

from sensors.annotation_cursor import Cursor, FullLook, KnownWork, read_cursor, write_cursor
from sensors.annotation_decision import Decision, WatchedCampaign, decide
from sensors.annotation_watch import MAX_REQUESTS, MAX_SECONDS, SECONDS_BETWEEN_FULL_LOOKS, look
from sensors.annotations import observe
from tests.sensors.working_server import PROJECT, WorkingServer
from wk_assets.client.time_routes import ApiTimeOverview
from wk_assets.errors import CursorError, NoAnswerError
from wk_assets.facility.kept_annotations import KeptAnnotation, KeptTasks, Verdict

NOW = 1_000_000.0


class Watch:
    """Tick as the sensor does, and bring home at once what is asked for, as runs would."""

    def __init__(self, server: WorkingServer) -> None:
        self.server = server
        self.cursor = Cursor()
        self.now = NOW
        self.home: dict[str, KeptAnnotation] = {}
        self.tasks = KeptTasks(
            project_id=PROJECT, project_name="p", made_from="now", tasks=1, pending=1, active=0, finished=0
        )
        self.made_from = "now"
        self.requested: dict[str, str] = {}
        self.most_asked = 0

    def campaign(self) -> WatchedCampaign:
        return WatchedCampaign(
            name="paint", dataset="brain-7", home=dict(self.home), tasks=self.tasks, made_from=self.made_from
        )

    def tick(self, *, seconds: float = 30.0) -> Decision:
        self.now += seconds
        self.server.asked.clear()
        observation = observe(
            {"paint": self.campaign()},
            lambda: self.server,
            self.cursor,
            lambda keys: {key: self.requested[key] for key in keys if key in self.requested},
            self.now,
        )
        decision = decide(self.cursor, observation)
        self.cursor = read_cursor(write_cursor(decision.cursor))
        self.most_asked = max(self.most_asked, len(self.server.asked))
        return decision

    def bring_home(self, decision: Decision) -> list[str]:
        for one in decision.annotations:
            self.requested[one.run_key] = "was done"
            work = self.server.work[one.annotation_id]
            gone = work.state == "Cancelled"
            self.home[one.annotation_id] = KeptAnnotation(
                annotation_id=one.annotation_id, campaign="paint", dataset_id="d", task_id=work.task_id,
                task_key=self.server.keys[work.task_id], author_id=work.user, author=work.user,
                verdict=Verdict.WITHDRAWN if gone else Verdict.ACCEPTED, modified=work.modified, version=1,
                worked_millis=round(work.millis),
            )  # fmt: skip
        return [one.run_key for one in decision.annotations]

    def settle(self, *, ticks: int = 20) -> list[str]:
        """Tick until no look is under way and nothing is asked for; returns all run keys."""
        keys: list[str] = []
        for _ in range(ticks):
            found = self.bring_home(self.tick())
            keys += found
            if not found and self.cursor.full_look is None:
                break
        return keys


@pytest.fixture
def watch() -> Iterator[Watch]:
    watch = Watch(WorkingServer())
    yield watch
    assert watch.most_asked <= MAX_REQUESTS


def test_finished_work_comes_home_once(watch: Watch) -> None:
    one = watch.server.finish(1)

    assert watch.settle() == [f"annotation:{one.annotation_id}@1000"]
    assert watch.settle() == []


def test_a_tick_without_news_is_one_request_and_says_what_is_waited_for(watch: Watch) -> None:
    watch.server.finish(1)
    watch.settle()

    decision = watch.tick()

    assert watch.server.asked == ["overview"]
    assert decision.reason == "paint: 1 instances wait for annotators, 0 are worked on"


def test_reopened_and_finished_again_is_another_result(watch: Watch) -> None:
    one = watch.server.finish(1)
    watch.settle()

    one.state = "Active"
    decision = watch.tick()
    assert not decision.annotations
    assert "was reopened" in decision.reason

    one.state, one.modified, one.millis = "Finished", 2000, 90_000
    assert watch.settle() == [f"annotation:{one.annotation_id}@2000"]


def test_cancelled_work_is_withdrawn_once(watch: Watch) -> None:
    one = watch.server.finish(1)
    watch.settle()

    one.state = "Cancelled"

    assert watch.settle() == [f"annotation:{one.annotation_id}@1000 cancelled"]
    assert watch.home[one.annotation_id].verdict is Verdict.WITHDRAWN
    assert watch.settle() == []


def test_work_without_logged_time_is_found_by_the_full_look(watch: Watch) -> None:
    watch.settle()
    one = watch.server.finish(1, millis=0)

    assert watch.settle() == []
    watch.now += SECONDS_BETWEEN_FULL_LOOKS
    assert watch.settle() == [f"annotation:{one.annotation_id}@1000"]


def test_work_that_was_cancelled_unnoticed_is_found_by_the_full_look(watch: Watch) -> None:
    one, other = watch.server.finish(1), watch.server.finish(2)
    watch.settle()
    one.state, other.millis = "Cancelled", 2 * other.millis  # the sums stay what they are
    watch.cursor = replace(watch.cursor, users=MappingProxyType({"ben": KnownWork(annotations=1, millis=other.millis)}))

    assert watch.settle() == []
    watch.now += SECONDS_BETWEEN_FULL_LOOKS
    assert watch.settle() == [f"annotation:{one.annotation_id}@1000 cancelled"]


def test_tasks_of_somebody_else_in_the_same_project_are_passed_over(watch: Watch) -> None:
    watch.server.add_task(1, campaign="another")
    watch.server.finish(1)

    assert watch.settle() == []


def test_work_that_was_requested_before_is_not_requested_again_and_told_of(watch: Watch) -> None:
    one = watch.server.finish(1)
    watch.requested[f"annotation:{one.annotation_id}@1000"] = "failed (run 1a2b3c4d)"

    decision = watch.tick()

    assert not decision.annotations
    assert f"annotation {one.annotation_id} of paint: its run failed (run 1a2b3c4d)" in decision.sentences


def test_a_lost_cursor_costs_requests_alone(watch: Watch) -> None:
    for number in range(30):
        watch.server.finish(number)
    watch.settle()

    watch.cursor = Cursor()

    assert watch.settle() == []


def test_a_server_that_does_not_answer_changes_nothing(watch: Watch) -> None:
    class Silent(WorkingServer):
        def finished_work(self, *, project_ids: object, until_millis: int) -> list[ApiTimeOverview]:
            del project_ids, until_millis
            raise NoAnswerError("nobody answers")

    watch.tasks = watch.tasks.model_copy(update={"made_from": "before"})
    observation = observe({"paint": watch.campaign()}, Silent, watch.cursor, lambda _: {}, NOW)
    decision = decide(watch.cursor, observation)

    assert decision.cursor == watch.cursor
    assert decision.sentences[0] == "nobody answers"
    assert [one.run_key for one in decision.steps] == ["tasks:brain-7/paint@now"]


def test_tasks_are_made_anew_when_something_came_home_and_results_when_nothing_is_open(watch: Watch) -> None:
    one = watch.server.finish(1)
    first = watch.tick()
    assert first.annotations
    assert not first.steps  # the tasks wait for what is on its way
    watch.bring_home(first)
    watch.made_from = "with one"

    (step,) = watch.tick().steps
    assert (step.results, step.run_key) == (False, "tasks:brain-7/paint@with one")

    watch.tasks = watch.tasks.model_copy(update={"made_from": "with one", "pending": 0, "finished": 1})
    (step,) = watch.tick().steps
    assert (step.results, step.run_key) == (True, "results:brain-7/paint@with one")
    watch.requested[step.run_key] = "was done (run 1a2b3c4d)"
    assert watch.tick().reason == "paint: the run of its results was done (run 1a2b3c4d)"
    assert one.annotation_id in watch.home


def test_work_that_nobody_touches_for_weeks_is_told_of(watch: Watch) -> None:
    watch.server.finish(1, state="Active", modified=int((NOW - 20 * 86400) * 1000))

    assert "has been open for 20 days without a change" in watch.tick().reason


def test_ten_thousand_tasks_and_a_thousand_finished_annotations_take_a_bounded_number_of_requests(watch: Watch) -> None:
    for number in range(10_000):
        watch.server.add_task(number)
    for number in range(1000):
        watch.server.finish(number, user=f"user-{number % 7}")

    keys = watch.settle(ticks=200)

    assert len(keys) == len(set(keys)) == 1000
    assert watch.most_asked <= MAX_REQUESTS
    assert len(write_cursor(watch.cursor)) < 1000
    watch.now += SECONDS_BETWEEN_FULL_LOOKS
    asked = [_requests(watch)]
    while watch.cursor.full_look is not None:
        asked.append(_requests(watch))
    assert sum(asked) == 100 + 1000 + len(asked)  # pages, tasks with annotations, one overview per tick
    watch.tick()
    assert watch.server.asked == ["overview"]


def test_a_slow_server_is_asked_less_in_a_tick_and_nothing_is_missed() -> None:
    watch = Watch(WorkingServer())
    for number in range(250):
        watch.server.add_task(number)
    for number in range(4):
        watch.server.finish(number, millis=0)
    seconds = iter(range(10_000))
    seen: list[str] = []
    for _ in range(30):
        watch.server.asked.clear()
        # each look at the clock finds it a second later
        observation = look({"paint": watch.campaign()}, watch.server, watch.cursor, NOW, clock=lambda: next(seconds))
        watch.cursor = decide(watch.cursor, observation).cursor
        seen += [one.annotation_id for one in observation.seen]
        assert len(watch.server.asked) <= 1 + MAX_SECONDS
        if watch.cursor.full_look is None:
            break

    assert sorted(seen) == sorted(watch.server.work)


def _requests(watch: Watch) -> int:
    watch.tick()
    return len(watch.server.asked)


def test_a_cursor_comes_back_and_another_one_is_refused() -> None:
    cursor = Cursor(
        users={"ben": KnownWork(annotations=3, millis=1.5, after="")},
        full_look=FullLook(campaign="paint", page=None, tasks=("a",)),
        looked_at=7.0,
    )

    assert read_cursor(write_cursor(cursor)) == cursor
    assert read_cursor(None) == read_cursor("") == Cursor()
    with pytest.raises(CursorError, match="version 9"):
        read_cursor('{"version":9,"users":{},"full_look":null,"looked_at":null}')
    with pytest.raises(CursorError, match="can not be read"):
        read_cursor("[]")
