"""Recipes for trials: a Janus of 0.4 M random weights learns on one core, in seconds, to light from above.

What runs is the code of the recipes for the real model (field.py): the same class, prompts of the same
manner, the same steps. Nothing is learnt that is worth having. Both draw 5,120 pictures. Values without a
source are the best of a few, by the gain in reward: .09 with GRPO and .024 with DPO, where one picture of the
base is .033 up or down (tests/learning/test_tiny_janus.py).
"""

from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grpo import GRPOConfig
from tessera.rewards.custom import CustomReward
from tessera.training.config import OptimizerConfig, RunConfig, WatchConfig

POLICY = "random:janus-tiny"
LIGHT = CustomReward(function="tessera.rewards.toys:light_from_above")
WATCH = WatchConfig(every=0, benchmarks=(), film_every=10)  # no benchmark judges such pictures
# Conditional, as the recipes for the real model, learns half as fast here, and DPO next to nothing: the null
# prompt of a random model is no weaker form of a prompt, so guidance of 5 has most of the say.
LOGP_VIEW = "guided"


def janus_tiny_grpo() -> RunConfig:
    """GRPO on the toy reward: 40 steps of 16 prompts x 8 pictures."""
    return RunConfig(
        recipe="janus-tiny-grpo",
        policy=POLICY,
        algorithm=GRPOConfig(
            prompts_per_step=16,
            group=8,  # T2I-R1 (arXiv:2505.00703)
            kl_weight=0.01,  # likewise
            logp_view=LOGP_VIEW,
        ),
        reward=LIGHT,
        prompts="toy",
        steps=40,
        optimizer=OptimizerConfig(lr=3e-3, warm_up=0.1),
        precision="float32",  # a core gains nothing from half precision at this width
        micro_batch=32,
        checkpoint_every=20,
        watch=WATCH,
    )


def janus_tiny_dpo() -> RunConfig:
    """DPO on the toy reward: the widest 4 pairs of 16 pictures of 320 prompts, then two epochs."""
    return RunConfig(
        recipe="janus-tiny-dpo",
        policy=POLICY,
        algorithm=DPOConfig(
            prompts=320,  # the 64 five times; x 16 = 5,120 pictures
            group=16,
            pairs_per_prompt=4,
            pairs_per_step=32,
            beta=0.1,  # Image-Generation-CoT (arXiv:2501.13926)
            logp_view=LOGP_VIEW,
        ),
        reward=LIGHT,
        prompts="toy",
        steps=80,  # x 32 pairs: two epochs
        optimizer=OptimizerConfig(lr=3e-3, warm_up=0.1),
        precision="float32",
        micro_batch=16,
        checkpoint_every=20,
        watch=WATCH,
    )
