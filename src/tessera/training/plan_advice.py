"""What to change where a run does not fit, cheapest first, each with what it is predicted to do.

Cheap is what changes no number that is learnt (smaller batches, recomputing, where a reward waits); then what
changes which weights train; then what needs more machines.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tessera.errors import UserError
from tessera.policies.lora import LoRAConfig
from tessera.training.config import RunConfig
from tessera.training.plan import Plan, make_plan

MOST_GPUS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One thing to change, and what it does alone."""

    words: str  # as after --set, or a flag
    cost: str
    peak: int
    fits: bool
    seconds: float  # of a step


def advice(plan: Plan) -> list[Change]:
    """Returns the changes that make the peak smaller, cheapest first; none where the run fits."""
    if plan.fits:
        return []
    found = [
        Change(
            words=words,
            cost=cost,
            peak=other.peak,
            fits=other.fits,
            seconds=sum(other.seconds.values()),
        )
        for words, cost, other in _others(plan)
    ]
    return [each for each in found if each.peak < plan.peak * 0.99]


def together(plan: Plan) -> tuple[list[str], Plan] | None:
    """Returns the fewest of the cheapest changes that together fit, and the plan with them; None: none do."""
    words: list[str] = []
    tried = plan
    for step in (_small, _recomputed, _elsewhere, _adapted, _sharded):
        changed = step(tried)
        if changed is None:
            continue
        label, _, other = changed
        if other.peak < tried.peak * 0.99:
            words, tried = [*words, label], other
        if tried.fits:
            return words, tried
    return None


Found = tuple[str, str, Plan] | None


def _others(plan: Plan) -> Iterator[tuple[str, str, Plan]]:
    for step in (_small, _recomputed, _elsewhere, _adapted, _sharded):
        if (found := step(plan)) is not None:
            yield found


def _again(plan: Plan, settings: RunConfig, gpus: int | None = None) -> Plan:
    return make_plan(settings, plan.gpu, gpus or plan.gpus, plan.sizes, plan.rewards)


def _small(plan: Plan) -> Found:
    """Returns the plan without a micro-batch of its own, which then becomes the largest that fits."""
    if plan.settings.micro_batch in (None, 1):
        return None
    other = _again(plan, replace(plan.settings, micro_batch=None))
    return f"micro_batch={other.work.rows}", "more, smaller backward passes", other


def _recomputed(plan: Plan) -> Found:
    if plan.settings.gradient_checkpointing:
        return None
    other = _again(plan, replace(plan.settings, gradient_checkpointing=True))
    return "gradient_checkpointing=true", "each layer's forward pass once more", other


def _elsewhere(plan: Plan) -> Found:
    """Returns the plan with rewards that wait in the memory of the host between two calls."""
    waiting = [each for each in plan.rewards.models if each.on_gpu and each.place.rest == "device"]
    if not waiting:
        return None
    models = tuple(
        replace(each, place=replace(each.place, rest="host")) if each in waiting else each
        for each in plan.rewards.models
    )
    rewards = replace(plan.rewards, models=models)
    other = make_plan(plan.settings, plan.gpu, plan.gpus, plan.sizes, rewards)
    names = ", ".join(dict.fromkeys(each.name for each in waiting))
    words = f"place.rest=host of {names} (or kind=remote, behind tessera serve-reward)"
    return words, "weights cross the bus at every call", other


def _adapted(plan: Plan) -> Found:
    if plan.settings.adapter is not None:
        return None
    rank = LoRAConfig().rank
    settings = replace(plan.settings, adapter=LoRAConfig(), strategy="ddp")
    words = f"adapter.rank={rank}" + (" strategy=ddp" if plan.settings.strategy == "fsdp" else "")
    return (
        words,
        "low-rank products train, not all weights; about ten times the learning rate",
        _again(plan, settings),
    )


def _sharded(plan: Plan) -> Found:
    """Returns the plan on the fewest GPUs on which pieces fit, or else on the most."""
    if plan.settings.adapter is not None:
        return None
    settings = replace(plan.settings, strategy="fsdp")
    best: Found = None
    gpus = max(2, plan.gpus)
    while gpus <= MOST_GPUS:
        try:
            other = _again(plan, settings, gpus)
        except UserError:  # prompts or pairs of a step do not divide
            break
        words = " ".join(
            filter(
                None,
                (
                    "" if plan.settings.strategy == "fsdp" else "strategy=fsdp",
                    "" if gpus == plan.gpus else f"--num-gpus {gpus}",
                ),
            )
        )
        if words:
            best = (words, "weights travel to each GPU as they are needed", other)
        if other.fits:
            break
        gpus *= 2
    return best
