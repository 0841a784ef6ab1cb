"""The configurations of the vision-language scorers, without the models: they are read in every process."""

import math
from typing import Literal

from tessera.config import config
from tessera.errors import UserError
from tessera.hub import Home
from tessera.scorers.placed import Placement
from tessera.scorers.vlm.files import MODEL_FILES

Reading = Literal["expected", "text"]

FINE_TUNED = Home(repo="CaraJ/ORM-T2I-R1", files=MODEL_FILES, licence="CC-BY-NC-4.0")
ZERO_SHOT = Home(repo="llava-hf/llava-onevision-qwen2-7b-ov-hf", files=MODEL_FILES, licence="Apache-2.0")


@config
class UnifiedReward:
    """Names a checkpoint of UnifiedReward for Qwen2.5-VL, and how its mark is read."""

    kind: Literal["unifiedreward"] = "unifiedreward"
    weights: str | None = None  # a folder or a hub id; the ones for LLaVA are of another layout
    reading: Reading = "expected"
    place: Placement = Placement()


@config
class UnifiedRewardPairs:
    """Names a checkpoint of UnifiedReward for Qwen2.5-VL, and how its verdict on two pictures is read."""

    kind: Literal["unifiedreward-pairs"] = "unifiedreward-pairs"
    weights: str | None = None  # a folder or a hub id
    reading: Reading = "expected"
    place: Placement = Placement()


@config
class VqaScore:
    """Names the Qwen2.5-VL that is asked."""

    kind: Literal["vqascore"] = "vqascore"
    weights: str | None = None  # a folder or a hub id
    place: Placement = Placement()


@config
class OrmVlm:
    """Names the LLaVA-OneVision that is asked, and the temperature of its odds."""

    kind: Literal["orm-vlm"] = "orm-vlm"
    weights: str | None = None  # a folder or a hub id; unset: the fine-tuned ones
    temperature: float = 0.3  # T2I-R1's
    accept_noncommercial: bool = False
    place: Placement = Placement()

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise UserError(f"temperature must be above 0, got {self.temperature}; 0.3 is T2I-R1's")
        if self.weights in (None, FINE_TUNED.repo) and not self.accept_noncommercial:
            raise UserError(
                f"the weights of {FINE_TUNED.repo} are {FINE_TUNED.licence}: not for commercial use; set "
                f"accept_noncommercial=true if yours is none, or ask a free model: weights={ZERO_SHOT.repo}"
            )


@config
class HpsV3:
    """Names the weights, and the Qwen2-VL whose configuration and tokenizer they go with."""

    kind: Literal["hpsv3"] = "hpsv3"
    weights: str | None = None  # a folder or a hub id
    base: str | None = None  # a folder or a hub id: Qwen2-VL-7B-Instruct; its weights are not needed
    place: Placement = Placement()
