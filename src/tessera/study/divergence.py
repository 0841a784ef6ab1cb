"""How far a policy has moved from its base, measured on the pictures of its evaluation.

The same measure for every arm, whatever it logs while it trains: k3 of KL(policy || base), nats per token, at
the tokens that the policy drew, under the view it drew them with (objective/kl.py).
"""

from collections.abc import Sequence

import torch

from tessera.objective.kl import token_kl
from tessera.protocols import Policy
from tessera.sampling.decode import replay_logp
from tessera.types import EvalRecord, View

PICTURES = 256  # spread over the records; the standard error is then about 2 % of the value


@torch.no_grad()
def divergence(
    policy: Policy, base: Policy, records: Sequence[EvalRecord], view: View, batch_size: int
) -> dict[str, float]:
    """Returns {"kl": nats per token, "pictures": how many it is a mean of}."""
    chosen = records[:: max(1, len(records) // PICTURES)]
    total, tokens = 0.0, 0
    for start in range(0, len(chosen), batch_size):
        batch = chosen[start : start + batch_size]
        text_B = policy.tokenize([record.prompt for record in batch])
        tokens_BT = torch.tensor([record.tokens for record in batch], device=text_B.ids.device)
        kl_BT = token_kl(
            "k3",
            replay_logp(policy, text_B, tokens_BT, view),
            replay_logp(base, text_B, tokens_BT, view),
        )
        total, tokens = total + kl_BT.double().sum().item(), tokens + kl_BT.numel()
    return {"kl": total / tokens if tokens else float("nan"), "pictures": float(len(chosen))}
