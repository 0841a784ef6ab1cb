"""Scores of HPSv3 and of the ORM from the second implementations of their models (reference.py)."""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from tessera.scorers.vlm.questions import ORM, hps_v3
from tests.unit.scorers.vlm import reference, tiny
from tests.unit.scorers.vlm.reference import State


def chat(before: str, question: str) -> tuple[list[int], list[int]]:
    """Returns the ids before the picture and after it, as the chat format has them."""
    words = tiny.tokenizer()
    head = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n" + before
    tail = question + "<|im_end|>\n<|im_start|>assistant\n"
    return words(head)["input_ids"], words(tail)["input_ids"]


def hps(state: State, text: str, image: NDArray[np.uint8]) -> float:
    """Returns the mean of HPSv3: text positions throughout, the head at <|Reward|>."""
    patches_NC, rows, columns = reference.qwen_patches(image, 200_704, 200_704)
    seen = reference.qwen2_vl_tower(state, patches_NC, rows, columns, heads=2)
    instruction, ending = hps_v3().format(prompt=text).split("<|Reward|>")
    before, middle = chat("<|vision_start|>", "<|vision_end|>" + instruction)
    middle = middle[: -len(tiny.tokenizer()("<|im_end|>\n<|im_start|>assistant\n")["input_ids"])]
    _, after = chat("", ending)
    table = state["model.embed_tokens.weight"]
    ids = [*middle, len(tiny.tokenizer()), *after]
    features_LD = reference.qwen2(state, torch.cat([table[before], seen, table[ids]]), heads=4, keys=2)
    at = features_LD[len(before) + len(seen) + len(middle)]
    hidden = torch.relu(reference.linear(state, "rm_head.0", at))
    return float(
        reference.linear(state, "rm_head.5", torch.relu(reference.linear(state, "rm_head.3", hidden)))[0]
    )


def orm(state: State, text: str, image: NDArray[np.uint8], temperature: float) -> float:
    """Returns the odds of yes: a grey square, 16 patches and a newline, features before the last norm."""
    side = max(image.shape[:2])
    square = np.full((side, side, 3), 127, dtype=np.uint8)
    top, left = (side - image.shape[0]) // 2, (side - image.shape[1]) // 2
    square[top : top + image.shape[0], left : left + image.shape[1]] = image
    small = np.asarray(Image.fromarray(square).resize((56, 56), Image.Resampling.BICUBIC), dtype=np.float32)
    pixels_3HW = torch.from_numpy(small / 255 * 2 - 1).permute(2, 0, 1)
    patches = reference.siglip(state, pixels_3HW, layers=2, heads=2)
    middle = torch.nn.functional.gelu(reference.linear(state, "model.mm_projector.0", patches))
    seen = torch.cat(
        [reference.linear(state, "model.mm_projector.2", middle), state["model.image_newline"][None]]
    )
    before, after = chat("", ORM.format(prompt=text))
    table = state["model.embed_tokens.weight"]
    features_LD = reference.qwen2(state, torch.cat([table[before], seen, table[after]]), heads=4, keys=2)
    logits_V = state["lm_head.weight"] @ features_LD[-1]
    yes, no = (logits_V[tiny.tokenizer().convert_tokens_to_ids(word)] for word in ("yes", "no"))
    return float(torch.sigmoid((yes - no) / temperature))
