"""Scorers by the names that a command line gives them, and where one of them is its own examiner."""

from collections.abc import Sequence

from tessera.errors import UserError, unknown
from tessera.rewards.custom import CustomReward
from tessera.rewards.judge import JudgeReward
from tessera.rewards.load import AnyScorer, EnsembleReward, load_scorer
from tessera.rewards.metric import MetricReward
from tessera.rewards.noise import NoiseReward
from tessera.rewards.remote.settings import RemoteReward
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


def overlap(
    settings: AnyScorer | EnsembleReward, benchmarks: Sequence[str], held_out: Sequence[AnyScorer] = ()
) -> str:
    """Returns what to print beside every result of these benchmarks and held-out scorers; "" if nothing.

    It says so where the reward, or a part of it, is what the benchmark grades with, or is held out itself:
    such a result tells how well the grader was pleased, not whether another one would agree.
    """
    parts = [part.scorer for part in settings.parts] if isinstance(settings, EnsembleReward) else [settings]
    graded = [name for name in dict.fromkeys(benchmarks) if name.split("-")[0] == "mosaic"]
    told = []
    if graded and any(_is_metric(part) for part in parts):
        whole = "metric is" if len(parts) == 1 else "the part metric of this reward is"
        told.append(
            f"Overlap: {whole} the verifier that grades {' and '.join(graded)}, so these numbers say how "
            "well it was pleased, not whether another judge would agree."
        )
    if both := [load_scorer(each).name for each in held_out if each in parts]:
        told.append(f"Overlap: {' and '.join(both)} both trains and is held out.")
    return " ".join(told)


def _is_metric(settings: AnyScorer) -> bool:
    """Returns whether it is the verifier, or a server that has the verifier behind it."""
    if isinstance(settings, RemoteReward):
        return MetricReward().name in load_scorer(settings).name.split("+")  # which a sum puts between names
    return isinstance(settings, MetricReward)
