"""Mean scores as a chart: on the scale from 0 to 1 where they lie there, else from end to end."""

import math
from xml.etree import ElementTree

import pytest

from tessera.report.chart import Row
from tessera.report.score_chart import scale_of, score_chart
from tessera.report.units import PLAIN, Unit, own_unit
from tessera.statistics.intervals import Estimate

NAN = math.nan


def parsed(*rows: Row, unit: Unit = PLAIN) -> ElementTree.Element:
    return ElementTree.fromstring(score_chart(rows, unit, title="a <title>", series="neutral"))


def texts(chart: ElementTree.Element, kind: str) -> list[str | None]:
    return [each.text for each in chart.findall(f".//text[@class='{kind}']")]


def test_scores_between_0_and_1_stand_on_that_scale_with_their_digits() -> None:
    """The track runs from 2 % to 98 % of the width, so 0.25 is at 26 %."""
    chart = parsed(Row(label="color", strict=Estimate(0.25, 0.0, 0.5, 4)))
    dot, reach = chart.find(".//circle"), chart.find(".//line[@class='reach strict']")
    assert dot is not None
    assert reach is not None
    assert (dot.get("cx"), reach.get("x1"), reach.get("x2")) == ("26.00%", "2.00%", "50.00%")
    assert (texts(chart, "value"), texts(chart, "range")) == (["0.2500"], ["0.0000–0.5000"])
    assert texts(chart, "scale") == ["0", "0.25", "0.5", "0.75", "1"]


def test_other_scores_have_a_scale_from_end_to_end() -> None:
    estimates = [Estimate(21.0, 20.0, 22.0, 4), Estimate(21.5, NAN, NAN, 1)]
    scale = scale_of(estimates)
    assert (scale.low, scale.high) == (20.0, 22.0)
    chart = parsed(*(Row(label="x", strict=each) for each in estimates), unit=own_unit([21.0]))
    assert [dot.get("cx") for dot in chart.findall(".//circle")] == ["50.00%", "74.00%"]
    assert texts(chart, "value") == ["21.00", "21.50"]
    assert len(chart.findall(".//line[@class='reach strict']")) == 1


@pytest.mark.parametrize("rows", [1, 0])
def test_what_is_not_known_is_a_dash_and_no_dot(rows: int) -> None:
    chart = parsed(*[Row(label="x", strict=Estimate(NAN, NAN, NAN, 0))] * rows)
    assert not chart.findall(".//circle")
    assert texts(chart, "value") == ["–"] * rows
    assert "nan" not in ElementTree.tostring(chart, "unicode").lower()
