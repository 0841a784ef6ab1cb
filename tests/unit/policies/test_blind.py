"""The policy that reads no prompt."""

import torch

from tessera.policies.load import load_policy
from tessera.sampling.sampler import requests, sample
from tessera.types import View


def test_it_takes_any_words_and_draws_as_for_the_null_prompt() -> None:
    blind, seeing = load_policy("mosaic-blind"), load_policy("mosaic")
    words = ["a photo of a bench", "Ein Bild, völlig anders"]
    text = blind.tokenize(words)
    null = seeing.null_like(seeing.tokenize(["a star", "a star"]))
    assert torch.equal(text.ids, null.ids)
    drawn = sample(blind, requests(words, 2), View(), seed=1)
    assert len({tuple(row) for row in drawn.tokens.tolist()}) == 4  # seeds still name the prompt


def test_it_is_another_policy_than_the_one_whose_weights_it_has() -> None:
    blind, seeing = load_policy("mosaic-blind"), load_policy("mosaic")
    assert blind.digest() != seeing.digest()
    for (name, mine), (other, its) in zip(
        blind.state_dict().items(), seeing.state_dict().items(), strict=True
    ):
        assert name == other
        assert torch.equal(mine, its)
