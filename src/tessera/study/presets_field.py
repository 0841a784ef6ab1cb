"""The study of arXiv:2505.17017 on its own model: Janus-Pro-7B, T2I-CompBench in domain, GenEval out of it.

Every cell draws 22,400 pictures: 4 of each of 5,600 prompts (recipes/field.py has each value's source). Three
seeds, which the paper's sources do not name: a claim about a way of training must survive another one.
"""

from tessera.study.config import (
    BASE,
    ArmConfig,
    EvaluationConfig,
    ExperimentConfig,
    PinnedRates,
    StudyConfig,
)

POLICY = "janus-pro-7b"
IMAGES = 22_400  # 5,600 prompts x 4

ARMS = (
    ArmConfig(name="grpo", recipe="janus-pro-7b-grpo-hps"),
    ArmConfig(name="dpo", recipe="janus-pro-7b-dpo-hps"),
    # Two rounds, as in Image-Generation-CoT (arXiv:2501.13926): one more after the first. There it draws for
    # the same prompts again; here half of them a round, so that all arms draw equally much.
    ArmConfig(name="grpo-iterated", recipe="janus-pro-7b-grpo-hps", changes=("iterated.rounds=2",)),
    ArmConfig(
        name="dpo-iterated",
        recipe="janus-pro-7b-dpo-hps",
        changes=("iterated.rounds=2", "algorithm.prompts=2800"),
    ),
)

REWARDS = ExperimentConfig(
    name="rewards",
    question="DPO or GRPO, in domain and out of it; and does a reward that generalises make a policy do so?",
    arms=(BASE, "grpo", "dpo"),
    # As in the recipes; compbench is the metric reward, and in domain it is the examiner itself.
    rewards=("hps", "imagereward", "unifiedreward", "orm-zero-shot", "compbench"),
)
ROUNDS = ExperimentConfig(
    name="rounds",
    question="What do two rounds buy, at equal images?",
    arms=(BASE, "grpo-iterated", "dpo-iterated"),
    rewards=("hps",),
)


def janus() -> StudyConfig:
    """Returns the study. It takes GPUs, weights and data: `--dry-run` says how much, and needs none."""
    return StudyConfig(
        name="janus",
        arms=ARMS,
        experiments=(REWARDS, ROUNDS),
        seeds=(0, 1, 2),
        policy=POLICY,
        images=IMAGES,
        evaluation=EvaluationConfig(
            benchmarks=("compbench", "geneval"),
            prompts_per_category=None,  # all: 2,400 and 553
            samples_per_prompt=None,  # as published: 10 and 4
            batch_size=32,
        ),
        rates=PinnedRates(
            source="recipes/field.py: 1e-5 for an adapter, arXiv:2506.02015 on the same model; not swept"
        ),
    )
