"""Janus-Pro at its published sizes with random weights: for timings and memory plans, without a download.

Sizes of the language models: config.json of deepseek-ai/Janus-Pro-1B and -7B. Everything else (SigLIP-L, the
VQ model, 384 x 384 pixels, 576 codes out of 16,384) is the same in both, and what transformers' classes have
by default.
"""

from typing import Literal

import torch
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import JanusConfig as Sizes
from transformers import JanusForConditionalGeneration, JanusVisionConfig, JanusVQVAEConfig, LlamaConfig

from tessera.policies.janus.config import JanusConfig
from tessera.policies.janus.policy import DTYPES, JanusPolicy
from tessera.policies.janus.prompts import ASSISTANT, BEGIN_OF_IMAGE, BEGIN_OF_TEXT, PADDING, USER
from tessera.rng import derive_seed

Size = Literal["1b", "7b"]
# Width, width of the MLP, layers, heads (as many for keys and values).
LANGUAGE: dict[Size, tuple[int, int, int, int]] = {"1b": (2048, 5632, 24, 16), "7b": (4096, 11008, 30, 32)}
VOCABULARY = 102400
POSITIONS = 16384


def published_sizes(size: Size) -> Sizes:
    """Returns the sizes of the 1B or the 7B model."""
    width, mlp_width, layers, heads = LANGUAGE[size]
    return Sizes(
        text_config=LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=width,
            intermediate_size=mlp_width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            max_position_embeddings=POSITIONS,
        ),
        vision_config=JanusVisionConfig(projection_dim=width),
        vq_config=JanusVQVAEConfig(projection_dim=width, image_token_embed_dim=width),
        tie_word_embeddings=False,
    )


def random_janus(
    size: Size, *, seed: int, settings: JanusConfig | None = None, device: torch.device | None = None
) -> JanusPolicy:
    """Returns a policy of that size that draws noise; its tokenizer has a token per byte."""
    settings = settings or JanusConfig()
    place = device or torch.device("cpu")
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []), place:
        torch.manual_seed(derive_seed("janus", seed))
        model = JanusForConditionalGeneration._from_config(
            published_sizes(size), dtype=DTYPES[settings.dtype], attn_implementation="sdpa"
        )
    return JanusPolicy(model, byte_tokenizer(), settings)


def byte_tokenizer() -> Tokenizer:
    """Returns a tokenizer that knows single bytes and the tokens of the template."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(
        models.BPE(vocab={letter: place for place, letter in enumerate(alphabet)}, merges=[])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    special = (BEGIN_OF_TEXT, PADDING, BEGIN_OF_IMAGE, USER, ASSISTANT)
    tokenizer.add_special_tokens([AddedToken(each, normalized=False) for each in special])
    return tokenizer
