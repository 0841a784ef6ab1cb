"""What holds for every test: one thread, a fixed seed, no window, no network.

The environment is set when this file is imported, before anything imports torch or matplotlib, so that
subprocesses a test starts inherit it.
"""

import os
import random
import sys

import numpy as np
import pytest

SEED = 20250517

os.environ["OMP_NUM_THREADS"] = "1"  # two workers on two cores: more threads would only wait for each other
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
os.environ["MPLBACKEND"] = "Agg"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"  # a test that would download weights fails instead


@pytest.fixture(autouse=True)
def _one_thread_and_fixed_seeds() -> None:
    """Seeds the global generators. Code under test is handed its own; this is for the tests' inputs.

    torch is seeded only if something has imported it: the torch-free half of the tests stays fast. Import
    torch at the head of a test module, not inside the test, to have it seeded.
    """
    random.seed(SEED)
    np.random.seed(SEED)
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(SEED)
        torch.set_num_threads(1)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips what is marked `gpu` on a machine without one."""
    if item.get_closest_marker("gpu") is None:
        return
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
