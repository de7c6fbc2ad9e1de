"""The picture of finished work rises by what was finished, when it was."""

import re
from xml.etree import ElementTree as ET

from tests.facility.kept import kept_annotation
from wk_assets.facility.kept_annotations import KeptAnnotation, Verdict
from wk_assets.facility.work_plot import finished_svg

DAY = 86_400_000
SPACE = "{http://www.w3.org/2000/svg}"


def on_days(*days: int, verdict: Verdict = Verdict.ACCEPTED) -> list[KeptAnnotation]:
    return [kept_annotation(number, modified=day * DAY, verdict=verdict) for number, day in enumerate(days)]


def heights(svg: str) -> list[float]:
    """Read how high the curve is in each step, from the bottom."""
    path = ET.fromstring(svg).find(f"{SPACE}path")  # noqa: S314  # our own picture
    assert path is not None
    return [66 - float(place) for place in re.findall(r"V([0-9.e-]+)H", path.get("d", ""))]


def test_the_curve_rises_with_the_work_up_to_what_is_finished_of_all() -> None:
    svg = finished_svg([*on_days(0, 12, 24), *on_days(6, verdict=Verdict.SENT_BACK)], 6)

    assert svg is not None
    seen = heights(svg)
    assert len(seen) == 24
    assert seen[:11] == [11] * 11  # one of six
    assert seen[11:23] == [22] * 12
    assert seen[23] == 33
    assert [one.text for one in ET.fromstring(svg).iter(f"{SPACE}text")] == ["1970-01-01", "1970-01-25"]  # noqa: S314


def test_work_of_one_moment_and_more_work_than_instances_are_drawn_too() -> None:
    svg = finished_svg(on_days(3, 3), 1)

    assert svg is not None
    assert heights(svg) == [66] * 24
    assert "2 of 2" in svg


def test_without_finished_work_there_is_no_picture() -> None:
    assert finished_svg(on_days(1, 2, verdict=Verdict.WITHDRAWN), 5) is None
