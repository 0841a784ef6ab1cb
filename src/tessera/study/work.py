"""What a stage does, as data: the part of a stage that its key is made of."""

from typing import Annotated, Literal

from pydantic import Field

from tessera.config import config
from tessera.rewards.load import ScorerConfig
from tessera.study.config import EvaluationConfig
from tessera.training.config import RunConfig

# Roles of the stages that a stage reads.
ROLLOUTS, RUN, EVALUATION, CANDIDATES = "rollouts", "run", "evaluation", "candidates"


@config
class RolloutsWork:
    """Draws the first round's rollouts of DPO, for every reward that will judge them."""

    kind: Literal["rollouts"] = "rollouts"
    run: RunConfig


@config
class TrainWork:
    """Trains; with rollouts as input, the first round draws nothing."""

    kind: Literal["train"] = "train"
    run: RunConfig


@config
class EvaluateWork:
    """Measures the run that is its input, or the base if there is none."""

    kind: Literal["evaluate"] = "evaluate"
    policy: str  # the base
    evaluation: EvaluationConfig


@config
class ScoreWork:
    """Has a scorer judge the pictures of an evaluation, as it judged those it was the reward of."""

    kind: Literal["score"] = "score"
    evaluation: EvaluationConfig
    scorer: ScorerConfig


@config
class CandidatesWork:
    """Draws more pictures of the run that is its input, or of the base, beside those of its evaluation."""

    kind: Literal["candidates"] = "candidates"
    policy: str
    evaluation: EvaluationConfig
    count: int


@config
class BestOfWork:
    """Has a scorer choose among the candidates."""

    kind: Literal["best-of"] = "best-of"
    evaluation: EvaluationConfig
    count: int
    scorer: ScorerConfig


Work = Annotated[
    RolloutsWork | TrainWork | EvaluateWork | ScoreWork | CandidatesWork | BestOfWork,
    Field(discriminator="kind"),
]
