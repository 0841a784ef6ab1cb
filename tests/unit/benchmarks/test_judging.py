"""What a scorer is worth against the verdict, by hand: fits on the other half, choices, disagreements."""

import math

import pytest

from tessera.benchmarks.best_of import best_of
from tessera.benchmarks.judging import agreement, bounds, disagreements, halves, judged, reference
from tests.unit.benchmarks.tables import scored, table

NAN = math.nan


def test_the_prompts_of_a_category_take_turns_in_going_to_either_half() -> None:
    made = table([("x", [0]), ("x", [0]), ("y", [0]), ("x", [0]), ("y", [0])])
    assert halves(made).tolist() == [True, False, True, True, False]


def test_the_threshold_comes_from_the_other_half() -> None:
    """Each prompt orders its two pictures rightly, on a scale of its own: no threshold carries over."""
    made = table([("x", [0, 1]), ("x", [0, 1])])
    result = judged(made, scored(made, [[1, 2], [11, 12]]), "s")
    assert result["accuracy"]["overall"]["mean"] == 0.5  # the first is called all wrong, the second all right
    assert result["pairs"]["overall"]["mean"] == result["pairs_strict"]["overall"]["mean"] == 1.0
    assert result["auc"]["overall"]["mean"] == 0.75  # 2 > 1, 12 > 1, 12 > 11, but 2 < 11
    assert result["majority"] == 0.5


def test_the_truth_as_a_scorer_is_perfect_and_its_opposite_as_bad_as_can_be() -> None:
    rows = [("x", [0, 1, 1, 0]), ("x", [1, 0, 0, 0]), ("y", [1, 1, 0, 1]), ("y", [0, 0, 1, 1])]
    made = table(rows)
    truth = [row for _, row in rows]
    good = judged(made, scored(made, truth), "s")
    bad = judged(made, scored(made, [[-strict for strict in row] for row in truth]), "s")
    for name in ("auc", "pairs", "pairs_strict", "accuracy"):
        assert good[name]["overall"]["mean"] == 1.0
    for name in ("auc", "pairs", "pairs_strict"):
        assert bad[name]["overall"]["mean"] == 0.0
    assert good["ties"] == 3  # the second prompt has one right picture, the others several
    limits = bounds(made)
    means = {name: [row["mean"] for row in curve["strict"]] for name, curve in limits.items()}
    assert [row["mean"] for row in good["best_of"]["strict"]] == means["oracle"]
    assert means["random"] == pytest.approx([0.5] * 4)
    assert means["oracle"][0] == pytest.approx(0.5)
    assert means["oracle"][-1] == 1.0
    assert bad["best_of"]["strict"][-1]["mean"] == 0.0


def test_missing_scores_leave_every_number_and_are_counted() -> None:
    made = table([("x", [0, 1, 1]), ("x", [0, 1, 0])])
    result = judged(made, scored(made, [[1, 2, NAN], [NAN, NAN, NAN]]), "s")
    assert (result["missing"], result["pictures"], result["blind"]) == (4, 6, 1)
    assert result["pairs"]["overall"] == {**result["pairs"]["overall"], "mean": 1.0, "n": 1}
    assert result["auc"]["overall"]["mean"] == 1.0
    assert sum(row["count"] for row in result["reliability"]) == 2


def test_disagreements_are_one_per_prompt_the_gravest_first() -> None:
    made = table([("x", [0, 0, 1]), ("x", [0, 1, 1]), ("x", [NAN, 0, 1])])
    values = scored(made, [[0.9, 0.8, 0.1], [0.5, 0.2, 0.3], [0.99, 0.7, 0.95]])
    found = disagreements([made], values, "s")
    assert [row["score"] for row in found["liked"]] == [0.9, 0.7, 0.5]
    assert [(row["score"], row["sample"]) for row in found["disliked"]] == [(0.1, 2), (0.2, 1), (0.95, 2)]
    assert [row["above"] for row in found["disliked"]] == [0.0, 1 / 9, 7 / 9]


def test_the_reference_is_mean_and_standard_deviation_of_what_is_known() -> None:
    made = table([("x", [0, 1]), ("x", [0, 1])])
    assert reference(made, scored(made, [[1, 3], [NAN, 5]]), "s") == {
        "mean": pytest.approx(3.0),
        "std": pytest.approx(math.sqrt(8 / 3)),
        "pictures": 3,
    }
    assert reference(made, scored(made, [[NAN] * 2] * 2), "s")["pictures"] == 0


def test_agreement_is_the_mean_of_tau_over_prompts() -> None:
    made = table([("x", [0, 0, 0]), ("x", [0, 0, 0])])
    one, two = scored(made, [[1, 2, 3], [1, 2, 3]], "one"), scored(made, [[1, 2, 3], [3, 1, 2]], "two")
    flat = scored(made, [[1, 1, 1], [1, 1, 1]], "flat")
    values = {place: {**one[place], **two[place], **flat[place]} for place in one}
    found = agreement(made, values, ["one", "two", "flat"])
    assert found["one"]["two"] == found["two"]["one"] == pytest.approx((1 - 1 / 3) / 2)
    assert found["one"]["flat"] is None


def test_the_oracle_takes_the_picture_with_more_facts_among_equally_wrong_ones() -> None:
    made = table([("x", [0.0, 0.0]), ("x", [1.0, 0.0])])
    best = best_of(made, scored(made, [[2, 1], [1, 2]]), ["s"], {"s": "told"})
    assert list(best) == ["random", "oracle", "s"]
    assert best["s"]["overlap"] == "told"
    ends = {name: row["sizes"][-1]["strict"]["overall"]["mean"] for name, row in best.items()}
    assert ends == {"random": 0.25, "oracle": 0.5, "s": 0.0}
