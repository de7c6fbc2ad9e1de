"""What is looked at in the work of a campaign, as a person configures it. Models only; the looking is in `bring_home`."""

from pydantic import Field

from wk_assets.facility.section import Section


class CheckSettings(Section):
    """Which checks finished work goes through. What does not fit the kind of work is not looked at."""

    inside_box: bool = Field(default=True, description="true: everything lies inside of the task's box")
    one_component: bool = Field(default=False, description="true: every segment, and every tree, is one piece")
    smallest_piece: int | None = Field(
        default=None, ge=2, description="a piece of a segment with fewer voxels is a slip, e.g. 10; null: not looked at"
    )
    least_coverage: float | None = Field(
        default=None, gt=0, le=1, description="which part of the task's box must be painted, e.g. 0.9; null: none"
    )
    not_empty: bool = Field(default=True, description="true: something is drawn, and no tree is empty")
    agreement_nm: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="how far apart two people's skeletons of the same thing may be, in nanometers, e.g. 500; null: ten voxels",
    )
    send_back: bool = Field(
        default=False, description="true: work that fails a check is reopened for its annotator; false: rules decide"
    )
