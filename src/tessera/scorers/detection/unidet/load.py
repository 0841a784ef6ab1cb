"""From a checkpoint of UniDet to the model: where the files are, and how they are read.

The files are UniDet's own, made by detectron2: {"model": {name: tensor}, ...}. They are read with torch's
`weights_only`; a file that holds more than tensors and plain values is refused, not run.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from tessera.errors import CheckpointError
from tessera.hub import Home, fill, locate, read_state
from tessera.scorers.detection.unidet.boxes import cell_anchors
from tessera.scorers.detection.unidet.design import Design
from tessera.scorers.detection.unidet.fpn import STRIDES
from tessera.scorers.detection.unidet.model import UniDetModel
from tessera.scorers.detection.unidet.settings import Backbone

FILES: dict[Backbone, str] = {
    "r50": "Unified_learned_OCIM_R50_6x+2x.pth",
    "rs200": "Unified_learned_OCIM_RS200_6x+2x.pth",
}
FOLDER = "expert_weights"  # of the hub's copy, and of T2I-CompBench's evaluator
# A copy for Prismer, which T2I-CompBench's README names; of R50 it names a Google Drive only.
HOME = Home(repo="shikunl/prismer", files=(f"{FOLDER}/{FILES['rs200']}",), licence="not confirmed")
SOURCES: dict[Backbone, str] = {
    "r50": "the README of https://github.com/Karine-Huang/T2I-CompBench links it (Google Drive)",
    "rs200": f"https://huggingface.co/{HOME.repo} has it",
}
UNUSED = ".num_batches_tracked"  # ends the names of counters of training
CONSTANT = 1e-3  # what numbers that a file repeats may differ by


def find(backbone: Backbone, weights: str | None) -> Path:
    """Returns the checkpoint's file: `weights` (it, or its folder), else the hub's."""
    name = FILES[backbone]
    if weights is None and backbone == "rs200":
        return locate(HOME, None, "weights") / FOLDER / name
    if weights is not None:
        given = Path(weights).expanduser()
        for path in (given, given / name, given / FOLDER / name):
            if path.is_file():
                return path
    there = f"{weights} is no file, and no folder with it" if weights else "it is not on the hub"
    raise CheckpointError(
        f"UniDet's {name} is needed, and {there}: {SOURCES[backbone]}. "
        "Name the file or its folder: weights=PATH"
    )


def read(path: Path, design: Design) -> UniDetModel:
    """Returns the model with the file's weights: every one in its place, none missing, none over."""
    state = read_state(path)
    rest = {key: value for key, value in state.items() if not key.endswith(UNUSED)}
    for key, expected in constants(design).items():
        if key in rest:
            check(key, rest.pop(key), expected, path)
    return fill(UniDetModel(design), rest, str(path))


def constants(design: Design) -> Mapping[str, Tensor]:
    """Returns numbers that are fixed here, under the names by which older files repeat them."""
    return {
        "pixel_mean": torch.tensor(design.mean).view(3, 1, 1),
        "pixel_std": torch.tensor(design.std).view(3, 1, 1),
    } | {
        f"proposal_generator.anchor_generator.cell_anchors.{level}": cell_anchors(level)
        for level in range(len(STRIDES))
    }


def check(key: str, given: Tensor, expected: Tensor, path: Path) -> None:
    """Raises a `CheckpointError` unless the file's numbers are the ones used here."""
    if given.shape != expected.shape or not torch.allclose(given.float(), expected, rtol=0, atol=CONSTANT):
        raise CheckpointError(
            f"{path}: {key} is {given.flatten().tolist()[:4]}, not {expected.flatten().tolist()[:4]}: "
            "these are the weights of another detector. Take the file that the backbone is named after"
        )
