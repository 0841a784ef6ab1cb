"""What a judge is worth against the exact verdict, on pictures that the policy draws for validation prompts.

Axes: P prompts, G pictures of a prompt.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from tessera.protocols import Policy
from tessera.sampling.sampler import requests, sample
from tessera.scorers.judges.judge import Judge
from tessera.scorers.mosaic import grade
from tessera.types import Prompt
from tessera.world.prompts import PromptSource, Split, prompt_set


@dataclass(frozen=True, kw_only=True, slots=True)
class Examination:
    """Pictures that judges are examined on, `group` of each prompt side by side, and the exact verdicts."""

    group: int
    prompts: tuple[Prompt, ...]
    images: UInt8[ndarray, "N H W 3"]
    strict: Float64[ndarray, "P G"]
    soft: Float64[ndarray, "P G"]


def examination(
    policy: Policy, source: str, per_category: int, group: int, *, split: Split = "val", seed: int = 0
) -> Examination:
    """Returns `group` pictures by the policy, under its own view, for each prompt of a benchmark's source."""
    chosen = PromptSource.parse(source)
    prompts = prompt_set(chosen.family, split, per_category, axes=chosen.axes, only=chosen.only)
    wanted = requests([prompt.text for prompt in prompts], group)
    rollouts = sample(policy, wanted, policy.spec.default_view, seed=seed)
    images_NHWC = policy.decode(rollouts.tokens)
    grades = grade(rollouts.prompts, images_NHWC)
    return Examination(
        group=group,
        prompts=tuple(prompt for prompt in prompts for _ in range(group)),
        images=images_NHWC,
        strict=np.array([each.strict for each in grades]).reshape(-1, group),
        soft=np.array([each.soft for each in grades]).reshape(-1, group),
    )


def worth(judge: Judge, paper: Examination) -> Mapping[str, float]:
    """Returns AUC, pair accuracy and best-of-G of a judge on an examination.

    `auc`: a right picture above a wrong one, over all prompts. `pairs`: the better of two pictures of one
    prompt found, better by half strict and half soft. `best`: strict accuracy of the picture it likes most;
    `mean` and `oracle` are those of a blind and of a perfect choice.
    """
    score_PG = judge.score(paper.prompts, paper.images).value_B.numpy().reshape(-1, paper.group)
    truth_PG = 0.5 * paper.strict + 0.5 * paper.soft
    found_PGG = np.sign(score_PG[:, :, None] - score_PG[:, None])
    better_PGG = truth_PG[:, :, None] > truth_PG[:, None] + 1e-9
    best_P = np.take_along_axis(paper.strict, score_PG.argmax(axis=1)[:, None], axis=1)
    return {
        "auc": auc(score_PG.ravel(), paper.strict.ravel() == 1),
        "pairs": float((found_PGG[better_PGG] + 1).mean() / 2) if better_PGG.any() else float("nan"),
        "mean": float(paper.strict.mean()),
        "best": float(best_P.mean()),
        "oracle": float(paper.strict.max(axis=1).mean()),
    }


def auc(score_N: Float64[ndarray, " N"], right_N: ndarray) -> float:
    """Returns how often a right row has the higher score of a right and a wrong one; a tie counts half.

    NaN if all rows are right or none is.
    """
    order = np.argsort(score_N, kind="stable")
    _, inverse, counts = np.unique(score_N[order], return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = np.empty(len(score_N))
    ranks[order] = (last - (counts - 1) / 2)[inverse]
    rights = int(right_N.sum())
    wrongs = len(score_N) - rights
    if rights == 0 or wrongs == 0:
        return float("nan")
    return float((ranks[right_N].sum() - rights * (rights + 1) / 2) / (rights * wrongs))
