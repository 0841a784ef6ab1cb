"""Tables as text: what is bold, marked and escaped, and that published rows stand apart."""

from pathlib import Path
from typing import Any

from tessera.report.compare.published import sources_of
from tessera.report.compare.read import read_evaluations
from tessera.report.compare.scores import ScoreTable, score_table
from tessera.report.compare.shared import share
from tessera.report.compare.table import latex, level_sentence, markdown, terminal
from tests.unit.report.compare.conftest import shares, two, write_evaluation


def made(root: Path, **more: Any) -> ScoreTable:
    """Returns a table in which `new_50%` has one prompt of 20 right and `old` none, then 19."""
    old, new = two(root, shares([0.0] * 20, **more), shares([1.0] * 19 + [0.0], **more))
    return score_table(share(read_evaluations([old, new], ("old", "new_50% |x")))[0][0])


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


def test_markdown_has_a_row_per_model_and_one_per_change(tmp_path: Path) -> None:
    head, rule, old, new, change = rows(markdown(made(tmp_path)))
    assert head == "|  | color | overall |"
    assert rule == "| --- | ---: | ---: |"
    assert old.startswith("| old | 0.0 (0.0–")
    assert new.startswith(r"| new_50% \|x | **95.0** (")
    assert change.startswith(r"| new_50% \|x − old | +95.0 (")
    assert change.count(r"\*\*") == 2


def test_latex_is_escaped_and_uses_the_rules_of_booktabs(tmp_path: Path) -> None:
    text = latex(made(tmp_path))
    assert r"new\_50\% |x & \textbf{95.0} & \textbf{95.0} \\" in text
    assert r"\quad difference & +95.0$^{**}$ & +95.0$^{**}$ \\" in text
    assert "\N{EN DASH}" not in text
    assert "\N{MINUS SIGN}" not in text
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    assert {line.count("&") for line in body.splitlines() if "&" in line} == {2}


def test_published_rows_are_never_bold_and_name_their_source(tmp_path: Path) -> None:
    table = made(tmp_path, benchmark="geneval", category="counting")
    text = markdown(table, sources_of("geneval", table.columns))
    published = [row for row in rows(text) if "(published, " in row]
    assert "| *IF-XL* (published, 1) | 66 | 61 |" in published
    assert "| *Janus-Pro-7B* (published, 2) | 59 | 80 |" in published
    assert not any("**" in row or "±" in row for row in published)
    assert "1. djghosh13/geneval:README.md" in text
    assert "2. arXiv 2505.14683v3, table 5" in text
    assert r"\textit{IF-XL}$^{1}$ & 66 & 61 \\" in latex(table, sources_of("geneval", table.columns))


def test_compbench_is_printed_with_four_decimals(tmp_path: Path) -> None:
    text = markdown(made(tmp_path, benchmark="compbench"), sources_of("compbench", ["color"]))
    assert "**0.9500**" in text
    assert "| *T2I-R1* (published, 1) | 0.8130 | – |" in text


def test_the_terminal_has_a_line_per_category_with_overall_first(tmp_path: Path) -> None:
    lines = terminal(made(tmp_path))
    assert lines[0] == "mosaic-id: right pictures in percent over 20 prompts, with 95 % intervals"
    assert lines[1].split() == ["old", "new_50%", "|x", "difference"]
    assert [line.split()[0] for line in lines[2:4]] == ["overall", "color"]
    assert lines[2].split()[1:4] == ["0.0", "95.0", "+95.0"]


def test_other_graders_are_in_the_caption_and_nothing_is_bold(tmp_path: Path) -> None:
    folders = [
        write_evaluation(tmp_path / name, shares([0.0, right]), {"graders": {"mosaic-id": name}})
        for name, right in (("a", 0.0), ("b", 1.0))
    ]
    table = score_table(share(read_evaluations(folders))[0][0])
    assert "The graders differ, so nothing is bold and no difference is taken." in markdown(table)
    assert "**" not in markdown(table)
    assert level_sentence(table) == ""
