"""How long a step takes at best, by a roofline for each phase, at stated shares of what a GPU could do.

    decoding   each of T steps reads the weights that a token passes and the keys and values so far, 2 K w a
               layer, position and sequence: bytes / (bandwidth x DECODE). It cannot be faster than its
               operations, nor than starting its kernels from Python: L x KERNELS x LAUNCH
    prefix     2 N operations a position, each distinct prompt once
    training   6 N operations a position (2 forward, 4 backward), 4 N where only an adapter gets gradients,
               2 N more where layers are recomputed; the reference 2 N; attention 4 S D L a position, halved
               by causality, in the same proportions: operations / (bfloat16 x TRAINING)
    pictures   the operations of the decoder, counted (`plan_sizes`): / (speed of its dtype x CONVOLUTION)
    rewards    2 operations for each parameter and position, POSITIONS of them a picture
    step       AdamW reads weight, gradient and both moments and writes three of them
    sharing    fsdp gathers each weight twice and scatters its gradient once a micro-batch; ddp sends
               gradients around once a step, twice their size: bytes / link

N counts the parameters that a token passes. Looks at validation prompts, checkpoints and starting up are not
counted, nor the host's part of a reward.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tessera.training.plan_gpus import Gpu
from tessera.training.plan_memory import ADAPTER_BYTES, Work
from tessera.training.plan_rewards import RewardLoad
from tessera.training.plan_sizes import Sizes

# Shares of the published speed: our assumptions, not measurements.
DECODE = 0.6
TRAINING = 0.4
CONVOLUTION = 0.3
REWARD = 0.3
KERNELS = 25  # of a layer's step, run eagerly: two norms, seven products, rotations, cache, attention, MLP
LAUNCH = 5e-6  # seconds, the host's part of one
POSITIONS = 600  # of a scorer: a ViT-L/14 at 336 pixels has 577


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """What is done for one optimizer step on average, by all processes; a round's drawing is spread."""

    pictures: float  # drawn, decoded and judged
    pictures_at_once: int  # that one collection draws
    group: int
    rows: int  # learnt from
    referred: float  # of these, how many the reference is asked for, once for each in a round


def seconds(sizes: Sizes, work: Work, rewards: RewardLoad, gpu: Gpu, round_: Round) -> dict[str, float]:
    """Returns the seconds of a step by phase; the phases follow one another."""
    it, spec = sizes.footprint, sizes.spec
    w, share = it.weight_bytes, 1 / work.processes
    pictures = round_.pictures * share
    speed = gpu.bfloat16 if work.autocast or w == 2 else gpu.float32
    attention = 2 * sizes.positions * it.width * it.layers  # a position, causal
    token = 2 * sizes.active + attention  # forward
    row = share * work.rollouts * (2 if work.guided else 1) * sizes.positions
    trained = round_.rows * row
    backward = (2 if work.adapter else 4) * sizes.active + 2 * attention + (token if work.recompute else 0)
    judged = sum(
        2
        * each.parameters
        * POSITIONS
        / (REWARD * (gpu.float32 if each.place.dtype == "float32" else gpu.bfloat16))
        for each in rewards.models
        if each.trains and each.on_gpu
    )
    found = {
        "sample": _sampling(sizes, work, gpu, round_) * pictures,
        "decode": sizes.decode_flops * pictures / (CONVOLUTION * (gpu.bfloat16 if w == 2 else gpu.float32)),
        "reward": judged * pictures,
    }
    if work.replays:
        found["replay"] = pictures * spec.tokens * token / (TRAINING * speed)
    found["reference"] = round_.referred * row * token / (TRAINING * speed)
    found["update"] = trained * (token + backward) / (TRAINING * speed)
    found["step"] = 7 * _trained_bytes(sizes, work) / (work.processes if work.sharded else 1) / gpu.bandwidth
    if work.processes > 1:
        found["sharing"] = _sharing(sizes, work, gpu)
    return found


def _sampling(sizes: Sizes, work: Work, gpu: Gpu, round_: Round) -> float:
    """Returns the seconds of a picture, drawn among as many as the batch holds."""
    it, spec = sizes.footprint, sizes.spec
    w, branches = it.weight_bytes, 2 if work.drawn_guided else 1
    sequences = work.drawn * branches
    # Keys and values of one; those made of an int8 cache are written, multiplied in place, and attended.
    position = it.layers * (it.slot_bytes + 4 * it.read_bytes)
    speed = (gpu.bfloat16 if w == 2 else gpu.float32) * TRAINING
    # Cached positions grow by one a step: their mean is what all steps read on average.
    cached = position * (spec.prefix + spec.tokens / 2)
    read = (sizes.active * w + sequences * cached) / (gpu.bandwidth * DECODE)
    one_step = max(read, 2 * sizes.active * sequences / speed, it.layers * KERNELS * LAUNCH)
    prompts = max(1, work.drawn // round_.group) + (1 if work.drawn_guided else 0)
    prefix = prompts * spec.prefix * 2 * sizes.active / speed
    return (spec.tokens * one_step + prefix) / work.drawn


def _trained_bytes(sizes: Sizes, work: Work) -> int:
    if work.adapter:
        return sizes.adapter(work.adapter) * ADAPTER_BYTES
    return sizes.trained * sizes.footprint.weight_bytes


def _sharing(sizes: Sizes, work: Work, gpu: Gpu) -> float:
    """Returns the seconds of messages, as if nothing hid them behind the computing."""
    others = (work.processes - 1) / work.processes
    size = _trained_bytes(sizes, work) * others
    if work.sharded:
        micro_batches = -(-work.rows_in_all // work.rows)
        return (3 * micro_batches + 1) * size / gpu.link  # and once whole, for the copy that draws
    return 2 * size / gpu.link


def of_run(found: Mapping[str, float], steps: int) -> float:
    """Returns the hours of so many steps."""
    return sum(found.values()) * steps / 3600
