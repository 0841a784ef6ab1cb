"""Pre-training of the transformer: the next code, given the caption and the codes so far."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional as F

from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.pretraining.corpus import CorpusConfig, captioned_scene
from tessera.pretraining.descent import descend, trapezium
from tessera.pretraining.muon import Muon
from tessera.tensors import TextBatch
from tessera.types import Progress, silent
from tessera.world.render import render_batch

SOME_CAPTION = "a star"  # stands where a caption was dropped, until the null prompt replaces it


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyTraining:
    """Hyper-parameters of the transformer's pre-training."""

    steps: int = 2300
    batch_size: int = 32
    muon_lr: float = 0.005  # for the matrices inside the layers
    adam_lr: float = 1e-2  # for embeddings, norms, head
    warm_up: int = 30  # steps
    warm_down: float = 0.6  # share of the steps over which both rates fall to zero
    clip: float = 1.0  # gradient norm


def batches(
    policy: MosaicPolicy, corpus: CorpusConfig, batch_size: int, seed: int, steps: int
) -> Iterator[tuple[TextBatch, Int[Tensor, "B T"]]]:
    """Yields a batch of captions and codes for each step."""
    rng = random.Random(seed)
    for step in range(steps):
        pairs = [captioned_scene(corpus, rng, step / steps) for _ in range(batch_size)]
        captions, scenes = zip(*pairs, strict=True)
        text = policy.tokenize([caption or SOME_CAPTION for caption in captions])
        dropped_B1 = torch.tensor([[caption is None] for caption in captions])
        ids_BL = torch.where(dropped_B1, policy.null_like(text).ids, text.ids)
        yield TextBatch(ids=ids_BL, mask=text.mask), policy.encode(render_batch(scenes))


def train_policy(
    policy: MosaicPolicy,
    corpus: CorpusConfig,
    training: PolicyTraining,
    seed: int,
    on_progress: Progress = silent,
) -> None:
    """Trains the policy's transformer in place."""
    torch.manual_seed(seed)
    transformer = policy.transformer
    transformer.reset()
    matrices = [p for name, p in transformer.named_parameters() if name.startswith("layers.") and p.ndim == 2]
    inside = {id(p) for p in matrices}
    others = [p for p in transformer.parameters() if id(p) not in inside]
    optimizers: list[tuple[torch.optim.Optimizer, float]] = [
        (Muon(matrices, lr=training.muon_lr), training.muon_lr),
        (
            torch.optim.AdamW(others, lr=training.adam_lr, betas=(0.9, 0.95), weight_decay=0.0),
            training.adam_lr,
        ),
    ]
    stream = batches(policy, corpus, training.batch_size, seed, training.steps)
    for step, (text, tokens_BT) in enumerate(stream):
        # bfloat16 is faster for wide products here and slower for decoding; the weights stay in float32.
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits_BTV = policy.head(policy.features(text, tokens_BT))
        loss = F.cross_entropy(logits_BTV.float().flatten(0, 1), tokens_BT.flatten())
        scale = trapezium(step, training.steps, training.warm_up, training.warm_down)
        descend(loss, optimizers, transformer.parameters(), scale=scale, clip=training.clip)
        if step % 10 == 0 or step == training.steps - 1:
            on_progress("policy", step + 1, training.steps, f"loss {loss.item():.3f}")
