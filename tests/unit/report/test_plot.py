"""Plots over any axis: points lie where they should, gaps stay gaps."""

import re

import numpy as np

from tessera.report.plot import Scale, Trace, fitted_scale, percent_scale, plot

ACROSS = Scale(low=0.0, high=2.0, ticks=((0.0, "none"), (2.0, "two")))


def points(values: list[float]) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def test_a_line_runs_through_its_points_and_ends_with_a_dot() -> None:
    drawn = plot([Trace(x_N=points([0, 1, 2]), y_N=points([0, 0.5, 1]))], ACROSS, percent_scale(), title="t")
    assert 'd="M0.00 100.00 L50.00 50.00 L100.00 0.00"' in drawn
    assert drawn.count("<circle") == 1
    assert 'cx="100.00%"' in drawn
    assert ">none</text>" in drawn


def test_a_bound_has_no_dot_and_dots_have_no_line() -> None:
    x_N, y_N = points([0, 2]), points([0.2, 0.4])
    assert "<circle" not in plot([Trace(x_N=x_N, y_N=y_N, style="bound")], ACROSS, percent_scale(), title="t")
    dots = plot(
        [Trace(x_N=x_N, y_N=y_N, style="dots", low_N=points([0.1, 0.3]), high_N=points([0.3, 0.5]))],
        ACROSS,
        percent_scale(),
        title="t",
    )
    assert "<path" not in dots
    assert (dots.count("<circle"), dots.count('class="reach')) == (2, 2)


def test_unknown_points_are_left_out_and_values_beyond_the_scale_lie_on_its_end() -> None:
    drawn = plot(
        [Trace(x_N=points([0, 1, 2]), y_N=points([0.5, np.nan, 7]))], ACROSS, percent_scale(), title="t"
    )
    assert 'd="M0.00 50.00 L100.00 0.00"' in drawn
    assert "nan" not in drawn
    assert "<path" not in plot([Trace(x_N=points([]), y_N=points([]))], ACROSS, percent_scale(), title="t")


def test_a_band_goes_there_and_back() -> None:
    trace = Trace(x_N=points([0, 2]), y_N=points([0.5, 0.5]), low_N=points([0, 0]), high_N=points([1, 1]))
    drawn = plot([trace], ACROSS, percent_scale(), title="t")
    assert re.search(r'class="band neutral" d="M0.00 0.00 L100.00 0.00 L100.00 100.00 L0.00 100.00 Z"', drawn)


def test_a_fitted_scale_has_room_for_all_and_for_one_value() -> None:
    scale = fitted_scale([points([3, np.nan]), points([-1])])
    assert (scale.low, scale.high) == (-1.0, 3.0)
    assert fitted_scale([points([2, 2])]).low < 2 < fitted_scale([points([2, 2])]).high
    assert fitted_scale([points([])]).low < fitted_scale([]).high


def test_titles_are_escaped() -> None:
    assert "<script>" not in plot([], ACROSS, percent_scale(), title="<script>")
