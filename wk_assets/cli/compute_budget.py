"""How much of the machine a command may use, from its options. What an option leaves open is this machine's default."""

from dataclasses import replace

from pydantic import TypeAdapter, ValidationError

from wk_assets.errors import PlanError
from wk_assets.facility.section import SizeBytes
from wk_assets.operations.compute import Compute


def compute_of(threads: int | None, memory: str | None) -> Compute:
    """Build the compute value of `--threads` and `--memory` ('512 MiB'). Raises PlanError for what is no size."""
    compute = Compute.of_this_machine()
    if threads is not None:
        compute = replace(compute, threads=threads)
    if memory is not None:
        try:
            compute = replace(compute, memory_bytes=TypeAdapter(SizeBytes).validate_python(memory))
        except ValidationError as error:
            raise PlanError(f"--memory {memory!r} is not a size; write it like '512 MiB' or '2 GiB'") from error
    return compute
