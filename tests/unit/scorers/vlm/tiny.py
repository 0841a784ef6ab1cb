"""Tiny random models of the real classes, with tokenizers made here, in folders as they are published."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from tessera.scorers.placed import Placement
from tessera.scorers.vlm import questions
from tests.outside import example_pictures

CPU = Placement(device="cpu")

CONTROLS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
# How Qwen2 cuts a text before its BPE: a digit and a space before it are pieces of their own.
PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
TRUNK = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 8192,
    "bos_token_id": None,
    "eos_token_id": None,
}
ROPE = {"rope_type": "default", "rope_theta": 1_000_000.0, "mrope_section": [1, 1, 2]}
# As in preprocessor_config.json of Qwen2.5-VL, with a smaller limit.
PICTURES = {
    "min_pixels": 3136,
    "max_pixels": 12544,
    "patch_size": 14,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "image_processor_type": "Qwen2VLImageProcessor",
    "processor_class": "Qwen2_5_VLProcessor",
}


@cache
def tokenizer(without: str = "") -> PreTrainedTokenizerFast:
    """Returns a byte-level BPE made of the questions' words, less the control token `without`."""
    texts = [questions.OVERALL, questions.ELEMENTS, questions.PAIR, questions.VQA, questions.ORM]
    words = ["Final Score: 1 2 3 4 5 0", "Yes", "yes", "no", "Image 1 is better.", "assistant user system"]
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=640,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    made.train_from_iterator([*texts, *(words * 40)], trainer)
    controls = [token for token in CONTROLS if token != without]
    made.add_special_tokens([AddedToken(token, special=True) for token in controls])
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|endoftext|>")


def qwen_config() -> Qwen2_5_VLConfig:
    """Returns Qwen2.5-VL's configuration, tiny."""
    words: Any = tokenizer()
    return Qwen2_5_VLConfig(
        text_config={**TRUNK, "vocab_size": len(words), "rope_parameters": dict(ROPE)},
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_heads": 2,
            "out_hidden_size": 32,
            "window_size": 56,
            "fullatt_block_indexes": [1],
        },
        image_token_id=words.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=words.convert_tokens_to_ids("<|video_pad|>"),
        vision_start_token_id=words.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=words.convert_tokens_to_ids("<|vision_end|>"),
    )


def qwen(folder: Path, seed: int = 0) -> Path:
    """Returns a folder with a tiny Qwen2.5-VL, as transformers saves it."""
    torch.manual_seed(seed)
    model = Qwen2_5_VLForConditionalGeneration(qwen_config())
    spread(model)
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PICTURES))
    return folder


def spread(model: torch.nn.Module) -> None:
    """Makes the weights of a model larger: a fresh one gives every answer the same chance."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.dim() > 1:
                value.normal_(std=0.25)
            elif "norm" not in name:
                value.normal_(std=0.1)


def llava_authors(folder: Path, state: dict[str, torch.Tensor]) -> Path:
    """Returns a folder with weights in the layout of LLaVA-OneVision's authors."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {
        **TRUNK,
        "architectures": ["LlavaQwenForCausalLM"],
        "model_type": "llava_qwen",
        "vocab_size": len(tokenizer()),
        "rope_theta": 1_000_000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "mm_vision_tower": "google/siglip-so400m-patch14-384",
        "image_aspect_ratio": "anyres_max_9",
    }
    (folder / "config.json").write_text(json.dumps(told))
    save_file(state, folder / "model.safetensors")
    tokenizer().save_pretrained(folder)
    return folder


def pictures(count: int, height: int = 64, width: int = 92) -> NDArray[np.uint8]:
    """Returns pictures of smooth colour and noise, no two alike."""
    generator = np.random.default_rng(7)
    rows, columns = np.mgrid[:height, :width]
    images = np.empty((count, height, width, 3), dtype=np.uint8)
    for index in range(count):
        slope = np.stack([rows * (index + 1), columns * 2, rows + columns * index], axis=-1)
        images[index] = (slope + generator.integers(0, 60, size=slope.shape)) % 256
    return images


def real_pictures() -> list[NDArray[np.uint8]]:
    """Returns the example pictures of ImageReward; skips where the data directory is not there."""
    return [np.asarray(Image.open(path).convert("RGB")) for path in example_pictures()]
