"""Alarms: each rule fires on a series made to deserve it, and is silent on a healthy one and on nothing."""

import math
from typing import Any

import numpy as np
import pytest

from tessera.statistics.alarms import (
    ADVICE,
    KL_LIMIT,
    collapses,
    column,
    fell_since_start,
    find_alarms,
    groups_flat,
    held_out_falls,
    kl_runs_away,
    recent,
    replay_gap_opens,
    rewards_missing,
)

NAN = math.nan
STEPS = np.arange(1.0, 51.0)
RISING = np.linspace(0.4, 0.8, 50)


def held_out(scores: list[float], reward: np.ndarray, reach: float = 0.02) -> str:
    """Returns what the rule says of measurements at 0, 25, 50 ... with intervals of that half-width."""
    steps = 25.0 * np.arange(len(scores))
    return held_out_falls(STEPS, reward, steps, np.array(scores), np.full(len(scores), reach))


def healthy(step: int) -> dict[str, Any]:
    """Returns a line like those of a good run of mosaic-grpo."""
    return {
        "step": step,
        "reward": 0.55 + 0.003 * step,
        "reward_std": 0.3,
        "kl": 0.0006 * step,
        "entropy": 0.24 - 0.0015 * step,
        "zero_variance_groups": step % 3,
        "missing": 0,
        "sample_replay_gap": 1.2e-3,
        "images": 64,
    }


def score(mean: float, reach: float = 0.1) -> dict[str, Any]:
    estimate = {"mean": mean, "ci_low": mean - reach, "ci_high": mean + reach, "n": 60}
    return {"strict": estimate, "soft": estimate}


def test_a_healthy_run_raises_no_alarm() -> None:
    measured = [
        {"step": 0, "id": score(0.38)},
        {"step": 25, "id": score(0.6)},
        {"step": 50, "id": score(0.55)},
    ]
    assert find_alarms([healthy(step) for step in range(1, 51)], measured, groups=8) == []


@pytest.mark.parametrize("rows", [[], [{}], [healthy(1)], [{"step": 1, "kl": None, "reward": "?"}]])
def test_too_little_to_judge_raises_no_alarm(rows: list[dict[str, Any]]) -> None:
    assert find_alarms(rows, [{"step": 0}], groups=8) == []


def test_every_kind_fires_with_its_advice_and_its_numbers() -> None:
    rows = [healthy(step) for step in range(1, 51)]
    for row in rows[25:]:
        row |= {"kl": 0.4, "entropy": 0.02, "diversity": 0.01, "sample_replay_gap": 0.02, "missing": 32}
        row |= {"zero_variance_groups": 8}
    for row in rows[:25]:
        row |= {"diversity": 0.5}
    measured = [{"step": 0, "id": score(0.6, 0.02)}, {"step": 50, "id": score(0.3, 0.02)}]
    alarms = find_alarms(rows, measured, groups=8)
    assert {alarm.kind for alarm in alarms} == set(ADVICE)
    assert len(alarms) == len(ADVICE)  # strict and soft fell alike: one alarm
    assert alarms[0].kind == "held_out"
    assert "from 60 % at step 0 to 30 % at step 50" in alarms[0].what
    assert all(alarm.what.endswith(".") and alarm.advice == ADVICE[alarm.kind] for alarm in alarms)


def test_held_out_fires_where_it_falls_while_the_reward_rises() -> None:
    assert "fell from 60 % at step 25 to 40 % at step 50" in held_out([0.5, 0.6, 0.4], RISING)
    assert "from 50 % at step 0" in held_out([0.5, 0.45, 0.4], RISING)


@pytest.mark.parametrize(
    ("scores", "reward", "reach"),
    [
        pytest.param([0.4, 0.5, 0.6], RISING, 0.02, id="it rises"),
        pytest.param([0.4, 0.62, 0.6], RISING, 0.01, id="a fall of two points"),
        pytest.param([0.4, 0.6, 0.5], RISING, 0.11, id="within the noise of few prompts"),
        pytest.param([0.5, 0.6, 0.4], RISING[::-1], 0.02, id="the reward falls too"),
        pytest.param([0.5], RISING, 0.02, id="one measurement"),
        pytest.param([0.5, NAN, NAN], RISING, 0.02, id="nothing could be graded since"),
    ],
)
def test_held_out_is_silent_otherwise(scores: list[float], reward: np.ndarray, reach: float) -> None:
    assert held_out(scores, reward, reach) == ""


def test_the_soft_score_is_asked_where_strict_is_too_noisy() -> None:
    rows = [healthy(step) for step in range(1, 51)]
    first = {"strict": score(0.6, 0.3)["strict"], "soft": score(0.9, 0.02)["soft"]}
    last = {"strict": score(0.4, 0.3)["strict"], "soft": score(0.7, 0.02)["soft"]}
    (alarm,) = find_alarms(rows, [{"step": 0, "id": first}, {"step": 50, "id": last}])
    assert "id (soft)" in alarm.what


