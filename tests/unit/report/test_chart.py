"""Charts: numbers land where the scale says, NaN draws nothing, labels are escaped."""

import math
import re
from xml.etree import ElementTree

import pytest

from tessera.report.chart import Row, interval_chart, share_bar
from tessera.report.numbers import count, duration, interval, percent, plural
from tessera.statistics.intervals import Estimate

NAN = math.nan


def parsed(*rows: Row) -> ElementTree.Element:
    return ElementTree.fromstring(interval_chart(rows, title="a title", series="in-domain"))


def test_dots_and_lines_stand_at_their_share_of_the_track() -> None:
    """The track runs from 2 % to 98 % of the width, so 0.5 is at 50 % and 0.25 at 26 %."""
    chart = parsed(Row(label="x", strict=Estimate(0.5, 0.25, 1.0, 4), soft=Estimate(0.75, 0.7, 0.8, 4)))
    strict, soft = (chart.find(f".//circle[@class='dot {kind}']") for kind in ("strict", "soft"))
    reach = chart.find(".//line[@class='reach strict']")
    assert strict is not None
    assert soft is not None
    assert reach is not None
    assert (strict.get("cx"), soft.get("cx")) == ("50.00%", "74.00%")
    assert (reach.get("x1"), reach.get("x2")) == ("26.00%", "98.00%")


def test_what_is_not_known_is_a_dash_and_no_dot() -> None:
    chart = parsed(Row(label="x", strict=Estimate(NAN, NAN, NAN, 0), soft=Estimate(NAN, NAN, NAN, 0)))
    assert not chart.findall(".//circle")
    value = chart.find(".//text[@class='value']")
    assert value is not None
    assert value.text == "–"
    assert "nan" not in ElementTree.tostring(chart, "unicode").lower()


def test_a_mean_without_interval_is_a_dot_without_line() -> None:
    chart = parsed(Row(label="x", strict=Estimate(0.5, NAN, NAN, 1)))
    assert len(chart.findall(".//circle")) == 1
    assert not [line for line in chart.findall(".//line") if "reach" in line.get("class", "")]


def test_labels_are_escaped() -> None:
    text = interval_chart([Row(label="<b>&", strict=Estimate(0.5, 0.4, 0.6, 3))], title='"<i>')
    assert "<b>" not in text
    assert "<i>" not in text
    ElementTree.fromstring(text)


@pytest.mark.parametrize(
    ("share", "width"), [(0.0, "0.00%"), (0.333, "33.30%"), (1.5, "100.00%"), (NAN, "0.00%")]
)
def test_bar_is_as_long_as_its_share(share: float, width: str) -> None:
    assert re.findall(r'bar-share" width="([^"]+)"', share_bar(share)) == [width]


def test_numbers_as_a_page_writes_them() -> None:
    nb = "\N{NARROW NO-BREAK SPACE}"
    assert percent(0.614) == f"61{nb}%"
    assert percent(0.614, 1) == f"61.4{nb}%"
    assert percent(NAN) == "–"
    assert interval(Estimate(0.5, 0.424, 0.581, 9)) == "42–58"
    assert interval(Estimate(0.5, NAN, NAN, 9)) == ""
    assert count(4800) == f"4{nb}800"
    assert plural(1, "picture") == "1 picture"
    assert plural(2, "picture") == "2 pictures"
    assert [duration(s) for s in (48.4, 60.0, 200.0, 7500.0)] == [
        f"48{nb}s",
        f"1{nb}min",
        f"3{nb}min 20{nb}s",
        f"2{nb}h 5{nb}min",
    ]
