"""The page of measurements: whatever a bench wrote is on it, and nobody else's page is written over."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from tessera.errors import OutputError
from tessera.report.bench import PAGE, bench_page, file_name, keep_result, reading
from tessera.report.bench_charts import bars, growth_curves, log_scale, parts, phase_class


def spread(median: float) -> dict[str, float]:
    return {"median": median, "low": 0.9 * median, "high": 1.1 * median}


def result(bench: str, **more: Any) -> dict[str, Any]:
    return {
        "bench": bench,
        "tessera": "0",
        "command": f"tessera bench {bench} --out <here>",
        "date": "2026-11-21T11:30:12+00:00",
        "machine": {
            "processor": "A Processor",
            "cores": 2,
            "gpu": None,
            "system": "Linux",
            "versions": {"python": "3", "torch": "2"},
        },
        "device": "cpu",
        "threads": 1,
        "clock": "cpu",
        "repeats": 3,
        "policy": "mosaic",
    } | more


ROLLOUT = result(
    "rollout",
    tokens=64,
    view={"guidance": 1.5},
    batches=[
        {
            "batch": 8,
            "prompts": 1,
            "ms_per_step": 1.2,
            "images_per_second": {
                "ours": spread(100.0),
                "growing cache": spread(50.0),
                "growing cache, our products": spread(57.0),
            },
            "ratio_vs_growing_cache": spread(2.0),
            "ratio_vs_generate": None,
            "ratios_with_our_products": {"growing cache, our products": spread(1.75)},
            "share_of_bandwidth": 0.25,
            "share_of_products": 0.5,
        }
    ],
)
TRAIN = result(
    "train",
    prompts=2,
    group=4,
    micro_batch=4,
    logp_view="guided",
    precision="bfloat16",
    lora=None,
    recompute=False,
    peak_bytes=None,
    seconds={"ours": spread(2.0), "plain loop": spread(3.0), "plain loop, float32": spread(4.0)},
    ratio_vs_plain_loop=spread(1.5),
    ratio_vs_plain_loop_float32=spread(2.0),
    ratios_with_our_products={},
    phases={"steps": 1.0, "backward": 0.75, "rest": -0.001},
    share_of_products={"step": 0.4, "update": 0.6},
)
LOGPROB = result(
    "logprob",
    policy=None,
    rows=2,
    tokens=4,
    codebook=8,
    channels=2,
    chunk=2,
    methods={
        "plain": {"peak_bytes": 2**21, "memory_vs_plain": 1.0, "speed_vs_plain": spread(1.0)},
        "slopes at once": {"peak_bytes": 2**20, "memory_vs_plain": 0.5, "speed_vs_plain": spread(1.25)},
        "plain, head trains": {"peak_bytes": 2**22, "memory_vs_plain": 1.0, "speed_vs_plain": spread(1.0)},
    },
)
REWARD = result(
    "reward",
    pictures=4,
    scorers={"metric": {"images_per_second": spread(10.0), "first_call_seconds": 0.1, "missing": 0}},
)


def curve(axis: str, what: str, power: float) -> dict[str, Any]:
    values = (1, 4, 16)
    points = [
        {"value": n, "pictures": 1, "seconds": n**power, "peak_bytes": 2**20 * n, "flops": n**2.0}
        for n in values
    ]
    slopes = {"seconds": power, "peak_bytes": 1.0, "flops": 2.0}
    return {"axis": axis, "what": what, "points": points, "exponents": slopes, "left_out": []}


GROWTH = result(
    "growth",
    policy=None,
    sizes={"width": 128, "layers": 4, "grid": 8, "codebook": 1024},
    curves=[curve("batch", "draw", 1.0), curve("batch", "update", 1.5), curve("group", "draw", 0.5)],
)
STUDY = result(
    "study",
    study="quick",
    policy=None,
    stages=3,
    slots=2,
    cores=2,
    wall_seconds=16.0,
    cpu_seconds=24.0,
    cores_used=1.5,
    share_of_machine=0.75,
    free_slot_seconds=12.0,
    phases={"start": 5.0, "sample": 4.0, "evaluation": 11.0},
    kinds={
        "train": {
            "stages": 1,
            "images": 64,
            "wall_seconds": 10.0,
            "cpu_seconds": 7.0,
            "start_cpu_seconds": 1.5,
            "peak_memory_mb": 400.0,
        }
    },
)
ALL = (ROLLOUT, TRAIN, LOGPROB, REWARD, GROWTH, STUDY)


def test_every_bench_has_its_place_on_the_page(tmp_path: Path) -> None:
    for each in reversed(ALL):
        assert keep_result(tmp_path, each) == tmp_path / PAGE
    text = (tmp_path / PAGE).read_text(encoding="utf-8")
    places = [text.index(f'<section id="{each["bench"]}">') for each in ALL]
    assert places == sorted(places) == sorted(set(places))
    assert "100 images/s" in text
    assert "takes 2.00 times as long (1.80–2.20)" in text
    assert "4 images/s" in text  # 8 pictures in 2 s
    assert "0.50 of plain" in text
    assert (text.count("The head is frozen"), text.count("The head trains")) == (2, 2)
    assert "exponent 1.50, of the work 2.00" in text
    assert "no stage to run 38" in text  # 12 of 32 slot seconds
    assert "A Processor, 2 cores" in text
    assert "tessera bench train --out &lt;here&gt;" in text


def test_a_result_takes_the_place_of_the_one_before_it_and_another_precision_does_not(tmp_path: Path) -> None:
    adapted = TRAIN | {"precision": "float32", "lora": 16}
    names = [file_name(each) for each in (TRAIN, TRAIN | {"precision": "float32"}, adapted, STUDY, LOGPROB)]
    assert names == [
        "train-mosaic-bfloat16.json",
        "train-mosaic.json",
        "train-mosaic-lora.json",
        "study-quick.json",
        "logprob.json",
    ]
    assert file_name(TRAIN | {"policy": "runs/my run"}) == "train-runs-my-run-bfloat16.json"
    keep_result(tmp_path, TRAIN)
    keep_result(tmp_path, TRAIN | {"prompts": 3})
    assert json.loads((tmp_path / names[0]).read_text())["prompts"] == 3
    assert bench_page(tmp_path).count('class="part"') == 1


def test_a_page_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / PAGE).write_text("a run")
    (tmp_path / "config.json").write_text('{"recipe": "mosaic-grpo"}')
    with pytest.raises(OutputError, match="something else"):
        keep_result(tmp_path, TRAIN)
    assert (tmp_path / PAGE).read_text() == "a run"
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        keep_result(tmp_path / "file", TRAIN)


def test_the_lead_says_the_ratios() -> None:
    text = reading([ROLLOUT, TRAIN, STUDY])
    assert "Drawing mosaic is 2.00 times as fast as with a growing cache." in text
    assert "in bfloat16 is 1.50 times as fast as the plain loop’s, and 2.00 times as that in float32." in text
    assert "1.50 of 2 cores busy" in text


def test_the_longest_bar_is_full_and_the_parts_of_a_bar_fill_it() -> None:
    one, two = bars([("a", 1.0, "1", ""), ("b", 4.0, "4", "")], ours=("b",))
    assert ("in-domain" in one.drawn, "in-domain" in two.drawn) == (False, True)
    assert 'width="25.00%"' in one.drawn
    assert 'width="100.00%"' in two.drawn
    drawn = parts({"steps": 1.0, "backward": 3.0, "rest": -0.1}, title="t")
    rects = ElementTree.fromstring(drawn.drawn).findall("rect")
    assert [(each.get("x"), each.get("width")) for each in rects] == [
        ("0.000%", "25.000%"),
        ("25.000%", "75.000%"),
    ]
    assert [key.name for key in drawn.legend] == ["steps 25\u202f%", "backward 75\u202f%"]


def test_a_power_is_a_straight_line_and_dashes_end_where_it_ends() -> None:
    """Seconds 1 to 16 over 1 to 16 on a scale to 100; operations fall twice as steeply from the end."""
    time, memory = growth_curves([curve("batch", "draw", 1.0)])
    assert (time.title, memory.title) == ("Seconds over batch", "Peak MiB over batch")
    assert 'd="M0.00 100.00 L50.00 69.90 L100.00 39.79"' in time.drawn
    assert 'd="M0.00 100.00 L50.00 100.00 L100.00 39.79"' in time.drawn
    assert memory.captions == ("draw: exponent 1.00",)


def test_a_logarithmic_scale_has_whole_powers_of_ten() -> None:
    assert log_scale(np.array([0.02, 3.0])).ticks == ((-2.0, "0.01"), (-1.0, "0.1"), (0.0, "1"), (1.0, "10"))
    wide = log_scale(np.array([1e-3, 1e4]))
    assert [text for _, text in wide.ticks] == ["0.001", "0.1", "10", "1000"]
    one = log_scale(np.array([10.0]))
    assert (one.low, one.high) == (1.0, 2.0)


def test_phases_have_colours_and_what_is_left_has_the_faintest() -> None:
    assert phase_class("steps") == phase_class("sample") == "phase-0"
    assert phase_class("rest") == phase_class("training, the rest") == "phase-5"
    assert phase_class("anything") == "phase-6"
