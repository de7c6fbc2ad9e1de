"""How much of the machine a step may use. Configuration in, a `Compute` value out; nothing is computed here."""

import dagster as dg
from pydantic import Field

from resources.worker_process import follow_worker
from wk_assets.operations.compute import GIBIBYTE, Compute


class ComputeResource(dg.ConfigurableResource[None]):
    """Give a step its threads and its memory budget."""

    threads: int = Field(default=0, ge=0, description="How many threads a step may use; 0: every core of this machine.")
    memory_bytes: int = Field(default=GIBIBYTE, description="Peak resident memory of the whole process, in bytes.")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Bind a step's own process to the life of its run's worker."""
        if context.instance is not None and context.run is not None:
            follow_worker(context.instance, context.run.run_id)

    def compute(self) -> Compute:
        """Build the value that operations take. Raises PlanError for a budget that nothing fits into."""
        threads = self.threads or Compute.of_this_machine().threads
        return Compute(threads=threads, memory_bytes=self.memory_bytes)
