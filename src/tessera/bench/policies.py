"""Policies to be measured: every name that `--policy` knows, and a Janus that one core can wait for.

random:janus-small   576 codes out of 16,384 as in the published models, a language model of 6 layers and
                     width 256: 5 M parameters beside those of words, codes and pictures
"""

from typing import Any

from tessera.policies.base import PolicyModule
from tessera.policies.load import load_policy
from tessera.policies.tiny import draw_weights

JANUS_SMALL = "random:janus-small"
SEED = 0


def load_measured(name: str) -> PolicyModule:
    """Returns the policy of that name."""
    return janus_small() if name == JANUS_SMALL else load_policy(name)


def janus_small() -> PolicyModule:
    """Returns the small Janus, with random weights."""
    from transformers import JanusForConditionalGeneration  # noqa: PLC0415 - takes seconds

    from tessera.policies.janus.config import JanusConfig  # noqa: PLC0415 - likewise
    from tessera.policies.janus.policy import JanusPolicy  # noqa: PLC0415 - likewise
    from tessera.policies.janus.published import byte_tokenizer, published_sizes  # noqa: PLC0415 - likewise

    sizes: Any = published_sizes("1b")  # whose parts transformers types as dictionaries, too
    sizes.text_config.update(
        {
            "vocab_size": 1024,
            "hidden_size": 256,
            "intermediate_size": 704,
            "num_hidden_layers": 6,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "head_dim": 64,
        }
    )
    sizes.vision_config.update({"hidden_size": 64, "num_hidden_layers": 1, "projection_dim": 256})
    sizes.vq_config.update({"projection_dim": 256, "image_token_embed_dim": 256})
    sizes.vq_config.update({"base_channels": 32, "latent_channels": 32})
    policy = JanusPolicy(
        JanusForConditionalGeneration(sizes),
        byte_tokenizer(),
        JanusConfig(weights=JANUS_SMALL, dtype="float32"),
    )
    draw_weights(policy, SEED)
    return policy.eval()
