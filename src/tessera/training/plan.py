"""What a run will need, before anything is loaded: memory by part and phase, seconds, and what to change.

The formulas stand in `plan_memory` and `plan_time`; here a configuration becomes their input, and the rows of
a micro-batch and the pictures drawn at once become as many as fit.
"""

from dataclasses import dataclass, replace

from tessera.algorithms.base import trained_view
from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grpo import GRPOConfig
from tessera.errors import UserError
from tessera.training.config import RunConfig
from tessera.training.plan_gpus import Gpu
from tessera.training.plan_memory import Phases, Work, peak, phases
from tessera.training.plan_rewards import RewardLoad, rewards_of
from tessera.training.plan_sizes import Sizes, sizes_of
from tessera.training.plan_time import Round, of_run, seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A run on so many GPUs of a kind: each takes as much, and as long."""

    settings: RunConfig
    sizes: Sizes
    rewards: RewardLoad
    gpu: Gpu
    gpus: int
    work: Work
    round: Round
    phases: Phases
    seconds: dict[str, float]  # of a step, by phase

    @property
    def peak(self) -> int:
        """Bytes at the worst moment."""
        return peak(self.phases)[1]

    @property
    def worst(self) -> str:
        """The phase of that moment."""
        return peak(self.phases)[0]

    @property
    def fits(self) -> bool:
        """Whether a GPU holds that."""
        return self.peak <= self.gpu.memory

    @property
    def remarks(self) -> list[str]:
        """What a reader must know of these numbers."""
        found = []
        if self.rewards.unmeasured:
            found.append(
                f"Not counted, as nobody has told their sizes: {', '.join(self.rewards.unmeasured)}."
            )
        view = self.settings.view or self.sizes.spec.default_view
        if view.top_k or view.top_p < 1:
            found.append(
                f"Training refuses the view of this policy (top-k {view.top_k}, top-p {view.top_p}): set "
                f"view.guidance={view.guidance:g}."
            )
        if self.sizes.footprint.weight_bytes == 2 and self.settings.adapter is None:
            found.append(
                "Weights, gradients and moments are in bfloat16, as this policy is; with float32 "
                "(model.dtype=float32) all of them and the reference double."
            )
        return found

    @property
    def images_per_gpu_second(self) -> float:
        """Pictures drawn and learnt from."""
        return self.round.pictures / sum(self.seconds.values()) / self.gpus

    @property
    def hours(self) -> float:
        """Of all steps."""
        return of_run(self.seconds, self.settings.steps)


def make_plan(
    settings: RunConfig, gpu: Gpu, gpus: int, sizes: Sizes | None = None, rewards: RewardLoad | None = None
) -> Plan:
    """Returns the plan of a run with the largest batches that fit; the smallest where none does.

    `sizes` and `rewards` are those of the settings, where they are known already.
    """
    sizes = _on_gpu(sizes or sizes_of(settings.model or settings.policy))
    rewards = rewards or rewards_of(settings.reward, settings.watch.scorers)
    round_ = round_of(settings)
    work = work_of(settings, sizes, gpus)

    def took(rows: int, drawn: int) -> Phases:
        return phases(sizes, _batched(settings, work, rows, drawn), rewards)

    def fits(found: Phases, names: tuple[str, ...]) -> bool:
        return all(sum(parts.values()) <= gpu.memory for name, parts in found.items() if name in names)

    rows = settings.micro_batch and min(settings.micro_batch, work.rows_in_all)
    if rows is None:
        every = range(work.rows_in_all, 0, -1)
        rows = next((n for n in every if fits(took(n, 1), ("reference", "update"))), 1)
    most = min(settings.batch_size, max(1, round(round_.pictures_at_once / gpus)))
    drawn = next((n for n in range(most, 0, -1) if fits(took(1, n), ("sample", "replay"))), 1)
    work = _batched(settings, work, rows, drawn)
    return Plan(
        settings=settings,
        sizes=sizes,
        rewards=rewards,
        gpu=gpu,
        gpus=gpus,
        work=work,
        round=round_,
        phases=phases(sizes, work, rewards),
        seconds=seconds(sizes, work, rewards, gpu, round_),
    )


def round_of(settings: RunConfig) -> Round:
    """Returns what all processes do for a step, what is drawn spread over the steps that learn from it."""
    match settings.algorithm:
        case GRPOConfig() as grpo:
            drawn = grpo.prompts_per_step * grpo.group
            return Round(
                pictures=drawn / grpo.updates,
                pictures_at_once=drawn,
                group=grpo.group,
                rows=drawn,
                referred=0.0 if penalises(grpo) else drawn / grpo.updates,
            )
        case DPOConfig() as dpo:
            drawn = dpo.prompts * dpo.group
            return Round(
                pictures=drawn / settings.round_steps,
                pictures_at_once=drawn,
                group=dpo.group,
                rows=dpo.pairs_per_step,
                referred=min(float(dpo.pairs_per_step), drawn / settings.round_steps / 2),
            )


def penalises(grpo: GRPOConfig) -> bool:
    """Returns whether KL is taken off the reward, for which the reference is asked while collecting."""
    return grpo.kl_in == "reward" and grpo.kl_weight > 0


def work_of(settings: RunConfig, sizes: Sizes, gpus: int) -> Work:
    """Returns what one process does, in batches of one."""
    algorithm = settings.algorithm
    divided = algorithm.prompts_per_step if isinstance(algorithm, GRPOConfig) else algorithm.pairs_per_step
    if divided % gpus:
        name = "prompts_per_step" if isinstance(algorithm, GRPOConfig) else "pairs_per_step"
        raise UserError(
            f"algorithm.{name}={divided} cannot be divided among {gpus} GPUs; make it a multiple of that"
        )
    view = settings.view or sizes.spec.default_view
    trained = trained_view(view, algorithm.logp_view)
    replays = isinstance(algorithm, GRPOConfig) and (
        penalises(algorithm) or (trained != view and algorithm.token_weights != "uniform")
    )
    rows = round_of(settings).rows // gpus
    return Work(
        rows=1,
        rows_in_all=rows,
        rollouts=1 if isinstance(algorithm, GRPOConfig) else 2,
        guided=trained.guided,
        autocast=settings.precision == "bfloat16",
        recompute=settings.gradient_checkpointing,
        adapter=settings.adapter,
        second_adapter=settings.iterated is not None and settings.iterated.share() > 0,
        strategy=settings.strategy,
        processes=gpus,
        drawn_guided=view.guided,
        base=settings.watch.kl,
        replays=replays,
    )


def _batched(settings: RunConfig, work: Work, rows: int, drawn: int) -> Work:
    """Returns the work in batches of that size."""
    group = settings.algorithm.group
    # GRPO judges all pictures of a collection in one call, DPO each part as it was drawn.
    part = work.rows_in_all if isinstance(settings.algorithm, GRPOConfig) else max(group, settings.batch_size)
    # Rows of GRPO lie in groups; each pair of DPO may be of another prompt.
    prompts = -(-rows // group) if isinstance(settings.algorithm, GRPOConfig) else rows
    return replace(
        work,
        rows=rows,
        texts=prompts + (1 if work.guided else 0),
        drawn=drawn,
        prompts=max(1, -(-drawn // group)),
        pictures=part,
    )


def _on_gpu(sizes: Sizes) -> Sizes:
    """Returns the sizes with the attention of a GPU, whose kernel keeps no scores; read on a CPU, it does."""
    if not sizes.footprint.keeps_scores:
        return sizes
    return replace(
        sizes,
        footprint=replace(sizes.footprint, keeps_scores=False),
        traits=replace(sizes.traits, attention=sizes.traits.attention + 1),
    )
