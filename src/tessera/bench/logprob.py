"""What log-probabilities cost: all logits at once, in chunks, in chunks made again; and as training does it.

The work is one forward and backward pass from features to gradients: of the features alone below a frozen
head, which is how published models are trained, and of features and head where the head trains. Each is
compared with plain under the same head. Bytes are those of all tensors that live at the peak, counted one by
one (`training/accountant.py`), less what was there before: features, tokens and the head. The counted pass
is another than the timed ones.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tessera.bench.ratio import Clock, in_turns, ratio, spread
from tessera.config import config, to_plain
from tessera.errors import UserError
from tessera.objective.chunked import CHUNK, chunked_token_logp
from tessera.objective.policy import log_distribution
from tessera.policies.base import PolicyModule
from tessera.training.accountant import peak_of
from tessera.types import View

# Ours are "slopes at once" (frozen head) and "kept" and "made again" (trained head, few and many tokens).
Method = Literal[
    "plain",
    "chunked",
    "chunked, recomputed",
    "slopes at once",
    "plain, head trains",
    "kept, head trains",
    "made again, head trains",
]
METHODS: tuple[Method, ...] = get_args(Method)
TRAINED_HEAD: tuple[Method, ...] = METHODS[4:]
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


def plain_of(method: Method) -> Method:
    """Returns the plain form under the same head."""
    return "plain, head trains" if method in TRAINED_HEAD else "plain"


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
    leaves, clock = [features_ND, *head.parameters()], Clock(device)

    def clean(method: Method) -> None:
        head.requires_grad_(method in TRAINED_HEAD)
        for leaf in leaves:
            leaf.grad = None

    def work(method: Method) -> float:
        """Returns the seconds of the forward pass."""
        clean(method)
        start = clock.now()
        total = logp(method, features_ND, head, tokens_N, sizes.chunk).sum()
        middle = clock.now()
        total.backward()
        return middle - start

    peaks, gradients = {}, {}
    held = [*leaves, tokens_N]
    work("chunked, recomputed")  # the first checkpoint of a process imports half a second's worth of torch
    for method in METHODS:
        clean(method)
        peak, _ = peak_of(lambda method=method: work(method), held)
        peaks[method] = peak - sum(each.untyped_storage().nbytes() for each in held)
        gradients[method] = [leaf.grad.clone() for leaf in leaves if leaf.grad is not None]
    _refuse_unequal(gradients, dtype)
    del gradients
    forward: dict[Method, list[float]] = {method: [] for method in METHODS}

    def timed(method: Method) -> None:
        forward[method].append(work(method))

    seconds = in_turns(clock, {method: partial(timed, method) for method in METHODS}, repeats)
    rows = {}
    for method in METHODS:
        plain = plain_of(method)
        backward = [whole - part for whole, part in zip(seconds[method], forward[method], strict=True)]
        rows[method] = {
            "seconds": to_plain(spread(seconds[method])),
            "forward_seconds": to_plain(spread(forward[method])),
            "backward_seconds": to_plain(spread(backward)),
            "peak_bytes": peaks[method],
            "memory_vs_plain": peaks[method] / peaks[plain],
            "speed_vs_plain": to_plain(ratio(seconds[plain], seconds[method])),
        }
    return {**to_plain(sizes), "methods": rows}


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

    pieces = zip(features_ND.split(chunk), tokens_N.split(chunk), strict=True)
    match method:
        case "plain" | "plain, head trains":
            return at_once(features_ND, tokens_N)
        case "chunked":
            return torch.cat([at_once(features, tokens) for features, tokens in pieces])
        case "chunked, recomputed":
            return torch.cat([checkpoint(at_once, *piece, use_reentrant=False) for piece in pieces])
        case "slopes at once" | "kept, head trains":
            return chunked_token_logp(features_ND, head, tokens_N, View(), chunk, again=False)
        case "made again, head trains":
            return chunked_token_logp(features_ND, head, tokens_N, View(), chunk)


def _refuse_unequal(gradients: dict[Method, list[Tensor]], dtype: torch.dtype) -> None:
    """Refuses methods whose gradients differ by more than rounding."""
    for method, mine in gradients.items():
        for ours, theirs in zip(mine, gradients[plain_of(method)], strict=True):
            apart = ((ours - theirs).abs().max() / theirs.abs().max()).item()
            if apart > SAME[dtype]:
                raise ValueError(
                    f"gradients of {method!r} are {apart:.2g} of the largest away from those of plain"
                )
