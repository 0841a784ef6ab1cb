"""A tiny CLIP in a folder, for the classifier of colours: its window is as long as the published one."""

from pathlib import Path

import torch
from transformers import CLIPConfig, CLIPModel

from tests.unit.scorers.clip.tiny import CODES, END, START, write_tokenizer

SIDE, WINDOW, SHARED = 28, 77, 24


def model(seed: int = 0) -> CLIPModel:
    """Returns the model, with weights large enough that every part shows."""
    config = CLIPConfig(
        projection_dim=SHARED,
        vision_config={
            **{"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48},
            **{"patch_size": 14, "image_size": SIDE, "hidden_act": "quick_gelu", "projection_dim": SHARED},
        },
        text_config={
            **{"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48},
            **{"hidden_act": "quick_gelu", "max_position_embeddings": WINDOW, "vocab_size": len(CODES)},
            **{"bos_token_id": CODES[START], "eos_token_id": CODES[END], "projection_dim": SHARED},
        },
    )
    made = CLIPModel(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in made.named_parameters():
            centre = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            weight.copy_(centre + 0.3 * torch.randn(weight.shape, generator=generator))
    return made


def save(folder: Path, seed: int = 0) -> Path:
    """Returns the folder, with the model and its tokenizer in it."""
    model(seed).save_pretrained(folder)
    return write_tokenizer(folder)
