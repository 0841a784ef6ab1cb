"""The scorers of outside models, by configuration. A family is imported when one of it is asked for.

transformers takes a second and more to import what its models are made of, and every process of a study reads
configurations: so the configurations are here at once, and the models when they are needed.
"""

from tessera.protocols import Reward, Scorer
from tessera.scorers.blip.settings import BlipVqaConfig, ImageRewardConfig
from tessera.scorers.clip.settings import HPS, Aesthetic, ClipScore, PickScore
from tessera.scorers.compbench.settings import CompBench
from tessera.scorers.detection.geneval_settings import GenEvalReward
from tessera.scorers.detection.settings import DetectionReward
from tessera.scorers.git.settings import GitVqaConfig
from tessera.scorers.vlm.settings import HpsV3, OrmVlm, UnifiedReward, UnifiedRewardPairs, VqaScore

OutsideScorer = (
    HPS
    | PickScore
    | ClipScore
    | Aesthetic
    | ImageRewardConfig
    | BlipVqaConfig
    | GitVqaConfig
    | DetectionReward
    | GenEvalReward
    | CompBench
    | UnifiedReward
    | OrmVlm
    | VqaScore
    | HpsV3
)


def load_outside(settings: OutsideScorer) -> Scorer:
    """Returns the scorer; what its files lack is told now, its weights are read when it first scores."""
    match settings:
        case HPS() | PickScore() | ClipScore() | Aesthetic():
            from tessera.scorers.clip.load import load_clip  # noqa: PLC0415 - see the head

            return load_clip(settings)
        case ImageRewardConfig() | BlipVqaConfig():
            from tessera.scorers.blip.load import load_blip  # noqa: PLC0415 - likewise

            return load_blip(settings)
        case GitVqaConfig():
            from tessera.scorers.git.load import load_git  # noqa: PLC0415 - likewise

            return load_git(settings)
        case DetectionReward():
            from tessera.scorers.detection.load import load_detection  # noqa: PLC0415 - likewise

            return load_detection(settings)
        case GenEvalReward():
            from tessera.scorers.detection.geneval_load import load_geneval  # noqa: PLC0415 - likewise

            return load_geneval(settings)
        case CompBench():
            from tessera.scorers.compbench.load import load_compbench  # noqa: PLC0415 - likewise

            return load_compbench(settings)
        case UnifiedReward() | OrmVlm() | VqaScore() | HpsV3():
            from tessera.scorers.vlm.load import load_vlm  # noqa: PLC0415 - likewise

            return load_vlm(settings)


def load_outside_reward(settings: UnifiedRewardPairs) -> Reward:
    """Returns the reward that compares the pictures of a group."""
    from tessera.scorers.vlm.load import load_vlm_reward  # noqa: PLC0415 - likewise

    return load_vlm_reward(settings)
