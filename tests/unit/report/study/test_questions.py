"""Verdicts follow from the data: their direction, their doubts, and what they refuse to compare."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tessera.report.study.questions import verdicts
from tessera.report.study.read import read_study
from tessera.report.study.verdicts import Verdict, judged
from tests.unit.report.study.conftest import BASE, VERSUS, Plan, make_study

REWARDS: tuple[str, ...] = ("metric", "preference", "regressor", "unified", "orm")


def by_key(folder: Path) -> dict[str, Verdict]:
    found = verdicts(read_study(folder))
    keys = [verdict.claim.key for verdict in found]
    assert len(set(keys)) == len(keys), "every claim is judged once"
    return dict(zip(keys, found, strict=True))


def on_rewards(skills: Sequence[float], kl: float = 0.05) -> list[Plan]:
    """GRPO and DPO on each reward, out of domain as good as `skills` say; DPO at another KL if asked."""
    plans = [Plan(arm="base", skill=(0.4, 0.5), experiment="rewards", reward="", seeds=(0,))]
    for reward, skill in zip(REWARDS, skills, strict=True):
        for arm, at in (("grpo", 0.05), ("dpo", kl)):
            plans.append(
                Plan(arm=arm, skill=(0.5, skill), experiment="rewards", reward=reward, kl=at, seeds=(0, 1))
            )
    return plans


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.01, 0.05, "supported"),
        (-0.05, -0.01, "contradicted"),
        (-0.01, 0.05, "undecided"),
        (0.0, 0.05, "undecided"),
        (float("nan"), float("nan"), "undecided"),
    ],
)
def test_the_word_is_the_side_of_zero_on_which_the_interval_lies(low: float, high: float, word: str) -> None:
    assert judged(low, high) == word


def test_what_the_paper_says_is_supported_where_it_is_so(versus: Path) -> None:
    found = by_key(versus)
    assert found["dpo-ahead-in-domain"].word == "supported"
    assert found["grpo-ahead-out-of-domain"].word == "supported"
    assert found["dpo-ahead-in-domain"].value > 0.1
    assert not found["dpo-ahead-in-domain"].one_seed


def test_the_other_way_round_it_is_contradicted(tmp_path: Path) -> None:
    plans = (BASE, Plan(arm="grpo", skill=(0.8, 0.6)), Plan(arm="dpo", skill=(0.5, 0.9)))
    found = by_key(make_study(tmp_path / "s", plans))
    assert found["dpo-ahead-in-domain"].word == "contradicted"
    assert found["grpo-ahead-out-of-domain"].word == "contradicted"


def test_equal_arms_leave_it_undecided(tmp_path: Path) -> None:
    plans = (BASE, Plan(arm="grpo", skill=(0.6, 0.7)), Plan(arm="dpo", skill=(0.6, 0.7)))
    assert by_key(make_study(tmp_path / "s", plans))["dpo-ahead-in-domain"].word == "undecided"


def test_one_seed_is_said_to_be_one(tmp_path: Path) -> None:
    plans = (BASE, *(Plan(arm=p.arm, skill=p.skill, seeds=(0,)) for p in VERSUS[1:]))
    found = by_key(make_study(tmp_path / "s", plans))
    assert all(verdict.one_seed for verdict in found.values())
    assert found["dpo-ahead-in-domain"].rests_on == "1 seed of each arm, 60 prompts"


def test_the_base_does_not_count_as_a_seed(versus: Path) -> None:
    assert by_key(versus)["grpo-learns-in-domain"].rests_on == "3 seeds, 60 prompts"


def test_p_values_are_adjusted_within_their_group(versus: Path) -> None:
    found = by_key(versus)
    group = [verdict for verdict in found.values() if verdict.claim.group == "domains"]
    low, high = sorted(group, key=lambda verdict: verdict.p)
    assert low.p_holm == pytest.approx(2 * low.p)
    assert high.p_holm == pytest.approx(max(2 * low.p, high.p))
    assert low.family == 2


def test_every_comparison_of_two_arms_says_what_they_were_given(versus: Path) -> None:
    pair = by_key(versus)["grpo-ahead-out-of-domain"].pair
    assert pair is not None
    ledger = {each.name: (each.second, each.factor) for each in pair.ledger}
    assert ledger["pictures"] == ("3\N{NARROW NO-BREAK SPACE}200", "")
    assert ledger["gradient steps"] == ("25", "×0.5")


def test_a_published_number_stands_only_beside_claims_that_have_one(tmp_path: Path) -> None:
    plans = [
        Plan(arm=arm, skill=(skill, 0.6), experiment="samples", setting=f"samples={value}")
        for arm in ("grpo", "dpo")
        for value, skill in ((4, 0.4), (16, 0.6))
    ]
    found = by_key(make_study(tmp_path / "s", (*VERSUS, *plans)))
    assert "11.53 %" in found["dpo-ahead-in-domain"].claim.published
    assert found["samples-lifts-grpo-in-domain"].claim.published == ""


def test_a_scaling_claim_is_what_a_doubling_buys(tmp_path: Path) -> None:
    """From 4 to 16 are two doublings; the slope is half the difference between their scores."""
    plans = [
        Plan(arm="grpo", skill=(skill, 0.6), experiment="samples", setting=f"samples={value}")
        for value, skill in ((16, 0.8), (4, 0.4))
    ]
    folder = make_study(tmp_path / "s", plans)
    study = read_study(folder)
    many, few = study.arms("samples")
    slope = by_key(folder)["samples-lifts-grpo-in-domain"]
    assert slope.unit == "points per doubling"
    assert slope.value == pytest.approx((study.mean(many, "mosaic-id") - study.mean(few, "mosaic-id")) / 2)
    assert slope.word == "supported"


def test_robustness_is_compared_only_at_equal_kl(tmp_path: Path) -> None:
    skills = (0.8, 0.7, 0.7, 0.7, 0.3)
    equal = by_key(make_study(tmp_path / "equal", on_rewards(skills)))["grpo-robust-to-orm"]
    apart = by_key(make_study(tmp_path / "apart", on_rewards(skills, kl=0.01)))["grpo-robust-to-orm"]
    assert equal.word != "not comparable"
    assert apart.word == "not comparable"
    assert apart.p_holm != apart.p_holm, "a claim that is not judged is no member of the family"


def test_four_rewards_in_perfect_order_prove_nothing(tmp_path: Path) -> None:
    """4! orders: the best two-sided p is 2/24."""
    best_of = dict(zip(REWARDS, (0.9, 0.62, 0.66, 0.7, 0.55), strict=True))
    plans = on_rewards((0.85, 0.65, 0.75, 0.85, 0.55))
    found = by_key(make_study(tmp_path / "s", plans, best_of=best_of))["reward-generalises-grpo"]
    assert found.value == pytest.approx(1.0)
    assert found.p == pytest.approx(2 / 24)
    assert found.word == "undecided"
    assert "4 rewards" in found.notes[0]


def test_over_several_rewards_the_average_is_judged_too(tmp_path: Path) -> None:
    found = by_key(make_study(tmp_path / "s", on_rewards((0.8, 0.7, 0.7, 0.7, 0.3))))
    assert found["dpo-ahead-in-domain-average"].notes == (f"Over {', '.join(REWARDS)}.",)
    assert found["dpo-ahead-in-domain-average"].pair is None


def test_without_evaluations_nothing_is_judged(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "s", VERSUS)
    for path in folder.glob("stages/*/eval.jsonl"):
        path.unlink()
    assert verdicts(read_study(folder)) == []
