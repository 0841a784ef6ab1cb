"""`tessera bench`: structure and speed of the command at tiny sizes, never how fast this machine is."""

import json
from typing import Any

import pytest

from tessera.cli import bench
from tessera.errors import UserError

SMALL = ("--repeats", "1", "--device", "cpu", "--json")


@pytest.fixture
def measured(capsys: pytest.CaptureFixture[str]) -> Any:
    """Returns a function that runs a bench and reads its JSON."""

    def call(*words: str) -> dict[str, Any]:
        assert bench.run([*words, *SMALL]) == 0
        return json.loads(capsys.readouterr().out)

    return call


@pytest.mark.filterwarnings("ignore")  # transformers warns of its own settings
def test_rollout_has_a_row_for_each_batch_and_both_ratios(measured: Any) -> None:
    result = measured("rollout", "--policy", "random:janus-tiny", "--batch", "2", "3", "--group", "2")
    assert [(row["batch"], row["prompts"]) for row in result["batches"]] == [(2, 1), (3, 2)]
    for row in result["batches"]:
        assert row["ratio_vs_growing_cache"]["median"] > 0
        assert row["ratio_vs_generate"]["median"] > 0
        assert row["share_of_bandwidth"] > 0
    assert result["view"]["guidance"] == 5.0
    assert (result["clock"], result["repeats"]) == ("cpu", 1)


def test_random_weights_is_the_name_with_random_before_it(measured: Any) -> None:
    words = ("--policy", "llamagen-tiny", "--random-weights", "--guidance", "1")
    result = measured("rollout", *words, "--batch", "1")
    assert result["policy"] == "random:llamagen-tiny"
    assert result["view"]["guidance"] == 1.0
    assert result["batches"][0]["ratio_vs_generate"] is None


def test_logprob_takes_sizes_or_a_policy(measured: Any) -> None:
    sizes = ("--rows", "2", "--tokens", "16", "--codebook", "64", "--channels", "8", "--chunk", "4")
    result = measured("logprob", *sizes)
    assert (result["policy"], result["tokens"], result["chunk"]) == (None, 16, 4)
    assert set(result["methods"]) == {"plain", "chunked", "chunked, recomputed"}
    of_policy = measured("logprob", "--rows", "2", "--policy", "random:llamagen-tiny")
    assert of_policy["policy"] == "random:llamagen-tiny"


def test_train_has_phases_and_a_ratio(measured: Any) -> None:
    result = measured("train", "--policy", "random:janus-tiny", "--group", "2", "--micro-batch", "2")
    assert {"prefill", "steps", "decode", "reward", "reference", "policy", "backward", "optimizer"} <= set(
        result["phases"]
    )
    assert result["ratio_vs_plain_loop"]["median"] > 0


def test_reward_has_a_speed_for_each_scorer(measured: Any) -> None:
    result = measured("reward", "--scorer", "metric", "orm", "--pictures", "4")
    assert set(result["scorers"]) == {"metric", "orm"}
    assert all(each["images_per_second"]["median"] > 0 for each in result["scorers"].values())


def test_lines_for_a_person_say_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.run(["rollout", "--batch", "2", "--repeats", "1", "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "mosaic, cpu, 1 threads, cpu seconds" in out
    assert "against the growing cache" in out
    assert bench.run(["logprob", "--rows", "1", "--repeats", "1", "--device", "cpu"]) == 0
    assert "chunked, recomputed" in capsys.readouterr().out


def test_without_a_bench_there_is_help_and_a_wrong_one_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert bench.run([]) == 0
    assert "tessera bench WHAT" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"unknown bench 'rolout'. Did you mean 'rollout'"):
        bench.run(["rolout"])


@pytest.mark.parametrize("words", [("rollout", "--batch", "0"), ("train", "--micro-batch", "0")])
def test_counts_below_one_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="must be 1 or more, got 0"):
        bench.run(list(words))
