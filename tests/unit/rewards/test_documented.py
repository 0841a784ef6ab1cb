"""The examples of docs/rewards.md: the function scores pictures, the sum of judges reads and scores."""

import importlib.util
import math
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from tessera.rewards.ask import ask
from tessera.rewards.custom import CustomReward
from tessera.rewards.load import EnsembleReward, RewardConfig, load_reward
from tessera.types import Prompt
from tests.architecture.source_tree import REPO

PROMPTS = [Prompt(id=str(n), text=text) for n, text in enumerate(("a blue star", "a ring") * 2)]


def block(kind: str) -> str:
    text = (REPO / "docs" / "rewards.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)
    return found


def test_the_function_of_the_page_is_a_reward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = block("python")
    assert len([line for line in source.splitlines() if line.strip()]) <= 10
    (tmp_path / "mine.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    assert importlib.util.find_spec("mine") is not None
    images = np.zeros((4, 8, 8, 3), dtype=np.uint8)
    images[0, ..., 2] = 255
    scores = ask(load_reward(CustomReward(function="mine:blueness")), PROMPTS, images, 2)
    assert scores.value_B.tolist()[0] == 1
    assert [math.isnan(value) for value in scores.value_B.tolist()] == [False, True, False, True]


def test_the_sum_of_the_page_reads_and_scores() -> None:
    settings = TypeAdapter(RewardConfig).validate_python(tomllib.loads(block("toml"))["reward"])
    assert isinstance(settings, EnsembleReward)
    images = np.random.default_rng(0).integers(0, 256, (4, 128, 128, 3), dtype=np.uint8)
    scores = ask(load_reward(settings), [PROMPTS[0]] * 4, images, 4)
    assert set(scores.parts) == {"unified", "preference"}
    assert np.isfinite(scores.value_B.numpy()).all()
