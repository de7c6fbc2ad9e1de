"""What follows from finished annotations of a campaign, as a person configures it.

Models only; what they mean for given annotations is decided in `follow_up`.
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from wk_assets.facility.section import Section, mistake

When = Literal["finished", "passed", "agreed"]
Chain = Literal["server", "file", "none"]

LABEL = r"[A-Za-z][A-Za-z0-9_-]*"


class Experience(Section):
    """How much of what an annotator must have learned to be given a task."""

    domain: str = Field(min_length=1, description="the domain, as it stands at the users, e.g. nuclei")
    value: int = Field(default=1, ge=0, description="how much of it is needed, e.g. 1")


class _NextTask(Section):
    """Be a rule that leads to a task. `campaign` null: a task of the same campaign."""

    name: str | None = Field(
        default=None, pattern=f"^{LABEL}$", description="what tells it from other rules of its kind, e.g. second-review"
    )
    campaign: str | None = Field(
        default=None, description="the campaign that the next task is of, e.g. nuclei-review; null: this one"
    )
    experience: Experience | None = Field(
        default=None, description="what the next annotator needs, e.g. {domain: nuclei, value: 3}; null: the campaign's"
    )
    instances: int | None = Field(
        default=None, ge=1, description="how many annotators do it, e.g. 1; null: 1, or what the other campaign says"
    )
    chain: Chain = Field(
        default="server",
        description="what it goes on from: server (the result, which stays there), file (the result, sent again), none",
    )


class ReviewRule(_NextTask):
    """Let another annotator go over the result. A review is not reviewed by the same rule again."""

    rule: Literal["review"]
    when: When = Field(default="passed", description="which annotations: finished (all), passed (the checks) or agreed")
    share: float = Field(default=1.0, gt=0, le=1, description="which part of them, chosen by their ids, e.g. 0.1")


class NextRule(_NextTask):
    """Hand the result on to the next stage, which is another campaign."""

    rule: Literal["next"]
    campaign: str = Field(min_length=1, description="the campaign of the next stage, e.g. nuclei-review")
    when: When = Field(default="passed", description="which annotations: finished (all), passed (the checks) or agreed")


class RepairRule(_NextTask):
    """Send a result back in which a check found something."""

    rule: Literal["repair"]
    checks: tuple[str, ...] = Field(default=(), description="the names of the checks, e.g. [inside_box]; empty: any")
    rounds: int = Field(default=3, ge=1, description="how often one piece of work is sent back at most, e.g. 3")


class EscalateRule(_NextTask):
    """Give a place to more experienced people: where annotators disagree, or where repairing did not help."""

    rule: Literal["escalate"]
    experience: Experience = Field(description="what the next annotator needs, e.g. {domain: nuclei, value: 5}")
    below: float | None = Field(
        default=None, gt=0, le=1, description="when all instances are done and agree less than this, e.g. 0.8"
    )
    after_repairs: bool = Field(default=False, description="true: when a check still fails after the last repair")


class StopRule(Section):
    """Be content when enough annotators agree: what nobody has begun is withdrawn, nothing but `agreed` rules follow."""

    rule: Literal["stop"]
    agree: int = Field(ge=2, description="how many annotators must agree with one another, e.g. 2")
    threshold: float = Field(gt=0, le=1, description="from which agreement on, from 0 to 1, e.g. 0.9")
    most: int | None = Field(
        default=None, ge=2, description="ask for more instances until they agree, up to this many, e.g. 5; null: never"
    )

    @field_validator("most")
    @classmethod
    def _enough_to_agree(cls, most: int | None, info: object) -> int | None:
        agree = getattr(info, "data", {}).get("agree")
        if most is not None and agree is not None and most < agree:
            raise mistake(f"at most {most} annotators can not be {agree} who agree", "Raise 'most', or lower 'agree'")
        return most


FollowUpRule = ReviewRule | NextRule | RepairRule | EscalateRule
Rule = Annotated[ReviewRule | NextRule | RepairRule | EscalateRule | StopRule, Field(discriminator="rule")]
"""What follows, told apart by its key `rule`."""


def label(rule: FollowUpRule) -> str:
    """Give the word by which the keys of its tasks name a rule: its name, else its kind."""
    return rule.name or rule.rule
