"""Studies by name. Those of the embedded world: every cell samples 3,200 pictures for training, within 2 %,
but where an experiment says that compute grows, or that it is longer. That of Janus-Pro: presets_field.py.

The question is that of arXiv:2505.17017 (DPO or GRPO, in and out of domain, rewards, scaling), whose code was
not released; what its sources do not say is chosen here.
"""

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

from tessera.config import from_plain
from tessera.errors import UserError, unknown
from tessera.study.config import (
    BASE,
    ArmConfig,
    EvaluationConfig,
    ExperimentConfig,
    PinnedRates,
    StudyConfig,
)
from tessera.study.presets_field import janus

JUDGES = ("preference", "regressor", "unified", "orm")
SHIFTS = ("combos", "counts", "relations")

ARMS = (
    ArmConfig(name="grpo", recipe="mosaic-grpo"),
    ArmConfig(name="dpo", recipe="mosaic-dpo"),
    # 51 steps: three equal rounds, and 3,264 pictures; the recipe's 48 are 4 % below the budget.
    ArmConfig(name="grpo-iterated", recipe="mosaic-grpo-iterated", changes=("steps=51",)),
    ArmConfig(name="dpo-iterated", recipe="mosaic-dpo-iterated"),
)

PINNED = PinnedRates(
    source="docs/training.md, One sweep: 1e-4, 2e-4, 4e-4 for each, seed 100, on validation prompts; 2e-4 won"
    " for both, and the arms in rounds take it over",
)

VERSUS = ExperimentConfig(
    name="versus",
    question="DPO or GRPO: which gains more in domain, and which out of domain?",
    arms=(BASE, "grpo", "dpo"),
)
REWARDS = ExperimentConfig(
    name="rewards",
    question="Does a reward that generalises better make a policy that does, and for which algorithm?",
    arms=(BASE, "grpo", "dpo"),
    rewards=("metric", *JUDGES),
    best_of=4,
    choosers=("metric", *JUDGES),
)
SAMPLES = ExperimentConfig(
    name="samples",
    question="More samples of fewer prompts, at equal images and equal gradient steps?",
    arms=(BASE, "grpo", "dpo"),
    axis="samples",
    values=(4, 8, 16),
)
PROMPTS = ExperimentConfig(
    name="prompts",
    question="How many different prompts does training need, at equal images?",
    arms=(BASE, "grpo", "dpo"),
    axis="prompts",
    values=(40, 80, 200, 400),  # 400 is all
)
DIVERSITY = ExperimentConfig(
    name="diversity",
    question="How many kinds of prompts does training need, at as many prompts (80) and equal images?",
    arms=(BASE, "grpo", "dpo"),
    axis="diversity",
    values=(1, 2, 3, 6),  # 6 is all: in domain there are so many categories
)
ROUNDS = ExperimentConfig(
    name="rounds",
    question="What do rounds buy, at equal images?",
    arms=(BASE, "grpo", "dpo"),
    axis="rounds",
    values=(1, 2, 3),
)
REFERENCE = ExperimentConfig(
    name="reference",
    question="In rounds: should the reference stay or follow?",
    arms=(BASE, "grpo-iterated", "dpo-iterated"),
    axis="reference",
    values=("kept", "refreshed"),
)
VIEWS = ExperimentConfig(
    name="views",
    question="Guided or conditional log-probabilities, at the same rate?",
    arms=(BASE, "grpo", "dpo"),
    axis="logp_view",
    values=("guided", "conditional"),
)
ONE_SHIFT = ExperimentConfig(
    name="shifts",
    question="Which shift does each algorithm survive, one at a time?",
    arms=(BASE, "grpo", "dpo"),
    evaluation=EvaluationConfig(benchmarks=tuple(f"mosaic-ood+{shift}" for shift in SHIFTS)),
)
GROWING = (
    ExperimentConfig(
        name="samples-growing",
        question="More samples of the same prompts, in as many gradient steps?",
        arms=(BASE, "grpo", "dpo"),
        axis="samples",
        values=(4, 8, 16),
        compute="growing",
    ),
    ExperimentConfig(
        name="prompts-growing",
        question="More prompts, each sampled as often?",
        arms=(BASE, "grpo", "dpo"),
        axis="prompts",
        values=(200, 400, 800),
        compute="growing",
    ),
    ExperimentConfig(
        name="rounds-growing",
        question="The whole training again, from where it ended?",
        arms=(BASE, "grpo", "dpo"),
        axis="rounds",
        values=(1, 2, 3),
        compute="growing",
    ),
)
INFERENCE = ExperimentConfig(
    name="inference",
    question="At equal inference and at equal total compute: train on a judge, let it choose, or both?",
    arms=(BASE, "grpo", "dpo"),
    rewards=("unified",),
    best_of=8,
    choosers=("unified",),
    choose_trained=True,
)
LONGER = ExperimentConfig(
    name="longer",
    question="Twice as long on a judge: does its reward go on rising while the pictures get worse?",
    arms=(BASE, "grpo", "dpo"),
    rewards=JUDGES,
    axis="budget",
    values=(2,),
    images=6400,
    watched=10,
)


def quick() -> StudyConfig:
    """Returns the study of a few minutes: one seed, so it decides nothing, but shows everything."""
    shown = ExperimentConfig(
        name="versus",
        question=VERSUS.question,
        arms=VERSUS.arms,
        best_of=4,
        choosers=("metric", "unified"),
    )
    return StudyConfig(name="quick", arms=ARMS, experiments=(shown,), rates=PINNED)


def standard() -> StudyConfig:
    """Returns the study of the paper's three questions, with three seeds."""
    return StudyConfig(
        name="standard",
        arms=ARMS,
        experiments=(VERSUS, REWARDS, SAMPLES, PROMPTS, DIVERSITY, ROUNDS, REFERENCE),
        seeds=(0, 1, 2),
        rates=PINNED,
    )


def full() -> StudyConfig:
    """Returns the standard study with five seeds, and what else there is to ask."""
    return StudyConfig(
        name="full",
        arms=ARMS,
        experiments=(*standard().experiments, *GROWING, VIEWS, ONE_SHIFT, INFERENCE, LONGER),
        seeds=(0, 1, 2, 3, 4),
        rates=PINNED,
    )


PRESETS: Mapping[str, Callable[[], StudyConfig]] = {
    "quick": quick,
    "standard": standard,
    "full": full,
    "janus": janus,
}


def load_study(name: str) -> StudyConfig:
    """Returns the study of that name, or of a TOML or JSON file: what stands under `config` in study.json."""
    path = Path(name)
    if path.suffix not in (".toml", ".json"):
        if name not in PRESETS:
            raise UserError(
                f"{unknown('study', name, PRESETS)} A study of your own is a .toml or .json file."
            )
        return PRESETS[name]()
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:  # of either format
        raise UserError(f"{path} cannot be read: {error}") from error
    return from_plain(StudyConfig, data, where=str(path))
