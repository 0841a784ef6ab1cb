"""How cost grows: drawing and updates over batch, group, tokens and codebook, on a small Janus.

Along each axis all else stays. Time is measured, and the bytes of all tensors that live at the peak above
the weights (`training/accountant.py`). Beside the exponent that the times have (the slope between logarithms
in the upper half of the points) stands that of the operations, and for drawing that of the bytes which its
steps read at least: drawing lies between the two, and below both while calls cost more than their work. In
the number of tokens, layers are linear and attention is quadratic.

    batch     pictures of one prompt, all at once
    group     pictures of a prompt, at as many pictures: a group's prompt is read once
    tokens    of a picture
    codebook  codes to choose from

A point that would take longer than the limit, by its operations, is left out, and so are those after it.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from tessera.algorithms.grouped import TokenBatch
from tessera.algorithms.grpo import GRPO, GRPOConfig
from tessera.bench.limits import step_cost, weights_of_a_step
from tessera.bench.policies import JanusSizes, janus_of
from tessera.bench.ratio import Clock, Phases
from tessera.bench.steps import Work, our_update
from tessera.config import to_plain
from tessera.policies.base import PolicyModule
from tessera.policies.reference import frozen_copy
from tessera.rewards.noise import NoiseReward
from tessera.rewards.plain import Plain
from tessera.rng import uniforms
from tessera.sampling.decode import decode_rows
from tessera.training.accountant import peak_of
from tessera.types import Progress, Prompt, View, silent

Axis = Literal["batch", "group", "tokens", "codebook"]
What = Literal["draw", "update"]
SIZES = JanusSizes(width=128, layers=4, heads=4, grid=8, codebook=1024, text_slots=64)
VIEW = View(guidance=5.0)
PROMPTS = tuple(f"a photo of {count} red circles" for count in range(32))
# Forward passes through the layers that an update is worth: policy, reference, twice as much backward; the
# head is made again for backward.
LAYERS, HEAD = 4, 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One place on an axis: how many pictures, of how many prompts, drawn by a policy of which sizes."""

    value: int
    pictures: int
    prompts: int = 1
    sizes: JanusSizes = SIZES


