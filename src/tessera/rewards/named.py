"""Scorers by the names that a command line gives them, and where one of them is its own examiner."""

from collections.abc import Sequence

from tessera.errors import UserError, unknown
from tessera.rewards.custom import CustomReward
from tessera.rewards.judge import JudgeReward
from tessera.rewards.load import AnyScorer, EnsembleReward
from tessera.rewards.metric import MetricReward
from tessera.rewards.noise import NoiseReward
from tessera.scorers.judges.sizes import JUDGES

NAMES = (*JUDGES, "metric", "noise")


def scorer_settings(name: str) -> AnyScorer:
    """Returns the settings of a judge, of `metric` or `noise`, or of an outside `module:function`."""
    if ":" in name:
        return CustomReward(function=name)
    for judge in JUDGES:
        if name == judge:
            return JudgeReward(judge=judge)
    match name:
        case "metric":
            return MetricReward()
        case "noise":
            return NoiseReward()
        case _:
            raise UserError(f"{unknown('scorer', name, NAMES)} Outside code is named module:function.")


def overlap(settings: AnyScorer | EnsembleReward, benchmarks: Sequence[str]) -> str:
    """Returns a sentence to print beside every result of these benchmarks, empty if there is nothing to say.

    It says so where the reward, or a part of it, is what the benchmark grades with: such a result tells how
    well the grader was pleased, not whether another one would agree.
    """
    parts = [part.scorer for part in settings.parts] if isinstance(settings, EnsembleReward) else [settings]
    graded = [name for name in dict.fromkeys(benchmarks) if name.split("-")[0] == "mosaic"]
    if not graded or not any(isinstance(part, MetricReward) for part in parts):
        return ""
    whole = "metric is" if len(parts) == 1 else "the part metric of this reward is"
    return (
        f"Overlap: {whole} the verifier that grades {' and '.join(graded)}, so these numbers say how well it "
        "was pleased, not whether another judge would agree."
    )
