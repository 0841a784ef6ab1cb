"""`tessera plan`: what a run will need before anything is loaded: memory, time, and what to change."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from tessera.cli.common import finish, parse_flags, positive

if TYPE_CHECKING:
    from tessera.training.plan import Plan
    from tessera.training.plan_advice import Change

GB = 10**9


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Predict what a run takes of a GPU, by part and phase, how long, and what to change if it does not fit.

    Nothing is downloaded or loaded: published policies are known by their sizes. Memory is in 10^9 bytes,
    times are a roofline at stated shares of what the GPU could do.

    Example: tessera plan mosaic-grpo --policy janus-pro-7b --gpu 80GB --set adapter.rank=16 micro_batch=null
    """

    recipe: Annotated[str, tyro.conf.Positional]
    """as of tessera train"""
    gpu: str = "80GB"
    """a100-40, a100-80, h100-80, h200-141, l40s or 4090; or memory alone, with the speeds of an H100"""
    num_gpus: int = 1
    """processes, each on one GPU"""
    policy: str | None = None
    """mosaic, janus-pro-1b, janus-pro-7b, llamagen-..., emu3 or a folder; unset: the recipe's"""
    config: tuple[Path, ...] = ()
    """TOML files with settings, merged into the recipe in this order"""
    set: tuple[str, ...] = ()
    """any other setting: adapter.rank=16 gradient_checkpointing=true strategy=fsdp batch_size=32"""
    json: bool = False
    """print one JSON object on standard output and nothing else"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "plan", arguments)
    positive("num-gpus", flags.num_gpus)

    from tessera.recipes import load_recipe
    from tessera.training.overlay import overlaid
    from tessera.training.plan import make_plan
    from tessera.training.plan_advice import advice, together
    from tessera.training.plan_gpus import gpu_of

    settings = overlaid(load_recipe(flags.recipe), {"policy": flags.policy}, flags.set, flags.config)
    plan = make_plan(settings, gpu_of(flags.gpu), flags.num_gpus)
    changes = advice(plan)
    whole = together(plan) if changes else None
    result = {
        "recipe": settings.recipe,
        "policy": settings.policy if settings.model is None else settings.model.place,
        "gpu": asdict(plan.gpu),
        "num_gpus": plan.gpus,
        "fits": plan.fits,
        "peak_gb": _gb(plan.peak),
        "peak_phase": plan.worst,
        "memory_gb": {
            phase: {part: _gb(amount) for part, amount in parts.items()}
            for phase, parts in plan.phases.items()
        },
        "micro_batch": plan.work.rows,
        "batch_size": plan.work.drawn,
        "step_seconds": {phase: round(amount, 4) for phase, amount in plan.seconds.items()},
        "images_per_gpu_second": plan.images_per_gpu_second,
        "hours": plan.hours,
        "changes": [asdict(each) | {"peak": _gb(each.peak)} for each in changes],
        "together": None if whole is None else {"words": whole[0], "peak_gb": _gb(whole[1].peak)},
        "remarks": plan.remarks,
    }
    lines = [*head_lines(plan), *table_lines(plan), *verdict_lines(plan), *change_lines(changes)]
    if changes and not any(each.fits for each in changes):
        lines.append(
            "None of these fits, nor do all together: take a smaller policy or a larger GPU."
            if whole is None
            else f"Together fits: {', '.join(whole[0])}: {whole[1].peak / GB:.1f} GB."
        )
    return finish(result, as_json=flags.json, lines=[*lines, *time_lines(plan), *plan.remarks])


def head_lines(plan: "Plan") -> list[str]:
    """Returns what is planned."""
    sizes, work = plan.sizes, plan.work
    trained = sizes.adapter(work.adapter) if work.adapter else sizes.trained
    how = f"of an adapter of rank {work.adapter.rank}" if work.adapter else "of its own"
    several = f", {plan.settings.strategy}" if plan.gpus > 1 else ""
    return [
        f"{plan.settings.policy} by {plan.settings.recipe} on {plan.gpus} x {plan.gpu.name}{several}",
        f"{sizes.footprint.parameters / 1e6:,.0f} M parameters, {trained / 1e6:,.1f} M {how} train; "
        f"{work.rows_in_all} {'pairs' if work.rollouts == 2 else 'pictures'} a step and GPU",
        "",
    ]


def table_lines(plan: "Plan") -> list[str]:
    """Returns the memory by part and phase."""
    parts = [
        part
        for part in next(iter(plan.phases.values()))
        if any(found[part] >= GB / 1000 for found in plan.phases.values())
    ]
    lines = [f"  {'GB':<16}" + "".join(f"{phase:>11}" for phase in plan.phases)]
    for part in parts:
        row = "".join(_cell(found[part]) for found in plan.phases.values())
        lines.append(f"  {part:<16}{row}")
    totals = "".join(f"{sum(found.values()) / GB:>11.1f}" for found in plan.phases.values())
    return [*lines, f"  {'total':<16}{totals}", ""]


def verdict_lines(plan: "Plan") -> list[str]:
    """Returns whether it fits, and the batches for which that holds."""
    told = f"{plan.peak / GB:.1f} GB while it does '{plan.worst}', of {plan.gpu.memory / GB:.0f}"
    batches = f"--set micro_batch={plan.work.rows} batch_size={plan.work.drawn}"
    if plan.fits:
        return [f"Fits: at most {told}, with {batches}"]
    return [f"Does not fit: {told}, with {batches}. What to change, cheapest first:"]


def change_lines(changes: "Sequence[Change]") -> list[str]:
    """Returns the changes, each alone."""
    return [
        f"  {each.words}: {each.peak / GB:.1f} GB{', fits' if each.fits else ''}, "
        f"{each.seconds:.1f} s a step; {each.cost}"
        for each in changes
    ]


def time_lines(plan: "Plan") -> list[str]:
    """Returns how long it takes."""
    phases = ", ".join(f"{name} {amount:.2f}" for name, amount in plan.seconds.items() if amount >= 0.005)
    return [
        "",
        f"A step takes about {sum(plan.seconds.values()):.3g} s ({phases or 'each below 0.005'}): "
        f"{plan.images_per_gpu_second:.3g} pictures per GPU and second.",
        f"{plan.settings.steps} steps take about {plan.hours:.2g} hours, beside looks at validation prompts.",
    ]


def _cell(amount: int) -> str:
    return f"{amount / GB:>11.2f}" if amount >= GB / 1000 else f"{'':>11}"


def _gb(amount: int) -> float:
    return round(amount / GB, 4)
