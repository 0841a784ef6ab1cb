"""The page of a pairing: both ends of the margins, chosen beside rejected, whole and alone."""

import math
from typing import Any

import numpy as np
import pytest

from tessera.report.numbers import MISSING
from tessera.report.pairs import PairCard, Side, pairing_lines, pairs_page, widest_and_narrowest
from tests.unit.report.test_evaluation import Page
from tests.unit.report.test_training import words

COUNTS: dict[str, Any] = {
    "prompts": 4,
    "paired_prompts": 2,
    "no_contrast": 1,
    "too_few_rewards": 1,
    "pairs": 2,
    "mean_margin": 0.625,
    "narrowest": 0.25,
    "widest": 1.0,
}
EMPTY = {**COUNTS, "paired_prompts": 0, "pairs": 0, "mean_margin": None, "narrowest": None, "widest": None}
SUMMARY = {"store": "round_000", "group": 8, "missing": 3, **COUNTS, "categories": {"color": COUNTS}}


def side(reward: float, strict: float, *failed: str) -> Side:
    image_HWC = np.full((16, 16, 3), round(100 * reward), dtype=np.uint8)
    return Side(image_HWC=image_HWC, reward=reward, strict=strict, failed=failed)


def card(prompt: str, margin: float) -> PairCard:
    rejected = side(1.0 - margin, 0.0, f"{prompt}: a red star")
    return PairCard(
        prompt=prompt, category="color", store="round_000", chosen=side(1.0, 1.0), rejected=rejected
    )


def test_the_widest_come_first_and_the_narrowest_are_kept() -> None:
    margin_N = np.array([0.5, 1.0, 0.1, 0.7, 1.0, 0.2])
    assert widest_and_narrowest(margin_N, 4) == [1, 4, 5, 2]  # of equal margins the first stands first
    assert widest_and_narrowest(margin_N, 3) == [1, 4, 2]
    assert widest_and_narrowest(margin_N, 1) == [1]
    assert widest_and_narrowest(margin_N, 9) == [1, 4, 3, 0, 5, 2]
    assert widest_and_narrowest(margin_N[:0], 4) == []


def test_the_page_shows_chosen_beside_rejected_with_rewards_and_what_fails() -> None:
    text = pairs_page("dpo", "widest", [SUMMARY], [card("two stars", 1.0), card("a ring", 0.25)])
    page, said = Page(text), words(text)
    assert page.misnested == []
    assert all((a["src"] or "").startswith("data:image/") for a in page.all("img"))
    assert [a["alt"] for a in page.all("img")] == ["chosen", "rejected"] * 2
    assert "2 pairs, paired by widest" in said
    assert said.index("The widest margins") < said.index("two stars chosen reward 1.00 right rejected")
    assert said.index("two stars chosen") < said.index("The narrowest margins") < said.index("a ring chosen")
    assert "rejected reward 0.75 wrong a ring: a red star margin 0.25" in said
    assert "Margins run from 0.25 to 1.00. 3 of 32 rewards are missing." in said


def test_a_pairing_without_pairs_is_told_and_shows_none() -> None:
    text = pairs_page("dpo", "all", [{**SUMMARY, **EMPTY, "categories": {"color": EMPTY}}], [])
    assert "margins" not in words(text)
    assert "None" not in words(text).split()
    assert Page(text).misnested == []


def test_what_files_say_is_never_markup() -> None:
    evil = "<script>alert(1)</script>{{ 7 * 7 }}"
    cards = [
        PairCard(prompt=evil, category=evil, store=evil, chosen=side(1.0, 1.0), rejected=side(0.0, 0.0, evil))
    ]
    summary = {**SUMMARY, "store": evil, "categories": {evil: COUNTS}}
    text = pairs_page(evil, evil, [summary, summary], cards)
    assert "<script>alert" not in text
    assert "49" not in words(text)


def test_without_a_verdict_a_picture_has_no_mark() -> None:
    assert [side(0.0, strict).mark for strict in (1.0, 0.5, math.nan)] == ["right", "wrong", "open"]


def test_the_lines_hold_every_category_and_dashes_for_what_is_not_known() -> None:
    lines = pairing_lines({**SUMMARY, "categories": {"color": COUNTS, "shape": EMPTY}})
    assert lines[0] == "round_000: 8 pictures of each prompt"
    assert [line.split() for line in lines[2:5]] == [
        ["color", "4", "2", "1", "1", "2", "0.62"],
        ["shape", "4", "0", "1", "1", "0", MISSING],
        ["overall", "4", "2", "1", "1", "2", "0.62"],
    ]
    assert lines[5] == "Margins run from 0.25 to 1.00; 3 of 32 rewards are missing."


@pytest.mark.parametrize("heading", ["prompts", "with pairs", "no contrast", "too few rewards", "pairs"])
def test_every_number_stands_below_its_heading(heading: str) -> None:
    _, head, row, *_ = pairing_lines({**SUMMARY, "categories": {"color": {**COUNTS, "pairs": 12_345}}})
    end = head.index(heading) + len(heading) if heading != "pairs" else head.index("  mean")
    assert row[end - 1].isdigit()
    assert row[end] == " "
