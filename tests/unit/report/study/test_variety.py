"""Variety is counted in tokens: by hand, in the table, and in what is claimed of it."""

import math
from pathlib import Path

import pytest

from tessera.report.study.questions import verdicts
from tessera.report.study.read import read_study
from tessera.report.study.variety import code_entropy, differing, variety_table
from tessera.types import EvalRecord, Grade
from tests.unit.report.study.conftest import Plan, make_study
from tests.unit.report.study.more import records_in


def record(prompt_id: str, sample: int, tokens: tuple[int, ...], category: str = "color") -> EvalRecord:
    return EvalRecord(
        benchmark="mosaic-id",
        category=category,
        prompt_id=prompt_id,
        prompt=prompt_id,
        sample=sample,
        seed=sample,
        grade=Grade(strict=1.0, soft=1.0),
        tokens=tokens,
    )


def test_two_pictures_differ_in_the_share_of_unequal_places() -> None:
    found = differing(
        [record("a", 0, (1, 2, 3, 4)), record("a", 1, (1, 2, 9, 8)), record("b", 0, (1, 1, 1, 1))]
    )
    assert found == {"a": 0.5}


def test_of_three_pictures_all_pairs_count_alike() -> None:
    """Pairs differ in 0, 2 and 2 of two places."""
    found = differing([record("a", n, tokens) for n, tokens in enumerate(((1, 1), (1, 1), (2, 2)))])
    assert found["a"] == pytest.approx(2 / 3)


def test_four_codes_equally_often_have_the_entropy_of_four() -> None:
    category = {"a": "color", "b": "color"}
    found = code_entropy([record("a", 0, (0, 1)), record("b", 0, (7, 3))], category)
    assert math.exp(sum(found.values()) / 2) == pytest.approx(4)


def test_the_mean_over_prompts_is_the_entropy_of_all_codes() -> None:
    """Codes 0 and 1 with shares 3/4 and 1/4, though the prompts are unlike."""
    found = code_entropy([record("a", 0, (0, 0)), record("b", 0, (0, 1))], {"a": "color", "b": "color"})
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert (found["a"] + found["b"]) / 2 == pytest.approx(entropy)
    assert found["b"] > found["a"]


def test_categories_weigh_the_same_however_many_prompts_they_have() -> None:
    records = [record("a", 0, (0,)), record("b", 0, (0,)), record("c", 0, (1,), "shape")]
    found = code_entropy(records, {"a": "color", "b": "color", "c": "shape"})
    assert found["a"] == found["c"] == pytest.approx(math.log(2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GRPO draws from 2 codes where the base has 16; DPO from 64."""
    return make_study(
        tmp_path_factory.mktemp("variety") / "s",
        (
            Plan(arm="base", skill=(0.4, 0.6), reward="", seeds=(0,), samples=2, codes=16),
            Plan(arm="grpo", skill=(0.5, 0.7), samples=2, codes=2),
            Plan(arm="dpo", skill=(0.5, 0.7), samples=2, codes=64),
        ),
    )


def test_the_table_is_recomputed_from_the_evaluations(folder: Path) -> None:
    table = variety_table(read_study(folder), "versus")
    assert table is not None
    assert table.head == (
        "arm",
        "mosaic-id differ",
        "mosaic-id codes",
        "mosaic-ood differ",
        "mosaic-ood codes",
    )
    for row, name in zip(
        table.rows, ("base--default-0", "grpo-metric-default-1", "dpo-metric-default-2"), strict=True
    ):
        records = records_in(folder / "stages" / f"measure-versus-{name}")
        pairs: dict[str, list[tuple[int, ...]]] = {}
        for each in records:
            if each.benchmark == "mosaic-id":
                pairs.setdefault(each.prompt_id, []).append(each.tokens)
        unequal = [sum(x != y for x, y in zip(*pair, strict=True)) / 8 for pair in pairs.values()]
        # Tokens do not depend on the seed here, so any seed is the mean over seeds.
        assert float(row[1].split(" ")[0]) == pytest.approx(100 * sum(unequal) / len(unequal), abs=0.051)


def test_fewer_codes_are_counted_as_fewer(folder: Path) -> None:
    table = variety_table(read_study(folder), "versus")
    assert table is not None
    base, grpo, dpo = (float(row[2].split(" ")[0]) for row in table.rows)
    assert base == pytest.approx(16, abs=0.5)
    assert grpo == pytest.approx(2, abs=0.01)
    assert dpo > 50


def test_losing_variety_is_supported_and_winning_it_contradicts(folder: Path) -> None:
    found = {each.claim.key: each for each in verdicts(read_study(folder)) if each.claim.group == "variety"}
    assert found["grpo-reduces-diversity-in-domain"].word == "supported"
    assert found["grpo-reduces-diversity-in-domain"].rests_on == "3 seeds, 60 prompts"
    assert found["dpo-reduces-diversity-out-of-domain"].word == "contradicted"
    assert "6.98 to 6.26" in found["grpo-reduces-diversity-in-domain"].claim.published


def test_one_picture_a_prompt_says_nothing_of_two(versus: Path) -> None:
    table = variety_table(read_study(versus), "versus")
    assert table is not None
    assert {row[1] for row in table.rows} == {"–"}
    assert not [each for each in verdicts(read_study(versus)) if each.claim.group == "variety"]


def test_the_base_alone_has_no_such_table(tmp_path: Path) -> None:
    study = read_study(
        make_study(tmp_path / "s", (Plan(arm="base", skill=(0.4, 0.6), reward="", seeds=(0,)),))
    )
    assert variety_table(study, "versus") is None
