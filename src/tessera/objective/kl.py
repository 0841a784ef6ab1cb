"""How far the policy has moved from a reference, per token, from samples of the policy; and its entropy.

With r = pi_ref / pi at a token that pi drew (J. Schulman, "Approximating KL divergence", 2020,
http://joschu.net/blog/kl-approx.html), all estimate KL(pi || pi_ref):

| | value | sign | expectation under pi | gradient of the value (tokens fixed) | its expectation |
|---|---|---|---|---|---|
| k1 | -log r | either | KL, exactly | grad log pi | 0: useless as a loss |
| k2 | (log r)^2 / 2 | >= 0 | near KL where both are close | -log r grad log pi | grad KL(pi, ref), exactly |
| k3 | r - 1 - log r | >= 0 | KL, exactly | (1 - r) grad log pi | grad KL(ref, pi), the other direction |

So an estimator good to read is not one good to differentiate. In the loss: k2, or k3 times the ratio
(`with_ratio`), descend KL(pi || ref); k3 alone, the choice of DeepSeekMath (arXiv:2402.03300, equation 4),
pulls by the forward KL, whose gradient is the same to first order where pi is near the reference. In the
reward: k1, taken off the reward as a number without gradient, is exact.

Degenerate: a token that the reference gives probability 0 (a filtered view) makes k1, k2, k3 infinite, as KL
is. Score the reference under an unfiltered view.

Axes: B rows, T tokens, V codebook.
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

KLKind = Literal["k1", "k2", "k3"]


def token_kl(
    kind: KLKind, logp_BT: Float[Tensor, "B T"], ref_logp_BT: Float[Tensor, "B T"]
) -> Float[Tensor, "B T"]:
    """Returns the estimate at each token; the gradient is that of the table above, none to the reference."""
    log_r_BT = ref_logp_BT.detach() - logp_BT
    match kind:
        case "k1":
            return -log_r_BT
        case "k2":
            return log_r_BT.square() / 2
        case "k3":
            # expm1: near the reference r - 1 and log r are tiny, and their difference is tinier still.
            return torch.expm1(log_r_BT) - log_r_BT


def with_ratio(kl_BT: Float[Tensor, "B T"], ratio_BT: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Returns rho times the estimate; rho = pi / pi_old has its gradient (DeepSeek-V3.2, arXiv:2512.02556).

    Rollouts come from pi_old, so rho corrects the expectation. And at rho = 1, where the value does not
    change, the gradient of k3 becomes that of KL(pi || ref): grad rho * k3 + grad k3 = -log r grad log pi.
    TRL's default. The first holds for a ratio per token only; per row, rho is a bounded stand-in.
    """
    return ratio_BT * kl_BT


def penalised_reward(
    reward_B: Float[Tensor, " B"],
    kl_BT: Float[Tensor, "B T"],
    mask_BT: Bool[Tensor, "B T"],
    beta: float,
) -> Float[Tensor, " B"]:
    """Returns r - beta * (sum of KL over the row), without gradient: KL in the reward (RLHF's first form).

    A missing reward (NaN) stays missing. The sum, not the mean: it estimates the KL of whole pictures.
    """
    return reward_B - beta * torch.where(mask_BT, kl_BT.detach(), 0.0).sum(dim=1)


def entropy(logp: Float[Tensor, "*N V"]) -> Float[Tensor, "*N"]:
    """Returns -sum p log p in nats, from normalised log-probabilities.

    Tokens of probability 0 (log-probability -inf) add 0 and get no gradient. Bounds: 0 for one certain
    token, log V for all alike.
    """
    finite = logp.masked_fill(logp == -torch.inf, 0.0)  # 0 * -inf is NaN, in value and in gradient
    return -(logp.exp() * finite).sum(dim=-1)
