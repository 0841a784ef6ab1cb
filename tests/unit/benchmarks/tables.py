"""Candidates made by hand: a table from strict verdicts, and scores beside it."""

from collections.abc import Sequence

from tessera.benchmarks.candidates import Table, Values, key
from tessera.types import EvalRecord, Grade


def record(category: str, prompt: str, sample: int, strict: float, soft: float | None = None) -> EvalRecord:
    """Returns a graded candidate without a picture; soft is strict unless given."""
    return EvalRecord(
        benchmark="b",
        category=category,
        prompt_id=f"{category}/{prompt}",
        prompt=prompt,
        sample=sample,
        seed=0,
        grade=Grade(strict=strict, soft=strict if soft is None else soft),
        tokens=(),
    )


def table(verdicts: Sequence[tuple[str, Sequence[float]]]) -> Table:
    """Returns a table of (category, strict verdicts of the candidates) for each prompt."""
    rows = tuple(
        tuple(record(category, str(place), sample, float(strict)) for sample, strict in enumerate(row))
        for place, (category, row) in enumerate(verdicts)
    )
    return Table(benchmark="b", categories=tuple(dict.fromkeys(name for name, _ in verdicts)), rows=rows)


def scored(on: Table, scores: Sequence[Sequence[float]], name: str = "s") -> Values:
    """Returns the scores of the table's candidates as a folder would hold them."""
    return {
        key(each): {name: float(score)}
        for row, row_scores in zip(on.rows, scores, strict=True)
        for each, score in zip(row, row_scores, strict=True)
    }
