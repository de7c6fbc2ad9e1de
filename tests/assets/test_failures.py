"""Transient or permanent is decided by an error's type, and the daemon's run retries hear of it."""

from pathlib import Path

import dagster as dg
import pytest

from wk_assets.assets.failures import FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, MAX_RETRIES, failures, retry
from wk_assets.errors import DiskFullError, LockedError, SourceChangedError, UnreadableSliceError, WkAssetsError

RUN_RETRIES = {"run_retries": {"enabled": True, "max_retries": 2}}


def run(error: Exception, home: Path) -> tuple[dg.DagsterInstance, dg.ExecuteInProcessResult]:
    @dg.asset
    def failing(context: dg.AssetExecutionContext) -> None:
        with failures(context):
            raise error

    instance = dg.DagsterInstance.local_temp(str(home), overrides=RUN_RETRIES)
    return instance, dg.materialize([failing], instance=instance, raise_on_error=False)


def will_retry(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> str | None:
    run = instance.get_run_by_id(result.run_id)
    return run.tags.get("dagster/will_retry") if run else None


@pytest.mark.parametrize("error", [UnreadableSliceError("z0017.tif is cut off"), DiskFullError("disk full")])
def test_a_permanent_error_is_not_retried_by_the_daemon_either(error: WkAssetsError, tmp_path: Path) -> None:
    """`Failure(allow_retries=False)` stops the op's retries alone; the daemon reads the tags of the run."""
    instance, result = run(error, tmp_path)

    assert not result.success
    assert will_retry(instance, result) == "false"
    assert str(error) in str(result.failure_data_for_node("failing"))


def test_a_defect_is_left_to_the_daemon_as_it_is(tmp_path: Path) -> None:
    instance, result = run(ZeroDivisionError("a defect"), tmp_path)

    assert not result.success
    assert will_retry(instance, result) == "true"


def test_a_transient_error_asks_for_another_attempt_of_the_step() -> None:
    attempts = []

    @dg.asset
    def flaky(context: dg.AssetExecutionContext) -> None:
        attempts.append(context.op_execution_context.retry_number)
        with failures(context):
            if len(attempts) < 2:
                raise LockedError("layer em is being written by process 17")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wk_assets.assets.failures.FIRST_WAIT_SECONDS", 0.0)
        result = dg.materialize([flaky])

    assert result.success
    assert attempts == [0, 1]


def test_each_wait_is_twice_the_one_before_and_bounded() -> None:
    waits = [retry(number).seconds_to_wait for number in range(MAX_RETRIES + 5)]

    assert waits[:3] == [FIRST_WAIT_SECONDS, 2 * FIRST_WAIT_SECONDS, 4 * FIRST_WAIT_SECONDS]
    assert max(wait for wait in waits if wait is not None) == LONGEST_WAIT_SECONDS


def test_every_error_of_the_tree_has_a_verdict() -> None:
    def tree(kind: type[WkAssetsError]) -> list[type[WkAssetsError]]:
        return [kind, *(below for child in kind.__subclasses__() for below in tree(child))]

    transient = {kind.__name__ for kind in tree(WkAssetsError) if kind.transient}

    assert {LockedError.__name__, SourceChangedError.__name__} <= transient
    assert DiskFullError.__name__ not in transient
