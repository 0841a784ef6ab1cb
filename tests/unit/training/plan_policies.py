"""Outside families at a size at which what grows with the width is most of the memory."""

from dataclasses import replace
from typing import Any

import torch
from transformers import JanusForConditionalGeneration

from tessera.policies.janus.config import JanusConfig
from tessera.policies.janus.policy import JanusPolicy
from tessera.policies.llamagen.config import LlamaGenConfig
from tessera.policies.llamagen.policy import LlamaGenPolicy
from tessera.types import CacheForm, View
from tests.contracts.janus import letters, tiny_sizes
from tests.contracts.llamagen import CLASSES, TINY_VQ

WIDTH, LAYERS, HEADS = 128, 4, 4


def small_janus(dtype: str = "float32", cache: CacheForm = "full") -> JanusPolicy:
    """Returns a Janus of four layers that reads 88 letters, with its template."""
    sizes: Any = tiny_sizes()  # whose parts transformers types as dictionaries, too
    sizes.text_config.update(
        {
            "hidden_size": WIDTH,
            "intermediate_size": 344,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "num_key_value_heads": HEADS,
            "head_dim": WIDTH // HEADS,
        }
    )
    sizes.vision_config.update({"projection_dim": WIDTH})
    sizes.vq_config.update({"projection_dim": WIDTH, "image_token_embed_dim": WIDTH})
    torch.manual_seed(0)
    kind = torch.bfloat16 if dtype == "bfloat16" else torch.float32
    model = JanusForConditionalGeneration(sizes).to(kind)  # pyright: ignore[reportArgumentType] - its annotation lacks it
    chosen = JanusConfig(dtype="bfloat16" if dtype == "bfloat16" else "float32", text_slots=88, vq_batch=2)
    return JanusPolicy(model, letters(), replace(chosen, cache=cache))


def small_llamagen() -> LlamaGenPolicy:
    """Returns a LlamaGen of four layers and 144 codes that is told a class."""
    torch.manual_seed(0)
    return LlamaGenPolicy(
        LlamaGenConfig(
            layers=LAYERS,
            width=WIDTH,
            heads=HEADS,
            grid=12,
            condition=CLASSES,
            default_view=View(guidance=3.0),
            vq=TINY_VQ,
        ),
        None,
    )
