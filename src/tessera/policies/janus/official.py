"""The layout in which DeepSeek publishes Janus-Pro, read into that of transformers.

The parts and their names are those of deepseek-ai/Janus: `MultiModalityCausalLM` of
janus/models/modeling_vlm.py and its vq_model.py, with a SigLIP tower of timm. The same facts stand in
transformers' conversion script (huggingface/transformers 4.52: src/transformers/models/janus/
convert_janus_weights_to_hf.py).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor
from transformers import JanusConfig as Sizes
from transformers import JanusForConditionalGeneration, JanusVisionConfig, JanusVQVAEConfig, LlamaConfig

from tessera.errors import CheckpointError

MODEL_TYPE = "multi_modality"  # in its config.json
TOWER = "siglip_large_patch16_384"
VQ = "VQ-16"
# Of the language model: how it was once run, and no size.
_HOW = ("model_type", "torch_dtype", "_attn_implementation", "_attn_implementation_autoset", "use_cache")

# Read in this order, each at the beginning of a name.
_PARTS = (
    (r"language_model\.lm_head\.", "lm_head."),
    (r"language_model\.model\.", "model.language_model."),
    (r"gen_embed\.", "model.generation_embeddings."),
    (r"gen_head\.output_mlp_projector\.", "model.generation_head.proj_out."),
    (r"gen_head\.", "model.generation_head."),
    (r"gen_aligner\.", "model.generation_aligner."),
    (r"aligner\.", "model.aligner."),
    (r"gen_vision_model\.encoder\.conv_blocks\.", "model.vqmodel.encoder.down."),
    (r"gen_vision_model\.decoder\.conv_blocks\.", "model.vqmodel.decoder.up."),
    (r"gen_vision_model\.", "model.vqmodel."),
    (r"vision_model\.vision_tower\.patch_embed\.proj\.", "model.vision_model.embeddings.patch_embedding."),
    (r"vision_model\.vision_tower\.blocks\.", "model.vision_model.encoder.layers."),
    (r"vision_model\.vision_tower\.norm\.", "model.vision_model.post_layernorm."),
)
# Then these, anywhere in the names of one part.
_INSIDE = {
    "model.vqmodel.": (
        (r"\.res\.(\d+)\.", r".block.\1."),
        (r"\.mid\.0\.", ".mid.block_1."),
        (r"\.mid\.1\.", ".mid.attn_1."),
        (r"\.mid\.2\.", ".mid.block_2."),
    ),
    "model.vision_model.encoder.": (
        (r"\.attn\.", ".self_attn."),
        (r"\.proj\.", ".projection_layer."),
        (r"\.norm([12])\.", r".layer_norm\1."),
    ),
}
_PLACES = "vision_model.vision_tower.pos_embed"
# A count of used codes, and the pooling of SigLIP, which Janus does not use.
_LEFT_OUT = ("gen_vision_model.quantize.codebook_used", "vision_model.vision_tower.attn_pool.")


def official_sizes(told: Mapping[str, Any], where: str) -> Sizes:
    """Returns the sizes that an official config.json tells."""
    try:
        text, codes = told["language_config"], told["gen_vision_config"]["params"]
        tower, vq = told["vision_config"]["params"]["model_name"], told["gen_vision_config"]["cls"]
        aligner, code_aligner = (told[name]["params"] for name in ("aligner_config", "gen_aligner_config"))
        head = told["gen_head_config"]["params"]
        side = told["vision_config"]["params"]["image_size"]
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{where} lacks {error}: it is not the configuration of Janus-Pro") from error
    if (tower, vq) != (TOWER, VQ):
        raise CheckpointError(
            f"{where} asks for the parts {tower} and {vq}; only Janus-Pro's are known: {TOWER}, {VQ}"
        )
    if not code_aligner["n_embed"] == head["n_embed"] == head["image_token_embed"]:
        raise CheckpointError(f"{where}: gen_aligner and gen_head have different widths, which has no model")
    return Sizes(
        text_config=LlamaConfig(**{key: value for key, value in text.items() if key not in _HOW}),
        vision_config=JanusVisionConfig(
            image_size=side, projection_dim=aligner["n_embed"], depth=aligner["depth"]
        ),
        vq_config=JanusVQVAEConfig(
            embed_dim=codes["n_embed"],
            num_embeddings=codes["image_token_size"],
            projection_dim=code_aligner["n_embed"],
            num_hidden_layers=code_aligner["depth"],
            image_token_embed_dim=head["image_token_embed"],
        ),
        tie_word_embeddings=False,
    )


def official_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns the tensors under transformers' names, and in its shapes."""
    return {name: tensor for key, given in state.items() for name, tensor in _converted(key, given)}


def _converted(key: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    if key.startswith(_LEFT_OUT):
        return
    if key == _PLACES:
        yield "model.vision_model.embeddings.position_embedding.weight", tensor[0]
        return
    name = _named(key)
    if ".qkv." in name:
        for which, part in zip("qkv", tensor.chunk(3), strict=True):
            yield name.replace(".qkv.", f".{which}_proj."), part
    else:
        yield name, tensor


def _named(key: str) -> str:
    """Returns transformers' name; one that nothing here knows stays, and fits nowhere."""
    for pattern, name in _PARTS:
        if re.match(pattern, key):
            key = re.sub(f"^{pattern}", name, key)
            break
    for part, changes in _INSIDE.items():
        if key.startswith(part):
            for pattern, name in changes:
                key = re.sub(pattern, name, key)
    # An aligner is a list of linear layers with GELUs between them: 0, 2, 4, ...
    if match := re.match(r"(model\.(?:generation_)?aligner)\.layers\.(\d+)\.(.+)", key):
        number = int(match[2]) // 2
        key = f"{match[1]}.{f'hidden_layers.{number - 1}' if number else 'fc1'}.{match[3]}"
    return key


def official_model(
    state: Mapping[str, Tensor], sizes: Sizes, where: str, **settings: Any
) -> JanusForConditionalGeneration:
    """Returns transformers' model with official weights; every one must be there and fit."""
    loader: Any = JanusForConditionalGeneration  # whose types do not know of output_loading_info
    try:
        model, told = loader.from_pretrained(
            None, config=sizes, state_dict=official_weights(state), output_loading_info=True, **settings
        )
    except RuntimeError as error:  # another size
        raise CheckpointError(
            f"{where} does not hold the weights that its config.json tells ({error})"
        ) from error
    wrong = [*sorted(told["missing_keys"]), *sorted(told["unexpected_keys"])]
    if wrong:
        raise CheckpointError(
            f"{where}: {wrong[0]} (and {len(wrong) - 1} more) is missing, or has no place in Janus-Pro: "
            "these are the weights of another model"
        )
    return model
