"""How various the pictures of a policy are, before and after training, from the tokens of its evaluation.

Two measures: in what share of the token places two pictures of one prompt differ, and how many codes are in
use over all pictures (the exponential of the entropy of their shares: as many codes used equally often would
have it). Both are of tokens, so the second knows nothing of what the codes look like.

Axes: G pictures of a prompt, T tokens, V codes, P prompts.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from tessera.report.numbers import MISSING
from tessera.report.study import claims
from tessera.report.study.lookup import EXACT, SERIES, find_arm, first_answer, places
from tessera.report.study.measured import Values, categories_in, effect_of
from tessera.report.study.names import arm_names
from tessera.report.study.read import Study
from tessera.report.study.rows import Arm
from tessera.report.study.tables import Table, score_text
from tessera.report.study.verdicts import Verdict, of_effect
from tessera.report.theme import Series
from tessera.statistics.hierarchical import Effect
from tessera.statistics.intervals import Estimate
from tessera.types import EvalRecord


def differing(records: Sequence[EvalRecord]) -> dict[str, float]:
    """Returns for each prompt in what share of places two of its pictures differ; the mean over pairs."""
    found = {}
    for prompt_id, tokens_GT in _tokens(records).items():
        count = len(tokens_GT)
        if count > 1:
            unequal_GGT = tokens_GT[:, None] != tokens_GT[None]
            found[prompt_id] = float(unequal_GGT.mean()) * count / (count - 1)  # none differs from itself
    return found


def code_entropy(records: Sequence[EvalRecord], category: Mapping[str, str]) -> dict[str, float]:
    """Returns for each prompt the mean of -log(share) of its codes, in nats; their mean is the entropy.

    The shares are those of all pictures, each prompt and each category counted as in an overall score. So
    the entropy is a mean over prompts, and what it varies by over prompts is its linear approximation.
    """
    tokens = {name: each_GT for name, each_GT in _tokens(records).items() if name in category}
    if not tokens:
        return {}
    codes = 1 + max(int(each_GT.max()) for each_GT in tokens.values())
    share_PV = np.stack([np.bincount(each.ravel(), minlength=codes) / each.size for each in tokens.values()])
    names = np.array([category[name] for name in tokens])
    share_V = np.mean(
        [share_PV[names == name].mean(axis=0) for name in dict.fromkeys(names.tolist())], axis=0
    )
    surprise_V = -np.log(share_V, out=np.zeros(codes), where=share_V > 0)
    return dict(zip(tokens, (share_PV @ surprise_V).tolist(), strict=True))


def variety_table(study: Study, experiment: str) -> Table | None:
    """Returns both measures for base and arms; None where there is the base alone, or no tokens."""
    arms, base, benchmarks = study.arms(experiment), study.base(experiment), study.benchmarks(experiment)
    if not any(arm.trained for arm in arms):
        return None
    names = arm_names(arms)
    rows = []
    for arm in arms:
        cells = [names[arm]]
        for benchmark in benchmarks:
            category = _categories(study, arm, benchmark)
            apart = effect_of([(_apart(study, arm, benchmark), 1.0)], category)
            entropy = effect_of([(_surprise(study, arm, benchmark), 1.0)], category)
            cells += [_share(apart), _codes(entropy)]
        rows.append(tuple(cells))
    if base is None or all(cell == MISSING for row in rows for cell in row[1:]):
        return None
    return Table(
        name=f"{experiment}-variety",
        caption=f"{experiment}: variety before and after. In how many of 100 token places two pictures of a "
        "prompt differ, and how many codes all pictures use (exponential of the entropy); 95 % intervals "
        "over prompts and seeds",
        head=("arm", *(column for name in benchmarks for column in (f"{name} differ", f"{name} codes"))),
        rows=tuple(rows),
    )


def variety_verdicts(study: Study) -> Iterator[Verdict]:
    """Yields what training on the exact verifier does to the variety of one prompt's pictures."""
    for algorithm in ("grpo", "dpo"):
        for series in SERIES:
            yield from first_answer(
                _lost(study, algorithm, series, *place) for place in places(study, series)
            )


def _lost(study: Study, algorithm: str, series: Series, experiment: str, benchmark: str) -> list[Verdict]:
    arm, base = find_arm(study, experiment, algorithm, EXACT), study.base(experiment)
    if arm is None or base is None:
        return []
    now, before = (_apart(study, each, benchmark) for each in (arm, base))
    effect = effect_of([(now, -1.0), (before, 1.0)], _categories(study, base, benchmark))
    claim = claims.loses_variety(algorithm, series)
    return of_effect(study, claim, (arm, base), benchmark, effect, "places in 100")


def _apart(study: Study, arm: Arm, benchmark: str) -> list[Values]:
    return [differing(_records(study, cell.eval, benchmark)) for cell in study.cells_of(arm)]


def _surprise(study: Study, arm: Arm, benchmark: str) -> list[Values]:
    category = _categories(study, arm, benchmark)
    return [code_entropy(_records(study, cell.eval, benchmark), category) for cell in study.cells_of(arm)]


def _categories(study: Study, arm: Arm, benchmark: str) -> dict[str, str]:
    return categories_in(study, study.cells_of(arm)[0].eval, benchmark)


def _records(study: Study, folder: str, benchmark: str) -> list[EvalRecord]:
    return [record for record in study.records(folder) if record.benchmark == benchmark]


def _tokens(records: Sequence[EvalRecord]) -> dict[str, Int64[ndarray, "G T"]]:
    """Returns tokens_GT of each prompt."""
    by_prompt: dict[str, list[tuple[int, ...]]] = {}
    for record in records:
        by_prompt.setdefault(record.prompt_id, []).append(record.tokens)
    return {name: np.array(tokens, dtype=np.int64) for name, tokens in by_prompt.items()}


def _share(effect: Effect | None) -> str:
    if effect is None:
        return MISSING
    low, high = max(effect.ci_low, 0.0), min(effect.ci_high, 1.0)
    return score_text(Estimate(effect.value, low, high, effect.prompts))


def _codes(entropy: Effect | None) -> str:
    if entropy is None:
        return MISSING
    value, low, high = (math.exp(each) for each in (entropy.value, entropy.ci_low, entropy.ci_high))
    digits = 0 if value >= 100 else 1
    return f"{value:.{digits}f} ({low:.{digits}f}\N{EN DASH}{high:.{digits}f})"
