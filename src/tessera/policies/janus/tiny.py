"""A Janus of 16 codes and two layers, for trials: transformers' own class, weights not drawn yet."""

import torch
from transformers import JanusConfig as Sizes
from transformers import JanusForConditionalGeneration, JanusVisionConfig, JanusVQVAEConfig, LlamaConfig

from tessera.policies.janus.config import JanusConfig
from tessera.policies.janus.policy import JanusPolicy
from tessera.policies.janus.published import byte_tokenizer

SIDE, PATCH = 16, 4  # pixels: 4 x 4 codes
WIDTH = 32
SETTINGS = JanusConfig(weights="random:janus-tiny", dtype="float32")


def tiny_sizes(words: int) -> Sizes:
    """Returns the sizes, with so many words."""
    return Sizes(
        text_config=LlamaConfig(
            vocab_size=words,
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=256,
            bos_token_id=None,  # none is read from here, and the usual ones lie outside such a vocabulary
            eos_token_id=None,
            pad_token_id=None,
        ),
        vision_config=JanusVisionConfig(
            hidden_size=WIDTH,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=SIDE,
            patch_size=PATCH,
            projection_dim=WIDTH,
            num_image_tokens=(SIDE // PATCH) ** 2,
        ),
        vq_config=JanusVQVAEConfig(
            embed_dim=4,
            num_embeddings=64,
            latent_channels=16,
            base_channels=32,
            channel_multiplier=[1, 1, 1],  # two of the three double the side
            num_res_blocks=1,
            projection_dim=WIDTH,
            image_token_embed_dim=WIDTH,
        ),
        tie_word_embeddings=False,
    )


def tiny_janus() -> JanusPolicy:
    """Returns the policy; of its weights the language model trains, as in the published ones."""
    tokenizer = byte_tokenizer()
    with torch.random.fork_rng(devices=[]):
        model = JanusForConditionalGeneration(tiny_sizes(tokenizer.get_vocab_size()))
    return JanusPolicy(model, tokenizer, SETTINGS)
