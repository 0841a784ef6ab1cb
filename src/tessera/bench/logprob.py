"""What log-probabilities cost: all logits at once, in chunks, in chunks made again for backward.

The work is one forward and backward pass from features to the gradients of features and head. Bytes are those
of all tensors that live at the peak, counted one by one (`training/accountant.py`), less what was there
before: features, tokens and the head. The counted pass is another than the timed ones.
"""

from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from tessera.bench.ratio import Clock, in_turns, ratio, spread
from tessera.config import config, to_plain
from tessera.errors import UserError
from tessera.objective.chunked import CHUNK, chunked_token_logp
from tessera.objective.policy import log_distribution
from tessera.policies.base import PolicyModule
from tessera.training.accountant import peak_of
from tessera.types import View

Method = Literal["plain", "chunked", "chunked, recomputed"]
METHODS: tuple[Method, ...] = get_args(Method)
# Relative to the largest gradient: sums over rows in another order, in float32 and in bfloat16.
SAME = {torch.float32: 1e-4, torch.bfloat16: 3e-2, torch.float16: 1e-2}


@config
class LogpSizes:
    """How many tokens, out of how many codes, from features how wide."""

    rows: int = 8
    tokens: int = 576
    codebook: int = 16_384
    channels: int = 256
    chunk: int = CHUNK

    def __post_init__(self) -> None:
        for name in ("rows", "tokens", "codebook", "channels", "chunk"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name} must be 1 or more, got {getattr(self, name)}")


@torch.no_grad()
def sizes_of(policy: PolicyModule, rows: int) -> LogpSizes:
    """Returns the sizes of so many pictures of a policy."""
    text = policy.tokenize(["a photo of two red circles"])
    features = policy.prefill(text, policy.new_cache(1, policy.spec.prefix))
    spec = policy.spec
    return LogpSizes(rows=rows, tokens=spec.tokens, codebook=spec.codebook, channels=features.shape[1])


def bench_logprob(
    sizes: LogpSizes, *, repeats: int, device: torch.device, dtype: torch.dtype
) -> dict[str, Any]:
    """Returns seconds and bytes of each method, and how they compare, as plain data."""
    generator = torch.Generator().manual_seed(0)
    n = sizes.rows * sizes.tokens
    head = nn.Linear(sizes.channels, sizes.codebook)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(std=sizes.channels**-0.5, generator=generator)
    head = head.to(device, dtype)
    features_ND = torch.randn(n, sizes.channels, generator=generator).to(device, dtype).requires_grad_(True)
    tokens_N = torch.randint(sizes.codebook, (n,), generator=generator).to(device)
    leaves = [features_ND, *head.parameters()]

    def work(method: Method) -> Tensor:
        for leaf in leaves:
            leaf.grad = None
        total = logp(method, features_ND, head, tokens_N, sizes.chunk).sum()
        total.backward()
        return total.detach()

    peaks, gradients = {}, {}
    held = [*leaves, tokens_N]
    work(METHODS[-1])  # the first checkpoint of a process imports half a second's worth of torch
    for method in METHODS:
        for leaf in leaves:
            leaf.grad = None
        peak, _ = peak_of(lambda method=method: work(method), held)
        peaks[method] = peak - sum(each.untyped_storage().nbytes() for each in held)
        gradients[method] = [leaf.grad.clone() for leaf in leaves if leaf.grad is not None]
    _refuse_unequal(gradients, dtype)
    del gradients
    clock = Clock(device)
    seconds = in_turns(clock, {method: lambda method=method: work(method) for method in METHODS}, repeats)
    plain = METHODS[0]
    return {
        **to_plain(sizes),
        "methods": {
            method: {
                "seconds": to_plain(spread(seconds[method])),
                "peak_bytes": peaks[method],
                "memory_vs_plain": peaks[method] / peaks[plain],
                "speed_vs_plain": to_plain(ratio(seconds[plain], seconds[method])),
            }
            for method in METHODS
        },
    }


def logp(
    method: Method,
    features_ND: Float[Tensor, "N D"],
    head: Callable[[Tensor], Tensor],
    tokens_N: Int[Tensor, " N"],
    chunk: int,
) -> Float[Tensor, " N"]:
    """Returns the log-probability of each token by the method."""

    def at_once(features: Tensor, tokens: Tensor) -> Tensor:
        return log_distribution(head(features), View()).gather(1, tokens[:, None])[:, 0]

    match method:
        case "plain":
            return at_once(features_ND, tokens_N)
        case "chunked":
            pieces = zip(features_ND.split(chunk), tokens_N.split(chunk), strict=True)
            return torch.cat([at_once(features, tokens) for features, tokens in pieces])
        case "chunked, recomputed":
            return chunked_token_logp(features_ND, head, tokens_N, View(), chunk)


def _refuse_unequal(gradients: dict[Method, list[Tensor]], dtype: torch.dtype) -> None:
    """Refuses methods whose gradients differ by more than rounding."""
    expected = gradients[METHODS[0]]
    for method, mine in gradients.items():
        for ours, theirs in zip(mine, expected, strict=True):
            apart = ((ours - theirs).abs().max() / theirs.abs().max()).item()
            if apart > SAME[dtype]:
                raise ValueError(
                    f"gradients of {method!r} are {apart:.2g} of the largest away from those of plain"
                )
