"""What Dagster does with an error of ours: try again, or stop and wait for a person. Decided once, by the error's type.

Dagster has three retry mechanisms that know nothing of one another: `RetryRequested` (this step, this run), the op's
`retry_policy` (unused here), and the run retries of the daemon (a whole new run). A transient error asks for the
first. A permanent one must silence the last too, and `Failure(allow_retries=False)` does not reach the daemon: it
reads the tags of the run, so the run is tagged. A run whose process died is still retried.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from wk_assets.errors import WkAssetsError

MAX_RETRIES = 4
FIRST_WAIT_SECONDS = 5.0
LONGEST_WAIT_SECONDS = 120.0
NO_RUN_RETRY_TAG = "dagster/retry_on_asset_or_op_failure"


@contextmanager
def failures(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Translate every WkAssetsError of the block. Other exceptions are defects and pass as they are."""
    try:
        yield
    except WkAssetsError as error:
        if error.transient:
            context.log.warning("%s: %s", type(error).__name__, error)
            raise retry(context.op_execution_context.retry_number) from error
        forbid_run_retry(context)
        raise permanent(error) from error


def forbid_run_retry(context: dg.AssetExecutionContext) -> None:
    """Tell the daemon that a step of this run fails for good: only a lost process is worth a new run."""
    context.instance.add_run_tags(context.run.run_id, {NO_RUN_RETRY_TAG: "false"})


def retry(attempts_so_far: int) -> dg.RetryRequested:
    """Ask for another attempt of the step, each after twice the wait of the one before."""
    wait = min(FIRST_WAIT_SECONDS * 2**attempts_so_far, LONGEST_WAIT_SECONDS)
    return dg.RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=wait)


def permanent(error: WkAssetsError) -> dg.Failure:
    """Fail the step with the error's own sentence, for a person to act on."""
    return dg.Failure(
        description=str(error), metadata={"error": dg.MetadataValue.text(type(error).__name__)}, allow_retries=False
    )
