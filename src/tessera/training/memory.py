"""How much memory a step takes, and how many rows of a micro-batch fit.

An estimate in bytes, from sizes alone. R sequences run at once (rows, twice under guidance, twice again for
a pair), of S positions (prefix and all codes but the last), through L layers of width D with H heads and
MLPs of width M; r rollouts of T codes out of V get a log-probability. w is the size of a weight, c that of
a number in a matrix product (2 under bfloat16 autocast, else w); residual stream and norms have 4 bytes.

    weights      parameters w, the adapter's too; under autocast also a copy in c, cached until backward ends
    reference    parameters w for a copy; 0 where it is the same weights with the adapter switched off
    gradients    what trains; twice where several processes average it, for the buckets in which it travels
    moments      twice what trains (AdamW)
    one layer    S D (4 * 4 + 7 c) + S M m c + H S^2 c
                 what autograd keeps: input and normed input of both norms; of width D the inputs of four
                 linear layers, where the first gives q, k, v and a scaled q or the mixed values; m tensors of
                 the MLP (input and output of squared ReLU 2; of a gated one 4); softmax,
                 where attention keeps them
    activations  R (L + 2) layers, two more for the gradients and temporaries of the one that backward is in;
                 recomputed: R (L S D 4 + 3 layers), the inputs of all and one made again. An adapter takes
                 one more: its product stands beside the layer's own before they are added. Where texts are
                 shared, sequences of the null prompt have S less the prefix: it stands once for all of them
    logits       CHUNK V (8 + c): logits, log-softmax and probabilities of a chunk; where the head may train
                 4 V more for each token before the last chunk, unless there are more than LOGITS_AT_ONCE
    sampling     a cache of 2 R' L S K w for R' sequences drawn at once, and their V (8 + 16) of one step; an
                 int8 cache of 2 R' L S (K + scales w), and 2 R' S K w of one layer that a step makes of it

Sampling and updating take turns, so the larger counts; gradients and moments stay in between. The same
bookkeeping as in Korthikanti and others (arXiv:2205.05198, section 4), who have dropout and 16 bits
throughout. Left out: decoding codes to pictures, the reward's model, what PyTorch itself takes, holes in the
heap; and what strategy=fsdp saves, less the whole copy that it draws with.

`python -m tests.performance.memory` holds the estimate against reality: 0.8 to 1.5 times what was measured.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grpo import GRPOConfig
from tessera.errors import UserError
from tessera.objective.chunked import CHUNK
from tessera.policies.lora import LoRAPolicy
from tessera.protocols import Policy
from tessera.sampling.replay import LOGITS_AT_ONCE
from tessera.storage import CONFIG
from tessera.training.config import RunConfig
from tessera.training.distributed import Team
from tessera.types import Footprint, PolicySpec, View

GB = 10**9
ROWS = "rows_at_once"  # in config.json
CPU_SHARE = 0.5  # of the memory that is free: others live on the machine, too


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What a run asks of the memory, beside its policy."""

    rows: int  # of a micro-batch
    rollouts: int = 1  # of a row: a pair has two
    guided: bool = False  # the trained log-probabilities
    trained: int  # bytes of the parameters that train
    adapter: bool = False  # they stand beside the policy's own, and the reference is no copy
    recompute: bool = False
    autocast: bool = False  # to bfloat16
    processes: int = 1
    drawn: int = 0  # pictures at once when sampling
    drawn_guided: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """Bytes by part."""

    weights: int
    reference: int
    gradients: int
    moments: int
    activations: int
    logits: int
    sampling: int

    @property
    def total(self) -> int:
        """At the peak of a step."""
        held = self.weights + self.reference + self.gradients + self.moments
        return held + max(self.activations + self.logits, self.sampling)


def estimate(spec: PolicySpec, sizes: Footprint, load: Load) -> Estimate:
    """Returns what a step of this load takes; the formulas stand at the head of the file."""
    w, c = sizes.weight_bytes, 2 if load.autocast else sizes.weight_bytes
    positions = spec.prefix + spec.tokens - 1
    stream = positions * sizes.width
    scores = sizes.heads * positions**2 * c if sizes.keeps_scores else 0
    layer = stream * (4 * 4 + 7 * c) + positions * sizes.mlp_width * sizes.mlp_tensors * c + scores
    found = sizes.layers * stream * 4 + layer if load.recompute else sizes.layers * layer
    passing = (3 if load.adapter else 2) * layer
    # Of the null prompt's branch, beside the prompt's own; each prompt is counted for every row that has it.
    beside = (spec.tokens - 1) / positions if sizes.shares_texts else 1.0
    rollouts = load.rows * load.rollouts
    codes = rollouts * spec.tokens
    at_once = min(codes, CHUNK)
    kept = codes - at_once if not load.adapter and codes * spec.codebook <= LOGITS_AT_ONCE else 0
    cached = positions * (sizes.layers * sizes.slot_bytes + sizes.read_bytes)
    own = sizes.parameters * w
    return Estimate(
        weights=own + (sizes.parameters * c if load.autocast else 0),
        reference=0 if load.adapter else own,
        gradients=load.trained * (2 if load.processes > 1 else 1),
        moments=2 * load.trained,
        activations=int(rollouts * (1 + beside if load.guided else 1) * (found + passing)),
        logits=spec.codebook * (at_once * (8 + c) + 4 * kept),
        sampling=load.drawn * ((2 if load.drawn_guided else 1) * cached + spec.codebook * (8 + 16)),
    )


