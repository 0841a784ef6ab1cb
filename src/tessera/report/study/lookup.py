"""Which arms of a study stand for which side of a question."""

from collections.abc import Iterator

from tessera.report.study.read import Study
from tessera.report.study.rows import DEFAULT, Arm
from tessera.report.study.verdicts import Verdict
from tessera.report.theme import Series

EXACT = "metric"  # the reward that is the verifier itself
SERIES: tuple[Series, ...] = ("in-domain", "out-of-domain")


def find_arm(study: Study, experiment: str, name: str, reward: str) -> Arm | None:
    """Returns the experiment's arm of that name and reward in the default setting."""
    wanted = (name, reward, DEFAULT)
    return next((a for a in study.arms(experiment) if (a.arm, a.reward, a.setting) == wanted), None)


def shared_rewards(study: Study, experiment: str) -> list[str]:
    """Returns the rewards that both algorithms were trained on in the default setting."""
    both = [find_rewards(study, experiment, name) for name in ("dpo", "grpo")]
    return [reward for reward in both[0] if reward in both[1]]


def find_rewards(study: Study, experiment: str, name: str) -> list[str]:
    """Returns the rewards that an arm was trained on in the default setting."""
    arms = study.arms(experiment)
    return [arm.reward for arm in arms if arm.arm == name and arm.setting == DEFAULT]


def scaled(study: Study, experiment: str) -> dict[tuple[str, str], list[Arm]]:
    """Returns {(arm, axis): its arms along the axis}, of two places on it or more, with the exact reward."""
    found: dict[tuple[str, str], dict[float, Arm]] = {}
    for arm in study.arms(experiment):
        if arm.axis is not None and arm.reward == EXACT:
            axis, value = arm.axis
            found.setdefault((arm.arm, axis), {})[value] = arm
    return {key: [arms[at] for at in sorted(arms)] for key, arms in found.items() if len(arms) > 1}


def places(study: Study, series: Series) -> Iterator[tuple[str, str]]:
    """Yields each experiment with its benchmark in or out of domain."""
    for experiment in study.experiments:
        benchmark = study.benchmark(experiment, series)
        if benchmark is not None:
            yield experiment, benchmark


def first_answer(found: Iterator[list[Verdict]]) -> list[Verdict]:
    """Returns the first answer: a question that several experiments could answer is asked once."""
    return next((each for each in found if each), [])
