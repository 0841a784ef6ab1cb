"""An evaluation on a terminal: verdicts in percent, scores as they are, official numbers beside them."""

from pathlib import Path

from tessera.benchmarks.summary import summarise
from tessera.report.text import summary_lines
from tests.unit.report.evaluation.field import NAN, record, write_field


def test_verdicts_are_a_table_of_strict_and_soft_in_percent() -> None:
    rows = [record(n % 2, n, benchmark="mosaic-id", soft=0.75, facts=[("red", True)]) for n in range(4)]
    lines = summary_lines(summarise(rows, {"mosaic-id": ["counting"]}))
    assert lines == [
        "mosaic-id         strict  95 % interval    soft  prompts",
        "  overall           50.0   0.0 to 100.0    75.0        4",
        "  counting          50.0   0.0 to 100.0    75.0        4",
        "",
    ]


def test_scores_have_their_digits_and_no_soft_that_says_the_same() -> None:
    rows = [record(0.25 * n, n, benchmark="compbench") for n in range(4)]
    lines = summary_lines(summarise(rows, {"compbench": ["counting"]}), rows)
    assert lines[0].split() == ["compbench", "score", "95", "%", "interval", "prompts"]
    assert lines[1].split()[:2] == ["overall", "0.3750"]
    assert len({len(line) for line in lines[:3]}) == 1


def test_records_tell_the_unit_and_where_pictures_are_missing() -> None:
    rows = [record(20.5 + n, n, benchmark="mine") for n in range(4)]
    rows += [record(NAN, 4, benchmark="mine", reason="torn")]
    lines = summary_lines(summarise(rows, {"mine": ["counting"]}), rows)
    assert lines[1].split()[1] == "22.00"
    assert "  1 of 5 pictures could not be graded: counting 1" in lines


def test_without_records_missing_pictures_are_still_counted() -> None:
    rows = [record(1.0, 0), record(NAN, 1, reason="torn")]
    lines = summary_lines(summarise(rows, {"geneval": ["counting"]}))
    assert "  1 of 2 pictures could not be graded" in lines


def test_official_numbers_are_a_column_with_their_title_below(tmp_path: Path) -> None:
    rows = [record(1.0, 0, facts=[("1 cow", True)]), record(0.0, 1, facts=[("1 cow", False)])]
    told = {"title": "GenEval (a detector)", "tags": {"counting": {"mean": 0.4375}}, "overall": 0.4375}
    summary = write_field(tmp_path, rows, {"geneval": {**told, "correct_prompts": 0.5}})
    lines = summary_lines(summary, rows)
    assert lines[0].split()[-2:] == ["official", "prompts"]
    assert [line.split()[-2] for line in lines[1:3]] == ["43.8", "43.8"]
    assert lines[3:5] == [
        "  official: GenEval (a detector)",
        "    prompts with a right picture at least once: 50.0\N{NARROW NO-BREAK SPACE}%",
    ]
