"""One volume layer of an annotation: what its NML says of it, and where its voxels are."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wk_assets.annotation.segment_information import SegmentInformation


@dataclass(slots=True, kw_only=True)
class VolumeLayer:
    """Describe a volume layer. `fallback_layer_name`: the dataset's layer that shows where nothing is painted."""

    id: int
    name: str
    dtype: np.dtype[Any] | None = None
    fallback_layer_name: str | None = None
    largest_segment_id: int | None = None
    segments: dict[int, SegmentInformation] = field(default_factory=dict)
