"""Rewards that go wrong: a clear error or a counted miss, never a silent number."""

import numpy as np
import pytest
import torch

from tessera.errors import RewardError, UserError
from tessera.protocols import Reward
from tessera.rewards.ask import ask, refuse_missing
from tessera.rewards.custom import CustomReward
from tessera.rewards.load import load_reward
from tessera.types import Prompt

PROMPTS = [Prompt(id=str(index), text=f"a star {index}") for index in range(8)]
IMAGES = np.zeros((8, 4, 4, 3), dtype=np.uint8)


def custom(name: str) -> Reward:
    return load_reward(CustomReward(function=f"tests.unit.rewards.functions:{name}"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("one_too_few", "asked about 8 pictures and gave 7 values"),
        ("infinite", "gave inf for 'a star 7'; return NaN"),
        ("words", "a number per picture, got"),
        ("table", r"flat list of numbers.*\(8, 1\)"),
    ],
)
def test_an_answer_that_cannot_be_used_is_refused(name: str, message: str) -> None:
    with pytest.raises(RewardError, match=message):
        ask(custom(name), PROMPTS, IMAGES)


def test_what_a_reward_raises_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError, match="the judge is out"):
        ask(custom("fails"), PROMPTS, IMAGES)


def test_missing_values_stay_nan_and_are_counted() -> None:
    scores = ask(custom("every_fourth_missing"), PROMPTS, IMAGES)
    assert torch.isnan(scores.value_B).nonzero().flatten().tolist() == [0, 4]
    assert [bool(reason) for reason in scores.reasons] == [index % 4 == 0 for index in range(8)]
    assert refuse_missing(scores, 0.25, "r") == 2
    with pytest.raises(RewardError, match=r"could not judge 2 of 8 pictures.*returned NaN.*max_missing=0.2 "):
        refuse_missing(scores, 0.2, "r")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module_anywhere:f", "no module 'no_such_module_anywhere'.*PYTHONPATH"),
        ("tests.unit.no_such_module:f", "no module 'tests.unit.no_such_module'"),
        ("tests.unit.rewards.functions:brigthness", "has no function 'brigthness'"),
        ("tests.unit.rewards.functions:THRESHOLD", "has no function 'THRESHOLD'"),
    ],
)
def test_a_function_that_is_not_there_is_named(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_reward(CustomReward(function=name))


def test_a_module_that_lacks_an_import_of_its_own_says_so_itself(tmp_path, monkeypatch) -> None:
    (tmp_path / "needs_more.py").write_text("import no_such_module_anywhere\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        load_reward(CustomReward(function="needs_more:f"))


@pytest.mark.parametrize("name", ["", "module", "module:", ":f", "module:f()"])
def test_a_name_that_is_none_is_refused_when_the_configuration_is_read(name: str) -> None:
    with pytest.raises(UserError, match="module:function"):
        CustomReward(function=name)
