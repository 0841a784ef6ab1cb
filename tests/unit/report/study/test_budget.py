"""What was matched is said as it was: pictures or another unit, at equal or at growing compute."""

import json
from pathlib import Path
from typing import Any

import pytest

from tessera.report.study.budget import kept, method
from tessera.report.study.page import write_study_report
from tessera.report.study.questions import verdicts
from tessera.report.study.read import read_study
from tessera.report.study.trends import scaling
from tests.unit.report.study.conftest import BASE, VERSUS, Plan, make_study

ALONG = [
    Plan(arm="grpo", skill=(skill, 0.6), experiment="more", setting=f"samples={value}")
    for value, skill in ((4, 0.4), (16, 0.8))
]


def with_misses(folder: Path, **missed: float) -> Path:
    """Gives the cells of an experiment what they missed their budget by, of alternating sign."""
    path = folder / "cells.json"
    cells: list[dict[str, Any]] = json.loads(path.read_text())
    for experiment, share in missed.items():
        mine = [cell for cell in cells if cell["experiments"] == [experiment]]
        for place, cell in enumerate(mine):
            missed_by = -share if place else share / 2
            cell["matched"] = {"unit": "flops", "spent": 1, "budget": 1, "missed_by": missed_by}
    path.write_text(json.dumps(cells))
    return folder


def test_without_a_word_arms_are_matched_by_pictures(versus: Path) -> None:
    assert method(read_study(versus)).startswith(
        "Arms are matched by sampled pictures, not by gradient steps"
    )


@pytest.mark.parametrize(
    ("unit", "words"), [("flops", "passes of tokens through the policy"), ("seconds", "seconds of training")]
)
def test_another_unit_is_named(tmp_path: Path, unit: str, words: str) -> None:
    folder = make_study(tmp_path / "s", VERSUS, match=unit)
    study = read_study(folder)
    assert method(study).startswith(f"Arms are matched by {words}, not by sampled pictures")
    write_study_report(folder)
    assert "matched by sampled pictures" not in (folder / "report.html").read_text()


def test_comparisons_begin_with_what_was_matched(tmp_path: Path) -> None:
    study = read_study(make_study(tmp_path / "s", VERSUS, match="flops"))
    pair = verdicts(study)[0].pair
    assert pair is not None
    assert [each.name for each in pair.ledger][:2] == ["token passes", "pictures"]


def test_the_largest_miss_of_an_experiment_is_told_with_its_sign(tmp_path: Path) -> None:
    folder = with_misses(make_study(tmp_path / "s", (*VERSUS, *ALONG)), versus=0.031)
    study = read_study(folder)
    assert kept(study, "versus") == (
        "Arms are matched by passes of tokens through the policy; the largest miss of a budget is "
        "−3.1\N{NARROW NO-BREAK SPACE}%."
    )
    assert kept(study, "more") == ""
    write_study_report(folder)
    assert "−3.1\N{NARROW NO-BREAK SPACE}%" in (folder / "tables" / "versus-ledger.md").read_text()


def test_growing_compute_is_called_so_and_never_equal(tmp_path: Path) -> None:
    growing = {"name": "more", "question": "More?", "compute": "growing"}
    folder = with_misses(make_study(tmp_path / "s", (BASE, *ALONG), experiments=[growing]), more=0.0)
    study = read_study(folder)
    (claim,) = [
        each.claim
        for each in verdicts(study)
        if "mosaic-id" in each.benchmark and each.claim.group == "scaling"
    ]
    assert claim.key == "samples-lifts-grpo-in-domain-growing"
    assert claim.statement == "At growing compute, more samples per prompt lift GRPO in domain."
    for drawing in scaling(study, "more"):
        assert "At growing compute" in drawing.caption
        assert "same" not in drawing.caption
    assert kept(study, "more").startswith(
        "At growing compute: at each value of the axis, arms are matched by"
    )
    assert "At growing compute, arms are matched at each value of the axis: more." in method(study)


def test_at_equal_compute_it_stays_as_it_was(tmp_path: Path) -> None:
    study = read_study(make_study(tmp_path / "s", (BASE, *ALONG)))
    assert "cost the same number of pictures" in scaling(study, "more")[0].caption
    assert "samples-lifts-grpo-in-domain" in {each.claim.key for each in verdicts(study)}


def test_equal_and_growing_are_two_claims(tmp_path: Path) -> None:
    plans = [
        *ALONG,
        *(Plan(arm="grpo", skill=(0.5, 0.6), experiment="grown", setting=p.setting) for p in ALONG),
    ]
    growing = {"name": "grown", "compute": "growing"}
    found = verdicts(read_study(make_study(tmp_path / "s", plans, experiments=[growing])))
    keys = [each.claim.key for each in found]
    assert len(set(keys)) == len(keys)
    assert {"samples-lifts-grpo-in-domain", "samples-lifts-grpo-in-domain-growing"} <= set(keys)


def test_kinds_of_prompts_are_an_axis_with_claims_of_its_own(tmp_path: Path) -> None:
    plans = [
        Plan(arm="dpo", skill=(skill, 0.6), experiment="diversity", setting=f"diversity={value}")
        for value, skill in ((1, 0.4), (6, 0.7))
    ]
    folder = make_study(tmp_path / "s", (BASE, *plans))
    study = read_study(folder)
    (claim,) = [each.claim for each in verdicts(study) if each.claim.key == "diversity-lifts-dpo-in-domain"]
    assert claim.statement == "More kinds of prompts lift DPO in domain."
    write_study_report(folder)
    assert "1 kind of prompts" in (folder / "tables" / "diversity-scores.md").read_text()
