"""Checkpoints of UniDet of a few channels and five classes, random, named as detectron2 names them."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from tessera.scorers.detection.unidet.design import R50, RS200, Design
from tests.unit.scorers.detection.unidet.names import Shape, heads, proposals, pyramid, resnest, resnet

SIZES = {"blocks": (1, 2, 1, 1), "width": 4, "outer": 16, "pyramid": 8, "hidden": 16, "classes": 5}
DESIGNS: dict[str, Design] = {
    "r50": replace(R50, stem=8, **SIZES),
    "rs200": replace(RS200, stem=4, convs=2, **SIZES),
}


def shapes(backbone: str) -> dict[str, Shape]:
    """Returns the names and shapes of a tiny checkpoint."""
    blocks = (1, 2, 1, 1)
    if backbone == "r50":
        first, after, convs, linears = resnet(blocks, 8, 4, 16), "bias", 0, 2
    else:
        first, after, convs, linears = resnest(blocks, 4, 4, 16), "norm", 2, 1
    rest = (pyramid(16, 8, after), proposals(8), heads(8, convs, linears, 16, 5))
    return {name: shape for part in (first, *rest) for name, shape in part}


def state(backbone: str, seed: int = 0) -> dict[str, Tensor]:
    """Returns weights by name: boxes are moved by a good part of their sides, scores lie around 0.1."""
    random = torch.Generator().manual_seed(seed)
    made = {}
    for name, shape in shapes(backbone).items():
        noise = torch.randn(shape, generator=random)
        if "norm" in name or ".bn" in name:
            start, spread = (1.0, 0.1) if name.endswith(("weight", "running_var")) else (0.0, 0.1)
            made[name] = start + spread * noise.clamp(-3, 3)
        elif name.endswith("bias"):
            made[name] = 0.1 * noise - (3.5 if "cls_score" in name else 0.0)
        else:
            made[name] = noise * (2 / torch.Size(shape[1:]).numel()) ** 0.5
        for part, factor in (("anchor_deltas", 0.2), ("cls_score.weight", 0.5), ("bbox_pred", 0.3)):
            if part in name:
                made[name] = made[name] * factor
    for stage in range(3):  # boxes grow on their way, so that they are read from several maps
        made[f"roi_heads.box_predictor.{stage}.bbox_pred.bias"] += torch.tensor([0.0, 0.0, 5.0, 5.0])
    if backbone == "r50":  # its pixels are up to 150: the first layer makes them small
        first = "backbone.bottom_up.stem.conv1.norm.running_var"
        made[first] = made[first] * 100.0**2
    return made


def save(folder: Path, backbone: str, seed: int = 0, name: str | None = None) -> Path:
    """Returns the file of such a checkpoint, as detectron2 leaves it after training."""
    published = {"r50": "Unified_learned_OCIM_R50_6x+2x.pth", "rs200": "Unified_learned_OCIM_RS200_6x+2x.pth"}
    path = folder / (name or published[backbone])
    left = {"iteration": 179999, "scheduler": {"base_lrs": [0.001], "last_epoch": 180000}}
    torch.save({"model": state(backbone, seed), **left}, path)  # noqa: TID251 - makes the file that is read
    return path
