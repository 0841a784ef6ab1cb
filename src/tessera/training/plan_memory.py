"""What each phase of a step keeps in the memory of one process, in bytes by part, from sizes alone.

A sequence has S positions (prefix and all codes but the last) and passes L layers of width D with H heads
and MLPs of width M; R sequences run at once (rollouts, twice under guidance), r rollouts of T codes out of V.
w is the size of a weight, c that of a number in a matrix product (2 under bfloat16 autocast, else w); n, a,
x, p are the traits of the family, m the tensors of the MLP that backward finds (`plan_sizes`, `Footprint`).

    columns    S a sequence; where sequences share U texts of P positions, (T - 1) + U P / R, and for S^2 then
               (T - 1) S + U P^2 / R
    layer      S D (2 (4 + n) + (a + x + 2) c) + S M m c + H S^2 c      what autograd keeps: input and normed
               input of both norms; q, k, v, and the inputs of the linear layers; the MLP; softmax, where
               attention keeps it. Under autocast of float32 weights each linear layer casts its input itself
    adapter    S D (2 * 4 + a c) + S M (m - 1) c + inputs of the adapted layers + their products of the rank:
               frozen norms need no normed input, and each adapted layer casts its input itself
    kept       L layers; recomputed: L S D w, the inputs alone
    passing    p S M c + S D w, what backward makes on its way through a layer; an adapter 4 S (D + M) more;
               recomputed: one whole layer more
    logits     CHUNK V (8 + c): logits, log-softmax and probabilities; where the head trains 4 V more for each
               token before the last chunk, kept for backward, unless there are more than LOGITS_AT_ONCE
    cache      2 R L S K w for keys and values of width K, and what filling it with the prefix takes; of int8
               2 R L S (K + scales w), and a step makes 2 R S K w of one layer's, to attend that
    update     kept + the larger of passing and logits: logits are gone when backward reaches the layers

The bookkeeping of Korthikanti and others (arXiv:2205.05198, section 4), counted anew for these layers with
`Accountant`; tests/unit/training/test_plan_measured.py holds the sums to 15 % of what is counted in a run.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tessera.objective.chunked import CHUNK
from tessera.policies.lora import LoRAConfig
from tessera.sampling.replay import LOGITS_AT_ONCE
from tessera.training.distributed import Strategy
from tessera.training.plan_rewards import RewardLoad
from tessera.training.plan_sizes import Sizes

PARTS = (
    "weights",
    "reference",
    "drawing copy",
    "gradients",
    "moments",
    "text encoder",
    "rewards",
    "key-value cache",
    "activations",
    "logits",
    "pictures",
    "margin",
)
ADAPTER_BYTES = 4  # an adapter is in float32, whatever the base is in
UNITS_IN_FLIGHT = 2  # FSDP2 gathers the next layer while one computes
# What a process has on a GPU beside its tensors: CUDA's context, kernels and workspaces of cuBLAS and cuDNN.
CONTEXT = 10**9
# What the caching allocator holds and cannot use, as a share of what comes and goes; our choice.
HOLES = 0.10

Phases = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What a process does in a step, and how."""

    rows: int  # of a micro-batch
    rows_in_all: int  # of a step, on this process
    texts: int = 0  # distinct ones of a micro-batch, the null prompt among them; 0: one for each sequence
    rollouts: int = 1  # of a row: a pair has two
    guided: bool = False  # the trained log-probabilities
    autocast: bool = False  # to bfloat16
    recompute: bool = False
    adapter: LoRAConfig | None = None
    second_adapter: bool = False  # the reference moves, and is an adapter of its own
    strategy: Strategy = "ddp"
    processes: int = 1
    drawn: int = 1  # pictures at once when sampling
    drawn_guided: bool = False
    prompts: int = 1  # distinct ones among them
    pictures: int = 1  # that a collection decodes in one call
    base: bool = False  # another copy, for the KL that is watched
    replays: bool = False  # what was drawn is scored again under another view
    on_gpu: bool = True  # whose libraries and allocator take their share

    @property
    def sequences(self) -> int:
        """R of a micro-batch."""
        return self.rows * self.rollouts * (2 if self.guided else 1)

    @property
    def sharded(self) -> bool:
        """Whether weights, gradients and moments lie in pieces."""
        return self.strategy == "fsdp" and self.processes > 1


