"""Training of the VQ tokenizer: reconstruction, a commitment term, codebook entries as running means."""

import random
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from tessera.policies.mosaic.config import TokenizerConfig
from tessera.policies.mosaic.tokenizer import Tokenizer
from tessera.pretraining.corpus import random_scene
from tessera.types import Progress, silent
from tessera.world.render import render_batch
from tessera.world.verify import read


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenizerTraining:
    """Hyper-parameters of the tokenizer's training."""

    steps: int = 3200
    batch_size: int = 48
    learning_rate: float = 2e-3
    warm_up: int = 50  # steps
    decay: float = 0.98  # of the running means of the codebook, per step
    absolute: float = 0.1  # weight of |difference| beside its square
    commitment: float = 0.25  # weight of |point - its code|^2
    revive_every: int = 50  # steps between checks for unused codes
    revive_until: float = 0.7  # share of the training after which the codebook is left to settle


class _RunningCodebook:
    """Counts and sums behind the codebook: each entry is the running mean of the points it serves."""

    def __init__(self, tokenizer: Tokenizer, decay: float) -> None:
        self.codebook = tokenizer.codebook
        self.decay = decay
        self.count_V = torch.ones(self.codebook.shape[0])
        self.sum_VK = self.codebook.detach().clone()

    def update(self, points_NK: Float[Tensor, "N K"], tokens_N: Int[Tensor, " N"]) -> None:
        size = self.codebook.shape[0]
        batch_count = torch.bincount(tokens_N, minlength=size).float()
        batch_sum = torch.zeros_like(self.sum_VK).index_add_(0, tokens_N, points_NK)
        self.count_V.lerp_(batch_count, 1 - self.decay)
        self.sum_VK.lerp_(batch_sum, 1 - self.decay)
        used = self.count_V > 1e-4
        self.codebook.data[used] = self.sum_VK[used] / self.count_V[used, None]

    def revive(self, points_NK: Float[Tensor, "N K"]) -> int:
        """Moves unused entries onto the worst-served points; returns how many."""
        dead = (self.count_V < 0.02).nonzero().flatten()
        if len(dead) == 0:
            return 0
        # Distinct patches recur: without `unique` all dead entries would land on one point.
        unique_NK = torch.unique(points_NK, dim=0)
        errors_N = torch.cdist(unique_NK, self.codebook).min(dim=1).values
        chosen = errors_N.topk(min(len(dead), len(unique_NK))).indices
        dead = dead[: len(chosen)]
        self.codebook.data[dead] = unique_NK[chosen]
        self.count_V[dead] = 0.5
        self.sum_VK[dead] = 0.5 * unique_NK[chosen]
        return len(dead)


def train_tokenizer(
    config: TokenizerConfig, training: TokenizerTraining, seed: int, on_progress: Progress = silent
) -> Tokenizer:
    """Returns a trained tokenizer."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    tokenizer = Tokenizer(config)
    optimizer = torch.optim.AdamW(
        [p for p in tokenizer.parameters() if p.requires_grad], lr=training.learning_rate, weight_decay=1e-4
    )
    running: _RunningCodebook | None = None
    for step in range(training.steps):
        scenes = [random_scene(rng) for _ in range(training.batch_size)]
        images_BHWC = torch.from_numpy(render_batch(scenes))
        patches_BTD = tokenizer.to_patches(images_BHWC)
        points_BTK = tokenizer.embed(patches_BTD)
        points_NK = points_BTK.detach().flatten(0, 1)
        if running is None:
            order = torch.randperm(max(len(points_NK), config.codebook))[: config.codebook] % len(points_NK)
            tokenizer.codebook.data = points_NK[order].clone()
            running = _RunningCodebook(tokenizer, training.decay)
        tokens_BT = tokenizer.quantise(points_BTK.detach())
        codes_BTK = F.embedding(tokens_BT, tokenizer.codebook)
        commitment = F.mse_loss(points_BTK, codes_BTK)
        straight_through = points_BTK + (codes_BTK - points_BTK).detach()
        # Plain pages teach little after a while; patches with ink weigh three times as much.
        ink_BT1 = (patches_BTD.amin(-1, keepdim=True) < 0.9).float()
        difference = tokenizer.reconstruct(straight_through) - patches_BTD
        # The absolute error keeps flat areas flat, where the square has nothing left to gain.
        error = difference.square() + training.absolute * difference.abs()
        loss = (error * (1 + 2 * ink_BT1)).mean() + training.commitment * commitment
        share = step / training.steps
        scale = min(1.0, (step + 1) / training.warm_up) * min(1.0, 2 * (1 - share))
        for group in optimizer.param_groups:
            group["lr"] = training.learning_rate * scale
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running.update(points_NK, tokens_BT.flatten())
        if step % training.revive_every == 0 and share < training.revive_until:
            running.revive(points_NK)
        if step % 20 == 0 or step == training.steps - 1:
            on_progress("tokenizer", step + 1, training.steps, f"loss {loss.item():.4f}")
    return tokenizer


@torch.no_grad()
def round_trip(tokenizer: Tokenizer, count: int, seed: int) -> dict[str, float]:
    """Returns how pictures survive encode and decode: share read back exactly, PSNR in dB, codes in use."""
    rng = random.Random(seed)
    scenes = [random_scene(rng) for _ in range(count)]
    exact, square, used = 0, 0.0, set()
    for start in range(0, count, 100):
        part = scenes[start : start + 100]
        images = render_batch(part)
        tokens_BT = tokenizer.encode(torch.from_numpy(images))
        decoded = tokenizer.decode(tokens_BT).numpy()
        used.update(tokens_BT.unique().tolist())
        square += float(np.square(decoded.astype(np.float64) - images).mean()) * len(part)
        for scene, reading in zip(part, read(decoded), strict=True):
            exact += reading.junk == 0 and set(reading.pieces) == set(scene)
    return {
        "exact": exact / count,
        "psnr_db": 10 * float(np.log10(255**2 / (square / count))),
        "codes_used": float(len(used)),
    }
