"""How much of the machine an operation may use: a value that a resource or the command line builds."""

import os
from dataclasses import dataclass

from wk_assets.errors import PlanError

GIBIBYTE = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Compute:
    """Give an operation its threads and its memory budget in bytes (peak resident memory of the whole process)."""

    threads: int
    memory_bytes: int = GIBIBYTE

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise PlanError(f"compute: threads is {self.threads}; give at least 1")
        if self.memory_bytes < 256 << 20:
            raise PlanError(f"compute: memory budget is {self.memory_bytes} bytes; give at least 256 MiB")

    @classmethod
    def of_this_machine(cls) -> "Compute":
        """Take every core that this process may run on, and the default budget."""
        return cls(threads=len(os.sched_getaffinity(0)))
