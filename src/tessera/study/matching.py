"""What arms are compared at: equal images, or on request equal FLOPs or seconds.

Images follow from the settings. What a picture costs in FLOPs or seconds does not: it depends on the
algorithm, the view, the reward and the machine. So a short pilot of every arm is run first, and each cell is
made longer or shorter until it should cost what its experiment's first arm costs at its own length. What it
did cost, and by how much that missed, is in the results.

FLOPs are counted in passes of a token through the policy: 1 forward, 3 forward and backward, each branch of
guidance by itself. Times twice the number of weights that is the usual estimate; within a study of one policy
the factor is the same everywhere. Attention over long sequences and the reward's own arithmetic are left out.
"""

from collections.abc import Mapping
from typing import Any

from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grpo import GRPOConfig
from tessera.errors import UserError
from tessera.study.config import Unit
from tessera.training.config import RunConfig

TOLERANCE = 0.02  # share of the budget; three equal rounds of GRPO can be no nearer
BACKWARD = 3  # passes of a token replayed with gradient: backward is twice forward

# Where a cell's ledger has them.
UNITS: Mapping[Unit, str] = {"images": "images", "flops": "token_passes", "seconds": "seconds"}


def images_of(run: RunConfig) -> int:
    """Returns how many pictures a run samples for training, replaced groups left out."""
    match run.algorithm:
        case GRPOConfig() as own:
            return own.prompts_per_step * own.group * run.steps // own.updates
        case DPOConfig() as own:
            return own.prompts * own.group * (run.iterated.rounds if run.iterated else 1)


def token_passes(spent: Mapping[str, Any], branches: int) -> int:
    """Returns the passes of tokens through the policy; drawing takes one of each branch of guidance."""
    return branches * spent["tokens_sampled"] + spent["tokens_scored"] + BACKWARD * spent["tokens_trained"]


def missed_by(spent: float | int, budget: float | int) -> float:
    """Returns by what share of the budget it was missed: below 0 is too little."""
    return spent / budget - 1


def check_matched(run: RunConfig, budget: int, where: str) -> None:
    """Refuses a run that samples noticeably more or fewer pictures than the budget."""
    images = images_of(run)
    if abs(images - budget) > TOLERANCE * budget:
        raise UserError(
            f"{where} samples {images} pictures, {missed_by(images, budget):+.1%} of the budget of {budget}; "
            f"arms are compared at equal images, within {TOLERANCE:.0%}. Change its steps, prompts or group, "
            "or the budget (images)"
        )


def matched(spent: Mapping[str, Any], unit: Unit, budget: float | int) -> dict[str, Any]:
    """Returns how well a cell kept to the budget, by what its ledger says."""
    used = spent[UNITS[unit]]
    return {"unit": unit, "spent": used, "budget": budget, "missed_by": round(missed_by(used, budget), 4)}
