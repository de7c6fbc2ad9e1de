"""How often which value occurs in a layer, counted in a coarse mag with bounded memory, and its small picture."""

from dataclasses import dataclass
from pathlib import Path

from wk_assets.operations.layer_record import LayerRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Count values in bins of equal width from `minimum` to `maximum` (inclusive); NaN are counted apart."""

    mag: str
    minimum: float
    maximum: float
    counts: tuple[int, ...]
    nans: int
    voxels: int  # how many were looked at, NaN included
    complete: bool  # False: a deterministic sample of the mag


def layer_histogram(record: LayerRecord, dataset_path: Path, *, bins: int = 128, max_voxels: int = 1 << 26) -> Histogram:
    """Count the values of a layer in the finest mag that has at most `max_voxels` voxels (else a sample)."""
    raise NotImplementedError


def histogram_svg(histogram: Histogram, *, width: int = 200, height: int = 80) -> str:
    """Draw a histogram as one small SVG element, counts on a logarithmic scale."""
    raise NotImplementedError
