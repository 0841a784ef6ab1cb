"""Pre-training of the transformer at tiny size."""

import math

import torch

from tessera.policies.mosaic.config import MosaicConfig, TokenizerConfig, TransformerConfig
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.pretraining.corpus import CorpusConfig
from tessera.pretraining.policy import PolicyTraining, batches, train_policy
from tessera.world.grammar import vocabulary


def _policy() -> MosaicPolicy:
    return MosaicPolicy(
        MosaicConfig(
            tokenizer=TokenizerConfig(
                codebook=32, code_dim=4, encoder_width=16, width=16, blocks=1, decoder_width=16
            ),
            transformer=TransformerConfig(width=32, layers=2, heads=2, mlp_width=64),
            words=vocabulary(),
        )
    )


def test_forty_steps_beat_the_frequency_of_the_page_and_repeat_exactly() -> None:
    """The first loss is that of a uniform guess, log 32; the tokenizer's weights stay as they were."""
    notes: list[list[float]] = [[], []]
    policy = _policy()
    tokenizer = {name: tensor.clone() for name, tensor in policy.tokenizer.state_dict().items()}
    for losses in notes:

        def listen(what: str, done: int, total: int, note: str = "", losses: list[float] = losses) -> None:
            losses.append(float(note.removeprefix("loss ")))

        train_policy(policy, CorpusConfig(), PolicyTraining(steps=40, batch_size=8), 1, listen)
    assert abs(notes[0][0] - math.log(32)) < 0.3
    assert notes[0][-1] < 0.6 * notes[0][0]
    assert notes[0] == notes[1]
    assert all(torch.equal(tokenizer[name], t) for name, t in policy.tokenizer.state_dict().items())


def test_a_batch_holds_captions_and_codes_of_the_sizes_of_the_policy() -> None:
    text, tokens_BT = next(batches(_policy(), CorpusConfig(null_share=1.0), 5, seed=2, steps=1))
    assert text.ids.shape == (5, 24)
    assert (text.ids == 0).all()  # every caption dropped: the window of the null prompt
    assert tokens_BT.shape == (5, 64)
    assert 0 <= int(tokens_BT.min()) <= int(tokens_BT.max()) < 32
