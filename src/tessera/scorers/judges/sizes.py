"""The sizes of the four judges: what `load_judge` builds, and what a build trains. No torch."""

from dataclasses import dataclass
from typing import Literal, get_args

JudgeName = Literal["preference", "regressor", "unified", "orm"]
JUDGES: tuple[JudgeName, ...] = get_args(JudgeName)

TEXT_SLOTS = 24  # words; the longest sentence of the grammar has fewer, and longer ones are refused
PATCH = 16  # pixels
GRID = 8  # patches in each direction


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeSizes:
    """Width, and the layers of each part; heads have 32 dimensions, hidden layers twice the width."""

    width: int
    text_layers: int = 0  # preference alone: layers that see only words
    picture_layers: int = 0  # preference and regressor: layers that see only patches
    joint_layers: int  # layers where words and patches meet
    embedding: int = 0  # preference alone: dimensions of the space where the two towers meet


SIZES: dict[JudgeName, JudgeSizes] = {
    "preference": JudgeSizes(width=96, text_layers=2, picture_layers=3, joint_layers=0, embedding=64),
    "regressor": JudgeSizes(width=96, picture_layers=3, joint_layers=2),
    "unified": JudgeSizes(width=96, joint_layers=5),
    "orm": JudgeSizes(width=96, joint_layers=2),
}
