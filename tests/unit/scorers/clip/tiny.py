"""The CLIP scorers at tiny size: folders as published, random weights, a vocabulary of a few words."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from tessera.scorers.clip.settings import HPS, Aesthetic, ClipScore, PickScore
from tessera.scorers.placed import Placement
from tessera.types import Prompt
from tests.outside import example_pictures
from tests.unit.scorers.clip import reference

REPO = Path(__file__).parents[4]

MERGES = ("r e", "re d</w>", "c a", "ca t</w>")
BYTES = sorted(ByteLevel.alphabet())
START, END = "<|startoftext|>", "<|endoftext|>"
VOCABULARY = (*BYTES, *(f"{byte}</w>" for byte in BYTES), *(m.replace(" ", "") for m in MERGES), START, END)
CODES = {code: index for index, code in enumerate(VOCABULARY)}

HEAD_WIDTHS = (reference.SHARED, 24, 16, 8, 4, 1)
HEAD_NAMES = (0, 2, 4, 6, 7)  # as published: dropouts are counted, the last layers have none between them

TEXTS = ("a red cat", "red", "a cat on a cat", "red red red red red red red red red red red", "a red cat")


def prompts(*texts: str) -> list[Prompt]:
    """Returns the texts as prompts."""
    return [Prompt(id=text, text=text) for text in texts]


def pictures(count: int, height: int = 60, width: int = 44) -> NDArray[np.uint8]:
    """Returns smooth waves with some noise, no two alike."""
    random = np.random.default_rng(0)
    down, right = np.meshgrid(np.linspace(0, 6, height), np.linspace(0, 6, width), indexing="ij")
    waves = [np.sin(down * (n + 1) + c) * np.cos(right * (c + 1)) for n in range(count) for c in range(3)]
    smooth = np.stack(waves).reshape(count, 3, height, width).transpose(0, 2, 3, 1) * 90 + 128
    return (smooth + random.normal(0, 12, smooth.shape)).clip(0, 255).astype(np.uint8)


def real_pictures() -> list[NDArray[np.uint8]]:
    """Returns ImageReward's four example pictures; skips the test where the data directory has none."""
    return [np.asarray(Image.open(path).convert("RGB")) for path in example_pictures()]


def write_tokenizer(folder: Path) -> Path:
    """Writes vocab.json and merges.txt; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(CODES))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(MERGES) + "\n")
    return folder


def write_torch(path: Path, value: object) -> Path:
    """Writes a torch file, as the official weights are; returns its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(value, path)  # noqa: TID251 - this is the format that is read
    return path.parent


def write_hps(folder: Path, *, seed: int = 0) -> dict[str, Tensor]:
    """Writes both versions as they are published; returns the weights of 2.1."""
    state = reference.random_state(len(CODES), seed=seed)
    write_torch(folder / "HPS_v2.1_compressed.pt", {"state_dict": state, "epoch": 1})
    older = reference.random_state(len(CODES), seed=seed + 100)
    write_torch(folder / "HPS_v2_compressed.pt", {"state_dict": older})
    return state


def random_clip(*, seed: int = 0, act: str = "quick_gelu") -> CLIPModel:
    """Returns a tiny CLIPModel with weights large enough that every part shows."""
    config = CLIPConfig(
        projection_dim=reference.SHARED,
        vision_config={
            **{"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 96},
            **{"patch_size": 14, "image_size": 28, "hidden_act": act, "projection_dim": reference.SHARED},
        },
        text_config={
            **{"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48},
            **{"hidden_act": act, "max_position_embeddings": 12, "vocab_size": len(CODES)},
            **{"bos_token_id": CODES[START], "eos_token_id": CODES[END], "projection_dim": reference.SHARED},
        },
    )
    model = CLIPModel(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            centre = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            weight.copy_(centre + 0.2 * torch.randn(weight.shape, generator=generator))
        model.logit_scale.fill_(np.log(100))
    return model


def write_clip(folder: Path, *, seed: int = 0, act: str = "quick_gelu") -> CLIPModel:
    """Writes a tiny CLIP as transformers saves it, and its tokenizer; returns it."""
    model = random_clip(seed=seed, act=act)
    model.save_pretrained(folder)
    write_tokenizer(folder)
    return model


def write_head(folder: Path, *, seed: int = 0) -> dict[str, Tensor]:
    """Writes the aesthetic predictor under its published name; returns its weights."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, (wide, narrow) in zip(HEAD_NAMES, pairwise(HEAD_WIDTHS), strict=True):
        state[f"layers.{name}.weight"] = torch.randn(narrow, wide, generator=generator) * 0.4
        state[f"layers.{name}.bias"] = torch.randn(narrow, generator=generator)
    write_torch(folder / "sac+logos+ava1-l14-linearMSE.pth", state)
    return state


class Library:
    """One folder with all tiny weights, and the scorers on them."""

    def __init__(self, folder: Path, *, seed: int = 0) -> None:
        self.folder = folder
        self.hps = write_hps(folder / "hps", seed=seed)
        self.pickscore = write_clip(folder / "pickscore", seed=seed + 1, act="gelu")
        self.clip = write_clip(folder / "clip", seed=seed + 2)
        self.head = write_head(folder / "head", seed=seed)
        write_tokenizer(folder / "tokenizer")

    def path(self, name: str) -> str:
        """Returns a folder of the library as a setting."""
        return str(self.folder / name)

    def settings(self, name: str, place: Placement) -> HPS | PickScore | ClipScore | Aesthetic:
        """Returns the configuration of a scorer on this library."""
        both: dict[str, Any] = {"tokenizer": self.path("tokenizer"), "place": place}
        match name:
            case "hps-2.1":
                return HPS(weights=self.path("hps"), **both)
            case "hps-2.0":
                return HPS(version="2.0", weights=self.path("hps"), **both)
            case "pickscore":
                return PickScore(weights=self.path("pickscore"), **both)
            case "clipscore-b32":
                return ClipScore(weights=self.path("clip"), place=place)
            case "aesthetic":
                return Aesthetic(weights=self.path("head"), backbone=self.path("clip"), place=place)
            case _:
                raise ValueError(name)
