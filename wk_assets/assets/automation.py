"""When an asset is made without anybody asking: it was never made, or something that it is made from was made anew."""

from typing import Any

import dagster as dg

from wk_assets.assets.keys import AcquisitionAsset, build


def refresh_when_ready(dataset: str) -> dg.AutomationCondition[Any]:
    """Make what is missing and follow what changed, once everything below is there and at rest.

    `AutomationCondition.eager` never fires for an asset that is missing already when it is first seen, which every
    asset of a new dataset is. What failed waits for a person or for a change below, or it would fail for ever.
    The acquisition is nobody's to make: if nobody reported it, that holds nothing up.
    """
    condition = dg.AutomationCondition
    wanted = (condition.missing() & ~condition.execution_failed()) | condition.any_deps_updated().since_last_handled()
    acquisition = dg.AssetSelection.assets(build(AcquisitionAsset(dataset)))
    ready = (
        ~condition.any_deps_missing().ignore(acquisition) & ~condition.any_deps_in_progress() & ~condition.in_progress()
    )
    return (wanted & ready).with_label("refresh_when_ready")
