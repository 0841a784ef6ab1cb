"""The judges' pictures: train prompts alone, whole groups, true and spoilt as promised, repeatable."""

import numpy as np
import pytest
import torch

from tessera.policies.load import read_shipped
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.pretraining.judges.corpus import AS_TRAINED, Drawing, sampled, spoilt
from tessera.pretraining.judges.labels import Labelled
from tessera.types import View
from tessera.world.categories import Family
from tessera.world.grammar import parse, vocabulary
from tessera.world.prompts import split_of


@pytest.fixture(scope="module")
def policy() -> MosaicPolicy:
    return read_shipped()


def texts(labelled: Labelled) -> list[str]:
    """Returns the prompts, read back from their ids."""
    words = ("", *vocabulary())
    return [" ".join(words[i] for i in row if i) for row in labelled.ids.tolist()]


@pytest.mark.parametrize("family", ["id", "ood"])
def test_spoilt_groups_begin_with_a_true_picture_and_most_others_are_false(
    policy: MosaicPolicy, family: Family
) -> None:
    """24 prompts: the tokenizer brings 100 % of scenes back, so every first picture is right."""
    rows = spoilt(policy, family, 24, 4, seed=3)
    strict_PG = rows.strict.view(24, 4)
    assert strict_PG[:, 0].eq(1).all()
    assert strict_PG[:, 1:].mean() < 0.25  # a spoilt picture is right by luck; the share here is 4 to 12 %
    assert all(split_of(parse(text)) == "train" for text in texts(rows))
    assert all(len(set(texts(rows)[start : start + 4])) == 1 for start in range(0, len(rows), 4))


def test_the_same_seed_makes_the_same_pictures_and_another_one_others(policy: MosaicPolicy) -> None:
    first, again, other = (spoilt(policy, "id", 6, 2, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.images, again.images)
    assert torch.equal(first.soft, again.soft)
    assert not np.array_equal(first.images, other.images)


def test_sampled_pictures_are_the_policy_s_own_for_train_prompts(policy: MosaicPolicy) -> None:
    before = policy.digest()
    plain = sampled(policy, "id", 3, 2, AS_TRAINED, seed=1)
    moved = sampled(policy, "id", 3, 2, Drawing(view=View(guidance=1.5), noise=0.5), seed=1)
    assert len(plain) == len(moved) == 6
    assert texts(plain) == texts(moved)
    assert all(split_of(parse(text)) == "train" for text in texts(plain))
    assert not np.array_equal(plain.images, moved.images)
    assert policy.digest() == before  # the noise was on a copy
