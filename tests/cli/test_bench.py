"""`tessera bench`: structure and speed of the command at tiny sizes, never how fast this machine is."""

import json
from pathlib import Path
from typing import Any

import pytest

from tessera.bench.logprob import METHODS
from tessera.cli import bench
from tessera.errors import UserError
from tessera.storage import append_jsonl, write_json

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
    assert set(result["methods"]) == set(METHODS)
    of_policy = measured("logprob", "--rows", "2", "--policy", "random:llamagen-tiny")
    assert of_policy["policy"] == "random:llamagen-tiny"


def test_train_has_phases_and_a_ratio(measured: Any) -> None:
    result = measured("train", "--policy", "random:janus-tiny", "--group", "2", "--micro-batch", "2")
    assert {"prefill", "steps", "decode", "reward", "reference", "policy", "backward", "optimizer"} <= set(
        result["phases"]
    )
    assert result["ratio_vs_plain_loop"]["median"] > 0


def test_train_in_bfloat16_stands_beside_the_plain_loop_in_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--prompts", "2", "--group", "2", "--micro-batch", "4", "--precision", "bfloat16")
    assert bench.run(["train", *words, "--repeats", "1", "--device", "cpu", "--out", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "train-mosaic-bfloat16.json").read_text(encoding="utf-8"))
    assert {"ours", "plain loop", "plain loop, float32"} <= set(result["seconds"])
    out = capsys.readouterr().out
    assert "learning in bfloat16" in out
    assert (
        f"against it in float32           {result['ratio_vs_plain_loop_float32']['median']:.2f} times" in out
    )
    assert f"Open {tmp_path / 'report.html'} in a browser." in out


def test_growth_takes_the_axes_that_are_asked_for(measured: Any) -> None:
    result = measured("growth", "--axis", "batch", "--limit", "1e-6")
    assert [(curve["axis"], curve["what"]) for curve in result["curves"]] == [
        ("batch", "draw"),
        ("batch", "update"),
    ]
    with pytest.raises(UserError, match="--limit must be above 0"):
        bench.run(["growth", "--limit", "0"])


def test_a_result_says_where_when_and_by_which_command(measured: Any) -> None:
    result = measured("logprob", "--rows", "1", "--policy", "random:llamagen-tiny")
    assert result["command"] == (
        "tessera bench logprob --rows 1 --policy random:llamagen-tiny --repeats 1 --device cpu"
    )
    assert result["machine"]["processor"]
    assert result["machine"]["versions"]["torch"]
    assert result["date"].endswith("+00:00")


def test_results_of_a_folder_make_one_page(measured: Any, tmp_path: Path) -> None:
    out = tmp_path / "bench"
    measured("logprob", "--rows", "1", "--policy", "random:llamagen-tiny", "--out", str(out))
    measured("reward", "--scorer", "metric", "--pictures", "2", "--out", str(out))
    assert {path.name for path in out.iterdir()} == {
        "logprob-random-llamagen-tiny.json",
        "reward-mosaic.json",
        "report.html",
    }
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Log-probabilities" in page
    assert "2 pictures of mosaic" in page


def test_a_study_that_is_there_is_read_and_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One stage of 8 s in a process of 10, on one of two slots; 7 CPU seconds after one of loading."""
    stage = tmp_path / "stages" / "evaluate-a"
    stage.mkdir(parents=True)
    cost = {"images": 4, "seconds": 8.0, "cpu_seconds": 7.0, "start_cpu_seconds": 1.0, "peak_memory_mb": 9.0}
    write_json(stage / "COMPLETE", cost)
    write_json(tmp_path / "study.json", {"name": "mine", "tessera": "0", "machine": {"cpus": 2}})
    line = {"stage": "evaluate-a", "began": 1.0, "ended": 11.0, "slots": 2}
    append_jsonl(tmp_path / "timeline.jsonl", [line])
    assert bench.run(["study", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert (
        "mine: 1 stages, 2 at once, 2 cores: 10 s, 8 CPU seconds; 0.80 cores busy, 40% of the machine" in out
    )
    assert "no stage to run          10.0 s  50.0%" in out
    assert bench.run(["study", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["own"] is None


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no study"):
        bench.run(["study", str(tmp_path)])
    with pytest.raises(UserError, match="unknown study 'quik'"):
        bench.run(["study", "quik"])


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
