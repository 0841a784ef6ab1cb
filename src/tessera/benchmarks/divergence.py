"""How far a policy has moved from its base, measured on graded pictures of its own.

The same measure for every arm, whatever it logs while it trains: k3 of KL(policy || base), nats per token, at
the tokens that the policy drew, under the view it drew them with (objective/kl.py).
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray

from tessera.objective.kl import token_kl
from tessera.protocols import Policy
from tessera.sampling.replay import replay_logp
from tessera.types import EvalRecord, View

PICTURES = 256  # spread over the records; the standard error is then about 2 % of the value


def divergence(
    policy: Policy, base: Policy, records: Sequence[EvalRecord], view: View, batch_size: int
) -> dict[str, float]:
    """Returns {"kl": nats per token, "pictures": how many it is a mean of}."""
    chosen = records[:: max(1, len(records) // PICTURES)]
    found = [
        divergences(policy, base, chosen[start : start + batch_size], view)
        for start in range(0, len(chosen), batch_size)
    ]
    kl = float(np.concatenate(found).mean()) if found else float("nan")
    return {"kl": kl, "pictures": float(len(chosen))}


@torch.no_grad()
def divergences(
    policy: Policy, base: Policy, records: Sequence[EvalRecord], view: View
) -> Float64[ndarray, " B"]:
    """Returns the mean over the tokens of each picture."""
    text_B = policy.tokenize([record.prompt for record in records])
    tokens_BT = torch.tensor([record.tokens for record in records], device=text_B.ids.device)
    kl_BT = token_kl(
        "k3", replay_logp(policy, text_B, tokens_BT, view), replay_logp(base, text_B, tokens_BT, view)
    )
    return kl_BT.double().mean(dim=1).cpu().numpy()