def columns(sizes: Sizes, work: Work) -> tuple[float, float]:
    """Returns a sequence's columns in a training pass, and its pairs of a query and a key, on average."""
    whole = sizes.positions
    if not sizes.footprint.shares_texts:
        return float(whole), float(whole**2)
    codes, prefix = sizes.spec.tokens - 1, sizes.spec.prefix
    share = (work.texts or work.sequences) / work.sequences
    return codes + share * prefix, codes * whole + share * prefix**2


def layer_bytes(sizes: Sizes, work: Work) -> int:
    """Returns what backward finds of one layer, for one sequence."""
    it, traits = sizes.footprint, sizes.traits
    w, (s, attended) = it.weight_bytes, columns(sizes, work)
    c = 2 if work.autocast else w
    inputs = sum(each.inputs for each in sizes.in_layer)  # of all linear layers, as if none shared its own
    shared = 3 * it.width + it.mlp_width  # as they do
    scores = it.heads * attended * c if it.keeps_scores else 0
    if work.adapter is None:
        wide = 2 * (4 + traits.norm_weight) + (traits.attention + traits.mixed + 2) * c
        casts = (inputs - shared) * c if w > c else 0
        return round(s * (it.width * wide + it.mlp_width * it.mlp_tensors * c + casts) + scores)
    kept = it.width * (2 * 4 + traits.attention * c)
    a = c if work.autocast else max(w, ADAPTER_BYTES)
    if not work.autocast and w == ADAPTER_BYTES:  # nothing is cast, so nothing is copied
        kept += it.width * (traits.mixed + 2) * c + it.mlp_width * it.mlp_tensors * c
    else:
        kept += it.mlp_width * (it.mlp_tensors - 1) * c + inputs * a
    return round(s * (kept + work.adapter.rank * len(sizes.in_layer) * a) + scores)


def passing_bytes(sizes: Sizes, work: Work) -> int:
    """Returns what backward makes on its way through a layer, for one sequence."""
    it, (s, _) = sizes.footprint, columns(sizes, work)
    c = 2 if work.autocast else it.weight_bytes
    made = s * (it.mlp_width * sizes.traits.passing * c + it.width * it.weight_bytes)
    if work.adapter is not None:
        made += 4 * s * (it.width + (it.mlp_width if work.autocast else 0))
    return round(made)


def logits_bytes(sizes: Sizes, work: Work, codes: int) -> int:
    """Returns what log-probabilities of so many codes take at their peak."""
    c = 2 if work.autocast else sizes.footprint.weight_bytes
    at_once = min(codes, CHUNK)
    # An adapter leaves the head alone. Where a policy trains without its head, this is more than it takes.
    kept = work.adapter is None and codes * sizes.spec.codebook <= LOGITS_AT_ONCE
    return sizes.spec.codebook * (at_once * (8 + c) + (4 * (codes - at_once) if kept else 0))


def cache_bytes(sizes: Sizes, sequences: int, positions: int) -> int:
    """Returns what keys and values of so many sequences take."""
    it = sizes.footprint
    return sequences * it.layers * positions * it.slot_bytes


