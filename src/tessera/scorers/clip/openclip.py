"""open_clip's layout of CLIP (mlfoundations/open_clip:src/open_clip/model.py) as transformers' CLIPModel.

Every size is read from the shapes, so a small model of the same layout is read as the large one is. Only the
number of attention heads leaves no trace in the weights: `sizes_of` follows open_clip's published
configurations, and whoever knows better changes the sizes.

Axes: none; weights keep the shapes of their layers.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt

from torch import Tensor
from transformers import CLIPConfig, CLIPModel
from transformers.initialization import no_init_weights

from tessera.errors import CheckpointError
from tessera.hub import fill

# Width of one head in the vision tower, by the tower's width (ViT-H, ViT-g and ViT-bigG; open_clip's
# model_configs). All other vision towers, and all text towers, have heads of 64.
VISION_HEAD = {1280: 80, 1408: 88, 1664: 104}
HEAD = 64

BLOCK = re.compile(r"^(visual\.)?transformer\.resblocks\.(\d+)\.(.+)$")
INSIDE_BLOCK = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
OUTSIDE_BLOCKS = {
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",  # spelt so in transformers
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "logit_scale": "logit_scale",
}
TRANSPOSED = {"visual.proj": "visual_projection.weight", "text_projection": "text_projection.weight"}


@dataclass(frozen=True, kw_only=True, slots=True)
class TowerSizes:
    """One transformer."""

    width: int
    layers: int
    heads: int
    inner: int  # width of the MLP


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipSizes:
    """A CLIP of open_clip's layout."""

    vision: TowerSizes
    text: TowerSizes
    patch: int
    image: int  # pixels on a side
    window: int
    codes: int
    shared: int  # dimensions of the common space


def sizes_of(state: Mapping[str, Tensor], where: str) -> ClipSizes:
    """Returns the sizes that the shapes tell; heads as in open_clip's configurations."""

    def shape(name: str, axes: int) -> tuple[int, ...]:
        if name not in state or state[name].ndim != axes:
            raise CheckpointError(
                f"{where}: {name} is missing, so these are no weights in open_clip's layout"
            )
        return tuple(state[name].shape)

    def tower(prefix: str, width: int, head: int) -> TowerSizes:
        found = [BLOCK.match(name) for name in state]
        layers = {int(match[2]) for match in found if match and (match[1] or "") == prefix}
        if width % head:
            raise CheckpointError(f"{where}: a tower of width {width} has no whole number of heads of {head}")
        inner = shape(f"{prefix}transformer.resblocks.0.mlp.c_fc.weight", 2)[0]
        return TowerSizes(width=width, layers=max(layers) + 1, heads=width // head, inner=inner)

    seen, _, _, patch = shape("visual.conv1.weight", 4)
    codes, read = shape("token_embedding.weight", 2)
    return ClipSizes(
        vision=tower("visual.", seen, VISION_HEAD.get(seen, HEAD)),
        text=tower("", read, HEAD),
        patch=patch,
        image=patch * isqrt(shape("visual.positional_embedding", 2)[0] - 1),
        window=shape("positional_embedding", 2)[0],
        codes=codes,
        shared=shape("text_projection", 2)[1],
    )


def converted(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns the same weights under the names of CLIPModel; a name that is not known stays as it is."""
    named: dict[str, Tensor] = {}
    for name, value in state.items():
        if name in TRANSPOSED:
            named[TRANSPOSED[name]] = value.T
        elif (match := BLOCK.match(name)) is None:
            named[OUTSIDE_BLOCKS.get(name, name)] = value
        else:
            layer = f"{'vision' if match[1] else 'text'}_model.encoder.layers.{match[2]}"
            inside, _, kind = match[3].rpartition(".")
            if inside == "attn" and kind in ("in_proj_weight", "in_proj_bias"):
                for part, third in zip("qkv", value.chunk(3), strict=True):
                    named[f"{layer}.self_attn.{part}_proj.{kind.removeprefix('in_proj_')}"] = third
            else:
                inside = INSIDE_BLOCK.get(inside, inside.replace("attn.", "self_attn."))
                named[f"{layer}.{inside}.{kind}"] = value
    return named


def build(state: Mapping[str, Tensor], sizes: ClipSizes, where: str) -> CLIPModel:
    """Returns the model with these weights, in float32; every one must be there and fit."""
    common = {"hidden_act": "gelu", "projection_dim": sizes.shared}  # open_clip's own GELU is the exact one
    settings = CLIPConfig(
        projection_dim=sizes.shared,
        vision_config={
            **common,
            **_tower(sizes.vision),
            "patch_size": sizes.patch,
            "image_size": sizes.image,
        },
        text_config={
            **common,
            **_tower(sizes.text),
            "max_position_embeddings": sizes.window,
            "vocab_size": sizes.codes,
            "bos_token_id": sizes.codes - 2,
            "eos_token_id": sizes.codes - 1,
        },
    )
    with no_init_weights():  # a billion random numbers that the next line would overwrite
        model = CLIPModel(settings)
    return fill(model, converted(state), where)


def _tower(sizes: TowerSizes) -> dict[str, int]:
    return {
        "hidden_size": sizes.width,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.inner,
    }
