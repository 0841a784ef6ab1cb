"""What the sampler does with a policy that is broken, or with a word that a policy never learnt."""

import pytest
import torch

from tessera.errors import PromptError, SamplingError
from tessera.policies.mosaic.config import MosaicConfig, TokenizerConfig, TransformerConfig
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.sampling.sampler import concatenate, requests, sample
from tessera.types import View
from tessera.world.grammar import vocabulary


def tiny(words: tuple[str, ...] = vocabulary()) -> MosaicPolicy:
    """Returns a small random policy."""
    config = MosaicConfig(
        tokenizer=TokenizerConfig(codebook=32, width=8, decoder_width=8, encoder_width=8),
        transformer=TransformerConfig(width=32, layers=1, heads=2, mlp_width=32),
        words=words,
    )
    return MosaicPolicy(config)


def test_a_policy_that_gives_nan_is_an_error_not_a_picture() -> None:
    policy = tiny()
    with torch.no_grad():
        policy.transformer.head.weight[3] = torch.nan
    with pytest.raises(SamplingError, match="NaN"):
        sample(policy, requests(["a star"], 2), View())


def test_a_word_that_this_policy_never_learnt_is_named() -> None:
    with pytest.raises(PromptError, match="trained without the word 'ring'"):
        tiny(tuple(word for word in vocabulary() if word != "ring")).tokenize(["a red ring"])


def test_rollouts_of_different_views_do_not_go_into_one_record() -> None:
    policy = tiny()
    one, other = (sample(policy, requests(["a star"], 1), View(temperature=t)) for t in (1.0, 0.5))
    with pytest.raises(ValueError, match="different policies or views"):
        concatenate([one, other])
