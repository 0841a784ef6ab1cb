"""A study as data: which arms, rewards, settings and seeds are compared, how they are measured."""

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field

from tessera.config import config
from tessera.errors import UserError

BASE = "base"  # the arm that is not trained

Unit = Literal["images", "flops", "seconds"]  # of what arms are compared at (matching.py)

WORDS = ("reference", "logp_view")  # the axes whose values are words; those of the others are numbers
GROWING = ("samples", "prompts", "rounds")  # the axes along which compute can grow (growth.py)
AxisName = Literal["none", "samples", "prompts", "diversity", "rounds", "reference", "logp_view", "budget"]


@config
class ArmConfig:
    """One way of training: a recipe and what is changed in it."""

    name: str
    recipe: str
    changes: tuple[str, ...] = ()  # KEY=VALUE, as after --set of `tessera train`


@config
class EvaluationConfig:
    """What every policy is measured on, always with the same pictures' seeds: only the policy differs."""

    benchmarks: tuple[str, ...] = ("mosaic-id", "mosaic-ood")
    prompts_per_category: int | None = 60  # unset: as many as the published numbers are made of
    samples_per_prompt: int | None = 2  # likewise
    seed: int = 0
    batch_size: int = 64
    settings: tuple[str, ...] = ()  # of benchmarks, as after --set of `tessera eval`


@config
class ExperimentConfig:
    """One question: every arm with every reward at every value of one axis, for every seed."""

    name: str
    question: str
    arms: tuple[str, ...] = (BASE,)
    rewards: tuple[str, ...] = ("metric",)  # as after --scorer of `tessera eval`
    axis: AxisName = "none"
    values: tuple[int | str, ...] = ()
    compute: Literal["equal", "growing"] = "equal"  # along the axis; growing: more costs more
    best_of: int = 1  # candidates for each picture of the base, of which each chooser takes one
    choosers: tuple[str, ...] = ()
    choose_trained: bool = False  # the choosers choose among the pictures of trained arms, too
    watched: int | None = None  # steps between looks at KL, verifier and the trained judge as a run goes on
    images: int | None = None  # budget of each cell; unset: the study's
    evaluation: EvaluationConfig | None = None  # unset: the study's

    def __post_init__(self) -> None:
        if (self.axis == "none") is bool(self.values):
            raise UserError(f"experiment {self.name}: an axis has values, and none has none")
        if any(isinstance(value, str) is not (self.axis in WORDS) for value in self.values):
            kind = "words" if self.axis in WORDS else "whole numbers"
            raise UserError(f"experiment {self.name}: {self.axis} takes {kind}, got {list(self.values)}")
        if self.compute == "growing" and self.axis not in GROWING:
            raise UserError(
                f"experiment {self.name}: {self.axis} has no growing form; {', '.join(GROWING)} have"
            )
        if self.choose_trained and self.axis != "none":
            raise UserError(f"experiment {self.name}: choose_trained goes without an axis")
        if (self.best_of > 1) is not bool(self.choosers):
            raise UserError(f"experiment {self.name}: best_of (2 or more) and choosers go together")


@config
class PinnedRates:
    """Learning rates that are known already: those of the recipes, but for the arms named here."""

    kind: Literal["pinned"] = "pinned"
    source: str  # where they come from
    rates: dict[str, float] = field(default_factory=dict)


@config
class SweepRates:
    """Every arm gets the same rates, one seed and the same rule on validation prompts."""

    kind: Literal["sweep"] = "sweep"
    rates: tuple[float, ...] = (1e-4, 2e-4, 4e-4)  # as in docs/training.md
    seed: int = 100  # none of the study's
    reward: str = "metric"
    prompts_per_category: int = 60


@config
class StudyConfig:
    """A whole study."""

    name: str
    arms: tuple[ArmConfig, ...]
    experiments: tuple[ExperimentConfig, ...]
    seeds: tuple[int, ...] = (0,)
    policy: str = "mosaic"
    changes: tuple[str, ...] = ()  # of every run, before those of its arm
    images: int = 3200  # that each cell samples for training
    match: Unit = "images"  # another one: what an experiment's first arm costs at its own length
    evaluation: EvaluationConfig = EvaluationConfig()
    rates: Annotated[PinnedRates | SweepRates, Field(discriminator="kind")]

    def __post_init__(self) -> None:
        known = {BASE, *(arm.name for arm in self.arms)}
        for experiment in self.experiments:
            for arm in experiment.arms:
                if arm not in known:
                    raise UserError(
                        f"experiment {experiment.name} names the arm {arm!r}; the study has "
                        f"{', '.join(sorted(known))}"
                    )
        for what, names in (
            ("arm", [BASE, *(arm.name for arm in self.arms)]),
            ("experiment", [experiment.name for experiment in self.experiments]),
            ("seed", list(self.seeds)),
        ):
            if len(set(names)) < len(names):
                raise UserError(f"a study names each {what} once, got {names}")
        if isinstance(self.rates, SweepRates) and self.rates.seed in self.seeds:
            raise UserError(f"the sweep's seed {self.rates.seed} is one of the study's; choose another")

    def arm(self, name: str) -> ArmConfig:
        """Returns the arm of that name."""
        return next(arm for arm in self.arms if arm.name == name)
