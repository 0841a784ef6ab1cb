"""DPG-Bench's rules: what counts, by hand and against other ways to say the same."""

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tessera.benchmarks.dpg.faults import FAULTS
from tessera.benchmarks.dpg.rules import counted, dpg, group_of


def question(number: int, parents: Sequence[int] = (), *, lost: bool = False) -> dict[str, Any]:
    """Returns a question as files.py reads it."""
    return {
        "id": number,
        "parents": list(parents),
        "kind": "entity - whole",
        "question": f"{number}?",
        "lost": lost,
    }


def said(yes: Mapping[int, bool]) -> dict[str, Any]:
    """Returns answers as they are kept."""
    return {"answers": [{"id": number, "yes": 0.9 if answer else 0.1} for number, answer in yes.items()]}


def test_a_question_counts_if_it_and_its_parents_are_answered_yes() -> None:
    """Of four, the second falls with its parent: 2 / 4."""
    asked = [question(1), question(2, [1]), question(3), question(4, [3])]
    grade = dpg(asked, said({1: False, 2: True, 3: True, 4: True}))
    assert (grade.strict, grade.soft, grade.reason) == (0.5, 0.5, "")
    assert [(fact.text, fact.holds) for fact in grade.facts] == [
        ("1?", False),
        ("2?", False),
        ("3?", True),
        ("4?", True),
    ]
    assert grade.facts[0].kind == "entity"


def test_one_parent_of_two_is_not_enough() -> None:
    asked = [question(1), question(2), question(3, [1, 2])]
    assert dpg(asked, said({1: True, 2: False, 3: True})).strict == pytest.approx(1 / 3)
    assert dpg(asked, said({1: True, 2: True, 3: True})).strict == 1


def test_dependency_goes_all_the_way_up_whatever_the_order_of_the_rows() -> None:
    """3 depends on 2, 2 on 1, and 1 is no. From the bottom up the published script lets 3 stand."""
    up, down = (
        [question(3, [2]), question(2, [1]), question(1)],
        [question(1), question(2, [1]), question(3, [2])],
    )
    answers = said({1: False, 2: True, 3: True})
    assert dpg(up, answers).strict == dpg(down, answers).strict == 0
    assert dpg(down, answers, official_bugs=True).strict == 0
    assert dpg(up, answers, official_bugs=True).strict == pytest.approx(1 / 3)


def test_as_likely_as_not_is_not_yes() -> None:
    assert dpg([question(1)], {"answers": [{"id": 1, "yes": 0.5}]}).strict == 0
    assert dpg([question(1)], {"answers": [{"id": 1, "yes": 0.5 + 1e-9}]}).strict == 1


@pytest.mark.parametrize("official_bugs", [False, True])
def test_a_question_without_an_answer_leaves_the_picture_unjudged(official_bugs: bool) -> None:
    asked = [question(1), question(2)]
    unknown = {"answers": [{"id": 1, "yes": 0.9}, {"id": 2, "yes": None, "reason": "too dark"}]}
    grade = dpg(asked, unknown, official_bugs=official_bugs)
    assert math.isnan(grade.strict)
    assert math.isnan(grade.soft)
    assert grade.reason == "2?: too dark"
    assert dpg(asked, said({1: True}), official_bugs=official_bugs).reason == "2?: it was not asked"


def test_a_prompt_about_which_nothing_is_asked_is_unjudged() -> None:
    assert "has none for this prompt" in dpg([], {"answers": []}).reason
    only_lost = [question(1, lost=True)]
    assert dpg(only_lost, said({1: True})).strict == 1
    assert math.isnan(dpg(only_lost, said({1: True}), official_bugs=True).strict)


def test_the_lost_first_question_changes_the_share_or_drops_the_prompt() -> None:
    alone = [question(1, lost=True), question(2), question(3)]
    answers = said({1: True, 2: False, 3: True})
    assert dpg(alone, answers).strict == pytest.approx(2 / 3)
    assert dpg(alone, answers, official_bugs=True).strict == 0.5
    needed = [question(1, lost=True), question(2, [1])]
    assert dpg(needed, said({1: True, 2: True})).strict == 1
    dropped = dpg(needed, said({1: True, 2: True}), official_bugs=True)
    assert math.isnan(dropped.strict)
    assert "question 2 depends on 1" in dropped.reason


def test_the_published_script_stops_at_a_missing_parent_only_if_it_gets_there() -> None:
    """It looks at parents in order, up to one that is no: 7 is none of the questions."""
    asked = [question(1), question(2, [1, 7])]
    assert dpg(asked, said({1: False, 2: True}), official_bugs=True).strict == 0
    assert math.isnan(dpg(asked, said({1: True, 2: True}), official_bugs=True).strict)
    assert dpg(asked, said({1: True, 2: True})).strict == 1  # a parent that is none is ignored


def test_questions_that_wait_for_each_other_do_not_hang() -> None:
    asked = [question(1, [2]), question(2, [1])]
    assert dpg(asked, said({1: True, 2: True})).strict == 1
    assert dpg(asked, said({1: True, 2: False})).strict == 0


def drawn(rng: random.Random) -> tuple[list[dict[str, Any]], dict[int, bool]]:
    """Returns up to nine questions, each depending on earlier numbers, in any order, with answers."""
    count = rng.randint(1, 9)
    asked = [
        question(number, sorted(rng.sample(range(1, number), rng.randint(0, min(2, number - 1)))))
        for number in range(1, count + 1)
    ]
    rng.shuffle(asked)
    return asked, {each["id"]: rng.random() < 0.7 for each in asked}


def test_it_is_the_closure_over_all_ancestors_in_any_order() -> None:
    rng = random.Random(5)
    for _ in range(300):
        asked, yes = drawn(rng)
        by_number = {each["id"]: each for each in asked}

        def holds(number: int, by_number: Any = by_number, yes: Any = yes) -> bool:
            return yes[number] and all(holds(parent) for parent in by_number[number]["parents"])

        expected = {number: holds(number) for number in by_number}
        assert counted(asked, yes) == expected
        assert counted(asked[::-1], yes) == expected
        in_order = sorted(asked, key=lambda each: each["id"])  # parents first: the published rows are so
        assert dpg(in_order, said(yes), official_bugs=True).strict == dpg(asked, said(yes)).strict


def test_the_faulty_order_is_one_pass_over_the_rows() -> None:
    """Against the published rule said with numbers: 0 for what has a parent whose number is 0 by then."""
    rng, differs = random.Random(6), 0
    for _ in range(300):
        asked, yes = drawn(rng)
        worth = {number: float(answer) for number, answer in yes.items()}
        for each in asked:
            worth[each["id"]] *= math.prod(worth[parent] > 0 for parent in each["parents"])
        faulty = dpg(asked, said(yes), official_bugs=True).strict
        assert faulty == pytest.approx(sum(worth.values()) / len(worth))
        differs += faulty != dpg(asked, said(yes)).strict
    assert differs > 10  # the cases are of both kinds


@pytest.mark.parametrize(
    ("kind", "group"), [("entity - whole", "entity"), ("global -", "global"), ("other", "other")]
)
def test_a_group_is_what_stands_before_the_dash(kind: str, group: str) -> None:
    assert group_of({"kind": kind}) == group


def test_faults_have_names_of_their_own() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) == 6
