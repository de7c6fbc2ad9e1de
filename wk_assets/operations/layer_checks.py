"""Is a layer what it claims to be? Each question becomes one outcome: a sentence for a person, evidence as numbers.

Reads what is published, never writes. Nothing here knows Dagster (see `assets.checks`), and the questions that the
statistics of the slices alone answer are in `slice_checks`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from wk_assets.operations.layer_record import LayerRecord
from wk_assets.operations.layer_request import Category

Evidence = dict[str, int | float | str | bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutcome:
    """Answer one question about a layer. Ids in `evidence` are text: they may exceed 2**53."""

    name: str
    passed: bool
    severity: Literal["error", "warn"]
    sentence: str
    evidence: Evidence = field(default_factory=dict)

    @property
    def blocks_publication(self) -> bool:
        """Whether this outcome keeps the dataset from being published."""
        return not self.passed and self.severity == "error"


def check_names(category: Category) -> tuple[str, ...]:
    """Name the checks that `run_layer_checks` answers for a layer of this category, in its order."""
    raise NotImplementedError


def run_layer_checks(
    record: LayerRecord, dataset_path: Path, *, sampled_blocks: int = 12, seed: int = 0
) -> tuple[CheckOutcome, ...]:
    """Answer every check of `check_names(record.category)`, in that order. Never raises for a bad layer: it says so."""
    raise NotImplementedError
