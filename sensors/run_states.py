"""What became of runs that were requested before, by the key that a tag of theirs holds, in words for people."""

from collections.abc import Iterable
from typing import Final

import dagster as dg

_WAITING: Final = frozenset({dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING})
_RUNNING: Final = frozenset({dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING})


def run_states(instance: dg.DagsterInstance, tag: str, keys: Iterable[str]) -> dict[str, str]:
    """Say of each key what became of the latest run that carries it; keys without a run are left out."""
    wanted = list(keys)
    if not wanted:
        return {}
    runs = instance.get_runs(dg.RunsFilter(tags={tag: wanted}))
    return {run.tags[tag]: _state(run) for run in reversed(runs)}  # newest first: the latest attempt counts


def _state(run: dg.DagsterRun) -> str:
    name = f"run {run.run_id[:8]}"
    if run.status in _WAITING:
        return f"waits in the queue ({name})"
    if run.status in _RUNNING:
        return f"runs now ({name})"
    if run.status is dg.DagsterRunStatus.SUCCESS:
        return f"was done ({name})"
    return f"failed ({name}). Open the run, remove the cause that it names, and re-execute it"
