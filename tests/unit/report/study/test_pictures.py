"""Strips show one prompt and seed across arms; cards are what their titles say."""

import random
from pathlib import Path

import numpy as np

from tessera.report.images import data_uri
from tessera.report.study.decks import decks
from tessera.report.study.pictures import SIDE, strips_across, strips_over
from tessera.report.study.read import read_study
from tessera.storage import append_jsonl, write_json, write_png
from tests.unit.report.study.conftest import BASE, Plan, make_study


def test_a_strip_shows_the_first_prompt_of_each_category(versus: Path) -> None:
    (strip,) = strips_across(read_study(versus), "versus")
    assert strip.columns == ("base", "GRPO", "DPO")
    prompts = [(row.prompt, row.series) for row in strip.rows]
    assert prompts == [
        ("a color number 0", "in-domain"),
        ("a shape number 0", "in-domain"),
        ("a color number 0", "out-of-domain"),
        ("a shape number 0", "out-of-domain"),
    ]


def test_a_picture_in_a_strip_is_the_file_of_its_arm_and_prompt(versus: Path) -> None:
    study = read_study(versus)
    (strip,) = strips_across(study, "versus")
    dpo = study.cells_of(study.arms("versus")[2])[0]
    path = versus / dpo.eval / "pictures" / "mosaic-ood" / "shape" / "0-0.png"
    shot = strip.rows[3].shots[2]
    assert shot.uri == data_uri(path, SIDE)
    record = next(
        r for r in study.records(dpo.eval) if (r.benchmark, r.prompt_id) == ("mosaic-ood", "shape/0")
    )
    assert shot.mark == ("right" if record.grade.strict else "wrong")


def test_many_arms_have_a_strip_for_each_algorithm(tmp_path: Path) -> None:
    plans = [
        Plan(arm=arm, skill=(0.5, 0.5), reward=reward, seeds=(0,))
        for reward in ("metric", "unified", "orm")
        for arm in ("grpo", "dpo")
    ]
    strips = strips_across(read_study(make_study(tmp_path / "s", (BASE, *plans))), "versus")
    assert [strip.title for strip in strips] == ["GRPO", "DPO"]
    assert strips[1].columns == ("base", "DPO · metric", "DPO · unified", "DPO · orm")


def test_cards_improved_or_broke_with_the_facts_to_show_it(versus: Path) -> None:
    found = decks(read_study(versus), "versus")
    assert {(deck.arm, deck.title) for deck in found} >= {("GRPO", "most improved"), ("DPO", "most improved")}
    for deck in found:
        marks = ("wrong", "right") if deck.title == "most improved" else ("right", "wrong")
        assert len({card.prompt for card in deck.cards}) == len(deck.cards)
        for card in deck.cards:
            assert (card.before.mark, card.after.mark) == marks
            assert card.facts[0].after is (marks[1] == "right")
            assert card.facts[1].before is card.facts[1].after is True


def test_without_a_judges_scores_nothing_is_called_hacked(tmp_path: Path) -> None:
    base = Plan(arm="base", skill=(0.9, 0.9), reward="", seeds=(0,))
    folder = make_study(tmp_path / "s", (base, Plan(arm="grpo", skill=(0.1, 0.1), reward="orm", seeds=(0,))))
    study = read_study(folder)
    run = folder / study.cells_of(study.arms("versus")[1])[0].run
    run.mkdir(parents=True)
    write_json(run / "config.json", {})
    rising = [{"step": n + 1, "reward": reward} for n, reward in enumerate((0.2, 0.2, 0.6, 0.6))]
    append_jsonl(run / "metrics.jsonl", rising)
    assert [deck.title for deck in decks(study, "versus")] == ["most broken"]


def test_a_run_that_kept_pictures_is_shown_step_by_step(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "s", (BASE, Plan(arm="grpo", skill=(0.5, 0.5), seeds=(0,))))
    study = read_study(folder)
    assert strips_over(study, "versus") == []
    run = folder / study.cells_of(study.arms("versus")[1])[0].run
    rng = random.Random(0)
    for step in (0, 5, 10):
        for number in range(4):
            image_HWC = np.full((8, 8, 3), rng.randrange(256), np.uint8)
            write_png(run / "pictures" / f"step_{step:06d}" / f"{number}.png", image_HWC)
            row = {"step": step, "number": number, "benchmark": "mosaic-id", "prompt": f"p{number // 2}"}
            append_jsonl(
                run / "pictures" / "grades.jsonl",
                [{**row, "sample": number % 2, "strict": float(step > 0), "soft": 1.0}],
            )
    (strip,) = strips_over(study, "versus")
    assert strip.columns == ("step 0", "step 5", "step 10")
    assert [row.prompt for row in strip.rows] == ["p0", "p1"]
    assert [shot.mark for shot in strip.rows[0].shots] == ["wrong", "right", "right"]
