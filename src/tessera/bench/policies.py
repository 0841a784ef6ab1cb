"""Policies to be measured: every name that `--policy` knows, and Janus at sizes that one core can wait for.

random:janus-small   576 codes out of 16,384 as in the published models, a language model of 6 layers and
                     width 256: 5 M parameters beside those of words, codes and pictures
"""

from typing import Any

from tessera.config import config
from tessera.policies.base import PolicyModule
from tessera.policies.load import load_policy
from tessera.policies.tiny import draw_weights

JANUS_SMALL = "random:janus-small"
SEED = 0
WORDS = 1024  # the tokenizer has a token per byte


@config
class JanusSizes:
    """Sizes of a Janus; the MLP is 2.75 times as wide as the stream, as in the published ones."""

    width: int = 256
    layers: int = 6
    heads: int = 4
    grid: int = 24  # codes along a side of the picture
    codebook: int = 16_384
    text_slots: int = 96


def load_measured(name: str) -> PolicyModule:
    """Returns the policy of that name."""
    return janus_of(JanusSizes()) if name == JANUS_SMALL else load_policy(name)


def janus_of(asked: JanusSizes) -> PolicyModule:
    """Returns a Janus of these sizes, with random weights."""
    from transformers import JanusForConditionalGeneration  # noqa: PLC0415 - takes seconds

    from tessera.policies.janus.config import JanusConfig  # noqa: PLC0415 - likewise
    from tessera.policies.janus.policy import JanusPolicy  # noqa: PLC0415 - likewise
    from tessera.policies.janus.published import byte_tokenizer, published_sizes  # noqa: PLC0415 - likewise

    sizes: Any = published_sizes("1b")  # whose parts transformers types as dictionaries, too
    sizes.text_config.update(
        {
            "vocab_size": WORDS,
            "hidden_size": asked.width,
            "intermediate_size": asked.width * 11 // 4,
            "num_hidden_layers": asked.layers,
            "num_attention_heads": asked.heads,
            "num_key_value_heads": asked.heads,
            "head_dim": asked.width // asked.heads,
        }
    )
    size = asked.grid * sizes.vision_config.patch_size
    sizes.vision_config.update(
        {"hidden_size": 64, "num_hidden_layers": 1, "projection_dim": asked.width, "image_size": size}
    )
    sizes.vq_config.update({"projection_dim": asked.width, "image_token_embed_dim": asked.width})
    sizes.vq_config.update({"num_embeddings": asked.codebook, "num_patches": asked.grid})
    sizes.vq_config.update({"base_channels": 32, "latent_channels": 32})
    policy = JanusPolicy(
        JanusForConditionalGeneration(sizes),
        byte_tokenizer(),
        JanusConfig(weights=JANUS_SMALL, dtype="float32", text_slots=asked.text_slots),
    )
    draw_weights(policy, SEED)
    return policy.eval()
