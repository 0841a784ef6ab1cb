"""An Emu3 of 16 codes and two layers, for trials: transformers' own class, weights not drawn yet."""

import torch
from transformers import Emu3Config as Sizes
from transformers import Emu3ForConditionalGeneration, Emu3TextConfig, Emu3VQVAEConfig

from tessera.policies.emu3.config import Emu3Config
from tessera.policies.emu3.policy import Emu3Policy
from tessera.policies.emu3.prompts import BEGIN_OF_TEXT, PADDING
from tessera.policies.emu3.published import byte_tokenizer

CODEBOOK = 64
WIDTH = 32
SETTINGS = Emu3Config(
    weights="random:emu3-tiny",
    dtype="float32",
    grid=(4, 4),
    text_slots=96,
    suffix=" fine.",  # short: a token here is a letter
    negative_prompt="blurry.",
)


def tiny_sizes(vocabulary: dict[str, int]) -> Sizes:
    """Returns the sizes, with this vocabulary; two heads of queries share one of keys."""
    text = Emu3TextConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=vocabulary[BEGIN_OF_TEXT],
        eos_token_id=None,
        pad_token_id=vocabulary[PADDING],
    )
    vq = Emu3VQVAEConfig(
        codebook_size=CODEBOOK,
        base_channels=32,
        channel_multiplier=[1, 1, 1],
        num_res_blocks=1,
        attn_resolutions=[2],
        hidden_size=WIDTH,
    )
    return Sizes(text_config=text.to_dict(), vq_config=vq.to_dict(), vocabulary_map=vocabulary)


def tiny_emu3() -> Emu3Policy:
    """Returns the policy; of its weights the layers train, as in the published one."""
    tokenizer = byte_tokenizer(CODEBOOK)
    with torch.random.fork_rng(devices=[]):
        model = Emu3ForConditionalGeneration(tiny_sizes(tokenizer.get_vocab(with_added_tokens=True)))
    return Emu3Policy(model, tokenizer, SETTINGS)