AXES: dict[Axis, tuple[Place, ...]] = {
    "batch": tuple(Place(value=n, pictures=n) for n in (1, 2, 4, 8, 16, 32, 64)),
    "group": tuple(Place(value=n, pictures=32, prompts=32 // n) for n in (1, 2, 4, 8, 16, 32)),
    "tokens": tuple(
        Place(value=side**2, pictures=4, sizes=replace(SIZES, grid=side)) for side in (4, 8, 12, 16, 24, 32)
    ),
    "codebook": tuple(
        Place(value=4**power, pictures=8, sizes=replace(SIZES, codebook=4**power)) for power in range(4, 9)
    ),
}
LEARNT: tuple[Axis, ...] = ("batch", "tokens", "codebook")  # an update does not know of groups


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """Work at a place, and what it must do at least."""

    run: Callable[[], object]
    held: Sequence[Tensor]  # what lives before
    flops: float | int
    bytes: float | None = None  # that are read, where work is so little that they count


def bench_growth(
    axes: Sequence[Axis],
    *,
    device: torch.device,
    limit: float,
    repeats: int,
    on_progress: Progress = silent,
) -> dict[str, Any]:
    """Returns a curve for each axis and work, as plain data; `limit` is in seconds, of one run of a point."""
    curves: list[tuple[Axis, What]] = [(axis, what) for axis in axes for what in works_of(axis)]
    found: list[dict[str, Any]] = []
    for number, (axis, what) in enumerate(curves):
        on_progress("curves", number, len(curves), f"{what} over {axis}")
        found.append(_curve(axis, what, Clock(device), limit, repeats))
    on_progress("curves", len(curves), len(curves))
    return {"sizes": to_plain(SIZES), "limit_seconds": limit, "curves": found}


def works_of(axis: Axis) -> tuple[What, ...]:
    """Returns what is measured along the axis."""
    return ("draw", "update") if axis in LEARNT else ("draw",)


def exponent(values: Sequence[float | int], costs: Sequence[float | int]) -> float | None:
    """Returns the slope of log cost over log value in the upper half of two points or more."""
    if len(values) < 2:
        return None
    half = max(2, math.ceil(len(values) / 2))
    x, y = ([math.log(each) for each in row[-half:]] for row in (values, costs))
    return statistics.linear_regression(x, y).slope


def _curve(axis: Axis, what: What, clock: Clock, limit: float, repeats: int) -> dict[str, Any]:
    points: list[dict[str, Any]] = []
    for place in AXES[axis]:
        task = _task(place, what, clock.device)
        if points and points[-1]["seconds"] * task.flops / points[-1]["flops"] > limit:
            break
        held = sum(tensor.untyped_storage().nbytes() for tensor in task.held)
        peak, _ = peak_of(task.run, task.held)
        taken = [clock.seconds(task.run)]
        while len(taken) < repeats and sum(taken) < limit:
            taken.append(clock.seconds(task.run))
        points.append(
            {
                "value": place.value,
                "pictures": place.pictures,
                "seconds": statistics.median(taken),
                "runs": len(taken),
                "peak_bytes": peak - held,
                "flops": task.flops,
                **({} if task.bytes is None else {"bytes": task.bytes}),
            }
        )
    values = [point["value"] for point in points]
    slopes = {
        key: exponent(values, [point[key] for point in points])
        for key in ("seconds", "peak_bytes", "flops", *(("bytes",) if what == "draw" else ()))
    }
    left_out = [place.value for place in AXES[axis][len(points) :]]
    return {"axis": axis, "what": what, "points": points, "exponents": slopes, "left_out": left_out}


def _task(place: Place, what: What, device: torch.device) -> Task:
    policy = janus_of(place.sizes).to(device)
    return _drawing(policy, place) if what == "draw" else _learning(policy, place)


def _drawing(policy: PolicyModule, place: Place) -> Task:
    text_P = policy.tokenize(PROMPTS[: place.prompts])
    rows_B = torch.arange(place.prompts, device=policy.device).repeat_interleave(
        place.pictures // place.prompts
    )
    uniform_BT = torch.from_numpy(uniforms(range(place.pictures), policy.spec.tokens)).to(policy.device)
    step = step_cost(policy, text_P.rows(rows_B), guided=True)
    layers, _ = weights_of_a_step(policy, text_P)
    read = 2 * layers * (text_P.mask.sum().item() + policy.null_like(text_P).mask[0].sum().item())
    return Task(
        run=lambda: decode_rows(policy, text_P, rows_B, uniform_BT, VIEW),
        held=[*policy.parameters(), uniform_BT],
        flops=policy.spec.tokens * step.flops + read,
        bytes=policy.spec.tokens * step.bytes,
    )


def _learning(policy: PolicyModule, place: Place) -> Task:
    """Returns one update on made-up rollouts, all in one backward pass."""
    generator = torch.Generator().manual_seed(0)
    shape = (place.pictures, policy.spec.tokens)
    text = policy.tokenize([PROMPTS[0]] * place.pictures)
    ones_BT = torch.ones(shape, device=policy.device)
    batch = TokenBatch(
        text=text,
        tokens_BT=torch.randint(policy.spec.codebook, shape, generator=generator).to(policy.device),
        old_logp_BT=-ones_BT,
        advantage_B=torch.randn(place.pictures, generator=generator).to(policy.device),
        weight_BT=ones_BT,
        fresh=False,  # nobody drew them
        images=place.pictures,
        metrics={},
    )
    reference = frozen_copy(policy)
    work = Work(
        policy=policy,
        reference=reference,
        reward=Plain(NoiseReward()),
        prompts=[Prompt(id="0", text=PROMPTS[0])],
        grpo=GRPO(GRPOConfig(prompts_per_step=1, group=max(2, place.pictures)), VIEW),
        optimizer=torch.optim.AdamW([parameter for _, parameter in policy.trainable()], lr=0.0),
        micro_batch=place.pictures,
        precision="float32",
    )
    phases = Phases(Clock(policy.device))
    held = [*policy.parameters(), *reference.parameters(), batch.tokens_BT, ones_BT]
    return Task(run=lambda: our_update(work, batch, phases), held=held, flops=_of_update(policy, place))


def _of_update(policy: PolicyModule, place: Place) -> int:
    """Returns the operations of an update. Attention is counted whole, as kernels with a mask make it."""
    it, spec = policy.footprint, policy.spec
    layers, head = weights_of_a_step(policy, policy.tokenize(PROMPTS[:1]))
    length, rows = spec.prefix + spec.tokens, 2 * place.pictures  # both branches of guidance
    forward = rows * length * (2 * layers + 4 * it.layers * it.width * length)
    return LAYERS * forward + HEAD * place.pictures * spec.tokens * 2 * head
