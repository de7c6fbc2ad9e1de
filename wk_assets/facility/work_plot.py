"""Finished work over time, as one small SVG document. Pure: records in, text out."""

from collections.abc import Iterable
from typing import Final

import numpy as np
import pandas as pd

from wk_assets.facility.kept_annotations import KeptAnnotation, Verdict

_STEPS: Final = 24  # with more, the picture is too long to be shown in place


def finished_svg(
    annotations: Iterable[KeptAnnotation], instances: int, *, width: int = 200, height: int = 80
) -> str | None:
    """Draw how many annotations were finished by when, from the first to the last, in as many equal steps as are readable.

    Those that count are drawn, at the time when they were finished (UTC). The top is `instances`, all that there are, or what is
    finished if that is more. None: nothing is finished.
    """
    times = np.sort([one.modified for one in annotations if one.verdict is Verdict.ACCEPTED])
    if not times.size:
        return None
    first, last = int(times[0]), int(times[-1])
    # at the end of each step; the first and the last are counted exactly
    ends = [first + (last - first) * step // _STEPS for step in range(1, _STEPS + 1)]
    counts = np.searchsorted(times, ends, side="right")
    top = max(instances, times.size)
    baseline = height - 14
    path = "".join(
        f"V{baseline - baseline * count / top:.4g}H{width * step / _STEPS:.4g}"
        for step, count in enumerate(counts.tolist(), 1)
    )
    label = f'y="{height - 3}" font-family="sans-serif" font-size="10" fill="#555"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f"<title>{times.size} of {top} finished</title>"
        f'<path d="M0 {baseline}{path}V{baseline}Z" fill="#4a7ebb"/>'
        f'<text x="1" {label}>{_day(first)}</text>'
        f'<text x="{width - 1}" {label} text-anchor="end">{_day(last)}</text>'
        "</svg>"
    )


def _day(millis: int) -> str:
    return pd.Timestamp(millis, unit="ms", tz="UTC").strftime("%Y-%m-%d")