def test_a_collapse_is_a_fall_below_a_third_that_lasts() -> None:
    start = [0.3] * 10
    assert "from 0.3 to 0.05" in collapses(np.array([*start, *[0.05] * 10]), "The entropy")
    assert collapses(np.array([*start, *[0.15] * 10]), "") == ""
    assert collapses(np.array([*start, 0.3, 0.3, 0.3, 0.01, 0.01]), "") == ""  # two odd steps
    assert collapses(np.array([0.3, 0.01]), "") == ""  # too early
    assert collapses(np.full(50, NAN), "") == ""
    assert collapses(np.zeros(50), "") == ""  # it never had any


def test_kl_fires_beyond_the_limit_and_on_its_way() -> None:
    assert "0.31 nats" in kl_runs_away(np.full(8, 0.31))
    assert "grew from" in kl_runs_away(1e-4 * 1.16 ** np.arange(45.0))
    assert kl_runs_away(np.linspace(0, 0.1, 50)) == ""  # an even climb
    assert kl_runs_away(np.linspace(0, 0.4, 50) ** 2) == ""  # a parabola that ends at .16
    assert kl_runs_away(np.array([0.01, 0.01, 0.01, 5.0])) == ""  # one odd step
    assert kl_runs_away(np.array([NAN, NAN, KL_LIMIT + 0.1])) != ""
    assert kl_runs_away(np.array([])) == ""


def test_the_replay_gap_fires_beyond_its_bound_and_when_it_opens() -> None:
    assert "bound is 0.01" in replay_gap_opens(np.full(3, 0.06))
    assert "grew from 0.001 to 0.008" in replay_gap_opens(np.array([1e-3] * 10 + [8e-3] * 10))
    assert replay_gap_opens(np.full(50, 1.3e-3)) == ""  # bfloat16
    assert replay_gap_opens(np.array([1e-7] * 10 + [9e-6] * 10)) == ""  # rounding in float32
    assert replay_gap_opens(np.full(3, 0.06), limit=0.1) == ""


def test_missing_rewards_fire_from_a_twentieth_on_and_count_only_steps_that_drew() -> None:
    images = np.full(10, 64.0)
    assert "64 of the last 320 pictures" in rewards_missing(np.array([0.0] * 5 + [12.8] * 5), images)
    assert rewards_missing(np.array([0.0] * 9 + [2.0]), images) == ""
    assert rewards_missing(np.array([60.0, 0, 0, 0, 0, 0]), np.full(6, 64.0)) == ""  # long ago
    assert rewards_missing(np.array([2.0, 2.0]), np.array([64.0, 0.0])) == ""  # two updates of one round
    assert rewards_missing(np.full(10, NAN), images) == ""


def test_flat_groups_fire_by_their_share_or_for_want_of_any_spread() -> None:
    some = np.full(10, 0.2)
    assert "100 %" in groups_flat(np.full(10, 8.0), some, groups=8)
    assert groups_flat(np.full(10, 6.0), some, groups=8) == ""
    assert groups_flat(np.full(10, 8.0), some) == ""  # how many groups there are is not known
    assert "all rewards" in groups_flat(np.full(10, NAN), np.zeros(10))
    assert groups_flat(np.full(3, 8.0), np.zeros(3), groups=8) == ""  # too early


def test_a_column_reads_into_mappings_and_leaves_gaps() -> None:
    rows = [{"a": {"b": 1}}, {"a": None}, {}, {"a": {"b": "x"}}, {"a": {"b": 2.5}}]
    np.testing.assert_array_equal(column(rows, "a", "b"), [1, NAN, NAN, NAN, 2.5])
    assert column([], "a").shape == (0,)


def test_recent_is_the_median_of_the_last_known_values() -> None:
    assert recent(np.array([9.0, 1, 2, 3, NAN, 100, 4, NAN])) == 3
    assert math.isnan(recent(np.array([NAN])))


CHANGES = np.array([0.0, 5.0, 10.0])


@pytest.mark.parametrize(
    ("change", "high", "told"),
    [
        ([np.nan, -0.01, -0.06], [np.nan, 0.03, -0.01], True),
        ([np.nan, -0.06, -0.02], [np.nan, -0.01, -0.01], False),  # less than three points, however sure
        ([np.nan, -0.01, -0.06], [np.nan, 0.03, 0.01], False),  # not sure
        ([np.nan, np.nan, np.nan], [np.nan, np.nan, np.nan], False),
        ([np.nan, -0.06, 0.08], [np.nan, -0.01, 0.12], False),  # it came back
    ],
)
def test_a_sure_fall_since_the_start_is_told_whatever_the_reward_does(
    change: list[float], high: list[float], told: bool
) -> None:
    for reward in (np.linspace(0, 1, 10), np.linspace(1, 0, 10)):
        measured = (CHANGES, np.array(change), np.array(high))
        found = fell_since_start(np.arange(1.0, 11.0), reward, *measured, name="id")
        assert bool(found) is told
    if told:
        assert "On id the same prompts and seeds lost 6 points from the start to step 10" in found
