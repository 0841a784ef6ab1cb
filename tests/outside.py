"""Data of other projects, which is not part of this one: a test that needs it skips without it.

The data directory is named by TESSERA_DATA; unset, it is looked for beside the folder of the repository.
"""

import os
from pathlib import Path

import pytest

from tests.architecture.source_tree import REPO


def outside(name: str) -> Path:
    """Returns a file or folder of the data directory; skips the test where it is not there."""
    told = os.environ.get("TESSERA_DATA")
    folder = Path(told) if told else REPO.parent / "shared" / "data"
    if not (folder / name).exists():
        pytest.skip(f"needs {name} of the data directory; set TESSERA_DATA to the folder that has it")
    return folder / name


def example_pictures() -> list[Path]:
    """Returns the four pictures of ImageReward's README, in order; skips without them."""
    return [outside(f"imagereward/assets/images/{number}.webp") for number in (1, 2, 3, 4)]
