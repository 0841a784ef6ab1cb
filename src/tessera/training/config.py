"""A run as data: what is trained, by which algorithm, for which reward, how long, and what is watched."""

from typing import Annotated, Any, Literal

from pydantic import Field

from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grpo import GRPOConfig
from tessera.algorithms.iterated import IteratedConfig
from tessera.config import config, to_plain
from tessera.errors import UserError
from tessera.policies.lora import LoRAConfig
from tessera.policies.settings import PolicyFamily
from tessera.rewards.load import RewardConfig, ScorerConfig
from tessera.rewards.metric import MetricReward
from tessera.training.distributed import Strategy
from tessera.types import View

SHARING = ("strategy", "judge_while_drawing")  # settings that leave every number as it is

AlgorithmConfig = Annotated[GRPOConfig | DPOConfig, Field(discriminator="kind")]


@config
class OptimizerConfig:
    """AdamW, whose rate climbs from 0, then falls linearly to 0 or stays."""

    lr: float
    warm_up: float = 0.2  # share of the steps
    schedule: Literal["linear", "constant"] = "linear"
    betas: tuple[float, float] = (0.9, 0.999)  # PyTorch's and TRL's default
    weight_decay: float = 0.0  # TRL's default
    max_grad_norm: float = 1.0

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise UserError(f"lr must be above 0, got {self.lr}")
        if not 0 <= self.warm_up < 1:
            raise UserError(f"warm_up is a share of the steps in [0, 1), got {self.warm_up}")
        if not self.max_grad_norm > 0:
            raise UserError(f"max_grad_norm must be above 0, got {self.max_grad_norm}")

    def rate(self, step: int, steps: int) -> float:
        """Returns the learning rate of step number `step`, counted from 0, of `steps`; never 0."""
        warm_up = round(self.warm_up * steps)
        if step < warm_up:
            return self.lr * (step + 1) / warm_up
        return self.lr * (steps - step) / (steps - warm_up) if self.schedule == "linear" else self.lr


@config
class WatchConfig:
    """What is looked at while training runs: validation prompts, never those of the test split."""

    every: int = 25  # steps between measurements; 0 measures at the start and at the end only
    benchmarks: tuple[str, ...] = ("mosaic-id", "mosaic-ood")
    # Judges of the same pictures, held out from training; one that the reward is made of is told as overlap.
    scorers: tuple[ScorerConfig, ...] = ()
    kl: bool = False  # also how far the policy has moved from what it began as, which is kept for that
    prompts_per_category: int = 10  # one picture each
    film_every: int = 10  # steps between pictures of the same prompts and seeds; 0: at start and end only


@config
class RunConfig:
    """A whole run."""

    recipe: str  # where the values come from
    policy: str = "mosaic"  # what is trained, and the reference: a name or a folder (policies/load.py)
    model: PolicyFamily | None = None  # it, with settings of its family; unset: as the name has them
    algorithm: AlgorithmConfig
    iterated: IteratedConfig | None = None  # rounds around the algorithm; unset: one, its reference kept
    reward: RewardConfig = MetricReward()
    max_missing: float = 0.1  # share of missing rewards above which a round fails
    prompts: str = "mosaic-id"  # the source of training prompts (data/sources.py): a name, or a file
    view: View | None = None  # under which pictures are drawn; unset: the policy's own
    steps: int
    optimizer: OptimizerConfig
    precision: Literal["float32", "bfloat16"] = "bfloat16"  # of the training forward pass alone
    adapter: LoRAConfig | None = None  # trains these low-rank products alone; unset: all weights
    gradient_checkpointing: bool = False  # recomputes each layer in backward: same result, slower, smaller
    micro_batch: int | None = None  # rows per backward pass; unset: as many as fit (training/memory.py)
    memory_gb: float | None = None  # that the policy and its training may take; unset: what is free
    strategy: Strategy = "ddp"  # of several processes; ddp: all weights on each, fsdp: a piece on each
    batch_size: int = 64  # pictures at once without gradients; changes speed and memory, never a picture
    # Decodes and judges each `batch_size` pictures while the next are drawn; unset: on a CPU with idle cores.
    # Changes no number. A reward that may be asked from one thread only needs false.
    judge_while_drawing: bool | None = None
    checkpoint_every: int = 10
    watch: WatchConfig = WatchConfig()
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "micro_batch", "batch_size", "checkpoint_every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name} must be 1 or more, got {value}")
        if self.memory_gb is not None and not self.memory_gb > 0:
            raise UserError(f"memory_gb must be above 0, got {self.memory_gb}; unset it to take what is free")
        if self.adapter is not None and self.strategy == "fsdp":
            raise UserError(
                "strategy=fsdp shares out gradients and moments, of which an adapter has next to none; use "
                "strategy=ddp with it, or unset adapter"
            )
        if not 0 <= self.max_missing <= 1:
            raise UserError(f"max_missing is a share in [0, 1], got {self.max_missing}")
        updates = self.algorithm.updates if isinstance(self.algorithm, GRPOConfig) else 1
        rounds = self.iterated.rounds if self.iterated else 1
        if self.steps % rounds:
            raise UserError(f"steps={self.steps} must be a multiple of iterated.rounds={rounds}")
        for name, value in (("steps", self.steps // rounds), ("checkpoint_every", self.checkpoint_every)):
            if value % updates:
                of_a_round = " of a round" if rounds > 1 and name == "steps" else ""
                raise UserError(
                    f"{name}{of_a_round}={value} must be a multiple of updates={updates}: what GRPO collects "
                    "is not cut in two"
                )

    @property
    def round_steps(self) -> int:
        """How many steps a round has."""
        return self.steps // (self.iterated.rounds if self.iterated else 1)

    def identity(self) -> dict[str, Any]:
        """Returns the settings as plain data, without who does which part of the work: numbers are equal."""
        return {name: value for name, value in to_plain(self).items() if name not in SHARING}
