"""LlamaGen's own names: what `policies.llamagen.convert` does to a checkpoint, undone.

    gpt.safetensors, vq.safetensors   the tensors of c2i_*.pt or t2i_*.pt, and of vq_ds16_*.pt
    llamagen.json                     what weights do not tell, as `LlamaGenFiles` has it

The official scripts read torch files, which run code when they are opened; here the same tensors lie in
safetensors (FoundationVision/LlamaGen: autoregressive/models/gpt.py, tokenizer/tokenizer_image/vq_model.py).
"""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from tessera.config import to_plain
from tessera.policies.llamagen.config import Captions
from tessera.policies.llamagen.convert import GPT_NAMES, VQ_NAMES
from tessera.policies.llamagen.files import LlamaGenFiles
from tessera.policies.llamagen.policy import LlamaGenPolicy
from tessera.storage import write_json

GPT, VQ, SIZES = "gpt.safetensors", "vq.safetensors", "llamagen.json"
USED, USED_CODES = "quantize.codebook_used", 65536  # a count that its training kept; its loader asks for it

_GPT_BACK = {ours: theirs for theirs, ours in GPT_NAMES.items()}
# Two of their names are one of ours, told apart by where they stand.
_SHARED = ("norm_out", "downsample", "upsample")
_VQ_BACK = {
    **{ours: theirs for theirs, ours in VQ_NAMES.items() if theirs not in _SHARED},
    "encoder.norm": "encoder.norm_out",
    "decoder.norm": "decoder.norm_out",
}
_RESAMPLE = {"encoder": "downsample", "decoder": "upsample"}


def gpt_name(name: str) -> str:
    """Returns LlamaGen's name of a tensor or module of our transformer."""
    return _replaced(name, _GPT_BACK)


def vq_name(name: str) -> str:
    """Returns LlamaGen's name of a tensor of our tokenizer."""
    side = name.partition(".")[0]
    return _replaced(name, {**_VQ_BACK, "resample": _RESAMPLE.get(side, "resample")})


def write_llamagen(policy: LlamaGenPolicy, folder: Path, dtype: torch.dtype) -> None:
    """Writes both files and what they do not tell. The tokenizer never trains and keeps its precision."""
    gpt = {gpt_name(name): _plain(each, dtype) for name, each in policy.transformer.state_dict().items()}
    vq = {vq_name(name): _plain(each, each.dtype) for name, each in policy.tokenizer.state_dict().items()}
    save_file(gpt, folder / GPT, {"format": "pt"})
    save_file({**vq, USED: torch.zeros(USED_CODES)}, folder / VQ, {"format": "pt"})
    condition, side = policy.config.condition, policy.spec.image_size[0]
    files = LlamaGenFiles(gpt=GPT, vq=VQ, image_size=side, heads=policy.config.heads)
    if isinstance(condition, Captions):
        encoder = condition.encoder
        known = "" if Path(encoder).is_dir() else encoder  # a folder of this machine tells nobody anything
        files = LlamaGenFiles(
            gpt=GPT,
            vq=VQ,
            image_size=side,
            heads=policy.config.heads,
            encoder=known or files.encoder,
            encoder_dtype=condition.dtype,
        )
    write_json(folder / SIZES, to_plain(files))


def _plain(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.detach().cpu().to(dtype).contiguous()


def _replaced(name: str, names: Mapping[str, str]) -> str:
    choice = "|".join(re.escape(each) for each in sorted(names, key=len, reverse=True))
    return re.sub(rf"(?<![^.])(?:{choice})(?![^.])", lambda match: names[match[0]], name)
