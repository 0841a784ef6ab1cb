"""Random weights under the names that the authors publish, and the folders that hold them."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import SiglipVisionConfig

from tests.unit.scorers.vlm.tiny import PICTURES, ROPE, TRUNK, tokenizer

Shapes = dict[str, tuple[int, ...]]

# A SigLIP of 2 layers, of which all are read; the state has a third one, as google's has a 27th.
TOWER = SiglipVisionConfig(
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=2,
    image_size=56,
    patch_size=14,
    vision_use_head=False,
)


def random_state(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, Tensor]:
    """Returns weights large enough to tell pictures apart; those of norms are near one."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        value = torch.randn(shape, generator=generator) * 0.25
        state[name] = value * 0.2 + 1 if "norm" in name and name.endswith("weight") else value
    return state


def language_shapes(vocabulary: int) -> Shapes:
    """Returns the shapes of a Qwen2 of two layers."""
    shapes: Shapes = {"model.embed_tokens.weight": (vocabulary, 32), "model.norm.weight": (32,)}
    for layer in range(2):
        name = f"model.layers.{layer}"
        shapes |= {f"{name}.{norm}.weight": (32,) for norm in ("input_layernorm", "post_attention_layernorm")}
        for which, width in (("q", 32), ("k", 16), ("v", 16)):
            shapes[f"{name}.self_attn.{which}_proj.weight"] = (width, 32)
            shapes[f"{name}.self_attn.{which}_proj.bias"] = (width,)
        shapes[f"{name}.self_attn.o_proj.weight"] = (32, 32)
        shapes |= {f"{name}.mlp.{which}_proj.weight": (48, 32) for which in ("gate", "up")}
        shapes[f"{name}.mlp.down_proj.weight"] = (32, 48)
    return shapes | {"lm_head.weight": (vocabulary, 32)}


def biased(name: str, *shape: int) -> Shapes:
    """Returns the shapes of a layer with a bias."""
    return {f"{name}.weight": shape, f"{name}.bias": (shape[0],)}


def llava_state(seed: int = 0) -> dict[str, Tensor]:
    """Returns a LLaVA-OneVision in its authors' layout."""
    root = "model.vision_tower.vision_tower.vision_model"
    shapes = language_shapes(len(tokenizer()))
    shapes |= biased(f"{root}.embeddings.patch_embedding", 32, 3, 14, 14)
    shapes[f"{root}.embeddings.position_embedding.weight"] = (16, 32)
    for layer in range(3):
        name = f"{root}.encoder.layers.{layer}"
        for which in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes |= biased(f"{name}.self_attn.{which}", 32, 32)
        shapes |= biased(f"{name}.mlp.fc1", 48, 32) | biased(f"{name}.mlp.fc2", 32, 48)
        shapes |= biased(f"{name}.layer_norm1", 32) | biased(f"{name}.layer_norm2", 32)
    shapes |= biased(f"{root}.post_layernorm", 32) | biased(f"{root}.head.mlp.fc1", 48, 32)
    shapes |= biased("model.mm_projector.0", 32, 32) | biased("model.mm_projector.2", 32, 32)
    return random_state(shapes | {"model.image_newline": (32,)}, seed)


def hps_state(seed: int = 0) -> dict[str, Tensor]:
    """Returns an HPSv3 in the layout of transformers 4.45.2, one token longer than the base's vocabulary."""
    shapes = language_shapes(len(tokenizer()) + 1)
    shapes["visual.patch_embed.proj.weight"] = (32, 3, 2, 14, 14)
    for block in range(2):
        name = f"visual.blocks.{block}"
        shapes |= biased(f"{name}.norm1", 32) | biased(f"{name}.norm2", 32)
        shapes |= biased(f"{name}.attn.qkv", 96, 32) | biased(f"{name}.attn.proj", 32, 32)
        shapes |= biased(f"{name}.mlp.fc1", 64, 32) | biased(f"{name}.mlp.fc2", 32, 64)
    shapes |= biased("visual.merger.ln_q", 32)
    shapes |= biased("visual.merger.mlp.0", 128, 128) | biased("visual.merger.mlp.2", 32, 128)
    shapes |= biased("rm_head.0", 1024, 32) | biased("rm_head.3", 16, 1024) | biased("rm_head.5", 2, 16)
    return random_state(shapes, seed)


def hps_weights(folder: Path, state: Mapping[str, Tensor]) -> Path:
    """Returns a folder with these weights of HPSv3."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(dict(state), folder / "HPSv3.safetensors")
    return folder


def hps_base(folder: Path) -> Path:
    """Returns a folder with what HPSv3 needs of its base, in the flat layout of Qwen2-VL's config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    words = tokenizer()
    told = {
        **TRUNK,
        "architectures": ["Qwen2VLForConditionalGeneration"],
        "model_type": "qwen2_vl",
        "vocab_size": len(words),
        "rope_theta": ROPE["rope_theta"],
        "rope_scaling": {"type": "mrope", "mrope_section": ROPE["mrope_section"]},
        "image_token_id": words.convert_tokens_to_ids("<|image_pad|>"),
        "video_token_id": words.convert_tokens_to_ids("<|video_pad|>"),
        "vision_start_token_id": words.convert_tokens_to_ids("<|vision_start|>"),
        "vision_end_token_id": words.convert_tokens_to_ids("<|vision_end|>"),
        "vision_config": {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2},
    }
    (folder / "config.json").write_text(json.dumps(told))
    (folder / "preprocessor_config.json").write_text(json.dumps(PICTURES))
    words.save_pretrained(folder)
    return folder
