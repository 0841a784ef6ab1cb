"""From a name, files or sizes to a LlamaGen policy.

The published weights (code: MIT) come in two files, transformer and tokenizer, and the caption models want
flan-t5-xl besides. Files of the same layout that somebody else trained are read as well.
"""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from tessera.errors import CheckpointError, UserError, unknown
from tessera.hub import Home, fill, locate, read_state
from tessera.policies.llamagen import convert
from tessera.policies.llamagen.config import (
    ENCODER,
    SIZES,
    VIEWS,
    Captions,
    Kind,
    LlamaGenConfig,
    SizeName,
    VQConfig,
    condition_of,
    grid_of,
)
from tessera.policies.llamagen.files import LICENCES, PUBLISHED, LlamaGenFiles
from tessera.policies.llamagen.policy import LlamaGenPolicy
from tessera.policies.llamagen.text import TextEncoder, read_encoder
from tessera.policies.llamagen.untrained import random_encoder, random_name, random_seed
from tessera.rng import derive_seed

STD = 0.02  # of fresh weights (initializer_range of gpt.py)


def load_published(name: str, folder: str | None = None, encoder: str = ENCODER) -> LlamaGenPolicy:
    """Returns a published policy, from the hub or from a folder that holds its two files."""
    if name not in PUBLISHED:
        raise UserError(unknown("policy", name, PUBLISHED))
    it = PUBLISHED[name]
    home = Home(repo=it.repo, files=(it.gpt, it.vq), licence=LICENCES[it.repo])
    there = locate(home, folder, "folder")
    return load_files(
        LlamaGenFiles(
            gpt=str(there / it.gpt), vq=str(there / it.vq), image_size=it.image_size, encoder=encoder
        )
    )


def load_files(files: LlamaGenFiles) -> LlamaGenPolicy:
    """Returns the policy in files of LlamaGen's layout."""
    gpt, vq = read_state(Path(files.gpt)), read_state(Path(files.vq))
    layers, width = convert.layers_and_width(gpt, files.gpt)
    sizes = convert.vq_in(vq, files.vq)
    codes = gpt[convert.CODES].shape[0]
    if codes != sizes.codebook:
        raise CheckpointError(
            f"{files.gpt} draws {codes} codes and {files.vq} has {sizes.codebook}: the two files do not "
            "belong together"
        )
    condition = convert.condition_in(gpt, files.gpt)
    if isinstance(condition, Captions):
        folder = Path(files.encoder).expanduser()
        # The policy may be saved, and read again from elsewhere.
        encoder = str(folder.resolve()) if folder.is_dir() else files.encoder
        condition = replace(condition, encoder=encoder, dtype=files.encoder_dtype)
    policy = build(
        LlamaGenConfig(
            layers=layers,
            width=width,
            heads=files.heads or convert.heads_of(layers, width, files.gpt),
            grid=grid_of(files.image_size, sizes),
            condition=condition,
            default_view=VIEWS["t2i" if isinstance(condition, Captions) else "c2i"],
            vq=sizes,
            cache=files.cache,
        )
    )
    fill(policy.transformer, convert.gpt_state(gpt), files.gpt, ignore=convert.GPT_IGNORED)
    fill(policy.tokenizer, convert.vq_state(vq), files.vq, ignore=convert.VQ_IGNORED)
    return policy


def build(settings: LlamaGenConfig) -> LlamaGenPolicy:
    """Returns a policy of these sizes whose weights are still to be filled in; its text encoder is found."""
    condition = settings.condition
    return _empty(settings, _encoder(condition) if isinstance(condition, Captions) else None)


def _encoder(condition: Captions) -> TextEncoder:
    seed = random_seed(condition.encoder)
    return read_encoder(condition) if seed is None else random_encoder(condition, seed)


def _empty(settings: LlamaGenConfig, encoder: TextEncoder | None) -> LlamaGenPolicy:
    with torch.device("meta"):  # else each weight would first be drawn, from torch's global generator
        policy = LlamaGenPolicy(settings, encoder)
    return policy.to_empty(device="cpu").eval()


def outline_published(name: str) -> LlamaGenPolicy:
    """Returns a policy of the sizes of a published checkpoint, whose weights have shapes and no numbers."""
    it = PUBLISHED[name]
    settings = _sizes(it.kind, it.size, it.image_size, seed=0)
    condition = settings.condition
    with torch.device("meta"):
        return LlamaGenPolicy(settings, _encoder(condition) if isinstance(condition, Captions) else None)


def random_llamagen(kind: Kind, size: SizeName, *, seed: int, image_size: int = 256) -> LlamaGenPolicy:
    """Returns a policy of a published size with random weights, for measuring time and memory.

    Nothing is fetched: captions are read by a random encoder, one token per letter.
    """
    policy = build(_sizes(kind, size, image_size, seed))
    draw_weights(policy, seed)
    return policy


def _sizes(kind: Kind, size: SizeName, image_size: int, seed: int) -> LlamaGenConfig:
    """Returns the published sizes, with a random text encoder."""
    vq, shape = VQConfig(), SIZES[size]
    return LlamaGenConfig(
        layers=shape.layers,
        width=shape.width,
        heads=shape.heads,
        grid=grid_of(image_size, vq),
        condition=condition_of(kind, encoder=random_name(seed)),
        default_view=VIEWS[kind],
        vq=vq,
    )


def random_published(name: str, *, seed: int) -> LlamaGenPolicy:
    """Returns a policy of the sizes of a published checkpoint, with random weights."""
    it = PUBLISHED[name]
    return random_llamagen(it.kind, it.size, seed=seed, image_size=it.image_size)


@torch.no_grad()
def draw_weights(policy: LlamaGenPolicy, seed: int) -> None:
    """Draws fresh weights, each as its name and the seed say.

    As LlamaGen draws them, but for the head, which starts at 0 there: all codes would be as likely, whatever
    the prompt. Those of the tokenizer keep the size of what they map.
    """
    norms = {
        f"{name}.weight"
        for name, module in policy.named_modules()
        if isinstance(module, nn.RMSNorm | nn.GroupNorm)
    }
    for name, tensor in policy.state_dict().items():
        if tensor.ndim < 2:
            tensor.fill_(1.0 if name in norms else 0.0)
        else:
            tensor.normal_(
                std=_std(name, tensor), generator=torch.Generator().manual_seed(derive_seed(seed, name))
            )


def _std(name: str, tensor: Tensor) -> float:
    if name.startswith("transformer.") and not name.endswith(".null"):
        return STD
    return tensor[0].numel() ** -0.5
