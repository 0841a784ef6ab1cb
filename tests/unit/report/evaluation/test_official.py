"""Official numbers stand beside Tessera's own, and say whose they are."""

from pathlib import Path
from typing import Any

from tessera.benchmarks.geneval import official as geneval
from tessera.report.evaluation import evaluation_page
from tessera.report.evaluation.official import official_of
from tessera.report.units import PERCENT, PLAIN
from tests.unit.report.evaluation.field import NAN, record, text_of, write_field

NB = "\N{NARROW NO-BREAK SPACE}"


def uneven() -> tuple[list[Any], dict[str, Any]]:
    """Two prompts, one of whose pictures was lost: the official mean is 2 of 3, that over prompts 3 of 4."""
    rows = [record(1.0, 0), record(NAN, 0, sample=1, reason="torn"), record(1.0, 1), record(0.0, 1, sample=1)]
    told = [
        {
            "tag": row.category,
            "prompt": row.prompt,
            "correct": None if row.grade.reason else row.grade.strict == 1,
        }
        for row in rows
    ]
    return rows, {"title": "GenEval (a detector)", **geneval.summarised(told)}


def test_the_official_mean_is_over_pictures_and_stands_beside_the_mean_over_prompts(tmp_path: Path) -> None:
    rows, told = uneven()
    summary = write_field(tmp_path, rows, {"geneval": told})
    official = official_of("geneval", summary["geneval"], PERCENT, {"counting": 1})
    assert official is not None
    row, overall = official.rows
    assert (row.label, row.official, row.mean, row.pictures, row.missing) == (
        "counting",
        f"66.7{NB}%",
        f"75.0{NB}%",
        "3",
        "1",
    )
    assert (overall.emphasis, overall.official) == (True, f"66.7{NB}%")
    assert dict(official.told) == {
        "pictures graded": "3",
        "prompts": "2",
        "pictures not graded": "1",
        "right pictures, all categories together": f"66.7{NB}%",
        "prompts with a right picture at least once": f"100.0{NB}%",
    }


def test_the_page_names_the_instrument_and_says_how_the_numbers_relate(tmp_path: Path) -> None:
    rows, told = uneven()
    write_field(tmp_path, rows, {"geneval": told})
    text = text_of(evaluation_page(tmp_path))
    assert "geneval: GenEval (a detector)" in text
    assert "official number 66.7 %" in text
    assert "Official numbers are means over all graded pictures of a category" in text
    assert "intervals over prompts" in text


def test_parts_of_a_category_and_remarks_are_shown() -> None:
    nothing = {"mean": None, "ci_low": None, "ci_high": None, "n": 0}
    told = {
        "title": "T2I-CompBench",
        "rules": "mended",
        "overall": None,
        "overall_is": "ours",
        "read_by": {"own": 3},
        "categories": {
            "color": {
                "mean": 0.5,
                "images": 3,
                "missing": 1,
                "seen": {"mean": 0.25},
                "unseen": {"mean": 0.75},
            },
            "3d_spatial": {"mean": None, "images": 0, "missing": 2},
        },
    }
    summary = {"overall": nothing, "categories": {"color": nothing}, "official": told}
    official = official_of("compbench", summary, PLAIN, {})
    assert official is not None
    assert official.parts == ("seen", "unseen")
    assert [(row.label, row.official, row.missing, row.parts) for row in official.rows] == [
        ("color", "0.5000", "1", ("0.2500", "0.7500")),
        ("3d spatial", "–", "2", ("", "")),
    ]
    assert official.told == (("rules", "mended"), ("overall is", "ours"), ("read by", "own 3"))
    assert official.overall == ""


def test_an_overall_number_that_the_tool_does_not_have_is_not_called_official() -> None:
    one = {"mean": 0.5, "ci_low": 0.4, "ci_high": 0.6, "n": 4}
    told = {"overall": 0.5, "overall_is": "ours", "categories": {}}
    official = official_of("compbench", {"overall": one, "categories": {}, "official": told}, PLAIN, {})
    assert official is not None
    assert official.overall == ""
    assert [row.official for row in official.rows] == ["0.5000"]


def test_missing_counts_of_more_pictures_than_the_official_ones_are_left_out(tmp_path: Path) -> None:
    rows, told = uneven()
    summary = write_field(tmp_path, rows, {"geneval": told})
    official = official_of("geneval", summary["geneval"], PERCENT, {"counting": 5})
    assert official is not None
    assert official.rows[0].missing == ""


def test_what_an_outside_benchmark_tells_is_shown_as_it_is(tmp_path: Path) -> None:
    rows = [record(float(n % 2), n, benchmark="mine") for n in range(4)]
    write_field(tmp_path, rows, {"mine": {"images": 4, "kappa": 0.123456, "unknown": None}})
    text = text_of(evaluation_page(tmp_path))
    assert "Official numbers" in text
    assert "kappa 0.1235" in text
    assert "unknown" not in text


def test_a_benchmark_without_official_numbers_has_no_such_section(tmp_path: Path) -> None:
    write_field(tmp_path, [record(1.0, 0)])
    assert "fficial" not in text_of(evaluation_page(tmp_path))
