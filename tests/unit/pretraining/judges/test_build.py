"""The build of the judges: who sees what, and how a rebuild is held against what is shipped."""

import pytest

from tessera.policies.load import read_shipped
from tessera.pretraining.judges.build import (
    SOURCES,
    CorpusSizes,
    JudgesConfig,
    compare_judges,
    corpora,
    judges_config,
    shipped_judges_provenance,
)
from tessera.pretraining.judges.worth import Examination, examination, worth
from tessera.scorers.judges.judge import load_judge
from tessera.scorers.judges.sizes import JUDGES, JudgeName
from tessera.world.grammar import vocabulary

PHOTO = 1 + vocabulary().index("photo")  # in every sentence of the short family and in none of the long one


def test_fewer_steps_make_smaller_corpora_and_nothing_else_changes() -> None:
    small, shipped = judges_config(3, 2, None), JudgesConfig()
    assert (small.seed, small.unified.steps, small.orm.steps) == (3, 2, 2)
    assert small.corpus.group == shipped.corpus.group
    assert small.corpus.spoilt_id == 32  # two steps of 64 rows in groups of 4
    assert judges_config(0, None, None) == shipped


def test_only_unified_reads_short_sentences_and_orm_sees_nothing_but_the_policy_s_own_pictures() -> None:
    few = CorpusSizes(group=2, spoilt_id=3, spoilt_ood=3, drawn_id=1, drawn_ood=1, base=3)
    learnt = corpora(read_shipped(), few, seed=0)
    reads_photo = {name: any((part.ids == PHOTO).any() for part in parts) for name, parts in learnt.items()}
    assert reads_photo == {"preference": False, "regressor": False, "unified": True, "orm": False}
    spoilt = learnt["preference"][0]
    assert not any(part is spoilt for part in learnt["orm"])
    assert any(part is spoilt for part in learnt["regressor"])


def test_a_comparison_has_a_line_for_every_judge_and_source_and_says_which_weights_agree() -> None:
    shipped = shipped_judges_provenance()
    assert shipped is not None
    mine = {**shipped, "shipped_worth": {name: shipped["judges"][name]["worth"] for name in JUDGES}}
    lines = compare_judges(mine, shipped)
    assert len(lines) == 1 + len(JUDGES) * len(SOURCES) + 1
    assert lines[-1] == "identical weights: preference, regressor, unified, orm"


@pytest.fixture(scope="module")
def pictures() -> Examination:
    """Returns 120 pictures by the base policy for 30 validation prompts."""
    return examination(read_shipped(), "mosaic-id", 5, 4)


@pytest.mark.parametrize(("name", "floor"), [("preference", 0.6), ("regressor", 0.7), ("unified", 0.7)])
def test_a_shipped_judge_finds_the_better_of_two_pictures(
    name: JudgeName, floor: float, pictures: Examination
) -> None:
    """The provenance has .72, .83 and .81 on 720 pictures; a coin finds half."""
    assert worth(load_judge(name), pictures)["pairs"] >= floor


def test_the_fragile_judge_knows_easy_prompts_and_hardly_one_picture_from_another(
    pictures: Examination,
) -> None:
    """Its AUC comes from telling prompts apart; within a prompt it is little better than a coin."""
    found = worth(load_judge("orm"), pictures)
    assert found["auc"] > 0.55
    assert found["pairs"] < 0.65
