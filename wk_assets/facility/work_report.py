"""How far the campaigns are: open work and time, per project and person, as tables. Pure; what is home is read elsewhere."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from wk_assets.facility.kept_annotations import KeptAnnotation, KeptTasks, Verdict

MILLIS_PER_HOUR = 3_600_000
SECONDS_PER_DAY = 86_400
_PEOPLE = ["person", "annotations", "accepted", "sent back", "hours", "minutes per annotation"]
_CAMPAIGNS = ["campaign", "project", "tasks", "pending", "active", "finished", "accepted", "hours", "last finished"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignWork:
    """Hold what is known of a campaign's work. `tasks` None: nobody looked at them yet."""

    campaign: str
    tasks: KeptTasks | None
    home: Mapping[str, KeptAnnotation]

    @property
    def last_finished(self) -> float | None:
        """When somebody last finished something, in seconds since 1970."""
        return max((one.modified / 1000 for one in self.home.values()), default=None)


def people_table(annotations: Iterable[KeptAnnotation]) -> pd.DataFrame:
    """Sum annotations and time per person, most hours first. Cancelled ones do not count."""
    rows = pd.DataFrame(
        [
            (one.author, one.verdict is Verdict.ACCEPTED, one.verdict is Verdict.SENT_BACK, one.worked_millis)
            for one in annotations
            if one.verdict is not Verdict.WITHDRAWN
        ],
        columns=["person", "accepted", "sent back", "millis"],
    )
    summed = rows.groupby("person", as_index=False).agg(
        annotations=("millis", "size"),
        accepted=("accepted", "sum"),
        **{"sent back": ("sent back", "sum")},
        millis=("millis", "sum"),
    )
    summed["hours"] = (summed["millis"] / MILLIS_PER_HOUR).round(4)
    summed["minutes per annotation"] = (summed["millis"] / 60_000 / summed["annotations"]).round(2)
    return summed.sort_values(["hours", "person"], ascending=[False, True], ignore_index=True)[_PEOPLE]


def campaigns_table(work: Iterable[CampaignWork]) -> pd.DataFrame:
    """Say how far each campaign is, one row each."""
    rows = []
    for one in work:
        accepted = [kept for kept in one.home.values() if kept.verdict is Verdict.ACCEPTED]
        tasks = one.tasks
        last = None if one.last_finished is None else pd.Timestamp(one.last_finished, unit="s", tz="UTC").isoformat()
        rows.append(
            (
                one.campaign,
                "" if tasks is None else tasks.project_name,
                0 if tasks is None else tasks.tasks,
                0 if tasks is None else tasks.pending,
                0 if tasks is None else tasks.active,
                0 if tasks is None else tasks.finished,
                len(accepted),
                round(sum(kept.worked_millis for kept in accepted) / MILLIS_PER_HOUR, 4),
                last,
            )
        )
    return pd.DataFrame(rows, columns=_CAMPAIGNS)


def quiet_campaigns(work: Iterable[CampaignWork], now: float, most_days: float) -> tuple[str, ...]:
    """Say of which campaigns work is open and nobody has finished anything for too long; `now`: seconds since 1970.

    A campaign of which nothing was ever finished is not told of: nobody knows since when people could have.
    """
    told = []
    for one in work:
        last = one.last_finished
        if one.tasks is None or not one.tasks.open_instances or last is None:
            continue
        days = (now - last) / SECONDS_PER_DAY
        if days > most_days:
            told.append(
                f"{one.campaign}: {one.tasks.open_instances} instances are open, and nobody has finished any for {days:.0f} days"
            )
    return tuple(told)
