"""Whether training beats choosing, and whether choosing still gains on top of it.

A trained policy is compared under the judge that it was trained on, where that one chose; else under each
that did.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

from tessera.report.numbers import plural
from tessera.report.study import claims
from tessera.report.study.choosing import ORACLE
from tessera.report.study.inference import Option, choosers, compute_of, options, values_of
from tessera.report.study.lookup import SERIES, places
from tessera.report.study.measured import Values, categories_in, effect_of
from tessera.report.study.read import Study
from tessera.report.study.verdicts import Verdict, of_effect
from tessera.report.theme import Series


def inference_verdicts(study: Study) -> list[Verdict]:
    """Returns the verdicts of every experiment whose trained arms were chosen from, each claim once."""
    found: dict[str, Verdict] = {}
    for series in SERIES:
        for experiment, benchmark in places(study, series):
            for verdict in _of_experiment(study, options(study, experiment), series, benchmark):
                found.setdefault(verdict.claim.key, verdict)
    return list(found.values())


def _of_experiment(study: Study, found: list[Option], series: Series, benchmark: str) -> Iterator[Verdict]:
    judges = [name for name in choosers(found) if name != ORACLE]
    for once in found:
        if once.chooser or not once.arm.trained:
            continue
        mine = [once.arm.reward] if once.arm.reward in judges else judges
        for judge in mine:
            several = next((o for o in found if (o.arm, o.chooser) == (once.arm, judge)), None)
            base = next((o for o in found if not o.arm.trained and o.chooser == judge), None)
            if several is not None:
                yield from _three(study, once, several, base, series, benchmark)


def _three(
    study: Study, once: Option, several: Option, base: Option | None, series: Series, benchmark: str
) -> Iterator[Verdict]:
    arm, n, judge = once.arm, several.most, several.chooser
    one, best = (values_of(study, option, benchmark, option.most) for option in (once, several))
    category = categories_in(study, once.rows[0].eval, benchmark)
    named = (arm.arm, arm.reward, judge, n, series)
    if base is not None:
        theirs = list(values_of(study, base, benchmark, base.most).values())
        both = (arm, base.arm)
        effect = effect_of([(list(one.values()), 1.0), (theirs, -1.0)], category)
        for verdict in of_effect(study, claims.trained_ahead(*named), both, benchmark, effect):
            yield replace(verdict, notes=(*verdict.notes, *_spent(study, once, n)))
        effect = effect_of([(list(best.values()), 1.0), (theirs, -1.0)], category)
        yield from of_effect(study, claims.ahead_at_equal_inference(*named), both, benchmark, effect)
    # The same policies with and without a chooser, so each seed is paired with itself.
    gains = [_less(more, one[seed]) for seed, more in best.items() if seed in one]
    effect = effect_of([(gains, 1.0)], category)
    for verdict in of_effect(study, claims.choosing_gains_on_top(*named), (arm, arm), benchmark, effect):
        yield replace(verdict, pair=None)


def _less(more: Values, less: Values) -> dict[str, float]:
    return {name: value - less[name] for name, value in more.items() if name in less}


def _spent(study: Study, once: Option, n: int) -> Iterator[str]:
    """Yields what either side costs."""
    cost = compute_of(study, once.arm)
    if cost is not None:
        served = plural(math.ceil(cost.cheaper_from(n)), "served picture")
        yield (
            f"The base draws {n} pictures for one that is served. In token passes, training has cost less "
            f"from {served} on; the judge’s own cost is left out."
        )
