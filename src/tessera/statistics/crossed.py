"""Graded pictures of several policies side by side: records in, arrays of seeds x prompts out.

Only what all of them were measured on is kept, so that differences are paired.

Axes: S policies (training seeds of one arm), P prompts, G pictures of each.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from tessera.errors import UserError
from tessera.types import EvalRecord

Score = Literal["strict", "soft"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Crossed:
    """The scores of policies on prompts that all of them share."""

    score_SPG: Float64[ndarray, "S P G"]  # NaN where a picture could not be graded
    category_P: tuple[str, ...]
    prompt_P: tuple[str, ...]  # ids


def cross(policies: Sequence[Sequence[EvalRecord]], score: Score = "strict") -> Crossed:
    """Returns the scores of these policies on one benchmark, each given by its records of that benchmark.

    Prompts that one of them lacks are left out, and so are samples that any prompt lacks. Different sampling
    seeds are a mistake: the differences would not be paired.
    """
    tables: list[dict[str, dict[int, EvalRecord]]] = []
    for records in policies:
        table: dict[str, dict[int, EvalRecord]] = {}
        for record in records:
            table.setdefault(record.prompt_id, {})[record.sample] = record
        tables.append(table)
    shared = [name for name in tables[0] if all(name in table for table in tables)] if tables else []
    if not shared:
        raise UserError("these evaluations share no prompt; measure all policies on the same benchmark")
    samples = sorted(set.intersection(*(set(table[name]) for table in tables for name in shared)))
    score_SPG = np.full((len(tables), len(shared), len(samples)), math.nan)
    for row, table in enumerate(tables):
        for column, name in enumerate(shared):
            for place, sample in enumerate(samples):
                record, first = table[name][sample], tables[0][name][sample]
                if record.seed != first.seed:
                    raise UserError(
                        f"prompt {name} was drawn with seed {record.seed} by one policy and {first.seed} by "
                        "another, so their difference is not paired; measure both with the same --seed"
                    )
                value = record.grade.strict if score == "strict" else record.grade.soft
                score_SPG[row, column, place] = value
    return Crossed(
        score_SPG=score_SPG,
        category_P=tuple(next(iter(tables[0][name].values())).category for name in shared),
        prompt_P=tuple(shared),
    )


def picture_means(score_SPG: Float64[ndarray, "S P G"]) -> Float64[ndarray, "S P"]:
    """Returns the mean of each prompt's graded pictures; NaN where there is none."""
    known_SPG = ~np.isnan(score_SPG)
    count_SP = known_SPG.sum(axis=2)
    sum_SP = np.where(known_SPG, score_SPG, 0.0).sum(axis=2)
    return np.divide(sum_SP, count_SP, out=np.full(count_SP.shape, np.nan), where=count_SP > 0)
