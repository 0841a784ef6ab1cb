"""Best of n in the unit of its benchmark."""

from typing import Any

from tessera.report.evaluation.best_of import best_of_lines, best_of_results
from tessera.types import EvalRecord, Grade


def estimate(mean: float) -> dict[str, Any]:
    return {"mean": mean, "se": 0.01, "ci_low": mean - 0.02, "ci_high": mean + 0.02, "n": 20}


def summary_of(mean: float) -> dict[str, Any]:
    result = {"overall": estimate(mean)}
    sizes = [{"n": n, "strict": result, "soft": result, "ties": 0, "blind": 0} for n in (1, 4)]
    row = {"sizes": sizes, "overlap": ""}
    return {"own": {"best_of": {"random": row, "oracle": row, "brightness": row}}}


def records_of(score: float) -> list[EvalRecord]:
    grade = Grade(strict=score, soft=score, facts=())
    return [
        EvalRecord(
            benchmark="own",
            category="all",
            prompt_id="0",
            prompt="a red circle",
            sample=0,
            seed=0,
            grade=grade,
            tokens=(),
        )
    ]


def test_scores_stand_in_their_own_unit_and_verdicts_in_percent() -> None:
    scored = best_of_results(summary_of(5.43), records_of(5.43))[0]
    judged = best_of_results(summary_of(0.62), records_of(1.0))[0]
    assert scored.choosers[2].strict[0].value == "5.430"
    assert judged.choosers[2].strict[0].value == "62.0"


def test_the_chart_of_scores_reaches_from_the_lowest_to_the_highest() -> None:
    chart = best_of_results(summary_of(5.43), records_of(5.43))[0].choosers[2].chart
    assert chart is not None
    assert "5.41" in chart
    assert "5.45" in chart


def test_lines_keep_their_columns_apart() -> None:
    lines = best_of_lines(summary_of(5.43), records_of(5.43))
    assert lines[0] == "own, best of n (score)"
    assert lines[2].split()[:3] == ["random", "5.430", "5.430"]
