"""The pinned TRL as an oracle: its trainers' private methods, run on a stand-in for the trainer.

TRL has no standalone loss functions. Here the model's answer is replaced by log-probabilities that we made
up, and everything after it is TRL's code. The methods are private, so another version is skipped, not
guessed at.
"""

import importlib.metadata
import warnings

import pytest
import torch
from torch import Tensor

TRL_VERSION = "1.16.0"
try:
    _found = importlib.metadata.version("trl")
except importlib.metadata.PackageNotFoundError:
    pytest.skip("trl is not installed; the dev extra brings it", allow_module_level=True)
if _found != TRL_VERSION:
    pytest.skip(
        f"these tests call private functions of trl {TRL_VERSION}, not of {_found}", allow_module_level=True
    )
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # TRL's and its dependencies'
    from trl.experimental.cpo.cpo_trainer import CPOTrainer
    from trl.experimental.orpo.orpo_trainer import ORPOTrainer
    from trl.trainer.dpo_trainer import DPOTrainer
    from trl.trainer.grpo_trainer import GRPOTrainer
    from trl.trainer.utils import nanstd

__all__ = ["CPOTrainer", "DPOTrainer", "GRPOTrainer", "ORPOTrainer", "OneProcess", "assert_same", "nanstd"]


def assert_same(ours: Tensor, theirs: Tensor, *, rtol: float = 0.0, atol: float = 1e-12) -> None:
    """Fails unless both agree to the last digits of float64."""
    torch.testing.assert_close(ours, theirs, rtol=rtol, atol=atol)


class OneProcess:
    """What the trainers ask of accelerate, on one process."""

    num_processes = 1
    sync_gradients = True
    device = torch.device("cpu")

    def gather(self, x: Tensor) -> Tensor:
        return x

    def gather_for_metrics(self, x: Tensor) -> Tensor:
        return x

    def reduce(self, x: Tensor, reduction: str) -> Tensor:
        return x