def largest_rows(spec: PolicySpec, sizes: Footprint, load: Load, budget: int) -> int:
    """Returns the most rows, up to those of the load, whose estimate fits; refuses where not one does."""
    for rows in range(load.rows, 0, -1):
        if estimate(spec, sizes, replace(load, rows=rows)).total <= budget:
            return rows
    least = estimate(spec, sizes, replace(load, rows=1))
    parts = ", ".join(f"{name} {amount / GB:.3g}" for name, amount in asdict(least).items())
    raise UserError(
        f"one row needs about {least.total / GB:.3g} GB ({parts}), and there are {budget / GB:.3g}: set "
        "gradient_checkpointing=true, adapter.rank=16 or a smaller batch_size, or try with micro_batch=1"
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The rows of a micro-batch, and why so many."""

    rows: int
    notes: dict[str, Any]  # for config.json


def plan_rows(
    settings: RunConfig, policy: Policy, folder: Path, team: Team, *, drawn: View, trained: View, resume: bool
) -> Plan:
    """Returns the rows per backward pass: as set, as the run began, or as many as fit.

    A resumed run keeps its number, as another one would round otherwise.
    """
    load = load_of(settings, policy, drawn=drawn, trained=trained, processes=team.count)
    spec, sizes = policy.spec, policy.footprint
    rows = settings.micro_batch or (_recorded(folder) if resume else None)
    budget = None
    if rows is None:
        budget = _budget(settings, load, sizes, team)
        mine = torch.tensor([largest_rows(spec, sizes, load, budget)])
        rows = int(team.gather(mine).min())  # the same for all: they wait for one another
    parts = estimate(spec, sizes, replace(load, rows=min(rows, load.rows)))
    memory = {name: round(amount / GB, 4) for name, amount in asdict(parts).items()}
    memory["total"] = round(parts.total / GB, 4)
    if budget is not None:
        memory["budget"] = round(budget / GB, 4)
    return Plan(rows=rows, notes={ROWS: rows, "memory_estimate_gb": memory})


def load_of(settings: RunConfig, policy: Policy, *, drawn: View, trained: View, processes: int) -> Load:
    """Returns the load of a whole step, in one piece, on one of so many processes."""
    match settings.algorithm:
        case GRPOConfig(prompts_per_step=prompts, group=group):
            rows, rollouts = prompts * group, 1
        case DPOConfig(pairs_per_step=rows):
            rollouts = 2
    return Load(
        rows=max(1, rows // processes),
        rollouts=rollouts,
        guided=trained.guided,
        trained=sum(parameter.numel() * parameter.element_size() for _, parameter in policy.trainable()),
        adapter=isinstance(policy, LoRAPolicy),
        recompute=settings.gradient_checkpointing,
        autocast=settings.precision == "bfloat16",
        processes=processes,
        drawn=settings.batch_size,
        drawn_guided=drawn.guided,
    )


def _recorded(folder: Path) -> int | None:
    """Returns the rows that a run began with; None where there is none, or no run."""
    if not (folder / CONFIG).exists():
        return None
    return json.loads((folder / CONFIG).read_text(encoding="utf-8")).get(ROWS)


def _budget(settings: RunConfig, load: Load, sizes: Footprint, team: Team) -> int:
    """Returns the bytes that policy, reference and training may take together on this process."""
    if settings.memory_gb is not None:
        return round(settings.memory_gb * GB)
    # Policy and reference are there already, so what is free is beside them.
    held = sizes.parameters * sizes.weight_bytes * (1 if load.adapter else 2)
    if torch.cuda.is_available():
        return held + torch.cuda.mem_get_info()[0]
    return held + round(_available() * CPU_SHARE) // team.count


def _available() -> int:
    """Returns the bytes that Linux could give out without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise UserError(
            "this system does not say how much memory is free; set memory_gb or micro_batch"
        ) from error
    (line,) = (line for line in lines if line.startswith("MemAvailable:"))
    return int(line.split()[1]) * 1024
