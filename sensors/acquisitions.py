"""The sensor that watches the instruments' folders. All it decides is in `decision`; it changes nothing itself."""

from typing import Final

import dagster as dg

from resources.facility import FacilityResource
from sensors.cursor import write_cursor
from sensors.decision import decide
from sensors.watch import look, remembered, run_request
from wk_assets.assets.catalogue import catalogue

SECONDS_BETWEEN_LOOKS: Final = 15


@dg.sensor(
    target=[catalogue],
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks into every instrument's folder, and registers each acquisition that is finished.",
)
def acquisitions(context: dg.SensorEvaluationContext, facility: FacilityResource) -> dg.SensorResult:
    """Look, decide, and hand the decision to Dagster."""
    decision = decide(remembered(context.cursor, context.log), look(facility, context.instance))
    for sentence in decision.sentences:
        context.log.info(sentence)
    return dg.SensorResult(
        run_requests=[run_request(registration) for registration in decision.registrations],
        skip_reason=None if decision.registrations else dg.SkipReason(decision.reason),
        cursor=write_cursor(decision.cursor),
    )
