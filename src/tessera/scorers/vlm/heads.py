"""Language heads in float32, whatever the dtype of the trunk: a score is a difference of close numbers.

Axes: D features, V vocabulary, K chosen tokens.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import Linear

PIECE = 16384  # tokens at once: a float32 copy of a whole head of 152 064 x 3584 would take 2 GB


def logits_of(head: Linear, features_D: Float[Tensor, " D"], tokens: Sequence[int]) -> Float[Tensor, " K"]:
    """Returns the logits of the chosen tokens."""
    return head.weight[list(tokens)].float() @ features_D.float()


def all_logits(head: Linear, features_D: Float[Tensor, " D"]) -> Float[Tensor, " V"]:
    """Returns the logits of the whole vocabulary."""
    features_D = features_D.float()
    return torch.cat([piece_VD.float() @ features_D for piece_VD in head.weight.split(PIECE)])
