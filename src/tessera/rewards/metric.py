"""The metric of a benchmark as a reward: what grades a prompt's own benchmark, dispatched by the prompt.

On prompts of mosaic that is its exact verifier: the share of a prompt's facts that hold, and whether all do.
On prompts of T2I-CompBench it is the evaluator of the category (scorers/compbench), where `compbench`
says with which instruments: what the study calls the metric reward (docs/deviations.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray

from tessera.config import config
from tessera.config import digest as config_digest
from tessera.errors import UserError
from tessera.protocols import Scorer
from tessera.scorers.compbench.settings import CompBench
from tessera.scorers.mosaic import grade
from tessera.tensors import Scores
from tessera.types import Prompt

COMPBENCH = "compbench"  # what a prompt's metadata say under "benchmark"
NO_INSTRUMENTS = (
    "this is a prompt of T2I-CompBench, and the reward has none of its instruments: set reward.compbench={}"
)


@config
class MetricReward:
    """w * strict + (1 - w) * soft, in [0, 1]: strict is 1 if every fact holds, soft is the share that does.

    Strict alone leaves most groups without contrast where the policy is weak; soft alone never asks for the
    last fact. Half and half is the prototype's best and most stable setting (embedded_world.md, section 5).
    T2I-CompBench's categories have one number each, which counts as it is.
    """

    kind: Literal["metric"] = "metric"
    strict_weight: float = 0.5
    compbench: CompBench | None = None  # its instruments, for its prompts

    def __post_init__(self) -> None:
        if not 0 <= self.strict_weight <= 1:
            raise UserError(f"strict_weight must lie in [0, 1], got {self.strict_weight}")


@dataclass(frozen=True, slots=True)
class Metric:
    """The metric at work."""

    settings: MetricReward
    compbench: Scorer | None

    @property
    def name(self) -> str:
        """As in messages."""
        return self.settings.kind

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> Scores:
        """Returns a value per picture; NaN where the prompt says nothing that its grader can judge."""
        is_theirs = [each.metadata.get("benchmark") == COMPBENCH for each in prompts]
        rows = [row for row, theirs in enumerate(is_theirs) if theirs]
        ours = [row for row, theirs in enumerate(is_theirs) if not theirs]
        values, reasons = np.full(len(prompts), np.nan), np.full(len(prompts), NO_INSTRUMENTS, dtype=object)
        weight = self.settings.strict_weight
        for row, verdict in zip(
            ours, grade([prompts[row].text for row in ours], images_BHWC[ours]), strict=True
        ):
            values[row] = weight * verdict.strict + (1 - weight) * verdict.soft
            reasons[row] = verdict.reason
        if self.compbench is not None and rows:
            said = self.compbench.score([prompts[row] for row in rows], images_BHWC[rows])
            values[rows], reasons[rows] = said.value_B.numpy(), said.reasons
        return Scores(value_B=torch.from_numpy(values), reasons=tuple(reasons), digest=self.digest())

    def digest(self) -> str:
        """Returns a hash of the settings, and of the instruments where there are some."""
        instruments = self.compbench.digest() if self.compbench is not None else ""
        return config_digest({"strict_weight": self.settings.strict_weight, "compbench": instruments})


def load_metric(settings: MetricReward) -> Metric:
    """Returns the reward; T2I-CompBench's weights are looked for when its first picture is judged."""
    if settings.compbench is None:
        return Metric(settings, None)
    from tessera.scorers.compbench.load import load_compbench  # noqa: PLC0415 - imports models

    return Metric(settings, load_compbench(settings.compbench))
