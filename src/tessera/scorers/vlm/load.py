"""From the configuration of a vision-language scorer to the scorer, and what is told of each."""

from tessera.protocols import Reward, Scorer
from tessera.scorers.entry import Entry
from tessera.scorers.vlm.hpsv3 import HPS_V3, QWEN_2_VL, load_hpsv3
from tessera.scorers.vlm.orm import load_orm
from tessera.scorers.vlm.settings import (
    FINE_TUNED,
    ZERO_SHOT,
    HpsV3,
    OrmVlm,
    UnifiedReward,
    UnifiedRewardPairs,
    VqaScore,
)
from tessera.scorers.vlm.unifiedreward import UNIFIED_REWARD, load_unifiedreward
from tessera.scorers.vlm.unifiedreward_pairs import load_unifiedreward_pairs
from tessera.scorers.vlm.vqascore import QWEN_2_5_VL, load_vqascore

VlmFamily = UnifiedReward | OrmVlm | VqaScore | HpsV3

PROOF = "tests/parity/test_vlm_scorers.py"

ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="unifiedreward",
        role="preference",
        homes=(UNIFIED_REWARD,),
        size="8 B (Qwen2.5-VL-7B)",
        unit="a mark from 1 to 5; divided by 5 in flow_grpo",
        needs="",
        proof=PROOF,
        source="arXiv 2503.05236; github.com/CodeGoat24/UnifiedReward",
    ),
    Entry(
        name="unifiedreward-pairs",
        role="preference",
        homes=(UNIFIED_REWARD,),
        size="8 B (Qwen2.5-VL-7B)",
        unit="share of meetings won within the group, 0 to 1; one half is neither better nor worse",
        needs="two or more pictures of a prompt; a reward, no scorer of single pictures",
        proof=PROOF,
        source="arXiv 2503.05236, 2508.20751; github.com/CodeGoat24/UnifiedReward",
    ),
    Entry(
        name="orm-vlm",
        role="alignment",
        homes=(FINE_TUNED, ZERO_SHOT),
        size="8 B (LLaVA-OneVision-Qwen2-7B)",
        unit="probability of yes against no, 0 to 1, at temperature 0.3",
        needs="accept_noncommercial=true for the fine-tuned weights, or weights of another LLaVA-OneVision",
        proof=PROOF,
        source="arXiv 2505.00703, 2501.13926; github.com/CaraJ7/T2I-R1, reward_orm.py",
    ),
    Entry(
        name="vqascore",
        role="alignment",
        homes=(QWEN_2_5_VL,),
        size="8 B (Qwen2.5-VL-7B)",
        unit='probability that the answer begins with "Yes", 0 to 1; not comparable with CLIP-FlanT5\'s',
        needs="",
        proof=PROOF,
        source="arXiv 2404.01291; github.com/linzhiqiu/t2v_metrics",
    ),
    Entry(
        name="hpsv3",
        role="preference",
        homes=(HPS_V3, QWEN_2_VL),
        size="8 B (Qwen2-VL-7B)",
        unit="without a bound. Means of its own benchmark: 5.31 (SD3-M) to 10.43 (FLUX-dev)",
        needs="",
        proof=PROOF,
        source="arXiv 2508.03789; github.com/MizzenAI/HPSv3",
    ),
)


def load_vlm(settings: VlmFamily) -> Scorer:
    """Returns the scorer; its files are found now, its weights read when it first scores."""
    match settings:
        case UnifiedReward():
            return load_unifiedreward(settings)
        case OrmVlm():
            return load_orm(settings)
        case VqaScore():
            return load_vqascore(settings)
        case HpsV3():
            return load_hpsv3(settings)


def load_vlm_reward(settings: UnifiedRewardPairs) -> Reward:
    """Returns the reward that compares the pictures of a group."""
    return load_unifiedreward_pairs(settings)
