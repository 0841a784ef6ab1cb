"""Where the data directory is: pictures and prompts that are not part of the project."""

import os
from pathlib import Path

import pytest


def data_directory() -> Path:
    """Returns it; skips the test that asks where there is none."""
    beside = Path(__file__).parents[5] / "shared" / "data"
    folder = Path(os.environ.get("TESSERA_DATA", beside))
    if not folder.is_dir():
        pytest.skip("needs the data directory: set TESSERA_DATA")
    return folder
