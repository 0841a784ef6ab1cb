"""OpenMMLab's Mask2Former under transformers' names: how layers are called, split and laid out differs.

Names of mmdet 2 as in open-mmlab/mmdetection (mmdet/models/backbones/swin.py, dense_heads/mask2former_head.py
and plugins/msdeformattn_pixel_decoder.py), with mmcv's ConvModule (`conv`, `gn`), FFN (`layers.0.0`,
`layers.1`) and MultiheadAttention (`attn`). Beside the names:

- Swin's `qkv` and the decoder's self-attention `in_proj` are cut in three; its cross-attention keeps its own.
- Swin's patch merging: mmdet gathers by nn.Unfold, channel by channel the four pixels row by row;
  transformers pixel by pixel, column by column, all channels of each. Norm and reduction follow.
- `relative_position_index` follows from the window, and is left out.
- transformers ends Swin in a norm that a backbone never reads; it is filled with ones and zeros.

Sizes are read from the weights, so any Swin loads. What weights cannot tell is what transformers fixes: three
levels and four points in the pixel decoder.
"""

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import Mask2FormerConfig, SwinConfig

from tessera.errors import CheckpointError

ENCODER = "model.pixel_level_module.encoder"
PIXELS = "model.pixel_level_module.decoder"
QUERIES = "model.transformer_module"
FIRST = f"{ENCODER}.swin.encoder.layers.0.blocks.0"
PLACES = 3 * 4 * 2  # offsets of a head: levels, points, and two coordinates each
GATHERED = [0, 2, 1, 3]  # of four pixels, row by row, those column by column

# One after the other; what is in none of them has the same name on both sides.
RENAMED = (
    (r"^backbone\.patch_embed\.", f"{ENCODER}.swin.embeddings."),
    (r"\.embeddings\.projection\.", ".embeddings.patch_embeddings.projection."),
    (r"^backbone\.stages\.", f"{ENCODER}.swin.encoder.layers."),
    (r"(\.blocks\.\d+)\.norm1\.", r"\1.layernorm_before."),
    (r"(\.blocks\.\d+)\.norm2\.", r"\1.layernorm_after."),
    (
        r"\.attn\.w_msa\.relative_position_bias_table$",
        ".attention.relative_position_bias.relative_position_bias_table",
    ),
    (r"\.attn\.w_msa\.proj\.", ".attention.o_proj."),
    (r"\.attn\.w_msa\.qkv\.", ".attention.qkv."),
    (r"\.ffn\.layers\.0\.0\.", ".mlp.fc1."),
    (r"\.ffn\.layers\.1\.", ".mlp.fc2."),
    (r"^panoptic_head\.pixel_decoder\.", f"{PIXELS}."),
    (r"\.input_convs\.(\d)\.conv\.", r".input_projections.\1.0."),
    (r"\.input_convs\.(\d)\.gn\.", r".input_projections.\1.1."),
    (r"\.lateral_convs\.0\.conv\.", ".adapter_1.0."),
    (r"\.lateral_convs\.0\.gn\.", ".adapter_1.1."),
    (r"\.output_convs\.0\.conv\.", ".layer_1.0."),
    (r"\.output_convs\.0\.gn\.", ".layer_1.1."),
    (r"\.level_encoding\.weight$", ".level_embed"),
    (r"\.mask_feature\.", ".mask_projection."),
    (r"(decoder\.encoder\.layers\.\d+)\.attentions\.0\.", r"\1.self_attn."),
    (r"(decoder\.encoder\.layers\.\d+)\.norms\.0\.", r"\1.self_attn_layer_norm."),
    (r"(decoder\.encoder\.layers\.\d+)\.norms\.1\.", r"\1.final_layer_norm."),
    (r"^panoptic_head\.transformer_decoder\.post_norm\.", f"{QUERIES}.decoder.layernorm."),
    (r"^panoptic_head\.transformer_decoder\.", f"{QUERIES}.decoder."),
    (r"\.attentions\.0\.attn\.", ".cross_attn."),
    (r"\.attentions\.1\.attn\.in_proj_", ".self_attn.qkv."),
    (r"\.attentions\.1\.attn\.", ".self_attn."),
    (r"\.norms\.0\.", ".cross_attn_layer_norm."),
    (r"\.norms\.1\.", ".self_attn_layer_norm."),
    (r"\.norms\.2\.", ".final_layer_norm."),
    (r"\.ffns\.0\.layers\.0\.0\.", ".fc1."),
    (r"\.ffns\.0\.layers\.1\.", ".fc2."),
    (r"^panoptic_head\.query_embed\.", f"{QUERIES}.queries_embedder."),
    (r"^panoptic_head\.query_feat\.", f"{QUERIES}.queries_features."),
    (r"^panoptic_head\.level_embed\.", f"{QUERIES}.level_embed."),
    (r"^panoptic_head\.mask_embed\.0\.", f"{QUERIES}.decoder.mask_predictor.mask_embedder.0.0."),
    (r"^panoptic_head\.mask_embed\.2\.", f"{QUERIES}.decoder.mask_predictor.mask_embedder.1.0."),
    (r"^panoptic_head\.mask_embed\.4\.", f"{QUERIES}.decoder.mask_predictor.mask_embedder.2.0."),
    (r"^panoptic_head\.cls_embed\.", "class_predictor."),
)
STAGE_NORM = re.compile(r"^backbone\.norm(\d)\.(weight|bias)$")


