"""LlamaGen's published checkpoints as this package's modules: sizes read off the weights, names translated.

The layout is that of FoundationVision/LlamaGen: autoregressive/models/gpt.py (`c2i_*.pt`, `t2i_*.pt`) and
tokenizer/tokenizer_image/vq_model.py (`vq_ds16_*.pt`).
"""

import re
from collections.abc import Mapping

from torch import Tensor

from tessera.errors import CheckpointError
from tessera.policies.llamagen.config import SIZES, Captions, Classes, VQConfig

State = Mapping[str, Tensor]

CLASS_TABLE = "cls_embedding.embedding_table.weight"
NULL_CAPTION = "cls_embedding.uncond_embedding"
CODES = "tok_embeddings.weight"
CODEBOOK = "quantize.embedding.weight"

# Beginnings of names that a checkpoint may have and nothing here needs.
GPT_IGNORED = ("freqs_cis",)  # rotations, which are computed
VQ_IGNORED = ("quantize.codebook_used",)  # statistics of its training

# Whole parts of names, between dots. A name that no rule knows stays as it is, and is refused by that name.
GPT_NAMES = {
    "tok_embeddings": "codes",
    "output": "head",
    "cls_embedding.embedding_table": "condition",
    "cls_embedding.uncond_embedding": "condition.null",
    "cls_embedding.cap_proj.fc1": "condition.up",
    "cls_embedding.cap_proj.fc2": "condition.down",
    "attention_norm": "norm_attention",
    "ffn_norm": "norm_mlp",
    "attention.wqkv": "qkv",
    "attention.wo": "out",
    "feed_forward.w1": "gate",
    "feed_forward.w3": "up",
    "feed_forward.w2": "down",
}
VQ_NAMES = {
    "quantize.embedding.weight": "codebook",
    "quant_conv": "to_code",
    "post_quant_conv": "from_code",
    "conv_blocks": "levels",
    "res": "blocks",
    "attn": "attention",
    "downsample": "resample",
    "upsample": "resample",
    "mid": "middle",
    "conv_in": "enter",
    "conv_out": "leave",
    "norm_out": "norm",
    "nin_shortcut": "shortcut",
    "proj_out": "out",
}


def gpt_state(state: State) -> dict[str, Tensor]:
    """Returns the weights of a transformer under our names, in float32."""
    return _renamed(state, GPT_NAMES)


def vq_state(state: State) -> dict[str, Tensor]:
    """Returns the weights of a tokenizer under our names, in float32."""
    return _renamed(state, VQ_NAMES)


def _renamed(state: State, names: Mapping[str, str]) -> dict[str, Tensor]:
    choice = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    pattern = re.compile(rf"(?<![^.])(?:{choice})(?![^.])")
    return {pattern.sub(lambda match: names[match[0]], key): value.float() for key, value in state.items()}


def condition_in(state: State, where: str) -> Classes | Captions:
    """Returns what the transformer of a checkpoint is told."""
    if CLASS_TABLE in state:
        return Classes(count=_shape(state, CLASS_TABLE, where)[0] - 1)  # the last is the null class
    slots, width = _shape(state, NULL_CAPTION, where)
    return Captions(slots=slots, width=width)


def layers_and_width(state: State, where: str) -> tuple[int, int]:
    """Returns the sizes of a transformer that its weights tell."""
    numbers = [int(match[1]) for key in state if (match := re.match(r"layers\.(\d+)\.", key))]
    return max(numbers, default=-1) + 1, _shape(state, CODES, where)[1]


def heads_of(layers: int, width: int, where: str) -> int:
    """Returns the heads of a published size, which its weights do not tell."""
    for size in SIZES.values():
        if (size.layers, size.width) == (layers, width):
            return size.heads
    raise CheckpointError(
        f"{where} has {layers} layers of width {width}, which is no published size, and weights do not tell "
        "how many heads share them: set heads"
    )


def vq_in(state: State, where: str) -> VQConfig:
    """Returns the sizes of the tokenizer in a checkpoint."""
    codebook, code_dim = _shape(state, CODEBOOK, where)
    channels = _shape(state, "encoder.conv_in.weight", where)[0]
    levels = {int(match[1]) for key in state if (match := re.match(r"encoder\.conv_blocks\.(\d+)\.", key))}
    blocks = {match[1] for key in state if (match := re.match(r"encoder\.conv_blocks\.0\.res\.(\d+)\.", key))}
    widths = [_shape(state, f"encoder.conv_blocks.{n}.res.0.conv1.weight", where)[0] for n in sorted(levels)]
    return VQConfig(
        codebook=codebook,
        code_dim=code_dim,
        channels=channels,
        multipliers=tuple(width // channels for width in widths),
        residuals=len(blocks),
        latent=_shape(state, "quant_conv.weight", where)[1],
    )


def _shape(state: State, key: str, where: str) -> tuple[int, ...]:
    if key not in state:
        raise CheckpointError(
            f"{where} has no {key}: it is not laid out as LlamaGen's own checkpoints are; the transformer is "
            "in c2i_*.pt or t2i_*.pt, its tokenizer in vq_ds16_c2i.pt or vq_ds16_t2i.pt"
        )
    return tuple(state[key].shape)
