"""Recipes for the embedded world: about 3,200 pictures each, so that algorithms compare at equal images.

"Prototype" is the smaller policy that this world was designed with; its measurements chose these values.
"""

from dataclasses import replace

from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grpo import GRPOConfig
from tessera.algorithms.iterated import IteratedConfig
from tessera.rewards.metric import MetricReward
from tessera.training.config import OptimizerConfig, RunConfig


def mosaic_grpo() -> RunConfig:
    """GRPO on the exact verifier: 50 steps of 8 prompts x 8 pictures."""
    return RunConfig(
        recipe="mosaic-grpo",
        algorithm=GRPOConfig(
            prompts_per_step=8,  # prototype: 64 pictures a step; 4 x 16 and 8 x 8 were a tie
            group=8,
            updates=1,  # prototype; on-policy, nothing is clipped
            loss_type="grpo",  # DeepSeekMath, arXiv:2402.03300
            advantage="grpo",
            clip=(0.2, 0.2),  # PPO, arXiv:1707.06347, table 1; prototype
            kl="k3",  # DeepSeekMath, equation 4
            kl_weight=0.01,  # prototype: .01 to .02
            logp_view="guided",  # prototype: keeps KL smaller at equal learning rate
        ),
        reward=MetricReward(strict_weight=0.5),  # prototype: the best and most stable run
        steps=50,  # x 64 = 3,200 pictures; prototype
        optimizer=OptimizerConfig(
            lr=2e-4,  # best of 1e-4, 2e-4, 4e-4 on validation prompts, one seed (docs/training.md)
            warm_up=0.2,  # prototype: 10 of 50 steps
            schedule="linear",  # prototype: to 0
            max_grad_norm=1.0,  # prototype
        ),
        precision="bfloat16",  # of training: 2.6 times as fast as float32 here, replay gap 1e-3 nats
        micro_batch=32,  # 0.4 GB at once; fixed, so that every machine rounds alike
    )


def mosaic_dpo() -> RunConfig:
    """DPO on the exact verifier: best against worst of 8 pictures of 400 prompts, then two epochs."""
    return RunConfig(
        recipe="mosaic-dpo",
        algorithm=DPOConfig(
            prompts=400,  # x 8 = 3,200 pictures; prototype
            group=8,
            pairing="widest",  # prototype: best against worst
            pairs_per_prompt=1,
            pairs_per_step=32,  # prototype
            loss_type="sigmoid",  # arXiv:2305.18290, equation 7
            # Ten times the usual 0.1, under which this policy falls apart at the same rate: on validation
            # prompts strict .383 -> .000 and chosen rollouts -21 nats; with 1.0 .375 -> .450 and -0.2 nats.
            beta=1.0,
            logp_view="guided",  # as mosaic-grpo
        ),
        reward=MetricReward(strict_weight=0.5),  # as mosaic-grpo
        steps=25,  # x 32 pairs: two epochs, where every prompt gives a pair; prototype: 22 to 25
        optimizer=OptimizerConfig(
            lr=2e-4,  # from the same sweep as mosaic-grpo
            warm_up=0.12,  # prototype: 3 steps
            schedule="linear",  # prototype: to 0
            max_grad_norm=1.0,
        ),
        precision="bfloat16",
        micro_batch=32,  # as mosaic-grpo
    )


def mosaic_grpo_iterated() -> RunConfig:
    """GRPO in three rounds: as mosaic-grpo, but the reference becomes the policy after each."""
    base = mosaic_grpo()
    return replace(
        base,
        recipe="mosaic-grpo-iterated",
        steps=48,  # 3 x 16, x 64 = 3,072 pictures: three equal rounds, nearest to mosaic-grpo
        iterated=IteratedConfig(rounds=3, reference="refreshed"),  # three rounds: prototype
    )


def mosaic_dpo_iterated() -> RunConfig:
    """DPO in three rounds: each draws a third of the pictures anew, with the policy as it then stands."""
    base = mosaic_dpo()
    return replace(
        base,
        recipe="mosaic-dpo-iterated",
        algorithm=replace(base.algorithm, prompts=133),  # x 8 x 3 rounds = 3,192 pictures
        steps=24,  # 3 x 8 steps of 32 pairs: two epochs a round, as mosaic-dpo has in all
        iterated=IteratedConfig(rounds=3, reference="refreshed"),  # three rounds: prototype
    )
