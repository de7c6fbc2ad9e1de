"""Which colour a segment has in our pictures: a pure function of its id, so that it is the same in every picture."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_STEPS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def label_colors(labels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the RGB colours, shape (..., 3), of integer `labels` of any shape; 0, the background, is black.

    Hue, saturation and brightness are taken from a hash of the id (the mixer of splitmix64), saturation and brightness
    from a range in which neighbours stay distinguishable on black. Negative ids count as their two's complement.
    """
    mixed = labels.astype(np.int64 if labels.dtype.kind == "i" else np.uint64).view(np.uint64)
    mixed = mixed + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in _STEPS:
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    hue = (mixed & np.uint64(0xFFFF)).astype(np.float64) / 0x10000
    saturation = 0.5 + 0.4 * ((mixed >> np.uint64(16)) & np.uint64(0xFF)).astype(np.float64) / 255
    value = 0.75 + 0.25 * ((mixed >> np.uint64(24)) & np.uint64(0xFF)).astype(np.float64) / 255
    # the usual piecewise-linear hexagon of HSV: each primary is full, falls, is at its floor, and rises again
    distance = np.abs((hue[..., None] * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1
    colors = value[..., None] * (1 - saturation[..., None] * (1 - np.clip(distance, 0, 1)))
    rgb: NDArray[np.uint8] = np.rint(colors * 255).astype(np.uint8)
    rgb[labels == 0] = 0
    return rgb
