"""A tiny GIT as transformers saves it, with the words of the tests of BLIP."""

import json
from pathlib import Path
from typing import Any

import torch
import transformers

from tests.unit.scorers.blip.tiny import VOCABULARY, words_folder

SIDE = 28
PREPROCESSOR = {
    "crop_size": {"height": SIDE, "width": SIDE},
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_processor_type": "CLIPImageProcessor",
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "processor_class": "GitProcessor",
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "size": {"shortest_edge": SIDE},
}


def git_folder(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """Returns a folder with model, words and preprocessor_config.json, the latter with changes."""
    words_folder(folder)
    config = transformers.GitConfig(
        vision_config={
            "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 64,
            "image_size": SIDE, "patch_size": 14,
        },
        vocab_size=len(VOCABULARY), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=48, max_position_embeddings=48, bos_token_id=2, eos_token_id=3,
    )  # fmt: skip
    model = transformers.GitForCausalLM(config)
    generator = torch.Generator().manual_seed(seed)
    for value in model.parameters():  # larger than the library's, so that what is wrong shows
        value.data = torch.randn(value.shape, generator=generator) * (0.2 if value.ndim > 1 else 0.5)
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({**PREPROCESSOR, **changes}))
    return folder
