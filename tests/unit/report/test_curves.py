"""Curves: values land where the scale says, gaps stay gaps, and every page-breaking value draws something."""

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from markupsafe import Markup

from tessera.report.curves import (
    HEIGHT,
    MOST_POINTS,
    TOP,
    Axis,
    Line,
    curve,
    smoothed,
    stacked,
    thinned,
)

NAN = math.nan


def line(values: list[float], **more: object) -> Line:
    """Returns a line with one value per step, from step 1."""
    return Line(step_S=np.arange(1.0, len(values) + 1), value_S=np.array(values, dtype=np.float64), **more)  # pyright: ignore[reportArgumentType]


def drawn(
    lines: list[Line], axis: Axis | None = None, steps: tuple[int, int] = (1, 5)
) -> ElementTree.Element:
    return ElementTree.fromstring(curve(lines, axis or Axis(), title="a < b", steps=steps))


def paths(root: ElementTree.Element, kind: str) -> list[str]:
    return [e.get("d", "") for e in root.iter("path") if kind in (e.get("class") or "").split()]


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", path)]


def texts(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter("text")]


def test_values_lie_where_the_scale_says() -> None:
    root = drawn([line([0.0, 1.0, 2.0, 3.0, 4.0])])
    (path,) = paths(root, "line")
    assert points(path) == [(0, 100), (25, 75), (50, 50), (75, 25), (100, 0)]
    assert texts(root) == ["4", "0", "step 1", "5"]
    assert root.get("aria-label") == "a < b"


def test_a_gap_breaks_the_line_and_a_lone_value_is_still_a_point() -> None:
    (path,) = paths(drawn([line([1.0, NAN, 2.0, NAN, 3.0])]), "line")
    assert path.count("M") == 3
    assert path.count("h0") == 3


def test_a_single_step_is_a_dot_in_the_middle() -> None:
    root = drawn([line([0.5])], Axis(low=0.0, high=1.0), steps=(1, 1))
    (dot,) = root.iter("circle")
    assert dot.get("cx") == "50.00%"
    assert float(dot.get("cy", "nan")) == TOP + HEIGHT / 2
    assert "1" not in texts(root)[3:]


@pytest.mark.parametrize("values", [[], [NAN, NAN], [0.0, 0.0], [2.0], [math.inf, 1.0], [-3.0, -3.0]])
@pytest.mark.parametrize("log", [False, True])
def test_odd_values_draw_without_infinite_places(values: list[float], log: bool) -> None:
    text = curve([line(values)], Axis(log=log, bound=0.01), title="t", steps=(1, 5))
    assert "nan" not in text
    assert "inf" not in text
    ElementTree.fromstring(text)


def test_a_log_axis_ends_on_powers_of_ten_and_holds_its_bound() -> None:
    root = drawn([line([2e-3, 3e-4])], Axis(log=True, bound=0.05, write="{:g}".format))
    assert texts(root)[:3] == ["bound 0.05", "0.1", "0.0001"]
    (path,) = paths(root, "line")
    assert points(path)[0][1] == pytest.approx(100 * (1 - (math.log10(2e-3) + 4) / 3), abs=0.01)
    assert len([e for e in root.iter("line") if e.get("class") == "bound"]) == 1


def test_a_long_line_is_smoothed_over_its_faint_values_unless_it_is_exact() -> None:
    noise = [float(number % 2) for number in range(40)]
    assert len(paths(drawn([line(noise)], steps=(1, 40)), "raw")) == 1
    assert paths(drawn([line(noise, exact=True)], steps=(1, 40)), "raw") == []
    assert paths(drawn([line(noise[:10])], steps=(1, 40)), "raw") == []


def test_smoothing_keeps_gaps_and_a_level() -> None:
    value_S = np.array([3.0] * 10 + [NAN] + [3.0] * 10)
    np.testing.assert_allclose(smoothed(value_S), value_S)
    assert smoothed(np.array([0.0] * 7 + [7.0] + [0.0] * 7))[7] == pytest.approx(1.0)


def test_smoothing_a_series_shorter_than_its_window_keeps_its_length() -> None:
    np.testing.assert_allclose(smoothed(np.array([1.0, 3.0])), [2.0, 2.0])


def test_thinning_averages_neighbours_and_skips_what_is_missing() -> None:
    step_S = np.arange(2.0 * MOST_POINTS)
    value_S = np.where(step_S % 2 == 0, step_S, NAN)
    thin_step, thin_value = thinned(step_S, value_S)
    assert len(thin_step) == MOST_POINTS
    np.testing.assert_allclose(thin_step[:2], [0.5, 2.5])
    np.testing.assert_allclose(thin_value[:2], [0.0, 2.0])


def test_a_band_lies_between_low_and_high_where_both_are_known() -> None:
    band = line([2.0, 2.0, 2.0], low_S=np.array([1.0, NAN, 1.0]), high_S=np.array([3.0, 3.0, 3.0]))
    (path,) = paths(drawn([band], steps=(1, 3)), "band")
    assert points(path) == [(0, 0), (100, 0), (100, 100), (0, 100)]


def test_measurements_are_dots_with_intervals_side_by_side() -> None:
    low, high = np.array([0.1, NAN, 0.3]), np.array([0.3, NAN, 0.5])
    measured = line([0.2, NAN, 0.4], dots=True, low_S=low, high_S=high, series="in-domain")
    root = drawn([measured, line([0.6, 0.6, 0.6], dots=True)], Axis(low=0.0, high=1.0), steps=(1, 3))
    dots = list(root.iter("circle"))
    assert len(dots) == 5
    assert len({dot.get("transform") for dot in dots}) == 2
    assert len([e for e in root.iter("line") if "reach" in (e.get("class") or "")]) == 2
    assert paths(root, "in-domain")[0].count("M") == 1  # measurements are joined


def test_stacked_areas_rest_on_each_other() -> None:
    parts = [("phase-0", np.array([1.0, 1.0])), ("phase-1", np.array([1.0, NAN]))]
    root = ElementTree.fromstring(
        stacked(np.array([1.0, 2.0]), parts, title="t", steps=(1, 2), write="{:g} s".format)
    )
    assert points(paths(root, "phase-0")[0]) == [(0, 50), (100, 50), (100, 100), (0, 100)]
    assert points(paths(root, "phase-1")[0]) == [(0, 0), (100, 50), (100, 50), (0, 50)]
    assert texts(root)[:2] == ["2 s", "0 s"]


def test_one_stacked_step_covers_the_width() -> None:
    text = stacked(np.array([1.0]), [("phase-0", np.array([2.0]))], title="t", steps=(1, 1), write=str)
    assert points(paths(ElementTree.fromstring(text), "phase-0")[0]) == [
        (0, 0),
        (100, 0),
        (100, 100),
        (0, 100),
    ]


def test_a_title_is_never_markup() -> None:
    text = curve([line([1.0, 2.0])], Axis(write=lambda _: "<b>"), title='"><script>', steps=(1, 2))
    assert isinstance(text, Markup)
    assert "<script>" not in text
    assert "<b>" not in text
