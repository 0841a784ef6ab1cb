"""`tessera plan`: the table a person reads, the object a program reads, and mistakes in one sentence."""

import json

import pytest

from tessera.cli.plan import run as run_plan
from tessera.errors import UserError

JANUS = ("mosaic-grpo", "--policy", "janus-pro-7b", "--gpu", "80GB")
FREE = "micro_batch=null"  # the recipe has one that suits the small policy


def test_a_plan_that_fits_says_with_which_batches_and_how_long(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_plan([*JANUS, "--set", "adapter.rank=16", FREE]) == 0
    text = capsys.readouterr().out
    assert "37.5 M of an adapter of rank 16 train" in text
    assert "Fits: at most " in text
    assert "--set micro_batch=" in text
    assert "pictures per GPU and second" in text
    assert "key-value cache" in text
    assert "Does not fit" not in text


def test_a_plan_that_does_not_fit_says_what_to_change(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_plan([*JANUS, "--set", FREE]) == 0
    text = capsys.readouterr().out
    assert "Does not fit: " in text
    assert "  adapter.rank=16: " in text
    assert "  strategy=fsdp --num-gpus " in text
    assert ", fits, " in text


def test_the_object_has_every_part_of_every_phase(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_plan(["mosaic-dpo", "--gpu", "4090", "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    plan = json.loads(captured.out)
    assert (plan["fits"], plan["policy"], plan["gpu"]["memory"]) == (True, "mosaic", 24 * 10**9)
    assert list(plan["memory_gb"]) == ["sample", "decode", "reward", "reference", "update", "step"]
    worst = plan["memory_gb"][plan["peak_phase"]]
    assert sum(worst.values()) == pytest.approx(plan["peak_gb"], abs=1e-2)
    assert plan["micro_batch"] == 32
    assert (plan["changes"], plan["together"]) == ([], None)
    assert plan["hours"] > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("mosaic-grpo", "--gpu", "h1000"), "unknown GPU 'h1000'"),
        (("mosaic-grpo", "--policy", "janus-pro-7"), "Did you mean 'janus-pro-7b'"),
        (("mosaic-gpro",), "Did you mean 'mosaic-grpo'"),
        (("mosaic-grpo", "--num-gpus", "3"), "cannot be divided among 3 GPUs"),
        (("mosaic-grpo", "--num-gpus", "0"), "--num-gpus must be 1 or more"),
        (("mosaic-grpo", "--set", "adapter.rank=16", "strategy=fsdp"), "or unset adapter"),
    ],
)
def test_a_mistake_is_told(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run_plan(words)


def test_sizes_that_nobody_told_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    custom = ("reward.kind=custom", "reward.function=some:where")
    assert run_plan(["mosaic-grpo", "--set", *custom]) == 0
    assert "Not counted, as nobody has told their sizes: some:where." in capsys.readouterr().out
