"""From a study to its cells: arm x reward x setting x seed, each a whole run and what it is measured on.

Equal cells of several experiments are one cell that stands in several places.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tessera.config import digest, to_plain
from tessera.recipes import load_recipe
from tessera.rewards.custom import CustomReward
from tessera.rewards.judge import JudgeReward
from tessera.rewards.metric import MetricReward
from tessera.rewards.named import scorer_settings
from tessera.rewards.noise import NoiseReward
from tessera.scorers.compbench.settings import CompBench
from tessera.scorers.detection.geneval_settings import GenEvalReward
from tessera.study.axes import AXES
from tessera.study.config import BASE, EvaluationConfig, ExperimentConfig, StudyConfig, Unit
from tessera.study.growth import GROWTH, stretched
from tessera.study.matching import check_matched, images_of
from tessera.training.config import RunConfig
from tessera.training.overlay import overlaid

DEFAULT = "default"  # the setting of an experiment without an axis

Rates = Mapping[str, float | None]  # by arm; None is the recipe's own
Costs = Mapping[str, float]  # by kind of run, of the whole run


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a cell stands in the tables."""

    experiment: str
    arm: str
    reward: str  # of best-of-n: who chose; of the base: nothing
    setting: str
    seed: int | None  # of training; the base has none


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One row of a comparison."""

    places: tuple[Place, ...]
    run: RunConfig | None  # None: the base itself
    evaluation: EvaluationConfig
    policy: str  # the base
    budget: float  # what it may use up, in the unit
    unit: Unit = "images"
    best_of: int = 1
    chooser: str | None = None
    judges: tuple[str, ...] = ()  # learned rewards that say how they like its pictures

    @property
    def id(self) -> str:
        """Its name: equal for equal content, wherever it stands."""
        first = self.places[0]
        words = [first.arm, first.reward, "" if first.seed is None else f"s{first.seed}"]
        return "-".join([*(word for word in words if word), self.content()[:8]])

    @property
    def algorithm(self) -> str | None:
        """What trains it."""
        return self.run.algorithm.kind if self.run else None

    def content(self) -> str:
        """Returns a digest of what is done, without what it is called."""
        run = None if self.run is None else to_plain(replace(self.run, recipe=""))
        plain = [run, to_plain(self.evaluation), self.policy, self.best_of, self.chooser]
        return digest({"cell": json.dumps(plain, sort_keys=True)})


def cells_of(study: StudyConfig, rates: Rates, costs: Costs | None = None) -> tuple[Cell, ...]:
    """Returns the cells in the order of the experiments; refuses arms that are not matched.

    `costs` are of runs at their own length (pilots.py). A study that is matched by images needs none; any
    other has its cells at their own length until they are known.
    """
    found: dict[str, Cell] = {}
    for experiment in study.experiments:
        for cell in _cells_of(study, experiment, rates, costs):
            key = cell.content()
            if key in found:
                places = (*found[key].places, *cell.places)
                judges = tuple(dict.fromkeys((*found[key].judges, *cell.judges)))
                cell = replace(found[key], places=places, judges=judges)
            found[key] = cell
    return tuple(found.values())


def _cells_of(
    study: StudyConfig, experiment: ExperimentConfig, rates: Rates, costs: Costs | None
) -> list[Cell]:
    evaluation = experiment.evaluation or study.evaluation
    place = Place(experiment=experiment.name, arm=BASE, reward="", setting=DEFAULT, seed=None)
    base = Cell(
        places=(place,),
        run=None,
        evaluation=evaluation,
        policy=study.policy,
        budget=0.0,
        unit=study.match,
        judges=tuple(name for name in experiment.rewards if is_learned(name)),
    )
    cells = []
    for arm in experiment.arms:
        if arm == BASE:
            cells += [base, *(_chosen(experiment, base, name) for name in experiment.choosers)]
            continue
        for reward in experiment.rewards:
            for value in experiment.values or (None,):
                budget = _budget(study, experiment, value, rates, costs)
                for seed in study.seeds:
                    setting = DEFAULT if value is None else f"{experiment.axis}={value}"
                    where = f"experiment {experiment.name}: {arm}, {reward}, {setting}"
                    run = _run(study, experiment, arm, reward, value, seed, rates)
                    if study.match == "images":
                        check_matched(run, round(budget), where)
                    elif costs and budget and (cost := costs.get(kind_of(run))):
                        run = stretched(run, budget / cost)
                    place = Place(
                        experiment=experiment.name, arm=arm, reward=reward, setting=setting, seed=seed
                    )
                    judges = (reward,) if is_learned(reward) else ()
                    cell = replace(base, places=(place,), run=run, budget=budget, judges=judges)
                    choosers = experiment.choosers if experiment.choose_trained else ()
                    cells += [cell, *(_chosen(experiment, cell, name) for name in choosers)]
    return cells


def _run(
    study: StudyConfig,
    experiment: ExperimentConfig,
    arm: str,
    reward: str,
    value: int | str | None,
    seed: int,
    rates: Rates,
) -> RunConfig:
    """Returns the run of one cell, at the length that its settings give it."""
    axis = GROWTH[experiment.axis] if experiment.compute == "growing" else AXES[experiment.axis]
    run = axis(run_of(study, arm, reward, seed, rates.get(arm)), value)
    return _watched(run, experiment.watched)


def _budget(
    study: StudyConfig,
    experiment: ExperimentConfig,
    value: int | str | None,
    rates: Rates,
    costs: Costs | None,
) -> float:
    """Returns what each cell of the experiment may use up, at this value of its axis.

    At growing compute, and wherever no number of images says it, that is what the first arm uses up.
    """
    growing = experiment.compute == "growing"
    if study.match == "images" and not growing:
        return float(experiment.images or study.images)
    arm = next(name for name in experiment.arms if name != BASE)
    at = value if growing or not experiment.values else experiment.values[0]
    first = _run(study, experiment, arm, experiment.rewards[0], at, study.seeds[0], rates)
    if study.match == "images":
        return float(images_of(first))
    return (costs or {}).get(kind_of(first), 0.0)


def kind_of(run: RunConfig) -> str:
    """Returns a digest of a run without its seed and its name: runs of one kind cost the same."""
    return digest({"kind": json.dumps(to_plain(replace(run, recipe="", seed=0)), sort_keys=True)})


def is_learned(reward: str) -> bool:
    """Returns whether the reward is a judge that can be wrong, and not what grades a benchmark, or noise."""
    return not isinstance(scorer_settings(reward), MetricReward | NoiseReward | CompBench | GenEvalReward)


def _chosen(experiment: ExperimentConfig, cell: Cell, chooser: str) -> Cell:
    """Returns the cell with a chooser among its pictures; of the base, who chose stands as its reward."""
    place = cell.places[0]
    place = replace(place, setting=f"best-of-{experiment.best_of}", reward=place.reward or chooser)
    return replace(cell, places=(place,), best_of=experiment.best_of, chooser=chooser, judges=())


def _watched(run: RunConfig, every: int | None) -> RunConfig:
    """Returns the run, looked at so often: KL, verifier and, where it is a judge, the reward itself."""
    if every is None:
        return run
    judges = (run.reward,) if isinstance(run.reward, JudgeReward | CustomReward) else ()
    return replace(run, watch=replace(run.watch, every=every, kl=True, scorers=judges))


def run_of(study: StudyConfig, arm: str, reward: str, seed: int, lr: float | None) -> RunConfig:
    """Returns the run of an arm: its recipe, then the study's changes, then its own."""
    settings = study.arm(arm)
    named = {"policy": study.policy, "seed": seed, "optimizer.lr": lr}
    run = overlaid(load_recipe(settings.recipe), named, (*study.changes, *settings.changes))
    return replace(run, reward=scorer_settings(reward))


def words_of(run: RunConfig) -> list[str]:
    """Returns the words after --set that make this run of its recipe."""
    return _differences(to_plain(load_recipe(run.recipe)), to_plain(run))


def _differences(before: Mapping[str, Any], after: Mapping[str, Any], above: str = "") -> list[str]:
    words = []
    for name, value in after.items():
        old, path = before.get(name), f"{above}{name}"
        # A part that a new kind brings along is told whole: what lies inside is not there to be changed.
        if isinstance(value, Mapping) and value and name in before:
            before_it = old if isinstance(old, Mapping) and old.get("kind") == value.get("kind") else {}
            words += _differences(before_it, value, f"{path}.")
        elif name not in before or old != value:
            words.append(f"{path}={_word(value)}")
    return words


def _word(value: object) -> str:
    """Returns a value as `overlaid` reads it: JSON, or text that is no JSON."""
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        json.loads(value)
    except json.JSONDecodeError:
        return value
    return json.dumps(value)