def converted(state: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """Returns OpenMMLab's weights as transformers has them."""
    if "panoptic_head.query_feat.weight" not in state:
        raise CheckpointError(
            f"{where} lacks panoptic_head.query_feat.weight: these are no weights of OpenMMLab's Mask2Former"
        )
    made: dict[str, Tensor] = {}
    for key, value in state.items():
        if key.endswith(".relative_position_index"):
            continue
        name = _renamed(key)
        if ".qkv." in name:
            made |= _split(name, value)
        elif ".downsample." in name:
            made[name] = _merging(value)
        else:
            made[name] = value
    last = [key for key in made if key.startswith(f"{ENCODER}.hidden_states_norms.")]
    if last:  # without them the filling of the model says what lacks
        width = made[max(last)].shape[0]
        made[f"{ENCODER}.swin.layernorm.weight"] = torch.ones(width)
        made[f"{ENCODER}.swin.layernorm.bias"] = torch.zeros(width)
    return made


def sizes(state: Mapping[str, Tensor], where: str) -> Mask2FormerConfig:
    """Returns the sizes of a model, from its weights under transformers' names."""

    def shape(key: str) -> tuple[int, ...]:
        if key not in state:
            raise CheckpointError(f"{where}: {key} is missing: these are the weights of another model")
        return tuple(state[key].shape)

    def layers(before: str) -> int:
        pattern = re.compile(re.escape(before) + r"\.(\d+)\.")
        return 1 + max((int(match[1]) for key in state if (match := pattern.match(key))), default=-1)

    width, _, patch, _ = shape(f"{ENCODER}.swin.embeddings.patch_embeddings.projection.weight")
    stages = [
        f"{ENCODER}.swin.encoder.layers.{index}.blocks"
        for index in range(layers(f"{ENCODER}.swin.encoder.layers"))
    ]
    table = "attention.relative_position_bias.relative_position_bias_table"
    backbone = SwinConfig(
        patch_size=patch,
        embed_dim=width,
        depths=[layers(stage) for stage in stages],
        num_heads=[shape(f"{stage}.0.{table}")[1] for stage in stages],
        window_size=(math.isqrt(shape(f"{FIRST}.{table}")[0]) + 1) // 2,
        mlp_ratio=shape(f"{FIRST}.mlp.fc1.weight")[0] / width,
        drop_path_rate=0.0,
    )
    backbone.out_features = [f"stage{index + 1}" for index in range(len(stages))]
    samples = shape(f"{PIXELS}.encoder.layers.0.self_attn.sampling_offsets.weight")[0]
    queries, hidden = shape(f"{QUERIES}.queries_features.weight")
    config = Mask2FormerConfig(
        backbone_config=backbone,
        feature_size=shape(f"{PIXELS}.input_projections.0.0.weight")[0],
        mask_feature_size=shape(f"{PIXELS}.mask_projection.weight")[0],
        hidden_dim=hidden,
        encoder_feedforward_dim=shape(f"{PIXELS}.encoder.layers.0.fc1.weight")[0],
        encoder_layers=layers(f"{PIXELS}.encoder.layers"),
        decoder_layers=layers(f"{QUERIES}.decoder.layers") + 1,  # transformers counts the first look, too
        num_attention_heads=samples // PLACES,
        dim_feedforward=shape(f"{QUERIES}.decoder.layers.0.fc1.weight")[0],
        num_queries=queries,
    )
    config.num_labels = shape("class_predictor.weight")[0] - 1
    return config


def _renamed(key: str) -> str:
    if match := STAGE_NORM.match(key):
        return f"{ENCODER}.hidden_states_norms.stage{int(match[1]) + 1}.{match[2]}"
    for old, new in RENAMED:
        key = re.sub(old, new, key)
    return key


def _split(name: str, value: Tensor) -> dict[str, Tensor]:
    """Returns queries, keys and values by themselves."""
    return {
        name.replace(".qkv.", f".{part}_proj."): piece
        for part, piece in zip("qkv", value.chunk(3), strict=True)
    }


def _merging(value: Tensor) -> Tensor:
    """Returns a weight of the patch merging with its last axis pixel by pixel, in transformers' order."""
    channels = value.shape[-1] // 4
    parts = value.unflatten(-1, (channels, 4))[..., GATHERED]
    return parts.transpose(-1, -2).flatten(-2)
