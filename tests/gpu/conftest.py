"""What the tests on a GPU share. `python -m pytest tests/gpu -m gpu` runs them; without a GPU all skip."""

import pytest
import torch


@pytest.fixture
def device() -> torch.device:
    return torch.device("cuda")
