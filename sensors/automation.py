"""The sensor that makes what `refresh_when_ready` says is to be made: the assets of datasets, and nothing else."""

from typing import Final

import dagster as dg

from wk_assets.assets.keys import DATASETS_PREFIX, PUBLISHED_PREFIX

SECONDS_BETWEEN_EVALUATIONS: Final = 15

automation = dg.AutomationConditionSensorDefinition(
    "automation",
    # Narrow on purpose: a target of everything makes each load and launch several times slower.
    target=dg.AssetSelection.key_prefixes([DATASETS_PREFIX], [PUBLISHED_PREFIX]),
    minimum_interval_seconds=SECONDS_BETWEEN_EVALUATIONS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Makes what is missing of each dataset, and brings up to date what changed below.",
)
