"""One look at everything that a decision depends on: folders, catalogue, and the runs that were requested before.

Reads only. What follows from it is in `decision`.
"""

import logging
import time
from collections.abc import Iterable
from typing import Final

import dagster as dg

from resources.facility import FacilityResource
from sensors.cursor import Cursor, read_cursor
from sensors.decision import Observation, Registration, WatchedInstrument, candidates
from wk_assets.assets.catalogue import RegistrationConfig
from wk_assets.assets.keys import CATALOGUE
from wk_assets.errors import CursorError, WatchFolderError
from wk_assets.facility.acquisitions import scan_instrument
from wk_assets.facility.instrument import Instrument

REGISTRATION_TAG: Final = "wk_assets/registration"
_WAITING = frozenset({dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING})
_RUNNING = frozenset({dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING})


def look(facility: FacilityResource, instance: dg.DagsterInstance) -> Observation:
    """List every instrument's folder, read the catalogue, and ask which registrations were requested before.

    Raises ConfigurationError. A folder that can not be listed is part of the observation.
    """
    configuration = facility.configuration()
    watched = tuple(_look_at(instrument) for instrument in configuration.instruments.values())
    survey = facility.catalogue().survey()
    keys = [candidate.run_key for candidate in candidates(watched, survey.entries)]
    return Observation(
        now=time.time(),
        watched=watched,
        entries=survey.entries,
        catalogue_problems=survey.problems,
        requested=_requested(instance, keys),
    )


def remembered(text: str | None, log: logging.Logger) -> Cursor:
    """Read a cursor; one that can not be read is dropped with a warning: it costs waiting time alone."""
    try:
        return read_cursor(text)
    except CursorError as error:
        log.warning("%s; it is started anew", error)
        return Cursor()


def run_request(registration: Registration) -> dg.RunRequest:
    """Ask Dagster for the registration of one acquisition."""
    config = RegistrationConfig(
        instrument=registration.name.instrument,
        acquisition=registration.name.acquisition,
        signature=registration.signature,
    )
    return dg.RunRequest(
        run_key=registration.run_key,
        run_config=dg.RunConfig(ops={CATALOGUE.path[-1]: config}),
        asset_selection=[CATALOGUE],
        # A run key is known to one sensor alone; the tag is how the sensor and the schedules see one another's requests.
        tags={REGISTRATION_TAG: registration.run_key},
    )


def _look_at(instrument: Instrument) -> WatchedInstrument:
    try:
        return WatchedInstrument(instrument=instrument, acquisitions=scan_instrument(instrument))
    except WatchFolderError as error:
        return WatchedInstrument(instrument=instrument, problem=str(error))


def _requested(instance: dg.DagsterInstance, keys: Iterable[str]) -> dict[str, str]:
    wanted = list(keys)
    if not wanted:
        return {}
    runs = instance.get_runs(dg.RunsFilter(tags={REGISTRATION_TAG: wanted}))
    # Newest first: what became of the latest attempt counts.
    return {run.tags[REGISTRATION_TAG]: _state(run) for run in reversed(runs)}


def _state(run: dg.DagsterRun) -> str:
    name = f"run {run.run_id[:8]}"
    if run.status in _WAITING:
        return f"waits in the queue ({name})"
    if run.status in _RUNNING:
        return f"runs now ({name})"
    if run.status is dg.DagsterRunStatus.SUCCESS:
        return f"was done ({name}), but its entry is gone from the catalogue. To register it again, re-execute the run"
    return f"failed ({name}). Open the run, remove the cause that it names, and re-execute it"
