"""Recipes for the field's models, by size, algorithm and reward: janus-pro-7b-dpo-hps and its siblings.

The question is that of arXiv:2505.17017, whose code was not released: Janus-Pro, T2I-CompBench's training
prompts, groups of 4, each prompt once. What it does not say is taken from its siblings, else chosen here:

    r1     T2I-R1, GRPO of Janus-Pro-7B: arXiv:2505.00703, CaraJ7/T2I-R1 at 2d9d4d1 (run_grpo.sh, the trainer)
    cot    Image-Generation-CoT, DPO of Show-o: arXiv:2501.13926, at 1ff33eb (train_dpo.py, dpo.yaml)
    ospo   SimPO of Janus-Pro-7B: arXiv:2506.02015
    ours   said with the reason

Both algorithms draw 22,400 pictures. With its adapter, the 7 B model and any one of the rewards take one GPU
of 80 GB (tests/unit/recipes/test_field.py adds it up).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Literal, get_args

from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grpo import GRPOConfig
from tessera.policies.janus.config import JanusConfig
from tessera.policies.lora import LoRAConfig
from tessera.rewards.ensemble import Combination
from tessera.rewards.load import AnyReward, EnsembleReward, PartConfig
from tessera.rewards.metric import MetricReward
from tessera.scorers.blip.settings import ImageRewardConfig
from tessera.scorers.clip.settings import HPS
from tessera.scorers.compbench.settings import CompBench
from tessera.scorers.detection.settings import DetectionReward
from tessera.scorers.git.settings import GitVqaConfig
from tessera.scorers.placed import Placement
from tessera.scorers.vlm.settings import ZERO_SHOT, OrmVlm, UnifiedReward
from tessera.training.config import OptimizerConfig, RunConfig, WatchConfig
from tessera.types import View

Algorithm = Literal["dpo", "grpo"]
RewardName = Literal["hps", "imagereward", "unifiedreward", "orm", "metric"]

PROMPTS = "compbench"  # "5.6k" in second sources of 2505.17017: eight files of 700 lines (docs/deviations.md)
PROMPT_COUNT = 5600
GROUP = 4  # second sources of 2505.17017
GRPO_PROMPTS = 16  # r1: a prompt for each of 8 GPUs, twice
DPO_PAIRS = 80  # cot: 10 for each of 8 GPUs
# Half precision, as models of 7 B parameters are published; the scorers' own default is float32.
HALF = Placement(dtype="bfloat16")
# The outcome model without fine-tuning, which 2501.13926 calls zero-shot: the fine-tuned one may not be used
# for money, and a recipe cannot accept that for you (docs/recipes.md says how you do).
ORM = OrmVlm(weights=ZERO_SHOT.repo, place=HALF)

# Those of 2505.17017, as far as second sources name them: a human-preference model, a VQA model, a metric.
REWARDS: Mapping[RewardName, AnyReward] = {
    "hps": HPS(),
    "imagereward": ImageRewardConfig(),
    "unifiedreward": UnifiedReward(place=HALF),
    "orm": ORM,
    "metric": MetricReward(compbench=CompBench()),
}
# r1: a plain sum of raw scores, where a judge that a prompt is not for says 0. Here it says nothing, which
# counts as 0: a z-score of mean 0 and deviation 1 is the raw score, and has a neutral value.
RAW_OR_NOTHING = Combination(calibration="zscore", reference=(0.0, 1.0), optional=True)
T2I_R1_REWARD = EnsembleReward(  # run_grpo.sh: all four; the paper's final model leaves the outcome model out
    parts=(
        PartConfig(scorer=HPS()),
        PartConfig(scorer=DetectionReward(), how=RAW_OR_NOTHING),
        PartConfig(scorer=GitVqaConfig(), how=RAW_OR_NOTHING),
        PartConfig(scorer=ORM),
    )
)
WATCH = WatchConfig(
    every=0,
    benchmarks=(),  # ours: none has validation prompts, and test prompts choose nothing
    film_every=50,  # ours
)
# ours: 30 layers in half precision, replayed under autocast; what it is to find (a forgotten guidance of 5,
# a wrong mask) is above.
REPLAY_GAP = 5e-2


def field_run(
    policy: str, algorithm: Algorithm, reward: RewardName, *, view: View | None = None
) -> RunConfig:
    """Returns the run of a published policy: its adapter, 5,600 prompts, 4 pictures each."""
    return RunConfig(
        recipe=f"{policy}-{algorithm}-{reward}",
        policy=policy,
        algorithm=_grpo() if algorithm == "grpo" else _dpo(),
        reward=REWARDS[reward],
        prompts=PROMPTS,
        view=view,  # unset: the policy's own, for Janus guidance 5 and temperature 1, as r1
        steps=PROMPT_COUNT // (GRPO_PROMPTS if algorithm == "grpo" else DPO_PAIRS),  # each prompt once; cot
        optimizer=OptimizerConfig(
            # ospo, of an adapter on the same model. Ten times what r1 trains all weights with, as the rule of
            # LoRAConfig has it; cot: 1e-5 for all weights.
            lr=1e-5,
            warm_up=0.1,  # cot; r1: none
            schedule="linear",  # r1; cot: cosine
            max_grad_norm=1.0,  # r1
        ),
        precision="bfloat16",  # r1, cot
        adapter=LoRAConfig(),  # ours: r1 and cot train all weights, which takes eight GPUs
        gradient_checkpointing=True,  # r1
        micro_batch=16,  # ours: 40 GB less the model's; fixed, so that every machine rounds alike
        batch_size=32,  # ours: 64 sequences under guidance, whose keys and values take 21 GB
        checkpoint_every=50 if algorithm == "grpo" else 35,  # ours: a checkpoint of the 7 B model has 30 GB
        watch=WATCH,
    )


def _grpo() -> GRPOConfig:
    return GRPOConfig(
        prompts_per_step=GRPO_PROMPTS,
        group=GROUP,
        updates=1,  # second sources of 2505.17017: one iteration; r1
        loss_type="grpo",  # on whole pictures and at one update equal to r1's (docs/deviations.md)
        advantage="grpo",  # r1
        kl="k3",  # r1
        kl_weight=0.01,  # r1
        logp_view="conditional",  # r1; half the cost of guided
        max_replay_gap=REPLAY_GAP,
    )


def _dpo() -> DPOConfig:
    return DPOConfig(
        prompts=PROMPT_COUNT,  # second sources of 2505.17017: the same prompts as GRPO
        group=GROUP,  # ours: as GRPO, so that both draw as many pictures
        pairing="widest",  # ours: ranked by the reward, as the sources say; which pairs, they do not
        pairs_per_prompt=1,  # likewise
        pairs_per_step=DPO_PAIRS,
        loss_type="sigmoid",  # cot, log-probabilities summed
        beta=0.1,  # cot
        logp_view="conditional",  # as GRPO
        max_replay_gap=REPLAY_GAP,
    )


def janus_t2i_r1() -> RunConfig:
    """GRPO of Janus-Pro-7B as T2I-R1 trains its image tokens: all weights, several rewards, 8 GPUs.

    Without its written chain of thought. Weights are float32, as AdamW loses steps of 1e-6 in bfloat16.
    """
    return RunConfig(
        recipe="janus-pro-7b-grpo-t2i-r1",
        policy="janus-pro-7b",
        model=JanusConfig(weights="deepseek-community/Janus-Pro-7B", train="language", dtype="float32"),
        algorithm=GRPOConfig(
            prompts_per_step=16,
            group=8,
            updates=1,
            kl="k3",
            kl_weight=0.01,
            logp_view="conditional",
            max_replay_gap=REPLAY_GAP,  # ours
        ),
        reward=T2I_R1_REWARD,
        prompts="t2i-r1",  # its training file; a third is in GenEval's template, so GenEval is in domain
        steps=1600,
        optimizer=OptimizerConfig(lr=1e-6, warm_up=0.0, schedule="linear", max_grad_norm=1.0),
        precision="bfloat16",
        gradient_checkpointing=True,
        strategy="fsdp",  # as its ZeRO-3: 8 processes
        micro_batch=2,  # ours: what is left beside the copy that draws
        batch_size=16,  # as its chunks of 32 rows
        checkpoint_every=400,
        watch=WATCH,
    )


def llamagen_t2i(algorithm: Algorithm) -> RunConfig:
    """The same question of LlamaGen-XL at 256 pixels; training takes no top-k, so its view has none."""
    # cfg-scale 7.5: FoundationVision/LlamaGen, sample_t2i.py, whose top-k of 1,000 training cannot have.
    return field_run("llamagen-t2i-xl-256", algorithm, "hps", view=View(guidance=7.5))


def emu3() -> RunConfig:
    """GRPO of Emu3 on 720 x 720 pixels: 3,200 pictures, as each has 8,100 codes."""
    base = field_run("emu3", "grpo", "hps", view=View(guidance=3.0))  # baaivision/Emu3, image_generation.py
    return replace(
        base,
        algorithm=replace(_grpo(), prompts_per_step=8),
        steps=100,  # ours: x 8 x 4 = 3,200 pictures
        micro_batch=1,  # ours: a row has 14 times the positions of Janus
        batch_size=8,  # ours: 16 sequences under guidance, whose keys and values take 17 GB
    )


JANUS: Mapping[str, Callable[[], RunConfig]] = {
    f"janus-pro-{size}-{algorithm}-{reward}": partial(field_run, f"janus-pro-{size}", algorithm, reward)
    for size in ("1b", "7b")
    for algorithm in get_args(Algorithm)
    for reward in REWARDS
}
FIELD: Mapping[str, Callable[[], RunConfig]] = {
    **JANUS,
    "janus-pro-7b-grpo-t2i-r1": janus_t2i_r1,
    "llamagen-t2i-xl-256-dpo-hps": partial(llamagen_t2i, "dpo"),
    "llamagen-t2i-xl-256-grpo-hps": partial(llamagen_t2i, "grpo"),
    "emu3-grpo-hps": emu3,
}
