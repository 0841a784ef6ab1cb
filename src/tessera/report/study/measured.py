"""Effects on any number that a prompt has under a policy: the picture chosen, a judge's score, variety.

What `effects` does for grades, by the same method; prompts that one of the policies lacks are left out.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tessera.report.study.read import Study
from tessera.report.study.rows import Place
from tessera.statistics.hierarchical import Effect, contrast

Values = Mapping[str, float]  # of one policy, by id of the prompt
Weighed = tuple[Sequence[Values], float]  # an arm, one per training seed, and its weight


def effect_of(terms: Sequence[Weighed], category: Mapping[str, str]) -> Effect | None:
    """Returns the weighted sum over arms of the overall value; None where it cannot be known.

    `category` is that of each prompt. The values are those of one benchmark.
    """
    tables = [values for arm, _ in terms for values in arm]
    shared = [name for name in category if all(name in values for values in tables)]
    if not shared or not all(arm for arm, _ in terms):
        return None
    scores = [np.array([[values[name] for name in shared] for values in arm]) for arm, _ in terms]
    effect = contrast(scores, [weight for _, weight in terms], [category[name] for name in shared])
    return None if math.isnan(effect.value) else effect


def categories_in(study: Study, folder: str, benchmark: str) -> dict[str, str]:
    """Returns the category of each prompt of a benchmark in an evaluation folder."""
    return {r.prompt_id: r.category for r in study.records(folder) if r.benchmark == benchmark}


def by_prompt(values: Mapping[Place, float], benchmark: str) -> dict[str, float]:
    """Returns the mean over the pictures of each prompt of a benchmark; unknown ones are left out."""
    known: dict[str, list[float]] = {}
    for (name, prompt_id, _), value in values.items():
        if name == benchmark and not math.isnan(value):
            known.setdefault(prompt_id, []).append(value)
    return {prompt_id: math.fsum(each) / len(each) for prompt_id, each in known.items()}