def _held(sizes: Sizes, work: Work, rewards: RewardLoad) -> dict[str, int]:
    """Returns what is there in every phase after the first step."""
    w = sizes.footprint.weight_bytes
    whole = sizes.footprint.parameters * w
    adapted = sizes.adapter(work.adapter) * ADAPTER_BYTES if work.adapter else 0
    trained = adapted if work.adapter else sizes.trained * w
    share = work.processes if work.sharded else 1
    # DDP's messages lie beside gradients that gather over several micro-batches.
    twice = 2 if work.processes > 1 and not work.sharded else 1
    frozen = whole - sizes.trained * w
    return {
        "weights": (frozen + sizes.trained * w // share if work.sharded else whole) + adapted,
        "reference": ((adapted if work.second_adapter else 0) if work.adapter else whole)
        + (whole if work.base else 0),
        "drawing copy": whole if work.sharded else 0,
        "gradients": trained * twice // share,
        "moments": 2 * trained // share,
        "text encoder": sizes.encoder_bytes,
        "rewards": rewards.resting,
    }


def phases(sizes: Sizes, work: Work, rewards: RewardLoad) -> Phases:
    """Returns bytes by part in each phase, in the order in which they follow one another."""
    held, it = _held(sizes, work, rewards), sizes.footprint
    w, spec = it.weight_bytes, sizes.spec
    found = {
        "sample": held | _sampling(sizes, work),
        "decode": held | {"pictures": _pictures(sizes, work)},
        "reward": held | {"rewards": rewards.at_work, "pictures": 3 * work.pictures * _pixels(sizes)},
    }
    # Casts of weights that backward needs again; recomputed layers make theirs when they are.
    c = 2 if work.autocast else w
    copies = it.layers * sizes.layer * c if w > c and not (work.recompute and work.adapter) else 0
    layer, sequences = layer_bytes(sizes, work), work.sequences
    stream = round(columns(sizes, work)[0] * it.width)
    kept = sequences * (it.layers * (stream * w if work.recompute else layer) + stream * (w + 4))
    passing = sequences * (passing_bytes(sizes, work) + (layer if work.recompute else 0))
    codes = work.rows * work.rollouts * spec.tokens
    logits = logits_bytes(sizes, work, codes)
    gathered = UNITS_IN_FLIGHT * sizes.layer * w if work.sharded else 0
    # What trains outside the layers is one unit, whole from its first use to the end of backward.
    rest = (sizes.trained - it.layers * sizes.layer) * w if work.sharded else 0
    learning = held | {"weights": held["weights"] + copies + gathered + rest}
    # Without gradients a layer keeps nothing: what it makes is what passes.
    glance = sequences * passing_bytes(sizes, work)
    if work.replays:
        sequences_drawn = work.drawn * (2 if work.guided else 1)
        found["replay"] = held | {
            "activations": sequences_drawn * passing_bytes(sizes, work),
            "logits": logits_bytes(sizes, work, work.drawn * spec.tokens),
        }
    found["reference"] = learning | {"activations": kept + glance, "logits": logits}
    backward = learning | {"gradients": held["gradients"] + (gathered if work.sharded else 0)}
    found["update"] = (
        backward | {"activations": kept + passing}
        if passing > logits
        else backward | {"activations": kept, "logits": logits}
    )
    # AdamW makes the root of its second moments for all weights in one call.
    found["step"] = held | {"moments": 3 * held["moments"] // 2} if work.on_gpu else held
    if work.sharded:  # the policy is copied whole before it is cut
        found = {"start": {**dict.fromkeys(held, 0), "weights": it.parameters * w}} | found
        found["start"] |= {name: held[name] for name in ("reference", "drawing copy")}
    return {name: _whole(parts, held, work) for name, parts in found.items()}


def _whole(parts: Mapping[str, int], held: Mapping[str, int], work: Work) -> dict[str, int]:
    """Returns all parts in their order, with the margin."""
    passing = sum(max(0, amount - held.get(name, 0)) for name, amount in parts.items())
    margin = CONTEXT + round(HOLES * passing) if work.on_gpu else 0
    return {name: margin if name == "margin" else parts.get(name, 0) for name in PARTS}


def _sampling(sizes: Sizes, work: Work) -> dict[str, int]:
    """Returns what drawing takes: the cache, and the larger of filling it and drawing a token."""
    it, spec = sizes.footprint, sizes.spec
    sequences = work.drawn * (2 if work.drawn_guided else 1)
    prompts = work.prompts + (1 if work.drawn_guided else 0)
    # Keys are gathered for all rows before they are written, then values.
    filling = cache_bytes(sizes, prompts, spec.prefix) + cache_bytes(sizes, sequences, spec.prefix) // 2
    numbers = work.drawn * spec.tokens * (8 + 8 + 4)  # uniform numbers, tokens, log-probabilities
    # The distribution, its exponential in 8 bytes and the sum of that.
    distribution = work.drawn * spec.codebook * (4 + 8 + 8)
    scores = 3 * it.heads * sizes.positions * 4 if it.keeps_scores else 0
    read = sizes.positions * it.read_bytes
    step = sequences * ((6 * it.width + 3 * it.mlp_width) * it.weight_bytes + scores + read)
    cache = cache_bytes(sizes, sequences, sizes.positions)
    return {
        "key-value cache": cache + max(0, filling - distribution - step),
        "activations": step + numbers,
        "logits": distribution,
    }


def _pictures(sizes: Sizes, work: Work) -> int:
    """Returns what decoding takes: activations of those at once, and the bytes of all."""
    at_once = min(work.pictures, sizes.decode_at_once or work.pictures)
    return at_once * sizes.decode_bytes + 2 * work.pictures * _pixels(sizes)


def _pixels(sizes: Sizes) -> int:
    height, width = sizes.spec.image_size
    return 3 * height * width


def peak(found: Phases) -> tuple[str, int]:
    """Returns the phase that takes most, and how much."""
    totals = {name: sum(parts.values()) for name, parts in found.items()}
    worst = max(totals, key=lambda name: totals[name])
    return worst, totals[worst]
