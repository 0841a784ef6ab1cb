"""What every policy of this package is beyond the contract: a module to be placed, trained and saved."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import nn

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
