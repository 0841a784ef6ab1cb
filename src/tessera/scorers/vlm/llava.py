"""LLaVA-OneVision: as transformers saves it, or in the layout of its authors (`llava_qwen`).

Read from LLaVA-VL/LLaVA-NeXT: llava/model/{llava_arch,multimodal_encoder/siglip_encoder}.py. The vision
features are those before the tower's last norm: the authors drop the last of SigLIP's 27 layers and read the
hidden states. transformers' processor cuts a picture into tiles; the ORM was trained on squares of one tile,
so it is shown the tile's patches and one `image_newline`, put together here.

Axes: L tokens, N patches, D features.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import (
    AutoModelForImageTextToText,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    Qwen2Config,
    SiglipVisionConfig,
)
from transformers.initialization import no_init_weights

from tessera.errors import CheckpointError
from tessera.hub import SAVED, fill, pretrained, read_state

AUTHORS_CLASS = "LlavaQwenForCausalLM"

# The settings of Qwen2 that the authors' config.json holds beside their own.
LANGUAGE = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "hidden_act",
    "max_position_embeddings",
    "rms_norm_eps",
    "rope_theta",
    "bos_token_id",
    "eos_token_id",
    "tie_word_embeddings",
)

_RENAMED = (
    (r"model\.vision_tower\.vision_tower\.vision_model\.", "model.vision_tower."),
    (r"model\.mm_projector\.0\.", "model.multi_modal_projector.linear_1."),
    (r"model\.mm_projector\.2\.", "model.multi_modal_projector.linear_2."),
    (r"model\.(embed_tokens|layers|norm)\.", r"model.language_model.\1."),
)


def siglip_so400m() -> SiglipVisionConfig:
    """Returns the tower that the authors name: google/siglip-so400m-patch14-384 without its last layer."""
    return SiglipVisionConfig(
        hidden_size=1152,
        intermediate_size=4304,
        num_hidden_layers=26,
        num_attention_heads=16,
        image_size=384,
        patch_size=14,
        vision_use_head=False,
    )


def read_llava(
    folder: Path, dtype: torch.dtype, tower: SiglipVisionConfig
) -> LlavaOnevisionForConditionalGeneration:
    """Returns the model in a folder, of either layout; `tower` is that of the authors' layout."""
    told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if told.get("model_type") == LlavaOnevisionConfig.model_type:
        return pretrained(LlavaOnevisionForConditionalGeneration, folder, dtype=dtype)
    if AUTHORS_CLASS not in told.get("architectures", ()):
        raise CheckpointError(
            f"{folder} holds a model of type {told.get('model_type')!r}; a LLaVA-OneVision is needed, as "
            f"transformers saves it (llava_onevision) or as its authors do ({AUTHORS_CLASS})"
        )
    weights = next(folder / name for name in SAVED if (folder / name).is_file())
    with no_init_weights():
        model = AutoModelForImageTextToText.from_config(config_of(told, tower), dtype=dtype)
    return fill(model, converted(read_state(weights), told, tower), str(weights)).eval()


def config_of(told: Mapping[str, Any], tower: SiglipVisionConfig) -> LlavaOnevisionConfig:
    """Returns the configuration for transformers, from that of the authors."""
    language = Qwen2Config(**{key: told[key] for key in LANGUAGE if key in told})
    return LlavaOnevisionConfig(
        vision_config=tower, text_config=language, tie_word_embeddings=bool(told.get("tie_word_embeddings"))
    )


def converted(
    state: Mapping[str, Tensor], told: Mapping[str, Any], tower: SiglipVisionConfig
) -> dict[str, Tensor]:
    """Returns the authors' weights under transformers' names, without what of the tower is not read."""
    renamed = {}
    for key, value in state.items():
        for pattern, name in _RENAMED:
            key = re.sub(f"^{pattern}", name, key)
        unread = re.match(r"model\.vision_tower\.(?:head\.|encoder\.layers\.(\d+)\.)", key)
        if unread and (unread[1] is None or int(unread[1]) >= tower.num_hidden_layers):
            continue
        renamed[key] = value
    if told.get("tie_word_embeddings"):
        renamed.setdefault("lm_head.weight", renamed["model.language_model.embed_tokens.weight"])
    return renamed


def picture_embeddings(
    model: LlavaOnevisionForConditionalGeneration, pixels_13HW: Float[Tensor, "1 3 H W"]
) -> Float[Tensor, "1 N D"]:
    """Returns a square picture as the language model sees it: its patches, then one `image_newline`."""
    inner = model.model
    seen = inner.vision_tower(
        pixels_13HW.to(model.device, inner.vision_tower.dtype), output_hidden_states=True
    )
    patches_1ND = inner.multi_modal_projector(seen.hidden_states[-1])
    return torch.cat([patches_1ND, inner.image_newline[None, None].to(patches_1ND)], dim=1)


def features(
    model: LlavaOnevisionForConditionalGeneration,
    before: list[int],
    picture_1ND: Float[Tensor, "1 N D"],
    after: list[int],
) -> Float[Tensor, " D"]:
    """Returns the features that predict what follows the text before, the picture, and the text after."""
    embed = model.get_input_embeddings()
    texts = [embed(torch.tensor([ids], device=model.device)) for ids in (before, after)]
    whole_1LD = torch.cat([texts[0], picture_1ND.to(texts[0]), texts[1]], dim=1)
    told = model.model.language_model(inputs_embeds=whole_1LD, use_cache=False)
    return told.last_hidden_state[0, -1]
