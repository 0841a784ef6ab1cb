"""A learned judge of mosaic as a reward: its raw score, whatever its unit.

GRPO standardises rewards within a group and DPO compares them, so the unit of a judge plays no part.
"""

from pathlib import Path
from typing import Literal

from tessera.config import config
from tessera.scorers.judges.judge import Judge, load_judge, read_judge
from tessera.scorers.judges.sizes import JudgeName


@config
class JudgeReward:
    """Names one of the judges; docs/judges.md says what each has seen, and what training on it does.

    `orm` is fragile on purpose: GRPO on it ruins the policy while its reward rises.
    """

    kind: Literal["judge"] = "judge"
    judge: JudgeName
    folder: str | None = None  # of judges made by `tessera world build`; unset: the shipped ones


def load_judge_reward(settings: JudgeReward) -> Judge:
    """Returns the judge that the settings name: it scores as a reward does."""
    if settings.folder is None:
        return load_judge(settings.judge)
    return read_judge(Path(settings.folder), settings.judge)
