"""Arms are compared at equal images. What the settings promise is checked before anything runs."""

from collections.abc import Mapping
from typing import Any

from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grpo import GRPOConfig
from tessera.errors import UserError
from tessera.training.config import RunConfig

TOLERANCE = 0.02  # share of the budget; three equal rounds of GRPO can be no nearer


def images_of(run: RunConfig) -> int:
    """Returns how many pictures a run samples for training, replaced groups left out."""
    match run.algorithm:
        case GRPOConfig() as own:
            return own.prompts_per_step * own.group * run.steps // own.updates
        case DPOConfig() as own:
            return own.prompts * own.group * (run.iterated.rounds if run.iterated else 1)


def missed_by(images: int, budget: int) -> float:
    """Returns by what share of the budget the images miss it: below 0 are too few."""
    return images / budget - 1


def check_matched(run: RunConfig, budget: int, where: str) -> None:
    """Refuses a run that samples noticeably more or fewer pictures than the budget."""
    images = images_of(run)
    if abs(images - budget) > TOLERANCE * budget:
        raise UserError(
            f"{where} samples {images} pictures, {missed_by(images, budget):+.1%} of the budget of {budget}; "
            f"arms are compared at equal images, within {TOLERANCE:.0%}. Change its steps, prompts or group, "
            "or the budget (images)"
        )


def matched(spent: Mapping[str, Any], budget: int) -> dict[str, Any]:
    """Returns how well a cell kept to the budget, by what its ledger says."""
    return {
        "images": spent["images"],
        "budget": budget,
        "missed_by": round(missed_by(spent["images"], budget), 4),
    }
