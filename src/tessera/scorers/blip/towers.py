"""BLIP's towers: from the layout in which its authors publish weights to the classes of transformers.

The authors' code (salesforce/BLIP:models/vit.py, med.py) names the layers of its ViT as timm does and those
of its text towers as BERT does; transformers renamed the former and kept the latter. Sizes are read from the
weights, so any size of the family loads; what weights cannot tell is one number, the width of a head.

transformers imports the code of a model when its class is asked for, seconds that only a run with this scorer
pays: hence `transformers.X` inside functions.
"""

import math
import re
from collections.abc import Mapping

import transformers
from torch import Tensor

from tessera.errors import CheckpointError

HEAD_WIDTH = 64  # of every published BLIP: ViT-B 768 / 12, ViT-L 1024 / 16, BERT-base 768 / 12
VISION_EPS = 1e-6  # of the ViT's layer norms (salesforce/BLIP:models/vit.py); transformers' default is 1e-5
OWN_PIECES = 2  # [DEC] and [ENC], numbered after the vocabulary (salesforce/BLIP:models/blip.py)

# One after the other; what is in none of them has the same name on both sides.
RENAMED = (
    (r"^blip\.", ""),  # ImageReward wraps the whole model once more
    (r"^visual_encoder\.cls_token$", "vision_model.embeddings.class_embedding"),
    (r"^visual_encoder\.pos_embed$", "vision_model.embeddings.position_embedding"),
    (r"^visual_encoder\.patch_embed\.proj\.", "vision_model.embeddings.patch_embedding."),
    (r"^visual_encoder\.norm\.", "vision_model.post_layernorm."),
    (r"^(visual_encoder\.blocks\.\d+)\.norm(\d)\.", r"\1.layer_norm\2."),
    (r"^(visual_encoder\.blocks\.\d+)\.attn\.proj\.", r"\1.self_attn.projection."),
    (r"^(visual_encoder\.blocks\.\d+)\.attn\.qkv\.", r"\1.self_attn.qkv."),
    (r"^visual_encoder\.blocks\.", "vision_model.encoder.layers."),
    (r"^mlp\.layers\.", "mlp."),
)
# Counters that older versions of transformers saved; the models count for themselves.
COUNTERS = ("text_encoder.embeddings.position_ids", "text_decoder.bert.embeddings.position_ids")


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns the weights under transformers' names."""
    names = {}
    for key, value in state.items():
        for old, new in RENAMED:
            key = re.sub(old, new, key)
        names[key] = value
    return names


def vision_config(state: Mapping[str, Tensor], where: str) -> "transformers.BlipVisionConfig":
    """Returns the sizes of the ViT, from its weights under transformers' names."""
    positions, width = shape(state, "vision_model.embeddings.position_embedding", where)[1:]
    patch = shape(state, "vision_model.embeddings.patch_embedding.weight", where)[-1]
    side = math.isqrt(positions - 1)
    if side * side != positions - 1:
        raise CheckpointError(f"{where}: {positions - 1} patches make no square; copy the checkpoint again")
    return transformers.BlipVisionConfig(
        hidden_size=width,
        intermediate_size=shape(state, "vision_model.encoder.layers.0.mlp.fc1.weight", where)[0],
        num_hidden_layers=_layers(state, r"vision_model\.encoder\.layers\.(\d+)\."),
        num_attention_heads=heads(width, where),
        image_size=side * patch,
        patch_size=patch,
        hidden_act="gelu",
        layer_norm_eps=VISION_EPS,
    )


def text_config(
    state: Mapping[str, Tensor], where: str, head_count: int | None = None
) -> "transformers.BlipTextConfig":
    """Returns the sizes of the text encoder, from its weights; with cross-attention, to look at pictures."""
    rows, width = shape(state, "text_encoder.embeddings.word_embeddings.weight", where)
    first = "text_encoder.encoder.layer.0"
    return transformers.BlipTextConfig(
        vocab_size=rows,
        hidden_size=width,
        encoder_hidden_size=shape(state, f"{first}.crossattention.self.key.weight", where)[1],
        intermediate_size=shape(state, f"{first}.intermediate.dense.weight", where)[0],
        num_hidden_layers=_layers(state, r"text_encoder\.encoder\.layer\.(\d+)\."),
        num_attention_heads=head_count or heads(width, where),
        max_position_embeddings=shape(state, "text_encoder.embeddings.position_embeddings.weight", where)[0],
        hidden_act="gelu",
        layer_norm_eps=1e-12,
        is_decoder=True,  # the flag by which transformers builds cross-attention; calls say what they are
        bos_token_id=rows - OWN_PIECES,
        eos_token_id=None,  # nothing is generated
        sep_token_id=None,
    )


def heads(width: int, where: str) -> int:
    """Returns the number of attention heads at BLIP's width of a head."""
    if width % HEAD_WIDTH:
        raise CheckpointError(f"{where}: width {width} is no multiple of {HEAD_WIDTH}; BLIP has none such")
    return width // HEAD_WIDTH


def shape(state: Mapping[str, Tensor], key: str, where: str) -> tuple[int, ...]:
    """Returns the shape of a weight; it must be there."""
    if key not in state:
        raise CheckpointError(f"{where} lacks {key}: these are the weights of another model")
    return tuple(state[key].shape)


def _layers(state: Mapping[str, Tensor], pattern: str) -> int:
    return 1 + max(int(match[1]) for key in state if (match := re.match(pattern, key)))
