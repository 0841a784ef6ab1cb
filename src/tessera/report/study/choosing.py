"""Which of several pictures a chooser took, prompt by prompt, from the stored candidates of a study.

Axes: P pictures to be made, G candidates of each, as they were drawn.
"""

from collections.abc import Sequence

import numpy as np

from tessera.report.study.measured import by_prompt
from tessera.report.study.read import Study
from tessera.report.study.rows import Place, Row
from tessera.statistics.selection import choose, taken
from tessera.types import EvalRecord

RANDOM, ORACLE = "random", "oracle"  # bounds beside the choosers: the candidates' mean, the verifier's choice


def chosen(study: Study, row: Row, benchmark: str, n: int) -> dict[str, float]:
    """Returns the share of right pictures of each prompt where the row's chooser takes one of the first n.

    Prompts that lack a candidate are left out; nothing is left if the folder has gone.
    """
    by_id: dict[str, dict[int, EvalRecord]] = {}
    for record in study.records(row.eval):
        if record.benchmark == benchmark:
            by_id.setdefault(record.prompt_id, {})[record.sample] = record
    rows: list[Sequence[EvalRecord]] = []
    for samples in by_id.values():
        pictures = len(samples) // row.best_of  # candidates of one picture lie so far apart
        wanted = [[each * pictures + picture for each in range(n)] for picture in range(pictures)]
        if all(sample in samples for places in wanted for sample in places):
            rows += [[samples[sample] for sample in places] for places in wanted]
    if not rows:
        return {}
    strict_PG, soft_PG = (
        np.array([[getattr(record.grade, score) for record in each] for each in rows], dtype=np.float64)
        for score in ("strict", "soft")
    )
    if row.chooser == RANDOM:
        right_P = strict_PG.mean(axis=1)
    elif row.chooser == ORACLE:
        right_P = taken(strict_PG, choose(strict_PG + soft_PG))
    else:
        scores = study.scores(row.eval, row.chooser)
        keys: list[list[Place]] = [[(r.benchmark, r.prompt_id, r.sample) for r in each] for each in rows]
        if not all(key in scores for each in keys for key in each):
            return {}
        score_PG = np.array([[scores[key] for key in each] for each in keys])
        right_P = taken(strict_PG, choose(score_PG))
    return by_prompt(
        {
            (each[0].benchmark, each[0].prompt_id, each[0].sample): right
            for each, right in zip(rows, right_P.tolist(), strict=True)
        },
        benchmark,
    )
