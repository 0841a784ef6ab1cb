"""The charts of a judging: best of n between its bounds, reliability, and reward and verifier over KL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from markupsafe import Markup
from numpy import ndarray

from tessera.report.evaluation.best_of import size_scale, trace
from tessera.report.plot import Scale, Trace, fitted_scale, percent_scale, plot
from tessera.report.theme import series_of
from tessera.statistics.alarms import column
from tessera.statistics.intervals import Estimate
from tessera.statistics.selection import sizes

NEAR = 2  # steps before and after a look whose KL and reward it is told with: those of one step are noisy
FEWEST = 10  # pictures behind a dot of the reliability chart: fewer say nothing


@dataclass(frozen=True, kw_only=True, slots=True)
class Overshoot:
    """What training on a scorer did: its own reward, and the verifier's word, over KL."""

    reward: Markup
    verifier: Markup
    words: str
    stopped: str


def best_of_chart(
    curves: Mapping[str, Sequence[Mapping[str, Any]]],
    bounds: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]],
    name: str,
) -> Markup:
    """Returns the chosen pictures' share of right ones over n, a line per benchmark between dashed bounds."""
    count = max(len(rows) for rows in curves.values())
    numbers = range(1, count + 1)
    traces = []
    for benchmark, rows in curves.items():
        series = series_of(benchmark)
        limits = [[Estimate.from_json(row) for row in limit] for limit in bounds[benchmark].values()]
        traces += [trace(numbers, limit, series, bound=True) for limit in limits]
        traces.append(trace(numbers, [Estimate.from_json(row) for row in rows], series))
    title = f"Right pictures among those that {name} chooses from n"
    return plot(traces, size_scale(sizes(count)), percent_scale(), title=title)


def reliability_chart(bins: Mapping[str, Sequence[Mapping[str, Any]]], name: str) -> Markup:
    """Returns the share of right pictures over the predicted chance, a series per benchmark."""
    known = {each: [row for row in rows if row["count"] >= FEWEST] for each, rows in bins.items()}
    traces = [
        Trace(
            x_N=column(rows, "predicted"),
            y_N=column(rows, "right"),
            series=series_of(benchmark),
            style=style,
        )
        for benchmark, rows in known.items()
        for style in ("line", "dots")
    ]
    ticks = ((0.0, "predicted 0"), (0.5, "50"), (1.0, "100"))
    across = Scale(low=0.0, high=1.0, ticks=ticks)
    return plot(traces, across, percent_scale(), title=f"Reliability of {name}", diagonal=True)


def overshoot_charts(trained: Mapping[str, Any], name: str) -> Overshoot:
    """Returns the trained reward over KL, and the verifier's strict score on validation prompts over KL."""
    held = trained["held_out"]
    kl_M, reward_M = _around(trained["trained"], held, "kl"), _around(trained["trained"], held, "reward")
    kl_M = np.where(column(held, "step") == 0, 0.0, kl_M)  # before the first update
    far = float(np.nanmax(np.append(kl_M, 1e-6)))
    across = Scale(low=0.0, high=far, ticks=((0.0, "KL 0"), (far, f"{far:.2g}")))
    reward = [Trace(x_N=kl_M, y_N=reward_M, style=style) for style in ("line", "dots")]
    benchmarks = dict.fromkeys(each for row in held for each in row["strict"])
    # Dots with intervals: KL comes and goes, and a band would run over itself.
    verifier = [
        Trace(
            x_N=kl_M,
            y_N=column(held, "strict", each, "mean"),
            low_N=column(held, "strict", each, "ci_low") if style == "dots" else None,
            high_N=column(held, "strict", each, "ci_high") if style == "dots" else None,
            series=series_of(each),
            style=style,
        )
        for each in benchmarks
        for style in ("line", "dots")
    ]
    words = [
        f"{each}: {100 * column(held, 'strict', each, 'mean')[0]:.0f} to "
        f"{100 * column(held, 'strict', each, 'mean')[-1]:.0f} of 100 right"
        for each in benchmarks
    ]
    return Overshoot(
        reward=plot(reward, across, fitted_scale([reward_M]), title=f"Reward of {name} over KL"),
        verifier=plot(verifier, across, percent_scale(), title=f"Verifier over KL, trained on {name}"),
        words="; ".join(words),
        stopped=trained["stopped"],
    )


def _around(
    steps: Sequence[Mapping[str, Any]], looks: Sequence[Mapping[str, Any]], name: str
) -> Float64[ndarray, " M"]:
    """Returns the median of a quantity over the steps near each look, NaN where there is none."""
    step_S, value_S = column(steps, "step"), column(steps, name)
    medians = []
    for at in column(looks, "step").tolist():
        near_S = value_S[np.abs(step_S - at) <= NEAR]
        near_S = near_S[~np.isnan(near_S)]
        medians.append(float(np.median(near_S)) if len(near_S) else np.nan)
    return np.array(medians, dtype=np.float64)
