"""`tessera doctor --policy`: which parts train, which stay, in numbers that are known from elsewhere."""

import json

import pytest

from tessera.policies.load import load_policy
from tessera.policies.parts import outline, parts_of
from tests.cli.conftest import Run


def test_a_published_policy_is_told_part_by_part_without_its_weights(run: Run) -> None:
    outcome = run("doctor", "--policy", "janus-pro-1b", "--json")
    assert outcome.code == 0, outcome.err
    told = json.loads(outcome.out)
    trained = [part["name"] for part in told["parts"] if part["trains"]]
    assert trained == ["model.model.language_model"]
    # config.json of deepseek-ai/Janus-Pro-1B: 102,400 words, width 2048, 24 layers, MLP of 5632.
    layer = 4 * 2048**2 + 3 * 2048 * 5632 + 2 * 2048
    assert told["trained"] == 102400 * 2048 + 24 * layer + 2048
    assert {part["dtype"] for part in told["parts"]} == {"bfloat16"}


@pytest.mark.parametrize("name", ["random:janus-tiny", "random:llamagen-tiny", "random:emu3-tiny", "mosaic"])
def test_the_parts_are_the_whole_and_what_trains_is_what_trainable_yields(name: str) -> None:
    policy = load_policy(name)
    parts = parts_of(policy)
    assert sum(part.parameters for part in parts) == sum(each.numel() for each in policy.parameters())
    trained = sum(each.numel() for _, each in policy.trainable())
    assert sum(part.parameters for part in parts if part.trains) == trained
    assert 0 < trained < sum(part.parameters for part in parts)


@pytest.mark.parametrize("name", ["llamagen-t2i-xl-256", "random:llamagen-c2i-b-256"])
def test_an_outline_has_shapes_and_no_numbers(name: str) -> None:
    assert {parameter.device.type for parameter in outline(name).parameters()} == {"meta"}


def test_a_person_reads_a_line_a_part_and_the_sum(run: Run) -> None:
    lines = run("doctor", "--policy", "random:emu3-tiny").out.splitlines()
    assert any(line.startswith("trains  language.layers ") for line in lines)
    assert any(line.startswith("frozen  vq ") for line in lines)
    assert "parameters train" in lines[-1]


def test_an_unknown_policy_is_a_mistake_that_names_the_nearest(run: Run) -> None:
    outcome = run("doctor", "--policy", "random:janus-tinny")
    assert outcome.code == 2
    assert "Did you mean 'janus-tiny'" in outcome.err
