"""What rewards and watching judges take of a GPU, from what the catalogue tells of their sizes.

A size there is a sentence, "69 M (Mask2Former, Swin-S) and 428 M (CLIP L/14)": its numbers are added up, but
for those that are alternatives ("151 M (B/32) or 986 M (H/14)"), of which the one that is set counts. What
nobody has measured is named, not guessed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tessera.rewards.catalogue import ENTRIES
from tessera.rewards.custom import CustomReward
from tessera.rewards.judge import JudgeReward
from tessera.rewards.load import AnyReward, AnyScorer, EnsembleReward
from tessera.rewards.metric import MetricReward
from tessera.rewards.noise import NoiseReward
from tessera.rewards.outside import OutsideScorer
from tessera.rewards.remote.settings import RemoteReward
from tessera.scorers.clip.settings import ClipScore
from tessera.scorers.compbench.settings import CompBench
from tessera.scorers.detection.geneval_settings import GenEvalReward
from tessera.scorers.placed import Placement
from tessera.scorers.vlm.settings import UnifiedRewardPairs

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
UNIT = {"M": 10**6, "B": 10**9}
# Bytes of activations for each picture at once, parameter and byte of a number, without gradients. A ViT-H/14
# has 986 M parameters and makes about 20 tensors of 257 x 1280 numbers; a VLM of 8 B, with about 1,000
# positions, as many of width 3584: 0.007 and 0.009.
ACTIVATION = 0.009

_AMOUNT = re.compile(r"(\d+(?:\.\d+)?) ([MB])\b(?: \(([^)]*)\))?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """One model that judges."""

    name: str
    parameters: int
    place: Placement
    trains: bool = True  # else it only watches

    @property
    def bytes(self) -> int:
        """Of its weights."""
        return self.parameters * BYTES[self.place.dtype]

    @property
    def activations(self) -> int:
        """Of a batch."""
        return round(self.bytes * ACTIVATION * self.place.batch_size)

    @property
    def on_gpu(self) -> bool:
        """Whether it computes there at all."""
        return self.place.device is None or self.place.device.startswith("cuda")


@dataclass(frozen=True, kw_only=True, slots=True)
class RewardLoad:
    """What all of them take: between two calls, and at most while they judge."""

    models: tuple[Weights, ...] = ()
    unmeasured: tuple[str, ...] = ()

    @property
    def resting(self) -> int:
        """Bytes that stay."""
        return sum(each.bytes for each in self._there if each.place.rest == "device")

    @property
    def at_work(self) -> int:
        """Bytes at the worst moment: they judge one after the other."""
        extra = [
            each.activations + (0 if each.place.rest == "device" else each.bytes) for each in self._there
        ]
        return self.resting + max(extra, default=0)

    @property
    def _there(self) -> list[Weights]:
        return [each for each in self.models if each.on_gpu]


def rewards_of(reward: AnyReward, watching: Sequence[AnyScorer] = ()) -> RewardLoad:
    """Returns what a reward takes, and the scorers that watch."""
    parts = [part.scorer for part in reward.parts] if isinstance(reward, EnsembleReward) else [reward]
    models: list[Weights] = []
    unmeasured: list[str] = []
    for number, judge in enumerate([*parts, *watching]):
        match judge:
            case MetricReward() | NoiseReward() | JudgeReward() | RemoteReward():
                continue  # no weights, below 2 MB, or on another machine
            case CustomReward():
                unmeasured.append(judge.function)
            case EnsembleReward():  # parts are no ensembles
                raise TypeError("an ensemble has no ensembles among its parts")
            case _:
                found = parameters_told(judge.kind, judge.backbone if isinstance(judge, ClipScore) else "")
                if found is None:
                    unmeasured.append(judge.kind)
                else:
                    place = _place(judge)
                    models.append(
                        Weights(name=judge.kind, parameters=found, place=place, trains=number < len(parts))
                    )
    return RewardLoad(models=tuple(models), unmeasured=tuple(unmeasured))


def _place(judge: OutsideScorer | UnifiedRewardPairs) -> Placement:
    """Returns where a scorer computes; of several models, where the first does."""
    match judge:
        case GenEvalReward():
            return judge.colours.place
        case CompBench():
            return judge.attributes.place
        case _:
            return judge.place


def parameters_told(name: str, variant: str = "") -> int | None:
    """Returns the parameters that the catalogue tells of a scorer, of alternatives those of the variant.

    None where it tells none.
    """
    size = next((entry.size for entry in ENTRIES if entry.name == name), "")
    told = [(float(number) * UNIT[unit], model) for number, unit, model in _AMOUNT.findall(size)]
    if not told:
        return None
    if " or " in size:
        return round(next((amount for amount, model in told if variant and variant in model), max(told)[0]))
    return round(sum(amount for amount, _ in told))
