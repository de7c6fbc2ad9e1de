"""Which acquisitions are registered now: a table of looks."""

from hypothesis import given
from hypothesis import strategies as st

from sensors.cursor import MAX_SIGHTINGS, AcquisitionId, Cursor
from sensors.decision import MAX_REQUESTS, MAX_SENTENCES, Observation, WatchedInstrument, candidates
from tests.sensors.looks import QUIET, acquisition, decided, entry, instrument, names, see
from wk_assets.errors import Problem


def test_a_finished_acquisition_that_nobody_knows_is_registered() -> None:
    decision = decided(see(acquisition("brain")))

    assert names(decision) == ["brain"]
    assert decision.registrations[0].dataset == "brain"
    assert decision.registrations[0].run_key == "register:scope/brain@s1"


def test_an_acquisition_without_its_marker_waits_and_the_reason_names_the_marker() -> None:
    decision = decided(see(acquisition("brain", files=("z1.tif",))))

    assert names(decision) == []
    assert "scope/brain" in decision.reason
    assert "DONE" in decision.reason


def test_a_registered_acquisition_is_left_alone() -> None:
    decision = decided(see(acquisition("brain"), entries=(entry("brain"),)))

    assert names(decision) == []
    assert decision.reason == "1 acquisition is registered and unchanged"
    assert not decision.cursor.sightings


def test_a_changed_acquisition_is_registered_again_under_its_dataset_name() -> None:
    """The naming template may have changed since: the dataset keeps its name."""
    decision = decided(see(acquisition("run 7", signature="s2"), entries=(entry("brain", name="run 7"),)))

    assert [one.dataset for one in decision.registrations] == ["brain"]
    assert decision.registrations[0].run_key == "register:scope/run 7@s2 after s1"


def test_files_that_become_again_what_they_were_are_another_request() -> None:
    """With the content alone as run key the third registration would never have run."""
    first = decided(see(acquisition("brain", signature="a"))).registrations[0].run_key
    back = (
        decided(see(acquisition("brain", signature="a"), entries=(entry("brain", signature="b"),)))
        .registrations[0]
        .run_key
    )

    assert first != back


def test_an_archived_dataset_is_left_alone_even_if_its_source_changed() -> None:
    decision = decided(see(acquisition("brain", signature="s2"), entries=(entry("brain", status="archived"),)))

    assert names(decision) == []


def test_a_registration_that_was_requested_is_not_requested_again_and_its_fate_is_told() -> None:
    key = decided(see(acquisition("brain"))).registrations[0].run_key

    decision = decided(see(acquisition("brain"), requested={key: "failed (run 1a2b3c4d). Open the run"}))

    assert names(decision) == []
    assert "failed (run 1a2b3c4d). Open the run" in decision.reason


def test_a_quiet_acquisition_is_registered_after_two_equal_looks_and_its_time() -> None:
    cursor = Cursor()
    requested = []
    for now, signature in ((0, "s1"), (40, "s2"), (80, "s2"), (120, "s2")):
        decision = decided(
            see(acquisition("brain", files=("z1.tif",), signature=signature), rule=QUIET, now=now), cursor
        )
        cursor = decision.cursor
        requested.append(names(decision))

    assert requested == [[], [], [], ["brain"]]


def test_two_acquisitions_that_would_be_one_dataset_are_not_both_registered() -> None:
    decision = decided(see(acquisition("a b!"), acquisition("a b?")))

    assert names(decision) == ["a b!"]
    assert "made from scope/a b! already" in decision.reason


def test_a_name_that_belongs_to_another_instruments_dataset_is_refused_with_a_remedy() -> None:
    decision = decided(see(acquisition("brain"), entries=(entry("brain", of="other"),)))

    assert names(decision) == []
    assert "{instrument}" in decision.reason


def test_many_finished_acquisitions_are_registered_a_few_at_a_time() -> None:
    seen = [acquisition(f"run{number:03}") for number in range(MAX_REQUESTS + 3)]

    decision = decided(see(*seen))

    assert len(decision.registrations) == MAX_REQUESTS
    assert "follows with the next look" in decision.reason


def test_a_folder_that_can_not_be_listed_says_why_and_hides_no_other() -> None:
    broken = WatchedInstrument(instrument=instrument("broken"), problem="/mnt/share is not mounted. Mount it")
    fine = WatchedInstrument(instrument=instrument(), acquisitions=(acquisition("brain"),))

    decision = decided(Observation(now=0, watched=(broken, fine), entries={}))

    assert names(decision) == ["brain"]
    assert "broken: /mnt/share is not mounted. Mount it" in decision.reason


def test_an_empty_inbox_says_where_it_looked() -> None:
    assert "/inbox/scope holds no folder" in decided(see()).reason


def test_a_broken_catalogue_entry_is_told() -> None:
    problem = Problem("catalogue/brain.json", "is no JSON", "Remove it")

    assert "catalogue/brain.json: is no JSON" in decided(see(catalogue_problems=(problem,))).reason


def test_a_reason_stays_short_however_much_waits() -> None:
    decision = decided(see(*[acquisition(f"run{number:03}", files=("z1.tif",)) for number in range(200)]))

    assert len(decision.reason.splitlines()) == MAX_SENTENCES + 1
    assert decision.reason.endswith("… and 188 more")


def test_the_cursor_never_grows_beyond_its_bound() -> None:
    seen = [acquisition(f"run{number:04}", files=("z1.tif",)) for number in range(MAX_SIGHTINGS + 50)]

    decision = decided(see(*seen))

    assert len(decision.cursor.sightings) == MAX_SIGHTINGS
    assert f"only {MAX_SIGHTINGS} are watched" in "\n".join(decision.sentences)


def test_what_is_gone_from_the_inbox_is_forgotten() -> None:
    cursor = decided(see(acquisition("brain", files=("z1.tif",)))).cursor

    assert AcquisitionId("scope", "brain") in cursor.sightings
    assert not decided(see(), cursor).cursor.sightings


@given(
    known=st.sets(st.integers(0, 8)),
    changed=st.sets(st.integers(0, 8)),
    unfinished=st.sets(st.integers(0, 8)),
    requested=st.sets(st.integers(0, 8)),
)
def test_every_acquisition_is_requested_told_of_or_registered(
    known: set[int], changed: set[int], unfinished: set[int], requested: set[int]
) -> None:
    seen = [
        acquisition(
            f"run{n}",
            signature="s2" if n in changed else "s1",
            files=("z.tif",) if n in unfinished else ("z.tif", "DONE"),
        )
        for n in range(9)
    ]
    observation = see(*seen, entries=tuple(entry(f"run{n}") for n in known))
    keys = {
        one.run_key: "waits in the queue"
        for one in candidates(observation.watched, observation.entries)
        if int(one.name.acquisition[3:]) in requested
    }

    decision = decided(see(*seen, entries=tuple(entry(f"run{n}") for n in known), requested=keys))

    assert set(names(decision)) == {
        f"run{n}" for n in range(9) if (n not in known or n in changed) and n not in unfinished and n not in requested
    }
    told = "\n".join(decision.sentences)
    assert all(
        one.name in told for one in seen if one.name not in names(decision) and int(one.name[3:]) not in known - changed
    )


def test_the_same_look_decides_the_same() -> None:
    observation = see(acquisition("brain"), acquisition("heart", files=("z1.tif",)))

    assert decided(observation) == decided(observation)
