"""From logits to the distribution that a `View` means: the one function that sampling and replay share.

Peers draw tokens from guided, filtered logits and then train the log-prob of the plain conditional branch.
Here both go through `log_distribution`, so that a replayed log-prob is the drawn one by construction.
"""

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from tessera.types import View


def mix_guidance(
    conditional: Float[Tensor, "*N D"], null: Float[Tensor, "*N D"], guidance: float
) -> Float[Tensor, "*N D"]:
    """Returns `null + guidance * (conditional - null)`: classifier-free guidance.

    Affine in both branches with weights that add up to one, hence the same before and after an affine head.
    """
    return torch.lerp(null, conditional, guidance)


def log_distribution(logits: Float[Tensor, "*N V"], view: View) -> Float[Tensor, "*N V"]:
    """Returns log-probabilities, in float32 or wider; filtered-out tokens get -inf.

    Temperature first, then top-k, then top-p on what is left, then renormalised. Guidance has been mixed
    already. Tokens that tie with the last one kept are kept too, so the result never depends on sort order.
    """
    scaled = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    if view.temperature != 1.0:
        scaled = scaled / view.temperature
    if 0 < view.top_k < scaled.shape[-1]:
        smallest_kept = scaled.topk(view.top_k, dim=-1).values[..., -1:]
        scaled = scaled.masked_fill(scaled < smallest_kept, -torch.inf)
    if view.top_p < 1.0:
        ordered = scaled.sort(dim=-1, descending=True).values
        probability = ordered.softmax(dim=-1)
        # A token is kept if the mass before it is below p; the first always is.
        before = probability.cumsum(dim=-1) - probability
        smallest_kept = ordered.masked_fill(before >= view.top_p, torch.inf).amin(dim=-1, keepdim=True)
        scaled = scaled.masked_fill(scaled < smallest_kept, -torch.inf)
    return scaled.log_softmax(dim=-1)


def draw_tokens(logp_BV: Float[Tensor, "B V"], uniform_B: Float64[Tensor, " B"]) -> Int[Tensor, " B"]:
    """Returns one token per row: the inverse of the cumulative distribution at the row's uniform number.

    One number decides a token, so a rollout is a function of its T numbers and of the policy. Tokens of
    probability zero are never drawn: the number is scaled by the total that was really summed up.
    """
    cumulative_BV = logp_BV.exp().double().cumsum(dim=-1)
    target_B1 = (uniform_B * cumulative_BV[:, -1])[:, None]
    tokens_B = torch.searchsorted(cumulative_BV, target_B1, right=True)[:, 0]
    return tokens_B.clamp_(max=logp_BV.shape[-1] - 1)


def token_logp(logp_BTV: Float[Tensor, "B T V"], tokens_BT: Int[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Returns the entry of each token."""
    return logp_BTV.gather(-1, tokens_BT.unsqueeze(-1)).squeeze(-1)
