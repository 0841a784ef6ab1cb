"""When to look up from a training run: rules on its metrics, each with what to do. NumPy only.

Every rule is a function of arrays with one value per step, NaN where a step has none, and returns what is
wrong in words or "". The live line and the page of a run ask the same rules through `find_alarms`.

"Recent" is the median of the last `WINDOW` known values, "at first" that of the first: one odd step is noise.

Axes: S steps, M measurements on validation prompts.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

AlarmKind = Literal["held_out", "entropy", "diversity", "kl", "replay_gap", "missing", "variance"]

WINDOW = 5  # steps; at 64 pictures a step, the mean reward of one varies by 0.07 (one run of mosaic-grpo)
# A fall of the held-out score counts from 3 points on: less is not worth an interruption, however sure.
LEAST_FALL = 0.03
# Chance of a false alarm at one look at a score that has not changed; one-sided, as only a fall is asked for.
ALARM_LEVEL = 0.02
# Entropy in a run of mosaic-grpo that gained went from .23 to .16 nats per token, far from a third.
COLLAPSED = 1 / 3
# KL in nats per token. Runs of the prototype that gained ended at .02 to .11; those that hacked their reward
# or lost the other domain at .2 to 1.2 (embedded_world.md, sections 4 to 6).
KL_LIMIT = 0.2
KL_EARLY = 0.05  # from here on, and when it grows by GROWN within half of the run, it is on its way
KL_GROWN = 6.0  # an even climb doubles over the second half, a parabola quadruples (5 with medians)
# Mean |log-prob as drawn - as replayed|, nats per token: float32 makes 1e-7, bfloat16 1e-3, forgetting the
# guidance 6e-2 (measured on the shipped policy). Hence the bound, which is also where training stops.
GAP_LIMIT = 1e-2
GAP_NOTICED = 1e-4  # below, growth is rounding
GAP_GROWN = 4.0  # times what it was at first
MISSING_SHARE = 0.05  # half of the share at which a round fails by default
FLAT_SHARE = 0.9  # of groups without variance: then nine pictures in ten are drawn for nothing
FLAT_SPREAD = 1e-6  # rewards are of order 1; a smaller spread within groups is rounding

ADVICE: Mapping[AlarmKind, str] = {
    "held_out": "The policy learns the reward, not the task. Go back to the checkpoint before the fall, then "
    "raise `kl_weight`, train for fewer steps, or mend the reward; look at the film strip for how it cheats.",
    "entropy": "Pictures of one prompt become alike, and groups stop teaching. Lower `lr`, raise "
    "`kl_weight`, or set a small `entropy_bonus`, and go on from an earlier checkpoint.",
    "diversity": "Pictures of one prompt become alike. Lower `lr`, raise `kl_weight`, or set a small "
    "`entropy_bonus`, and go on from an earlier checkpoint.",
    "kl": "The policy leaves its reference. Halve `lr` or double `kl_weight`; compare the held-out score "
    "before trusting any gain in reward.",
    "replay_gap": "What is trained is no longer what was drawn. Train in `precision=float32`; if the gap "
    "stays, the sampler and the replay disagree on the view (guidance, temperature): a bug, not a setting.",
    "missing": "Rewards do not come back. Try the reward on one picture and read its reasons, and "
    "allow it more time; training on the rest favours prompts that are easy to judge.",
    "variance": "Groups in which all rewards are equal teach nothing. Draw a larger `group`, choose prompts "
    "that are neither solved nor hopeless, or use a reward that tells degrees (a lower `strict_weight`).",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Alarm:
    """Something to look at now."""

    kind: AlarmKind
    what: str  # a sentence with the numbers
    advice: str  # what to do; settings in backticks


def find_alarms(
    rows: Sequence[Mapping[str, Any]],
    measured: Sequence[Mapping[str, Any]] = (),
    *,
    groups: int | None = None,
    gap_limit: float = GAP_LIMIT,
) -> list[Alarm]:
    """Returns the alarms of a run so far, the gravest first.

    `rows` are lines of metrics.jsonl, `measured` those of held_out.jsonl ({"step", benchmark: {"strict",
    "soft"}}), `groups` how many a step collects, where known.
    """
    return [
        Alarm(kind=kind, what=what, advice=ADVICE[kind])
        for kind, what in _found(rows, measured, groups, gap_limit)
        if what
    ]


def _found(
    rows: Sequence[Mapping[str, Any]],
    measured: Sequence[Mapping[str, Any]],
    groups: int | None,
    gap_limit: float,
) -> Iterator[tuple[AlarmKind, str]]:
    step_S, reward_S = column(rows, "step"), column(rows, "reward")
    benchmarks = dict.fromkeys(name for row in measured for name in row if name != "step")
    for name in benchmarks:
        for score in ("strict", "soft"):
            what = held_out_falls(
                step_S,
                reward_S,
                column(measured, "step"),
                column(measured, name, score, "mean"),
                column(measured, name, score, "ci_high") - column(measured, name, score, "mean"),
                name=f"{name} ({score})",
            )
            what = what or fell_since_start(
                step_S,
                reward_S,
                column(measured, "step"),
                column(measured, name, score, "change", "mean"),
                column(measured, name, score, "change", "ci_high"),
                name=f"{name} ({score})",
            )
            yield "held_out", what
            if what:  # once per benchmark
                break
    yield "kl", kl_runs_away(column(rows, "kl"))
    yield "entropy", collapses(column(rows, "entropy"), "The entropy")
    yield "diversity", collapses(column(rows, "diversity"), "The diversity within groups")
    yield "replay_gap", replay_gap_opens(column(rows, "sample_replay_gap"), gap_limit)
    yield "missing", rewards_missing(column(rows, "missing"), column(rows, "images"))
    yield (
        "variance",
        groups_flat(column(rows, "zero_variance_groups"), column(rows, "reward_std"), groups),
    )


def column(rows: Sequence[Mapping[str, Any]], *path: str) -> Float64[ndarray, " S"]:
    """Returns a value of every row, NaN where it is absent, null or no number; `path` goes into mappings."""
    values = []
    for row in rows:
        value: Any = row
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        values.append(float(value) if isinstance(value, int | float) else math.nan)
    return np.array(values, dtype=np.float64)


def held_out_falls(
    step_S: Float64[ndarray, " S"],
    reward_S: Float64[ndarray, " S"],
    step_M: Float64[ndarray, " M"],
    score_M: Float64[ndarray, " M"],
    reach_M: Float64[ndarray, " M"],
    name: str = "the held-out score",
) -> str:
    """Tells of a held-out score below its best while the trained reward rose in the same steps.

    `reach_M` is half of each interval. A fall counts if it is larger than that: measurements are on the same
    prompts and seeds, so the half-width is about two standard errors of their difference.
    """
    known = np.flatnonzero(~np.isnan(score_M) & ~np.isnan(step_M))
    if len(known) < 2:
        return ""
    last = known[-1]
    best = known[np.argmax(score_M[known])]
    noise = 0.0 if math.isnan(reach_M[last]) else float(reach_M[last])
    if score_M[best] - score_M[last] <= max(LEAST_FALL, noise):
        return ""
    then = recent(reward_S[step_S <= step_M[best]])
    if math.isnan(then):  # the best came before the first step
        then = recent(reward_S[step_S <= step_M[best] + WINDOW])
    now = recent(reward_S[step_S <= step_M[last]])
    if not now > then:
        return ""
    return (
        f"On {name} the held-out score fell from {100 * score_M[best]:.0f} % at step {step_M[best]:.0f} to "
        f"{100 * score_M[last]:.0f} % at step {step_M[last]:.0f}, while the trained reward rose from "
        f"{then:.2f} to {now:.2f}."
    )


def fell_since_start(
    step_S: Float64[ndarray, " S"],
    reward_S: Float64[ndarray, " S"],
    step_M: Float64[ndarray, " M"],
    change_M: Float64[ndarray, " M"],
    high_M: Float64[ndarray, " M"],
    name: str = "the held-out score",
) -> str:
    """Tells of a held-out score below what it was at the start, whatever the trained reward does.

    The change is that of the same prompts and seeds, and `high_M` the upper end of its interval: a fall of a
    few points is seen long before the intervals of the two scores part, and before a noisy reward has risen.
    """
    known = np.flatnonzero(~np.isnan(change_M) & ~np.isnan(step_M))
    if not len(known):
        return ""
    last = known[-1]
    if not (change_M[last] < -LEAST_FALL and high_M[last] < 0):
        return ""
    then, now = recent(reward_S[step_S <= WINDOW]), recent(reward_S[step_S <= step_M[last]])
    return (
        f"On {name} the same prompts and seeds lost {-100 * change_M[last]:.0f} points from the start to "
        f"step {step_M[last]:.0f}; the trained reward went from {then:.2f} to {now:.2f}."
    )


def collapses(value_S: Float64[ndarray, " S"], name: str) -> str:
    """Tells of a positive quantity that has fallen to a third of what it was at first."""
    known_S = value_S[~np.isnan(value_S)]
    if len(known_S) < 2 * WINDOW:
        return ""
    first, now = float(np.median(known_S[:WINDOW])), recent(known_S)
    if first <= 0 or now >= COLLAPSED * first:
        return ""
    return f"{name} fell from {first:.3g} to {now:.3g}, below a third of what it was at first."


def kl_runs_away(kl_S: Float64[ndarray, " S"]) -> str:
    """Tells of a KL beyond what healthy runs reach, or that multiplies within half of the run."""
    known_S = kl_S[~np.isnan(kl_S)]
    now = recent(known_S)
    if now > KL_LIMIT:
        return (
            f"KL to the reference is {now:.2g} nats per token; runs that gain stay well below {KL_LIMIT:g}."
        )
    if len(known_S) < 4 * WINDOW or not now > KL_EARLY:
        return ""
    middle = recent(known_S[: len(known_S) // 2])
    if now <= KL_GROWN * middle:
        return ""
    return (
        f"KL to the reference grew from {middle:.2g} to {now:.2g} nats per token since the middle of the run."
    )


def replay_gap_opens(gap_S: Float64[ndarray, " S"], limit: float = GAP_LIMIT) -> str:
    """Tells of log-probabilities that replay otherwise than they were drawn, or ever less alike."""
    known_S = gap_S[~np.isnan(gap_S)]
    now = recent(known_S)
    if now > limit:
        return (
            f"The replay gap is {now:.2g} nats per token; its bound is {limit:g}, and rounding makes less "
            "than a fifth of that."
        )
    if len(known_S) < 2 * WINDOW or not now > GAP_NOTICED:
        return ""
    first = float(np.median(known_S[:WINDOW]))
    if now <= GAP_GROWN * first:
        return ""
    return f"The replay gap grew from {first:.2g} to {now:.2g} nats per token; its bound is {limit:g}."


def rewards_missing(missing_S: Float64[ndarray, " S"], images_S: Float64[ndarray, " S"]) -> str:
    """Tells of rewards that did not come: more than a twentieth of the recent pictures' (steps that drew)."""
    drew_S = ~np.isnan(missing_S) & (images_S > 0)
    missing, images = missing_S[drew_S][-WINDOW:].sum(), images_S[drew_S][-WINDOW:].sum()
    if images == 0 or missing <= MISSING_SHARE * images:
        return ""
    return (
        f"{missing:.0f} of the last {images:.0f} pictures got no reward "
        f"({100 * missing / images:.0f} %; up to {100 * MISSING_SHARE:.0f} % is tolerable)."
    )


def groups_flat(
    flat_S: Float64[ndarray, " S"], spread_S: Float64[ndarray, " S"], groups: int | None = None
) -> str:
    """Tells of groups whose rewards are all equal: nearly all of the recent ones, or no spread at all."""
    lasting = np.count_nonzero(~np.isnan(flat_S)) >= WINDOW
    if groups and lasting and (share := recent(flat_S) / groups) >= FLAT_SHARE:
        return f"In {100 * share:.0f} % of the recent groups all rewards are equal."
    known_S = spread_S[~np.isnan(spread_S)][-WINDOW:]
    if len(known_S) < WINDOW or known_S.max() > FLAT_SPREAD:
        return ""
    return f"In each of the last {WINDOW} steps, all rewards of a group are equal."


def recent(value_S: Float64[ndarray, " S"]) -> float:
    """Returns the median of the last known values; NaN without any."""
    known_S = value_S[~np.isnan(value_S)][-WINDOW:]
    return float(np.median(known_S)) if len(known_S) else math.nan
