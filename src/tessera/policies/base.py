"""What every policy of this package is beyond the contract: a module to be placed, trained and saved."""

import hashlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from tessera.protocols import Policy


class PolicyModule(nn.Module, Policy):
    """A policy whose weights are a torch module's."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where the weights are."""

    @abstractmethod
    def units(self) -> Sequence[nn.Module]:
        """Returns the modules whose weights processes gather together: each layer, then all that trains."""


def weights_digest(begin: str, weights: Mapping[str, Tensor]) -> str:
    """Returns a hash of weights by their names, and of what else makes the policy, as `begin` has it."""
    total = hashlib.blake2b(begin.encode(), digest_size=16)
    for name, tensor in sorted(weights.items()):
        total.update(name.encode())
        total.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
